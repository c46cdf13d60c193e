"""Latency Gantt charts: what every node does when, schemes stacked on one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from . import style
from .style import LABEL_PT, SMALL_PT, WAITING, TimeUnit

__all__ = ["gantt_figure"]

_MAX_BARS = 4000  # of one panel, when the rounds are not given
_PANELS_PT = 515.0  # height of all panels together, so that the figure fits on a page
_HEADER_PT = 10.0  # strip above the rows, for the rounds' numbers
_ROW_PT, _TRACK_PT, _THIN_PT = 11.0, 5.0, 4.0  # heights: a row, a lane within it, a bar too thin for edges
_LABEL_PT = 6.8  # a row's name, one under the other
_CHARACTER_PT = 0.6 * SMALL_PT
_QUEUE = "queue"

Spans = NDArray[np.float64]  # [num_spans, 2]: start and end


@dataclass(frozen=True)
class _Panel:
    """The shown rounds of one scheme, with times from the start of the first of them.

    Attributes
    ----------
    rounds : DataFrame
        start_s and end_s by the round's number.
    intervals : DataFrame
        The intervals of these rounds.
    lanes : dict of list
        Lanes that are drawn apart, of each node in the order of the rows, and the server's queue.
    """

    label: str
    rounds: pd.DataFrame
    intervals: pd.DataFrame
    lanes: dict[str, list[str]]


def gantt_figure(
    intervals: pd.DataFrame,
    *,
    rounds: tuple[int, int] | None = None,
    labels: Sequence[str] | None = None,
) -> Figure:
    """Draw the intervals of each scheme as a panel of bars, one row a node, all on one time axis.

    A bar is an interval of activity, coloured by phase; lanes of a node that are busy at once share its
    row. Hatched is a device that idles in a round that it takes part in, before its turn too; and, on a
    sub-row of the server, the time for which work is queued.
    A broadcast is drawn once, at the server; the devices count as waiting meanwhile. A thin line ends each
    round. Of several seeds the lowest is drawn.

    Parameters
    ----------
    intervals : DataFrame
        One row an interval: label, seed, round, node, lane, phase, and start_s, end_s, wait_s in seconds.
    rounds : (first, last), optional
        Rounds to show, from 1. By default as many whole rounds of each scheme as fit in the longest first
        round of any scheme: a fast scheme then shows how far it gets while the slowest finishes one.
    labels : sequence of str, optional
        Schemes to show, in this order; by default all, in the order of the table.

    Raises
    ------
    ValueError
        If the table is empty, a label is not in it, or no scheme has any of the rounds.
    """
    tables = _tables(intervals, labels)
    spans = {label: _round_spans(table) for label, table in tables.items()}
    if rounds is None:
        horizon_s = max(float(span["end_s"].iloc[0] - span["start_s"].iloc[0]) for span in spans.values())
        spans = {label: _fitting(spans[label], tables[label], horizon_s) for label in tables}
    else:
        last = max(int(span.index[-1]) for span in spans.values())
        spans = {label: span.loc[rounds[0] : rounds[1]] for label, span in spans.items()}
        if all(span.empty for span in spans.values()):
            raise ValueError(f"rounds {rounds[0]} to {rounds[1]}: the table's rounds are 1 to {last}")
    return _draw([_panel(label, table, spans[label]) for label, table in tables.items()])


def _tables(intervals: pd.DataFrame, labels: Sequence[str] | None) -> dict[str, pd.DataFrame]:
    known = list(dict.fromkeys(intervals["label"]))
    chosen = known if labels is None else list(dict.fromkeys(labels))
    unknown = [label for label in chosen if label not in known]
    if unknown:
        raise ValueError(f"no intervals of {', '.join(unknown)}; the table has {', '.join(known)}")
    if not chosen:
        raise ValueError("nothing to draw: the table of intervals has no rows, or no label is chosen")
    tables = {label: intervals[intervals["label"] == label] for label in chosen}
    return {label: table[table["seed"] == table["seed"].min()] for label, table in tables.items()}


def _round_spans(table: pd.DataFrame) -> pd.DataFrame:
    """Return start and end of each round: it lasts to its last activity, and at least to the next round."""
    spans = table.groupby("round").agg(start_s=("start_s", "min"), end_s=("end_s", "max")).sort_index()
    spans["end_s"] = np.fmax(spans["end_s"], spans["start_s"].shift(-1))
    return spans


def _fitting(spans: pd.DataFrame, table: pd.DataFrame, horizon_s: float) -> pd.DataFrame:
    """Return the first rounds, at least one, that end by the horizon and have not too many bars."""
    bars = table.groupby("round").size().sort_index().cumsum().to_numpy()
    end_s = (spans["end_s"] - spans["start_s"].iloc[0]).to_numpy()
    fits = (end_s <= horizon_s * (1 + 1e-9)) & (bars <= _MAX_BARS)
    return spans.iloc[: max(1, int(np.cumprod(fits).sum()))]


def _panel(label: str, table: pd.DataFrame, spans: pd.DataFrame) -> _Panel:
    origin_s = spans["start_s"].min()
    rows = table[table["round"].isin(spans.index)]
    rows = rows.assign(start_s=rows["start_s"] - origin_s, end_s=rows["end_s"] - origin_s)
    lanes = {str(node): _lanes(str(node), part) for node, part in rows.groupby("node", observed=True)}
    nodes = sorted(set(table["node"]), key=_node_order) if len(rows) else []
    return _Panel(label, spans - origin_s, rows, {node: lanes.get(node, [""]) for node in nodes})


def _lanes(node: str, rows: pd.DataFrame) -> list[str]:
    """Return the sub-rows of a node: its lanes if two of them are ever busy at once, and the queue's."""
    start_s, end_s = rows["start_s"].to_numpy(), rows["end_s"].to_numpy()
    order = np.argsort(start_s, kind="stable")
    at_once = (start_s[order][1:] < np.maximum.accumulate(end_s[order])[:-1] - 1e-9 * end_s.max()).any()
    lanes = sorted(set(rows["lane"])) if at_once else [""]
    return lanes if _is_device(node) or not (rows["wait_s"] > 0).any() else [*lanes, _QUEUE]


def _is_device(node: str) -> bool:
    return node.startswith("device-")


def _node_order(node: str) -> tuple[bool, bool, int, str]:
    number = node.rpartition("-")[2]
    return _is_device(node), node != "server", int(number) if number.isdigit() else -1, node


def _merged(spans: Spans) -> Spans:
    """Return the union of the spans, in order and apart."""
    ordered = spans[np.argsort(spans[:, 0], kind="stable")]
    reach = np.maximum.accumulate(ordered[:, 1])
    breaks = np.flatnonzero(ordered[1:, 0] > reach[:-1])
    return np.column_stack((ordered[np.append(0, breaks + 1), 0], reach[np.append(breaks, len(spans) - 1)]))


def _gaps(spans: Spans, start: float, end: float) -> Spans:
    """Return the parts of start..end that no span covers; rounding errors are no gaps."""
    busy = _merged(np.clip(spans, start, end))
    gaps = np.column_stack((np.append(start, busy[:, 1]), np.append(busy[:, 0], end)))
    lasting: Spans = gaps[gaps[:, 1] - gaps[:, 0] > 1e-12 * abs(end)]
    return lasting


def _waiting(panel: _Panel) -> list[tuple[str, float, float]]:
    """Return node, start and end of the times when a device idles in a round or a server has work queued."""
    rows = panel.intervals
    busy = rows[["start_s", "end_s"]].to_numpy(float)
    ready_s = busy[:, 0] - rows["wait_s"].to_numpy(float)
    numbers = rows["round"].to_numpy()
    limits = {number: (start_s, end_s) for number, start_s, end_s in panel.rounds.itertuples()}
    waiting = []
    for node, of_node in rows.groupby("node", observed=True).indices.items():
        for number in np.unique(numbers[of_node]):
            index = of_node[numbers[of_node] == number]
            spans = np.column_stack((ready_s, busy[:, 0]))[index]
            spans = spans[spans[:, 0] < spans[:, 1]]
            if _is_device(str(node)):
                start_s, end_s = limits[number]
                spans = _gaps(busy[of_node], start_s, end_s)
            waiting += [(str(node), *span) for span in (_merged(spans) if len(spans) else spans)]
    return waiting


def _heights_pt(panels: Sequence[_Panel]) -> list[dict[str, float]]:
    """Return the heights of the rows; the devices' rows shrink so that all panels fit on one page."""
    heights_pt = [
        {node: max(_ROW_PT, _TRACK_PT * len(lanes)) for node, lanes in panel.lanes.items()}
        for panel in panels
    ]
    others_pt = sum(pt for rows_pt in heights_pt for node, pt in rows_pt.items() if not _is_device(node))
    devices = sum(_is_device(node) for rows_pt in heights_pt for node in rows_pt)
    room_pt = _PANELS_PT - _HEADER_PT * len(panels) - others_pt
    device_pt = min(_ROW_PT, max(0.2, room_pt / max(1, devices)))
    return [{n: device_pt if _is_device(n) else pt for n, pt in rows_pt.items()} for rows_pt in heights_pt]


def _tops_pt(rows_pt: dict[str, float]) -> dict[str, float]:
    return dict(zip(rows_pt, np.cumsum([_HEADER_PT, *rows_pt.values()]).tolist(), strict=False))


def _bars(panel: _Panel, rows_pt: dict[str, float]) -> pd.DataFrame:
    """Return the panel's bars, a row each: phase, start_s, end_s, top_pt, height_pt."""
    tops_pt = _tops_pt(rows_pt)
    tracks_pt = {node: rows_pt[node] / len(lanes) for node, lanes in panel.lanes.items()}
    bars = []
    columns = ["node", "lane", "phase", "start_s", "end_s"]
    for node, lane, phase, start_s, end_s in panel.intervals[columns].itertuples(index=False):
        track = panel.lanes[node].index(lane) if lane in panel.lanes[node] else 0
        bars.append((phase, start_s, end_s, tops_pt[node] + track * tracks_pt[node], tracks_pt[node]))
    for node, start_s, end_s in _waiting(panel):
        height_pt = rows_pt[node] if _is_device(node) else tracks_pt[node]
        bars.append((WAITING, start_s, end_s, tops_pt[node] + rows_pt[node] - height_pt, height_pt))
    return pd.DataFrame(bars, columns=["phase", "start_s", "end_s", "top_pt", "height_pt"])


def _draw(panels: Sequence[_Panel]) -> Figure:
    longest_s = max(float(panel.rounds["end_s"].max()) for panel in panels if len(panel.rounds)) or 1.0
    unit = style.time_unit(longest_s)
    layout = _heights_pt(panels)
    panels_pt = [_HEADER_PT + sum(rows_pt.values()) for rows_pt in layout]
    titles_pt = 18 * len(panels) + 30  # and the time axis
    figure = Figure(figsize=(style.WIDTH_IN, (sum(panels_pt) + titles_pt) / 72), layout="constrained")
    axes = figure.subplots(len(panels), sharex=True, squeeze=False, height_ratios=panels_pt)[:, 0]
    axes[0].set_xlim(0, 1.005 * longest_s / unit.seconds)
    drawn: set[str] = set()
    for axis, panel, rows_pt, panel_pt in zip(axes, panels, layout, panels_pt, strict=True):
        style.plain_axes(axis)
        axis.set_ylim(panel_pt, 0)
        drawn |= _draw_bars(axis, _bars(panel, rows_pt), unit)
        _name_rows(axis, rows_pt)
        _mark_rounds(axis, panel, unit)
        _title(axis, panel, unit)
    first = min(int(panel.rounds.index[0]) for panel in panels if len(panel.rounds))
    since = "Simulated time" if first == 1 else f"Time since the start of round {first}"
    axes[-1].set_xlabel(f"{since} ({unit.symbol})", fontsize=LABEL_PT)
    order = [*style.PHASE_COLOURS, *sorted(drawn - {*style.PHASE_COLOURS, WAITING}), WAITING]
    shown = [phase for phase in order if phase in drawn]
    style.legend_below(
        figure, [Patch(**style.bar_style(phase)) for phase in shown], [style.phase_label(p) for p in shown]
    )
    return figure


def _draw_bars(axes: Axes, bars: pd.DataFrame, unit: TimeUnit) -> set[str]:
    """Draw one collection a phase, fast with thousands of bars; return the phases that take time."""
    parts = {str(phase): part for phase, part in bars.groupby("phase")}
    for phase, part in parts.items():
        thick = part["height_pt"] >= _THIN_PT
        inset_pt = 0.08 * part["height_pt"].where(thick, 0.0)
        top, bottom = part["top_pt"] + inset_pt, part["top_pt"] + part["height_pt"] - inset_pt
        left, right = part["start_s"] / unit.seconds, part["end_s"] / unit.seconds
        x, y = np.column_stack((left, right, right, left)), np.column_stack((top, top, bottom, bottom))
        look = style.bar_style(phase)
        look["linewidth"] = np.where(thick, look["linewidth"], 0.0)
        with matplotlib.rc_context({"hatch.linewidth": 0.4}):
            collection = PolyCollection([*np.stack((x, y), axis=-1)], label=phase, **look)
        collection.set_zorder(1 if phase == WAITING else 2)
        axes.add_collection(collection, autolim=False)
    return {phase for phase, part in parts.items() if (part["end_s"] > part["start_s"]).any()}


def _name_rows(axes: Axes, rows_pt: dict[str, float]) -> None:
    """Name every node that is no device, and as many devices as leave room for the letters."""
    middles_pt = {node: top_pt + rows_pt[node] / 2 for node, top_pt in _tops_pt(rows_pt).items()}
    named = [node for node in rows_pt if not _is_device(node)]
    devices = [node for node in rows_pt if _is_device(node)]
    step = style.thinning(rows_pt[devices[0]], _LABEL_PT) if devices else 1
    lowest_pt = max((middles_pt[node] for node in named), default=-_LABEL_PT)
    named += [node for node in devices[::step] if middles_pt[node] - lowest_pt >= _LABEL_PT]
    axes.set_yticks([middles_pt[node] for node in named], [node.replace("-", " ") for node in named])
    axes.tick_params(axis="y", length=0)


def _mark_rounds(axes: Axes, panel: _Panel, unit: TimeUnit) -> None:
    """Draw a line at the end of each round and number the rounds, as many as there is room for."""
    if panel.rounds.empty:
        return
    start, end = (panel.rounds[column].to_numpy() / unit.seconds for column in ("start_s", "end_s"))
    axes.vlines(end, 0, axes.get_ylim()[0], color="#333333", linewidth=0.6, zorder=3)
    room_pt = float(np.median(end - start)) / axes.get_xlim()[1] * 0.88 * style.WIDTH_IN * 72
    numbers = [f"round {number}" for number in panel.rounds.index]
    if room_pt < _CHARACTER_PT * len(numbers[-1]):
        numbers = [number.removeprefix("round ") for number in numbers]
    step = style.thinning(room_pt, _CHARACTER_PT * (len(numbers[-1]) + 1))
    for number, middle in list(zip(numbers, (start + end) / 2, strict=True))[::step]:
        axes.text(middle, _HEADER_PT / 2, number, fontsize=SMALL_PT, ha="center", va="center")


def _title(axes: Axes, panel: _Panel, unit: TimeUnit) -> None:
    if panel.rounds.empty:
        latency = "no such round"
    else:
        latency = unit.text(float((panel.rounds["end_s"] - panel.rounds["start_s"]).mean()))
        first, last = panel.rounds.index[0], panel.rounds.index[-1]
        latency += f" for round {first}" if first == last else f" a round, mean of rounds {first}–{last}"
    axes.set_title(style.wrapped(panel.label, 52), loc="left", fontsize=style.TITLE_PT, pad=2)
    axes.set_title(latency, loc="right", fontsize=LABEL_PT, pad=2)
