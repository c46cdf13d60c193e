"""The time of each lane of each node: busy by phase, idle by cause; and its differences between two runs."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..results.run import Run
from .idle_causes import IdleTimes
from .spans import gaps, length_s
from .windows import Window, windows

__all__ = ["BREAKDOWN_COLUMNS", "BUSY", "IDLE", "breakdown", "breakdown_differences"]

BUSY, IDLE = "busy", "idle"
"""The states of a lane."""
_LANE = ("label", "node", "lane")
_ROW = (*_LANE, "state", "activity")
BREAKDOWN_COLUMNS = (*_ROW, "rounds", "time_s", "time_per_round_s", "share")


class _Lane(NamedTuple):
    label: str
    node: str
    lane: str


def breakdown(run: Run, rounds: tuple[int, int] | None = None) -> pd.DataFrame:
    """Return the time of each lane: busy by phase, and idle by cause.

    All times of a lane sum to the length of the rounds in which its node takes part.

    Parameters
    ----------
    run : Run
        A finished run.
    rounds : (first, last), optional
        The rounds to count, from 1; all by default. Activities are cut at the ends of this time.

    Returns
    -------
    DataFrame
        One row a label, node, lane, state and activity. ``state`` is ``busy`` or ``idle``, and ``activity``
        is the phase, or the cause of the idle time as in :class:`.IdleCause`. ``rounds`` is the number of
        rounds in which the node takes part, ``time_s`` the sum over them, [s], ``time_per_round_s`` its mean,
        and ``share`` its share of their length, a fraction of 1.

    Raises
    ------
    NoTimelineError
        If the run has none of the rounds, or if its intervals are lost.
    """
    lanes = _lanes(run)
    time_s: dict[_Lane, dict[tuple[str, str], float]] = defaultdict(lambda: defaultdict(float))
    total_s: dict[_Lane, float] = defaultdict(float)
    num_rounds: dict[_Lane, int] = defaultdict(int)
    for window in windows(run, rounds):
        idle_times = IdleTimes(window)
        for lane in lanes[window.label]:
            of_node = window.rounds_of(lane.node)
            if not len(of_node):
                continue
            total_s[lane] += length_s(of_node)
            num_rounds[lane] += len(of_node)
            for key, seconds in _times(window, idle_times, lane).items():
                time_s[lane][key] += seconds
    rows = [
        (*lane, *key, num_rounds[lane], seconds, seconds / num_rounds[lane], _ratio(seconds, total_s[lane]))
        for lane, times in time_s.items()
        for key, seconds in times.items()
    ]
    return pd.DataFrame(rows, columns=list(BREAKDOWN_COLUMNS))


def breakdown_differences(first: Run, second: Run, rounds: tuple[int, int] | None = None) -> pd.DataFrame:
    """Return the differences of the time per round of two runs, for each lane, phase and cause of idle time.

    Parameters
    ----------
    first, second : Run
        Two finished runs, for example without and with a fault. Labels, nodes and lanes are compared by name.
    rounds : (first, last), optional
        The rounds to count, from 1; all by default.

    Returns
    -------
    DataFrame
        One row a label, node, lane, state and activity: ``first_s`` and ``second_s``, the mean time per round
        in each run, [s], 0 if there is none, and ``difference_s``, the second minus the first. Lanes that
        only one of the runs has are left out.

    Raises
    ------
    NoTimelineError
        If a run has none of the rounds, or if its intervals are lost.
    """
    tables = [breakdown(run, rounds) for run in (first, second)]
    shared = tables[0][list(_LANE)].drop_duplicates().merge(tables[1][list(_LANE)].drop_duplicates())
    one, two = (
        table.merge(shared)[[*_ROW, "time_per_round_s"]].rename(columns={"time_per_round_s": name})
        for table, name in zip(tables, ("first_s", "second_s"), strict=True)
    )
    both = one.merge(two, on=list(_ROW), how="outer", sort=False)
    both[["first_s", "second_s"]] = both[["first_s", "second_s"]].fillna(0.0)
    return both.assign(difference_s=both["second_s"] - both["first_s"])


def _lanes(run: Run) -> dict[str, list[_Lane]]:
    """Return the lanes of each label that are ever busy, in the order of their first activity."""
    lanes: dict[str, dict[_Lane, None]] = defaultdict(dict)
    for group in run.recorded.groups():
        for row in group[list(_LANE)].drop_duplicates().itertuples(index=False):
            lanes[str(row.label)][_Lane(str(row.label), str(row.node), str(row.lane))] = None
    return {label: list(of_label) for label, of_label in lanes.items()}


def _times(window: Window, idle_times: IdleTimes, lane: _Lane) -> dict[tuple[str, str], float]:
    """Return the time of a lane in a window by state and activity, [s]."""
    phases, busy = idle_times.busy_times(lane.node, lane.lane)
    times: dict[tuple[str, str], float] = defaultdict(float)
    for phase, seconds in zip(phases, (busy[:, 1] - busy[:, 0]).tolist(), strict=True):
        times[BUSY, phase] += seconds
    start_s, end_s = window.span
    elsewhere = gaps(window.rounds_of(lane.node), start_s, end_s)
    idle = gaps(np.concatenate((busy, elsewhere)), start_s, end_s)
    for cause, seconds in idle_times.of_lane(lane.node, lane.lane, idle):
        if seconds > 0:
            times[IDLE, str(cause)] += seconds
    return times


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
