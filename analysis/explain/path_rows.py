"""The rows of the table of intervals that are on the critical paths of a Gantt chart's rounds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ..figures.visible_rows import round_spans, rounds_that_fit
from ..results.run import Run
from .activities import by_round
from .causes import NodeEvents, PlannedSpeeds
from .round_graph import RoundGraph
from .segments import Segments

__all__ = ["path_rows"]


def path_rows(
    run: Run, intervals: pd.DataFrame, events: pd.DataFrame, rounds: tuple[int, int] | None
) -> set[int]:
    """Return the labels of the rows on the critical path of each round that a chart may show.

    Parameters
    ----------
    run : Run
        The run, whose table of rounds has their starts and ends.
    intervals, events : DataFrame
        The intervals and events that the chart is drawn from.
    rounds : (first, last) or None
        The rounds to show; None for as many of the first ones as may fit.
    """
    return {
        row
        for label, table in intervals.groupby("label", sort=False, observed=True)
        for row in _rows_of_scheme(run, table, events[events["label"] == label], rounds)
    }


def _rows_of_scheme(
    run: Run, table: pd.DataFrame, events: pd.DataFrame, rounds: tuple[int, int] | None
) -> Iterator[int]:
    spans = round_spans(table)
    if rounds is None:
        chosen = rounds_that_fit(spans, table, np.inf).index
    else:
        chosen = spans.loc[rounds[0] : rounds[1]].index
    label = str(table["label"].iloc[0])
    times = run.rounds[run.rounds["label"].astype(str) == label].set_index("round").loc[chosen]
    numbers = [int(number) for number in times.index]
    starts_s, ends_s = (
        dict[int, float](zip(numbers, times[column].tolist(), strict=True)) for column in ("start_s", "end_s")
    )
    node_events = NodeEvents(events)
    segments = Segments(PlannedSpeeds(), node_events)
    needed = table[table["round"].isin([*chosen, *(chosen - 1)])]
    for number, activities in by_round(needed, starts_s):
        start_s, end_s = starts_s[number], ends_s[number]
        graph = RoundGraph(activities, start_s, end_s, node_events.left_out(start_s, end_s))
        yield from (segment.row for segment in segments.of_path(graph) if segment.row >= 0)
