"""The overlap of computation and communication: the time for which both go on at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pandas as pd

from ..results.run import Run
from .spans import length_s, merged
from .windows import Window, spans_of, windows

__all__ = ["ALL_NODES", "OVERLAP_COLUMNS", "overlap"]

ALL_NODES = "all"
"""The node of the row for all nodes together."""
OVERLAP_COLUMNS = ("label", "node", "compute_s", "communication_s", "overlap_s", "share_of_shorter")
_COMPUTE = "compute"


def overlap(run: Run, rounds: tuple[int, int] | None = None) -> pd.DataFrame:
    """Return the time for which nodes compute and communicate at once.

    Parameters
    ----------
    run : Run
        A finished run.
    rounds : (first, last), optional
        The rounds to count, from 1; all by default.

    Returns
    -------
    DataFrame
        One row a label and node, and before them a row for the node ``all``. ``compute_s`` is the time for
        which the node computes, ``communication_s`` that for which it sends or receives, and ``overlap_s``
        that for which it does both, [s]. In the row ``all``, any node counts. ``share_of_shorter`` is the
        overlap over the shorter of the two times, a fraction of 1; NaN if one of them is 0.

    Raises
    ------
    NoTimelineError
        If the run has none of the rounds, or if its intervals are lost.
    """
    times: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for window in windows(run, rounds):
        for node, seconds in _of_window(window):
            total = times[window.label, node]
            for position, value in enumerate(seconds):
                total[position] += value
    rows = []
    for (label, node), (compute_s, communication_s, both_s) in times.items():
        shorter_s = min(compute_s, communication_s)
        share = both_s / shorter_s if shorter_s else float("nan")
        rows.append((label, node, compute_s, communication_s, both_s, share))
    return pd.DataFrame(rows, columns=list(OVERLAP_COLUMNS))


def _of_window(window: Window) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """Yield each node with its time of computation, of communication, and of both at once, [s]."""
    yield ALL_NODES, _times(window.intervals)
    for node, rows in window.intervals.groupby("node", observed=True, sort=False):
        yield str(node), _times(rows)


def _times(rows: pd.DataFrame) -> tuple[float, float, float]:
    computes = (rows["lane"] == _COMPUTE).to_numpy()
    spans = spans_of(rows)
    compute_s, communication_s = length_s(merged(spans[computes])), length_s(merged(spans[~computes]))
    both_s = compute_s + communication_s - length_s(merged(spans))
    return compute_s, communication_s, min(max(0.0, both_s), compute_s, communication_s)
