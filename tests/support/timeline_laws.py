"""Laws that every timeline keeps, whatever its scenario: order, finiteness, and one activity a lane."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

__all__ = ["check_intervals"]

_RELATIVE = 1e-9
_NUMBERS = ["start_s", "end_s", "wait_s", "bits", "flops", "energy_j"]


def check_intervals(intervals: pd.DataFrame, round_ends_s: Sequence[float]) -> None:
    """Check the intervals of one scheme's run.

    Parameters
    ----------
    intervals : DataFrame
        The table of intervals.
    round_ends_s : sequence of float, [num_rounds]
        The end of each round, [s].

    Raises
    ------
    AssertionError
        If a number is not finite or is negative, an interval ends before it starts or after the last round,
        two intervals of a lane overlap, or the clock goes back.
    """
    numbers = intervals[_NUMBERS].to_numpy(np.float64)
    assert np.isfinite(numbers).all(), "an interval is not finite"
    assert (numbers >= 0).all(), "an interval has a negative number"
    assert (intervals["end_s"] >= intervals["start_s"]).all(), "an interval ends before it starts"
    _check_lanes(intervals)
    assert np.isfinite(round_ends_s).all(), "a round has no end"
    assert (np.diff(round_ends_s, prepend=0.0) >= 0).all(), "a round ends before it starts"
    # compute nodes may still work after a round of late clients
    nodes = pd.Categorical(intervals["node"])
    own = [code for code, name in enumerate(nodes.categories) if name.startswith(("device", "server"))]
    ends_s = intervals["end_s"].to_numpy()[np.isin(nodes.codes, own)]
    if len(ends_s):
        assert ends_s.max() <= round_ends_s[-1] * (1 + _RELATIVE), "an interval ends after the last round"


def _check_lanes(intervals: pd.DataFrame) -> None:
    """Check that each lane of each node does one activity at a time."""
    keys = [pd.Categorical(intervals[column]).codes for column in ("node", "lane")]
    starts_s, ends_s = intervals["start_s"].to_numpy(), intervals["end_s"].to_numpy()
    order = np.lexsort((ends_s, starts_s, *keys))
    same = np.all([codes[order][1:] == codes[order][:-1] for codes in keys], axis=0)
    overlaps = np.flatnonzero(same & (starts_s[order][1:] < ends_s[order][:-1]))
    if overlaps.size:
        row = intervals.iloc[order[overlaps[0]]]
        raise AssertionError(f"intervals of {row['node']} {row['lane']} overlap at {row['end_s']} s")
