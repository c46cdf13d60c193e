"""The explanation of a run: the nodes that held up its rounds, for how long, and why."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ..comparison.experiment_groups import scenario_of
from ..results.run import Run
from .activities import by_round
from .causes import CAUSES, Cause, NodeEvents, PlannedSpeeds
from .critical_path import PATH_COLUMNS, segment_rows
from .round_graph import RoundGraph
from .round_times import idle_shares, round_times
from .segments import Segment, Segments

__all__ = [
    "BOTTLENECK_ACTIVITIES",
    "MAX_ACTIVITIES",
    "Explanation",
    "UnknownRoundError",
    "explain_run",
]

MAX_ACTIVITIES = 100_000
"""Of a scheme with more activities, about this number is explained, in evenly spaced rounds."""
BOTTLENECK_ACTIVITIES = 1_000
"""The same for the lines at the end of a run, which must cost little."""
_SLACK_COLUMNS = ["label", "round", "device", "slack_s", "phase"]


class UnknownRoundError(ValueError):
    """Raised if a run has no such round or scheme; the message lists those that it has."""


@dataclass(frozen=True, repr=False)
class Explanation:
    """The nodes, phases and causes that held up the rounds of a run.

    Attributes
    ----------
    path : DataFrame
        One row a segment of each explained round's critical path: ``label, round``, and the columns of
        :func:`.critical_path`.
    blame : DataFrame
        One row a scheme, node and phase: ``time_s`` on the critical paths, its ``share`` of the time of all
        explained rounds, and the time by cause. Clients that are tied bear equal parts.
    slack : DataFrame
        One row a client of an explained round: ``label, round, device, slack_s``, by how much it could have
        been later without changing the round's end, and ``phase``, where it had that little slack.
    rounds : DataFrame
        One row a scheme: its ``label``, and ``paper_label`` for texts; ``rounds``, how many of them are
        ``explained``, ``plan_for``, ``planned_s``, ``mean_s``, ``p50_s, p95_s, p99_s`` of all round times,
        and ``measured_over_planned``.
    idle : DataFrame
        One row a scheme and node: ``busy_s``, and ``idle_share`` of the whole simulated time.
    """

    path: pd.DataFrame
    blame: pd.DataFrame
    slack: pd.DataFrame
    rounds: pd.DataFrame
    idle: pd.DataFrame

    def __str__(self) -> str:
        """Return the tables of the explanation as text."""
        from .text import report  # it needs this class

        return report(self)

    def __repr__(self) -> str:
        """Return one line with the schemes and their explained rounds."""
        each = ", ".join(f"{row.label}: {row.explained} rounds" for row in self.rounds.itertuples())
        return f"<Explanation of {each}>"

    @property
    def bottlenecks(self) -> list[str]:
        """Return a line for each scheme that names the node that held up most of the time."""
        from .text import bottleneck

        return [bottleneck(self, label) for label in self.rounds["label"]]


def explain_run(
    run: Run,
    schemes: Sequence[str] = (),
    number: int | None = None,
    *,
    max_activities: int = MAX_ACTIVITIES,
) -> Explanation:
    """Explain the rounds of a run, from its tables alone.

    Parameters
    ----------
    schemes : sequence of str, optional
        Labels of the schemes to explain; all by default.
    number : int, optional
        The only round to explain.
    max_activities : int, optional
        The number of activities of a scheme from which on only evenly spaced rounds are explained.

    Raises
    ------
    UnknownRoundError
        If the run lacks a scheme or the round, or if its intervals are lost.
    """
    labels = _labels(run, schemes)
    if run.recorded.lost:
        raise UnknownRoundError(f"the intervals of the run are lost: {run.recorded.lost}")
    if number is not None:
        labels = [label for label in labels if number in set(_rounds_of(run, label)["round"])]
        if not labels:
            last = int(run.rounds["round"].max())
            raise UnknownRoundError(f"no scheme has a round {number}; rounds count from 1 to {last}")
    each = [_explain_scheme(run, label, number, max_activities) for label in labels]
    return Explanation(
        _joined([scheme.path for scheme in each], ["label", "round", *PATH_COLUMNS]),
        _joined([scheme.blame for scheme in each], ["label", "node", "phase", "time_s", "share", *CAUSES]),
        _joined([scheme.slack for scheme in each], _SLACK_COLUMNS),
        round_times(run, {scheme.label: scheme.explained for scheme in each}),
        idle_shares(run, labels),
    )


def _labels(run: Run, schemes: Sequence[str]) -> list[str]:
    have = [label for label in run.summary["schemes"] if len(_rounds_of(run, label))]
    unknown = [label for label in schemes if label not in have]
    if unknown:
        raise UnknownRoundError(f"the run has no {', '.join(unknown)}; it has: {', '.join(have)}")
    return [label for label in have if label in schemes] if schemes else have


def _rounds_of(run: Run, label: str) -> pd.DataFrame:
    return run.rounds[run.rounds["label"].astype(str) == label]


def _joined(tables: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    with_rows = [table for table in tables if len(table)]
    return pd.concat(with_rows, ignore_index=True) if with_rows else pd.DataFrame(columns=columns)


@dataclass(frozen=True)
class _ExplainedScheme:
    label: str
    explained: int
    path: pd.DataFrame
    blame: pd.DataFrame
    slack: pd.DataFrame


def _explain_scheme(run: Run, label: str, number: int | None, max_activities: int) -> _ExplainedScheme:
    rounds = _rounds_of(run, label).set_index("round")
    chosen = [number] if number is not None else _chosen_rounds(run, label, rounds, max_activities)
    scenario = scenario_of(run)
    # compute nodes may work on after the end of a round
    needed = {*chosen, *(each - 1 for each in chosen)} if scenario.get("network") else set(chosen)
    intervals = run.recorded.of_rounds(label, needed)
    devices = run.devices[run.devices["label"].astype(str) == label]
    events = NodeEvents(_events_of(run, label))
    segments = Segments(PlannedSpeeds.of(devices, scenario), events)
    starts_s, ends_s = (
        dict(zip(chosen, rounds.loc[chosen, column].tolist(), strict=True)) for column in ("start_s", "end_s")
    )
    blame: dict[tuple[str, str], dict[str, float]] = defaultdict(partial(defaultdict, float))
    paths: list[tuple[Any, ...]] = []
    slack: list[tuple[Any, ...]] = []
    for each, activities in by_round(intervals, starts_s):
        start_s, end_s = starts_s[each], ends_s[each]
        graph = RoundGraph(activities, start_s, end_s, events.left_out(start_s, end_s))
        paths += [(label, each, *row) for row in segment_rows(segments.of_path(graph))]
        _add_blame(blame, segments.of_round(graph))
        slack += [
            (label, each, client, step.slack_s, step.activity.phase if step.activity else "")
            for client, step in sorted(graph.client_slack().items())
        ]
    total_s = math.fsum(ends_s[each] - starts_s[each] for each in chosen)
    return _ExplainedScheme(
        label,
        len(chosen),
        pd.DataFrame(paths, columns=["label", "round", *PATH_COLUMNS]),
        _blame_table(label, blame, total_s),
        pd.DataFrame(slack, columns=_SLACK_COLUMNS),
    )


def _chosen_rounds(run: Run, label: str, rounds: pd.DataFrame, max_activities: int) -> list[int]:
    """Return all rounds, or evenly spaced ones if there are too many activities."""
    stages = run.stages[run.stages["label"].astype(str) == label]
    count = len(rounds)
    affordable = int(max_activities * count / max(1.0, float(stages["intervals"].sum())))
    if affordable >= count:
        return [int(number) for number in rounds.index]
    places = np.linspace(0, count - 1, max(1, affordable)).round().astype(int)
    return [int(rounds.index[place]) for place in np.unique(places)]


def _events_of(run: Run, label: str) -> pd.DataFrame:
    return run.events[run.events["label"].astype(str) == label]


def _add_blame(blame: dict[tuple[str, str], dict[str, float]], segments: Iterable[Segment]) -> None:
    for segment in segments:
        cell = blame[segment.node, segment.phase or segment.kind]
        cell["time_s"] += segment.weight * (segment.end_s - segment.start_s)
        for cause, time_s in segment.causes_s.items():
            cell[f"{cause}_s"] += time_s


def _blame_table(label: str, blame: dict[tuple[str, str], dict[str, float]], total_s: float) -> pd.DataFrame:
    rows = [
        {
            "label": label,
            "node": node,
            "phase": phase,
            "time_s": cell["time_s"],
            "share": cell["time_s"] / total_s if total_s else math.nan,
            **{f"{cause}_s": cell[f"{cause}_s"] for cause in Cause},
        }
        for (node, phase), cell in blame.items()
    ]
    columns = ["label", "node", "phase", "time_s", "share", *CAUSES]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("time_s", ascending=False, kind="stable", ignore_index=True)
