"""The critical path of a round: the chain of activities that decided on its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from .activities import activities_of
from .causes import CAUSES, Cause, NodeEvents, PlannedSpeeds
from .round_graph import RoundGraph
from .segments import Segment, Segments

__all__ = ["PATH_COLUMNS", "critical_path", "segment_rows"]

_ATTRIBUTES = ("kind", "begins", "node", "lane", "phase", "client", "start_s", "end_s")
PATH_COLUMNS = ("segment", *_ATTRIBUTES, "duration_s", *CAUSES, "row")
"""The columns of :func:`critical_path`."""


def critical_path(
    intervals: pd.DataFrame,
    start_s: float | None = None,
    end_s: float | None = None,
    *,
    speeds: PlannedSpeeds | None = None,
    events: NodeEvents | None = None,
) -> pd.DataFrame:
    """Return the critical path of one round, one row a segment; the durations sum to the round's length.

    Each segment begins when the one before ends: a computation, a transfer, or a wait in which nothing was
    active that the round depended on. ``begins`` names the event that the beginning of a segment waited for:
    the ``start`` of the round, the client's ``previous`` activity, the ``server``'s work for all clients, the
    last client at a ``barrier``, or the activity before it in a ``queue``.

    Parameters
    ----------
    intervals : DataFrame
        The rows of one round of one scheme, with a unique index.
    start_s, end_s : float, optional
        The instants at which the round begins and ends, [s]; by default those of the intervals.
    speeds : PlannedSpeeds, optional
        The planned speeds, from which causes follow; without them all speeds are taken as planned.
    events : NodeEvents, optional
        The events of the scheme's run.

    Returns
    -------
    DataFrame
        ``segment`` (from 1), ``kind, begins, node, lane, phase, client, start_s, end_s, duration_s``, the
        time of each cause, and ``row``, the index of the segment's row in ``intervals``; -1 for a wait.
    """
    first_s = float(intervals["start_s"].min()) if start_s is None else start_s
    last_s = float(intervals["end_s"].max()) if end_s is None else end_s
    events = events or NodeEvents(pd.DataFrame())
    graph = RoundGraph(activities_of(intervals), first_s, last_s, events.left_out(first_s, last_s))
    segments = Segments(speeds or PlannedSpeeds(), events).of_path(graph)
    return pd.DataFrame(segment_rows(segments), columns=list(PATH_COLUMNS))


def segment_rows(segments: Sequence[Segment]) -> list[tuple[Any, ...]]:
    """Return a row for each segment, with the columns of :func:`critical_path`."""
    return [
        (
            number,
            *(getattr(segment, name) for name in _ATTRIBUTES),
            segment.end_s - segment.start_s,
            *(segment.causes_s.get(cause, 0.0) for cause in Cause),
            segment.row,
        )
        for number, segment in enumerate(segments, 1)
    ]
