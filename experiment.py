"""The run of one scheme of a prepared scenario: what takes time and what takes accuracy, together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from .analysis.tables import round_table, scheme_summary
from .place_tables import (
    cut_list,
    device_table,
    drawn_device_table,
    energy_columns,
    memory_table,
    node_table,
)
from .preparation import Experiment
from .scenarios.participation import Participation
from .sim.record import timeline_fingerprint
from .sim.schemes.base import Scheme
from .sim.schemes.drawing import Drawing, draw_for
from .sim.schemes.engine import RoundResult, rounds
from .sim.schemes.on_air import PlannedLinks, sharing_rules
from .sim.schemes.planning import SchemePlan
from .sim.schemes.replanning import Replanner
from .sim.world import World, slowdown_traces

__all__ = ["OnRound", "SchemeRun", "make_world", "run_scheme", "scheme_learner"]

OnRound: TypeAlias = Callable[[str, RoundResult], None]
"""Called with a scheme's label after each of its rounds."""


@dataclass(frozen=True)
class SchemeRun:
    """What one scheme's run produced: its share of every file of the run folder."""

    label: str
    summary: dict[str, Any]
    rounds: pd.DataFrame
    devices: pd.DataFrame
    nodes: pd.DataFrame
    memory: pd.DataFrame
    intervals: pd.DataFrame
    interrupted: bool


def run_scheme(
    experiment: Experiment, scheme: Scheme, plan: SchemePlan, on_round: OnRound
) -> SchemeRun | None:
    """Run one scheme in a world of its own, until its stop or an interrupt.

    Returns
    -------
    SchemeRun or None
        None if it was interrupted before its first round was finished.
    """
    scenario = experiment.loaded.scenario
    label = str(scheme.parameters.label)
    world, planner = make_world(experiment, scheme, plan)
    learner = scheme_learner(experiment, scheme)
    learning = scenario.learning
    results: list[RoundResult] = []
    cuts: list[str] = []
    interrupted = False
    try:
        for result in rounds(
            scheme,
            world,
            learner,
            scenario.stop,
            learning.evaluate_every if learning else 1,
            planner.before_round,
        ):
            cuts.append("|".join(cut_list(scheme, scheme.cut, devices=1)))
            results.append(result)
            on_round(label, result)
    except KeyboardInterrupt:
        interrupted = True
    if not results:
        return None
    identity = {"label": label, "seed": scenario.seed}
    took_part = sorted(planner.given) if isinstance(planner, Drawing) else None
    intervals = world.record.frame()
    intervals = intervals[intervals["round"] <= len(results)].reset_index(drop=True)
    table = round_table(intervals, _learnt(scheme, identity, results, cuts))
    summary = {
        "scheme": scheme.parameters.name,
        "cut": (list(scheme.cut) if isinstance(scheme.cut, tuple) else scheme.cut)
        if scheme.has_cut
        else None,
        **scheme.details,
        "predicted_latency_s": plan.predicted_s,
        **scheme_summary(table, scenario.target_accuracy),
        "plans": 1 + planner.plans,
        "left_at_s": {str(client): world.left_at_s[client] for client in sorted(world.left_at_s)},
        "timeline_fingerprint": timeline_fingerprint(intervals),
        # an interrupted round may have moved some of the weights
        "weights_fingerprint": learner.fingerprint(took_part) if learner and not interrupted else None,
    }
    if isinstance(planner, Drawing):
        devices = drawn_device_table(experiment, scheme, planner, identity, results[-1].accuracy)
    else:
        devices = device_table(experiment, scheme, plan, identity, results[-1].accuracy)
    devices = devices.assign(**energy_columns(intervals, devices["device"].tolist()))
    devices["left_at_s"] = [world.left_at_s.get(client, np.nan) for client in devices["device"]]
    took_part_in = Counter(client for result in results for client in result.outcome.participants)
    devices["rounds"] = [took_part_in[client] for client in devices["device"]]
    nodes = node_table(experiment, scheme, world, identity, intervals)
    summary |= {
        "device_memory_bits": float(devices["memory_bits"].max()),
        "node_memory_bits": float(nodes[["memory_planned_bits", "memory_peak_bits"]].max().max()),
        "cost": float(nodes["cost"].sum()),
    }
    intervals = intervals.assign(label=label, seed=scenario.seed)
    first = [*identity, "round"]
    intervals = intervals[[*first, *(c for c in intervals.columns if c not in first)]]
    memory = memory_table(world, identity)
    return SchemeRun(label, summary, table, devices, nodes, memory, intervals, interrupted)


def make_world(experiment: Experiment, scheme: Scheme, plan: SchemePlan) -> tuple[World, Replanner | Drawing]:
    """Return a new world of the scheme, connected by its plan, and what plans anew in it."""
    scenario, channel = experiment.loaded.scenario, experiment.channel
    drawing = None
    if scenario.participation is not None:
        drawing = _drawing(experiment, scheme, plan, scenario.participation)
        channel = channel.of(drawing.members)
    links = PlannedLinks(plan, channel)
    sharing = sharing_rules(scheme, plan, channel, links, scenario.radio)
    world = World(
        scenario.server,
        experiment.fleet,
        links,
        slowdown_traces(scenario),
        sharing,
        network=experiment.site.network,
        server_shares=scheme.server_shares,
        members=drawing.members if drawing else None,
    )
    if drawing is not None:
        return world, drawing
    replanner = Replanner(
        scheme,
        plan,
        channel,
        experiment.speeds,
        scenario.allocation,
        scenario.radio,
        scenario.seed,
    )
    return world, replanner


def _drawing(
    experiment: Experiment, scheme: Scheme, plan: SchemePlan, participation: Participation
) -> Drawing:
    scenario, speeds, site = experiment.loaded.scenario, experiment.speeds, experiment.site
    draw = draw_for(participation, scheme, experiment.problem, speeds, site, scenario.seed)
    return Drawing(
        scheme,
        plan,
        draw,
        experiment.channel,
        speeds,
        site,
        scenario.allocation,
        scenario.radio,
        scenario.seed,
    )


def scheme_learner(experiment: Experiment, scheme: Scheme) -> Any:
    """Return a new learner of the scheme, or None for a timeline alone."""
    scenario = experiment.loaded.scenario
    if scenario.learning is None or experiment.data is None:
        return None
    from .models.learning.factory import make_learner

    return make_learner(
        scheme.learner,
        scheme.learner_options,
        model=scenario.model,
        cut=common_cut(scheme) or 0,
        data=experiment.data,
        learning=scenario.learning,
        seed=scenario.seed,
        compression=scheme.job.compression.section if scheme.job.compression else None,
    )


def _learnt(
    scheme: Scheme, identity: dict[str, Any], results: list[RoundResult], cuts: list[str]
) -> pd.DataFrame:
    rows = []
    for result, cut in zip(results, cuts, strict=False):
        accuracy = result.accuracy
        rows.append(
            {
                "scheme": scheme.parameters.name,
                **identity,
                "round": result.number,
                "end_s": result.end_s,
                "cut": cut,
                "participants": len(result.outcome.participants),
                "updates": result.outcome.updates,
                "samples": result.outcome.samples,
                "train_loss": result.train_loss,
                "test_accuracy": accuracy.mean if accuracy else np.nan,
                "test_accuracy_min": min(accuracy.per_client) if accuracy else np.nan,
                "test_accuracy_max": max(accuracy.per_client) if accuracy else np.nan,
                "test_accuracy_averaged": accuracy.averaged if accuracy else np.nan,
                "validation_accuracy": _or_nan(accuracy.validation if accuracy else None),
            }
        )
    return pd.DataFrame(rows)


def common_cut(scheme: Scheme) -> int | None:
    """Return the cut that all devices have; None where they differ."""
    cuts = {scheme.cut} if isinstance(scheme.cut, int) else set(scheme.cut)
    return cuts.pop() if len(cuts) == 1 else None


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
