"""Latency Gantt charts: what every node does when, schemes stacked on one time axis."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ...scenarios.ordered_sum import ordered_sum
from . import style
from .gantt_rows import Panel, fitting, kind, make_panel, round_spans, seen
from .style import LABEL_PT, SMALL_PT, WAITING, TimeUnit

__all__ = ["gantt_figure"]

_PANELS_PT = 515.0  # height of all panels together, so that the figure fits on a page
_HEADER_PT = 10.0  # strip above the rows, for the rounds' numbers
_ROW_PT, _TRACK_PT, _THIN_PT = 11.0, 5.0, 4.0  # heights: a row, a lane within it, a bar too thin for edges
_NODE_TRACK_PT = 7.5  # a lane of a compute node: where there are nodes, the eye is on them
_LABEL_PT = 6.8  # a row's name, one under the other
_CHARACTER_PT = 0.6 * SMALL_PT
_TITLE_CHARACTERS = 88  # of both titles of a panel together
_MAIN_SHARE = 0.6  # of the height, at most, for the rows of servers and compute nodes


def gantt_figure(
    intervals: pd.DataFrame,
    *,
    rounds: tuple[int, int] | None = None,
    labels: Sequence[str] | None = None,
) -> Figure:
    """Draw the intervals of each scheme as a panel of bars, one row a node, all on one time axis.

    A bar is an interval of activity, coloured by phase; lanes of a node that are busy at once share its
    row. Hatched is a device that idles in a round that it takes part in, before its turn too; and, on a
    sub-row of a server, compute node or wire, the time for which work is queued.
    A broadcast is drawn once, at the server; the devices count as waiting meanwhile. A thin line ends each
    round. Of several seeds the lowest is drawn.
    Compute nodes stand above the devices, those of a chain in its order. Wires have rows only where one of
    them is busy for 5 % of the run. Where the rounds to show have more than 4000 intervals, a panel has
    every n-th device, 20 or more, and, if that is not enough, ends where the 4000 intervals that start first
    are shown: its title says so.

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
    spans = {label: round_spans(table) for label, table in tables.items()}
    if rounds is None:
        first = {label: make_panel(label, table, spans[label].iloc[:1]) for label, table in tables.items()}
        horizon_s = max(panel.end_s for panel in first.values())
        spans = {label: fitting(spans[label], seen(tables[label]), horizon_s) for label in tables}
    else:
        last = max(int(span.index[-1]) for span in spans.values())
        spans = {label: span.loc[rounds[0] : rounds[1]] for label, span in spans.items()}
        if all(span.empty for span in spans.values()):
            raise ValueError(f"rounds {rounds[0]} to {rounds[1]}: the table's rounds are 1 to {last}")
    return _draw([make_panel(label, table, spans[label]) for label, table in tables.items()])


def _tables(intervals: pd.DataFrame, labels: Sequence[str] | None) -> dict[str, pd.DataFrame]:
    known = intervals["label"].unique().tolist()
    chosen = known if labels is None else list(dict.fromkeys(labels))
    unknown = [label for label in chosen if label not in known]
    if unknown:
        raise ValueError(f"no intervals of {', '.join(unknown)}; the table has {', '.join(known)}")
    if not chosen:
        raise ValueError("nothing to draw: the table of intervals has no rows, or no label is chosen")
    tables = {label: intervals[intervals["label"] == label] for label in chosen}
    return {label: table[table["seed"] == table["seed"].min()] for label, table in tables.items()}


def _heights_pt(panels: Sequence[Panel]) -> list[dict[str, float]]:
    """Return the heights of the rows; they shrink, the devices' most, so that all panels fit on one page."""
    heights_pt = [
        {node: _natural_pt(node, len(lanes)) for node, lanes in panel.lanes.items() if _is_main(node)}
        for panel in panels
    ]
    main_pt = ordered_sum(ordered_sum(rows_pt.values()) for rows_pt in heights_pt)
    small = sum(not _is_main(node) for panel in panels for node in panel.lanes)
    room_pt = max(0.0, _PANELS_PT - _HEADER_PT * len(panels))
    shrunk = min(1.0, _MAIN_SHARE * room_pt / main_pt) if main_pt else 1.0
    small_pt = min(_ROW_PT, max(0.2, (room_pt - shrunk * main_pt) / max(1, small)))
    return [
        {node: shrunk * rows_pt[node] if _is_main(node) else small_pt for node in panel.lanes}
        for panel, rows_pt in zip(panels, heights_pt, strict=True)
    ]


def _natural_pt(node: str, lanes: int) -> float:
    return max(_ROW_PT, (_NODE_TRACK_PT if kind(node) == "node" else _TRACK_PT) * lanes)


def _is_main(node: str) -> bool:
    return kind(node) in {"server", "node"}


def _tops_pt(rows_pt: dict[str, float]) -> dict[str, float]:
    return dict(zip(rows_pt, np.cumsum([_HEADER_PT, *rows_pt.values()]).tolist(), strict=False))


def _placed(panel: Panel, rows_pt: dict[str, float]) -> pd.DataFrame:
    """Return the panel's bars with top_pt and height_pt; a device waits over the whole of its row."""
    tops_pt = _tops_pt(rows_pt)
    places = []
    for node, lane, phase in panel.bars[["node", "lane", "phase"]].itertuples(index=False):
        lanes = panel.lanes[node]
        track_pt = rows_pt[node] / len(lanes)
        if phase == WAITING and lane not in lanes:
            places.append((tops_pt[node], rows_pt[node]))
        else:
            track = lanes.index(lane) if lane in lanes else 0
            places.append((tops_pt[node] + track * track_pt, track_pt))
    top_pt, height_pt = np.array(places).reshape(-1, 2).T
    return panel.bars.assign(top_pt=top_pt, height_pt=height_pt)


def _draw(panels: Sequence[Panel]) -> Figure:
    longest_s = max(panel.end_s for panel in panels) or 1.0
    unit = style.time_unit(longest_s)
    layout = _heights_pt(panels)
    panels_pt = [_HEADER_PT + ordered_sum(rows_pt.values()) for rows_pt in layout]
    titles_pt = 18 * len(panels) + 30  # and the time axis
    figure = Figure(figsize=(style.WIDTH_IN, (ordered_sum(panels_pt) + titles_pt) / 72), layout="constrained")
    axes = figure.subplots(len(panels), sharex=True, squeeze=False, height_ratios=panels_pt)[:, 0]
    axes[0].set_xlim(0, 1.005 * longest_s / unit.seconds)
    drawn: set[str] = set()
    for axis, panel, rows_pt, panel_pt in zip(axes, panels, layout, panels_pt, strict=True):
        style.plain_axes(axis)
        axis.set_ylim(panel_pt, 0)
        drawn |= _draw_bars(axis, _placed(panel, rows_pt), unit)
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
    """Name as many rows of each kind as leave room for the letters, or all of them together."""
    middles_pt = {node: top_pt + rows_pt[node] / 2 for node, top_pt in _tops_pt(rows_pt).items()}
    named: dict[str, float] = {}  # where each name stands
    for _, nodes in itertools.groupby(rows_pt, kind):
        alike = list(nodes)
        lowest_pt = next(reversed(named.values()), -_LABEL_PT)
        step = style.thinning(min(rows_pt[node] for node in alike), _LABEL_PT)
        fitting = {
            style.node_label(node): middles_pt[node]
            for node in alike[::step]
            if middles_pt[node] - lowest_pt >= _LABEL_PT
        }
        middle_pt = (middles_pt[alike[0]] + middles_pt[alike[-1]]) / 2
        if len(fitting) < min(2, len(alike)) and middle_pt - lowest_pt >= _LABEL_PT:
            fitting = {_together(alike): middle_pt}
        named |= fitting
    axes.set_yticks(list(named.values()), list(named))
    axes.tick_params(axis="y", length=0)


def _together(nodes: Sequence[str]) -> str:
    """Return one name for rows of one kind: ``device 0–4``, and ``wires``, whose names are long."""
    if kind(nodes[0]) == "wire":
        return "wires"
    first, last = style.node_label(nodes[0]), style.node_label(nodes[-1])
    stem, _, number = last.rpartition(" ")
    return f"{first}–{number}" if stem == first.rpartition(" ")[0] else f"{first} – {last}"


def _mark_rounds(axes: Axes, panel: Panel, unit: TimeUnit) -> None:
    """Draw a line at the end of each round and number the rounds, as many as there is room for."""
    shown = panel.rounds[panel.rounds["start_s"] < panel.end_s] if panel.is_cut else panel.rounds
    if shown.empty:
        return
    start, end = (shown[column].to_numpy() / unit.seconds for column in ("start_s", "end_s"))
    bottom_pt, cut = axes.get_ylim()[0], panel.end_s / unit.seconds
    axes.vlines(end[end <= cut], 0, bottom_pt, color="#333333", linewidth=0.6, zorder=3)
    if panel.is_cut:
        axes.vlines(cut, 0, bottom_pt, color="#333333", linewidth=0.6, linestyle="dotted", zorder=3)
    end = np.minimum(end, cut)
    room_pt = float(np.median(end - start)) / axes.get_xlim()[1] * 0.88 * style.WIDTH_IN * 72
    numbers = [f"round {number}" for number in shown.index]
    if room_pt < _CHARACTER_PT * len(numbers[-1]):
        numbers = [number.removeprefix("round ") for number in numbers]
    step = style.thinning(room_pt, _CHARACTER_PT * (len(numbers[-1]) + 1))
    for number, middle in list(zip(numbers, (start + end) / 2, strict=True))[::step]:
        axes.text(middle, _HEADER_PT / 2, number, fontsize=SMALL_PT, ha="center", va="center")


def _title(axes: Axes, panel: Panel, unit: TimeUnit) -> None:
    latency = _latency(panel, unit)
    # a long one on the right leaves less room on the left
    label = style.wrapped(panel.label, min(52, _TITLE_CHARACTERS - len(latency)))
    axes.set_title(label, loc="left", fontsize=style.TITLE_PT, pad=2)
    axes.set_title(latency, loc="right", fontsize=LABEL_PT, pad=2)


def _latency(panel: Panel, unit: TimeUnit) -> str:
    """Return how long a round takes; where not all is shown, what is."""
    if panel.rounds.empty:
        return "no such round"
    first, last = panel.rounds.index[0], panel.rounds.index[-1]
    devices = sum(kind(node) == "device" for node in panel.lanes)
    fewer = f", {devices} of {panel.devices} devices" if devices < panel.devices else ""
    if panel.is_cut:
        total_s = float(panel.rounds["end_s"].max())
        total = style.time_unit(total_s).text(total_s)
        rounds = f"round {first}" if first == last else f"rounds {first}–{last}"
        return f"first {unit.text(panel.end_s)} of {rounds} ({total}){fewer}"
    latency = unit.text(float((panel.rounds["end_s"] - panel.rounds["start_s"]).mean()))
    rounds = f" for round {first}" if first == last else f" a round, mean of rounds {first}–{last}"
    return latency + rounds + fewer
