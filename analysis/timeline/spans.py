"""Sets of instants as spans: unions, gaps, differences, and the time that a set covers."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["NO_SPANS", "Coverage", "Spans", "gaps", "length_s", "merged", "without"]

Spans: TypeAlias = NDArray[np.float64]
"""Start and end of each span, [num_spans, 2], [s]."""
NO_SPANS: Spans = np.empty((0, 2))


def merged(spans: Spans) -> Spans:
    """Return the union of the spans as spans that are in order and do not overlap."""
    if not len(spans):
        return NO_SPANS
    ordered = spans[np.argsort(spans[:, 0], kind="stable")]
    reach = np.maximum.accumulate(ordered[:, 1])
    breaks = np.flatnonzero(ordered[1:, 0] > reach[:-1])
    return np.column_stack((ordered[np.append(0, breaks + 1), 0], reach[np.append(breaks, len(spans) - 1)]))


def gaps(spans: Spans, start_s: float, end_s: float) -> Spans:
    """Return the parts of a time that no span covers."""
    busy = merged(np.clip(spans, start_s, end_s))
    between = np.column_stack((np.append(start_s, busy[:, 1]), np.append(busy[:, 0], end_s)))
    lasting: Spans = between[between[:, 1] > between[:, 0]]
    return lasting


def without(spans: Spans, holes: Spans) -> Spans:
    """Return the parts of the spans that no hole covers.

    Parameters
    ----------
    spans : ndarray
        Spans in order that do not overlap.
    holes : ndarray
        Any spans.
    """
    if not len(spans) or not len(holes):
        return spans
    start_s, end_s = float(spans[0, 0]), float(spans[-1, 1])
    return gaps(np.concatenate((gaps(spans, start_s, end_s), holes)), start_s, end_s)


def length_s(spans: Spans) -> float:
    """Return the sum of the lengths of spans that do not overlap, [s]."""
    return float((spans[:, 1] - spans[:, 0]).sum())


class Coverage:
    """The time that a set of spans covers, as a function of two instants.

    Parameters
    ----------
    spans : ndarray
        Any spans.
    """

    def __init__(self, spans: Spans) -> None:
        union = merged(spans)
        self._instants_s = union.ravel()
        lengths_s = np.column_stack((np.zeros(len(union)), union[:, 1] - union[:, 0]))
        self._covered_s = np.cumsum(lengths_s.ravel())

    def within_s(self, spans: Spans) -> float:
        """Return the time of spans that do not overlap for which this set covers them, [s]."""
        if not len(self._instants_s) or not len(spans):
            return 0.0
        covered_s = np.interp(spans.ravel(), self._instants_s, self._covered_s).reshape(-1, 2)
        return float((covered_s[:, 1] - covered_s[:, 0]).sum())
