"""From the table of intervals to the bars of a Gantt chart, with their positions.

:func:`gantt_panels` lets ``visible_rows.py`` choose the rounds and rows, and gives every bar its position.
``gantt.py`` draws the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...scenarios.ordered_sum import ordered_sum
from ..timeline.spans import Spans, gaps, merged
from .visible_rows import (
    VisibleRows,
    node_kind,
    round_spans,
    rounds_that_fit,
    tables_by_label,
    visible_rows,
    without_idle_wires,
)

__all__ = ["HEADER_PT", "WAITING", "Panel", "gantt_panels"]

WAITING = "waiting"
"""The phase of a bar that stands for idle time, or for work in a queue."""
HEADER_PT = 10.0  # height of the strip above the rows, for the numbers of the rounds
_QUEUE = "queue"  # the lane of the work that waits for a node
_PANELS_PT = 515.0  # height of all panels together, so that the figure fits on a page
_ROW_PT, _LANE_PT = 11.0, 5.0
_NODE_LANE_PT = 7.5  # of a compute node, whose rows matter most where there are any
_MAIN_SHARE = 0.6  # of the height, at most, for the rows of servers and compute nodes


@dataclass(frozen=True)
class _Content:
    """The fields of a panel before its rows and bars have a position.

    ``lanes`` holds the lanes with a sub-row, for each node in the order of the rows; one may be the queue.
    """

    label: str
    rounds: pd.DataFrame
    origin_s: float
    end_s: float
    bars: pd.DataFrame
    lanes: dict[str, list[str]]
    num_devices: int


@dataclass(frozen=True)
class Panel:
    """One scheme's rounds as rows and bars. Times count from the start of the first shown round.

    Attributes
    ----------
    label : str
        Label of the scheme.
    rounds : DataFrame
        Columns start_s and end_s, [s]; one row a round to show, with the round's number as index.
    origin_s : float
        The simulated time from which the times of the panel count, [s].
    end_s : float
        Time up to which the rounds are shown, [s].
    bars : DataFrame
        One row a bar: node, lane, phase, start_s, end_s; row, its label in the table of intervals; and
        top_pt, height_pt: its position below the top of the panel. Idle times have the phase ``WAITING``, and
        no row, -1.
    rows_pt : dict of float
        Height of each node's row, [pt], in the order of the rows.
    num_devices : int
        Number of devices in the table, of which some may have no row.
    """

    label: str
    rounds: pd.DataFrame
    origin_s: float
    end_s: float
    bars: pd.DataFrame
    rows_pt: dict[str, float]
    num_devices: int

    @property
    def is_cut(self) -> bool:
        """Return whether the rounds continue after the shown part."""
        return bool(len(self.rounds)) and self.end_s < float(self.rounds["end_s"].max())

    @property
    def height_pt(self) -> float:
        """Return the height of the header and of all rows, [pt]."""
        return HEADER_PT + ordered_sum(self.rows_pt.values())

    @property
    def tops_pt(self) -> dict[str, float]:
        """Return the distance of each row from the top of the panel, [pt]."""
        return _tops_pt(self.rows_pt)


def gantt_panels(
    intervals: pd.DataFrame, rounds: tuple[int, int] | None, labels: Sequence[str] | None
) -> list[Panel]:
    """Return a panel for each scheme, with the parameters and errors of :func:`.gantt.gantt_figure`."""
    tables = tables_by_label(intervals, labels)
    spans = {label: round_spans(table) for label, table in tables.items()}
    if rounds is None:
        first = [visible_rows(table, spans[label].iloc[:1]) for label, table in tables.items()]
        horizon_s = max(shown.end_s for shown in first)
        spans = {
            label: rounds_that_fit(spans[label], without_idle_wires(table), horizon_s)
            for label, table in tables.items()
        }
    else:
        last = max(int(span.index[-1]) for span in spans.values())
        spans = {label: span.loc[rounds[0] : rounds[1]] for label, span in spans.items()}
        if all(span.empty for span in spans.values()):
            raise ValueError(f"rounds {rounds[0]} to {rounds[1]}: the table's rounds are 1 to {last}")
    contents = [_content(label, visible_rows(table, spans[label])) for label, table in tables.items()]
    return [
        _positioned(content, rows_pt)
        for content, rows_pt in zip(contents, _row_heights_pt(contents), strict=True)
    ]


def _content(label: str, shown: VisibleRows) -> _Content:
    """Return the bars of a scheme's rounds, and the sub-rows of each node."""
    rows, rounds, end_s = shown.rows, shown.rounds, shown.end_s
    columns = ["node", "lane", "phase", "start_s", "end_s"]
    activities = rows[columns].astype(dict.fromkeys(columns[:3], object)).assign(row=rows.index)
    waiting = pd.DataFrame(_waiting_bars(rows, rounds), columns=columns).assign(row=-1)
    bars = pd.concat([activities, waiting], ignore_index=True)
    if len(rounds) and end_s < float(rounds["end_s"].max()):
        bars = bars[bars["start_s"] < end_s]
        bars = bars.assign(end_s=np.minimum(bars["end_s"], end_s))
    bars_of = {node: np.asarray(index) for node, index in bars.groupby("node").indices.items()}
    lanes = {
        node: _sub_rows(bars, bars_of.get(node, np.array([], np.intp)))
        for node in shown.nodes
        if node in bars_of or node_kind(node) == "device"
    }
    return _Content(label, rounds, shown.origin_s, end_s, bars, lanes, shown.num_devices)


def _sub_rows(bars: pd.DataFrame, of_node: NDArray[np.intp]) -> list[str]:
    """Return the sub-rows of a node: its lanes if two of them are ever busy at once, and its queue.

    Parameters
    ----------
    of_node : ndarray of int
        Positions of the node's bars in the table.
    """
    phase, lane = bars["phase"].to_numpy()[of_node], bars["lane"].to_numpy()[of_node]
    busy = of_node[phase != WAITING]
    start_s, end_s = bars["start_s"].to_numpy()[busy], bars["end_s"].to_numpy()[busy]
    order = np.argsort(start_s, kind="stable")
    reach_s = np.maximum.accumulate(end_s[order])[:-1]
    at_once = len(busy) and (start_s[order][1:] < reach_s - 1e-9 * end_s.max()).any()
    lanes = sorted(set(lane[phase != WAITING])) if at_once else [""]
    return [*lanes, _QUEUE] if (lane == _QUEUE).any() else lanes


def _waiting_bars(rows: pd.DataFrame, rounds: pd.DataFrame) -> list[tuple[str, str, str, float, float]]:
    """Return a bar for each time when a device idles in a round, or when another node has work queued."""
    busy = rows[["start_s", "end_s"]].to_numpy(float)
    ready_s = busy[:, 0] - rows["wait_s"].to_numpy(float)
    numbers = rows["round"].to_numpy()
    limits = {number: (start_s, end_s) for number, start_s, end_s in rounds.itertuples()}
    waiting = []
    for node, of_node in rows.groupby("node", observed=True).indices.items():
        at_device = node_kind(str(node)) == "device"
        for number in np.unique(numbers[of_node]):
            index = of_node[numbers[of_node] == number]
            spans = np.column_stack((ready_s, busy[:, 0]))[index]
            spans = spans[spans[:, 0] < spans[:, 1]]
            if at_device:
                start_s, end_s = limits[number]
                spans = _lasting_gaps(busy[of_node], start_s, end_s)
            lane = "" if at_device else _QUEUE
            waiting += [(str(node), lane, WAITING, *span) for span in merged(spans)]
    return waiting


def _lasting_gaps(busy: Spans, start_s: float, end_s: float) -> Spans:
    """Return the gaps between spans, without those that are as short as a rounding error."""
    idle = gaps(busy, start_s, end_s)
    lasting: Spans = idle[idle[:, 1] - idle[:, 0] > 1e-12 * abs(end_s)]
    return lasting


def _row_heights_pt(contents: Sequence[_Content]) -> list[dict[str, float]]:
    """Return the height of each row of each panel, [pt]; rows shrink so that all panels fit on one page.

    The rows of devices, shares and wires shrink most.
    """
    main_rows_pt = [
        {node: _natural_pt(node, len(lanes)) for node, lanes in content.lanes.items() if _is_main(node)}
        for content in contents
    ]
    main_pt = ordered_sum(ordered_sum(rows_pt.values()) for rows_pt in main_rows_pt)
    num_small = sum(not _is_main(node) for content in contents for node in content.lanes)
    room_pt = max(0.0, _PANELS_PT - HEADER_PT * len(contents))
    shrunk = min(1.0, _MAIN_SHARE * room_pt / main_pt) if main_pt else 1.0
    small_pt = min(_ROW_PT, max(0.2, (room_pt - shrunk * main_pt) / max(1, num_small)))
    return [
        {node: shrunk * rows_pt[node] if _is_main(node) else small_pt for node in content.lanes}
        for content, rows_pt in zip(contents, main_rows_pt, strict=True)
    ]


def _natural_pt(node: str, num_lanes: int) -> float:
    return max(_ROW_PT, (_NODE_LANE_PT if node_kind(node) == "node" else _LANE_PT) * num_lanes)


def _is_main(node: str) -> bool:
    return node_kind(node) in {"server", "node"}


def _tops_pt(rows_pt: dict[str, float]) -> dict[str, float]:
    return dict(zip(rows_pt, np.cumsum([HEADER_PT, *rows_pt.values()]).tolist(), strict=False))


def _positioned(content: _Content, rows_pt: dict[str, float]) -> Panel:
    """Return the panel with the position of each bar. A device's waiting covers the whole of its row."""
    tops_pt = _tops_pt(rows_pt)
    positions = []
    for node, lane, phase in content.bars[["node", "lane", "phase"]].itertuples(index=False):
        lanes = content.lanes[node]
        lane_pt = rows_pt[node] / len(lanes)
        if phase == WAITING and lane not in lanes:
            positions.append((tops_pt[node], rows_pt[node]))
        else:
            index = lanes.index(lane) if lane in lanes else 0
            positions.append((tops_pt[node] + index * lane_pt, lane_pt))
    top_pt, height_pt = np.array(positions).reshape(-1, 2).T
    bars = content.bars.assign(top_pt=top_pt, height_pt=height_pt)
    return Panel(
        content.label, content.rounds, content.origin_s, content.end_s, bars, rows_pt, content.num_devices
    )
