"""Rounds of small worlds with their graphs, and interval tables that are written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from cutlayer.analysis.explain.activities import by_round
from cutlayer.analysis.explain.round_graph import RoundGraph
from cutlayer.sim.links.schedulers import Scheduler
from cutlayer.sim.nodes.fleet import Fleet
from tests.support.worlds import Setting, run_timeline


def interval_table(*rows: tuple[str, str, str, float, float, dict[str, Any]]) -> pd.DataFrame:
    """Return a table of intervals from node, lane, phase, start and end of each, and its other columns."""
    columns = {"round": 1, "wait_s": 0.0, "bits": 0.0, "flops": 0.0, "energy_j": 0.0, "client": -1}
    cells = [
        {"node": node, "lane": lane, "phase": phase, "start_s": start_s, "end_s": end_s, **columns, **others}
        for node, lane, phase, start_s, end_s, others in rows
    ]
    return pd.DataFrame(cells)


def graphs(intervals: pd.DataFrame, ends_s: Sequence[float]) -> Iterator[RoundGraph]:
    """Yield the graph of each round of one scheme; every round begins when the one before ends."""
    starts_s = dict(enumerate([0.0, *ends_s[:-1]], 1))
    for number, activities in by_round(intervals, starts_s):
        yield RoundGraph(activities, starts_s[number], ends_s[number - 1])


def simulated(
    setting: Setting,
    name: str,
    cut: int,
    *,
    count: int = 1,
    sharing: tuple[Scheduler, Scheduler] | None = None,
    **options: Any,
) -> tuple[list[RoundGraph], list[float]]:
    """Return the graphs of a scheme's rounds in a world of this setting, and the ends of the rounds, [s]."""
    world, results = run_timeline(setting, name, cut, count=count, sharing=sharing, **options)
    ends_s = [result.end_s for result in results]
    return list(graphs(world.record.frame(), ends_s)), ends_s


def with_clock(setting: Setting, device: int, factor: float) -> Setting:
    """Return the setting with another clock of one device."""
    clocks_hz = setting.fleet.clock_hz.copy()
    clocks_hz[device] *= factor
    fleet: Fleet = replace(setting.fleet, clock_hz=clocks_hz)
    return replace(setting, fleet=fleet)
