"""The timeline of a scheme in windows of successive rounds, so that it need not be in memory at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ..comparison.experiment_groups import scenario_of
from ..results.run import Run
from .spans import Spans

__all__ = ["NoTimelineError", "Window", "spans_of", "windows"]

_WINDOW_INTERVALS = 50_000


class NoTimelineError(ValueError):
    """Raised if a run has none of the rounds, or if its intervals are lost."""


@dataclass(frozen=True)
class Window:
    """Successive rounds of one scheme.

    Attributes
    ----------
    label : str
        Label of the scheme.
    rounds : DataFrame
        Columns start_s and end_s, [s]; one row a round, with the number of the round as index.
    intervals, events : DataFrame
        The rows of these rounds, with times cut at the ends of the window. With compute nodes, also the rest
        of activities of the round before.
    samples_clients : bool
        Whether each round selects its clients from a population.
    """

    label: str
    rounds: pd.DataFrame
    intervals: pd.DataFrame
    events: pd.DataFrame
    samples_clients: bool

    @property
    def span(self) -> tuple[float, float]:
        """Return start and end of the window, [s]."""
        return float(self.rounds["start_s"].iloc[0]), float(self.rounds["end_s"].iloc[-1])

    def rounds_of(self, node: str) -> Spans:
        """Return the start and the end of each round in which a node takes part, [num_rounds, 2].

        These are all rounds, unless each round selects its clients. A device then takes part in the rounds in
        which it has an interval or an event.
        """
        if not (self.samples_clients and node.startswith("device-")):
            return self._all_rounds
        return self._all_rounds[self.rounds.index.isin(self._selected.get(node, ()))]

    @cached_property
    def _all_rounds(self) -> Spans:
        return spans_of(self.rounds)

    @cached_property
    def _selected(self) -> dict[str, set[int]]:
        """Return the rounds of each node in which it has an interval or an event."""
        rounds: dict[str, set[int]] = defaultdict(set)
        for table in (self.intervals, self.events):
            pairs = table[["node", "round"]].drop_duplicates()
            for node, number in zip(pairs["node"].tolist(), pairs["round"].tolist(), strict=True):
                rounds[str(node)].add(int(number))
        return rounds


def windows(run: Run, rounds: tuple[int, int] | None = None) -> Iterator[Window]:
    """Yield the windows of each scheme, in the order of the schemes and of their rounds.

    The rounds of a scheme follow each other without a gap. The last window of a run ends with the last
    activity, because compute nodes may work on after the end of the last round.

    Parameters
    ----------
    run : Run
        A finished run.
    rounds : (first, last), optional
        The rounds to read, from 1; all by default.

    Raises
    ------
    NoTimelineError
        If the run has none of the rounds, or if its intervals are lost.
    """
    if run.recorded.lost:
        raise NoTimelineError(f"the intervals of the run are lost: {run.recorded.lost}")
    if not len(run.rounds):
        raise NoTimelineError("the run has no round")
    last = int(run.rounds["round"].max())
    first_last = rounds or (1, last)
    if not 1 <= first_last[0] <= min(first_last[1], last):
        raise NoTimelineError(f"rounds {first_last[0]} to {first_last[1]}: the run's rounds are 1 to {last}")
    for label in run.summary["schemes"]:
        of_label = run.rounds[run.rounds["label"].astype(str) == label].set_index("round")
        chosen = of_label.loc[first_last[0] : first_last[1], ["start_s", "end_s"]]
        if len(chosen):
            yield from _windows_of(run, label, chosen, is_end=chosen.index[-1] == of_label.index[-1])


def _windows_of(run: Run, label: str, rounds: pd.DataFrame, *, is_end: bool) -> Iterator[Window]:
    scenario = scenario_of(run)
    stages = run.stages[run.stages["label"].astype(str) == label]
    all_rounds = int(run.summary["schemes"][label]["rounds"])
    per_round = max(1.0, float(stages["intervals"].sum()) / max(1, all_rounds))
    step = max(1, int(_WINDOW_INTERVALS / per_round))
    for position in range(0, len(rounds), step):
        part = rounds.iloc[position : position + step]
        numbers = [int(number) for number in part.index]
        # compute nodes may work on after the end of a round
        before = [numbers[0] - 1] if scenario.get("network") else []
        intervals = run.recorded.of_rounds(label, [*before, *numbers])
        if is_end and position + step >= len(rounds) and len(intervals):
            ends_s = part["end_s"].to_numpy(float, copy=True)
            ends_s[-1] = max(ends_s[-1], float(intervals["end_s"].max()))
            part = part.assign(end_s=ends_s)
        start_s, end_s = float(part["start_s"].iloc[0]), float(part["end_s"].iloc[-1])
        events = run.recorded_events.of_rounds(label, numbers)
        yield Window(
            label,
            part,
            _cut(intervals, start_s, end_s),
            _cut(events.rename(columns={"time_s": "start_s"}), start_s, end_s),
            bool(scenario.get("participation")),
        )


def _cut(table: pd.DataFrame, start_s: float, end_s: float) -> pd.DataFrame:
    """Return a table with the times cut at both ends, without activities that lie outside."""
    texts = {name: "category" for name in ("node", "lane", "phase") if name in table}
    cut = table.astype(texts)
    for column in ("start_s", "end_s"):
        cut[column] = np.clip(cut[column].to_numpy(float), start_s, end_s)
    return cut[~((cut["start_s"] == cut["end_s"]) & (table["start_s"] != table["end_s"]))]


def spans_of(table: pd.DataFrame) -> Spans:
    """Return start and end of each row, [num_rows, 2]."""
    return table[["start_s", "end_s"]].to_numpy(float)
