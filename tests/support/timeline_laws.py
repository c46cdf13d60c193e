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
    for (node, lane), group in intervals.groupby(["node", "lane"], observed=True):
        ordered = group.sort_values(["start_s", "end_s"])
        starts_s, ends_s = ordered["start_s"].to_numpy(), ordered["end_s"].to_numpy()
        assert (starts_s[1:] >= ends_s[:-1]).all(), f"intervals of {node} {lane} overlap"
    assert np.isfinite(round_ends_s).all(), "a round has no end"
    assert (np.diff(round_ends_s, prepend=0.0) >= 0).all(), "a round ends before it starts"
    # compute nodes may still work after a round of late clients
    own = intervals[intervals["node"].astype(str).str.match(r"(device|server)\b")]
    if len(own):
        last_s = float(round_ends_s[-1])
        assert own["end_s"].max() <= last_s * (1 + _RELATIVE), "an interval ends after the last round"
