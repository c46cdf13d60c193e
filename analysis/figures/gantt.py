"""Latency Gantt charts: the activities of every node over time, one panel a scheme, on one time axis."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ...scenarios.ordered_sum import ordered_sum
from . import style
from .figure_format import DEFAULT_FORMAT, FigureFormat
from .gantt_marks import Marks, draw_marks, panel_marks
from .gantt_rows import HEADER_PT, WAITING, Panel, gantt_panels
from .palette import WAITING_COLOUR, phase_colours
from .style import TimeUnit, small_pt, text_width_pt
from .visible_rows import node_kind

__all__ = ["gantt_figure"]

_THIN_PT = 4.0  # height below which a bar has neither an edge nor a gap to the next row
_NAME = 0.97  # distance that the names of two rows need, in units of the size of their letters
_BAND_SHARE = 0.2  # of the height of a row, above and below its bars, that a band behind them has
_CHARACTER = 0.6  # width of a character, in units of the size of the letters
_MAX_NUMBER_PT = 8.0  # size of the numbers of rounds, for which there is a strip of fixed height
_TITLE_GAP_PT = 10.0  # between a scheme's label and its latency


@style.styled
def gantt_figure(
    intervals: pd.DataFrame,
    *,
    rounds: tuple[int, int] | None = None,
    labels: Sequence[str] | None = None,
    events: pd.DataFrame | None = None,
    path_rows: Collection[int] = (),
    form: FigureFormat = DEFAULT_FORMAT,
) -> Figure:
    """Draw the intervals of each scheme as a panel of bars, one row a node, all on one time axis.

    A bar is an interval of activity, coloured by its phase. Lanes of a node that are busy at once share the
    node's row. Two kinds of waiting are hatched. The first is the idle time of a device in a round in which
    it takes part, also before its turn. The second is work in the queue of a server, compute node or wire, on
    a sub-row. A broadcast is drawn once, at the server, and the devices count as waiting meanwhile. A thin
    line ends each round. Of several seeds the lowest is drawn.

    Events add marks. A hatched band behind a row is a time in which a node is slow, a device is offline, its
    links are interrupted, or the server has failed. A dotted line is the instant at which a round stops
    waiting for clients, and a thick end belongs to an activity that was cut off. Markers show lost messages,
    and messages that are sent again. The activities of the critical path have a black outline.

    Compute nodes stand above the devices; the nodes of a chain stand in its order. Wires have rows only if
    one of them is busy for 5 % of the run. If the rounds to show have more than 4000 intervals, a panel shows
    every n-th device, but at least 20 devices. If that is not enough, the panel ends after the 4000 intervals
    that start first. Its title says so.

    Parameters
    ----------
    intervals : DataFrame
        One row an interval: label, seed, round, node, lane, phase, and start_s, end_s, wait_s in seconds.
    rounds : (first, last), optional
        Rounds to show, from 1. By default as many whole rounds of each scheme as fit in the longest first
        round of any scheme. A fast scheme's panel then shows how far it gets in one round of the slowest.
    labels : sequence of str, optional
        Labels of the schemes to show, in this order; by default all, in the order of the table.
    events : DataFrame, optional
        One row an event: label, seed, round, time_s, end_s, node, kind, detail; none by default.
    path_rows : collection of int, optional
        The labels of the rows of ``intervals`` that are on the critical path; none by default.
    form : FigureFormat, optional
        Width of the figure, and its letters.

    Raises
    ------
    ValueError
        If the table is empty, a label is not in it, or no scheme has any of the rounds.
    """
    panels = gantt_panels(intervals, rounds, labels)
    colours = phase_colours(str(phase) for phase in intervals["phase"].unique())
    styles = {phase: _bar_style(colour) for phase, colour in colours.items()} | {WAITING: _WAITING_STYLE}
    longest_s = max(panel.end_s for panel in panels) or 1.0
    unit = style.time_unit(longest_s)
    figure = Figure(figsize=(form.width_in, 1.0))
    axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    axes[0].set_xlim(0, 1.005 * longest_s / unit.seconds)
    visible: set[str] = set()
    mark_legend: dict[str, Artist] = {}
    titles_pt = []
    for axis, panel in zip(axes, panels, strict=True):
        style.plain_axes(axis)
        axis.set_ylim(panel.height_pt, 0)
        marks = panel_marks(panel, events, path_rows)
        visible |= _draw_bars(axis, panel.bars, styles, unit, _banded_nodes(panel, marks))
        mark_legend |= draw_marks(axis, panel, marks, unit)
        _name_rows(axis, panel)
    left_pt = _left_margin_pt(list(axes))
    width_pt = 0.995 * 72 * form.width_in - left_pt
    for axis, panel in zip(axes, panels, strict=True):
        _mark_rounds(axis, panel, unit, width_pt)
        titles_pt.append(_add_titles(axis, panel, unit, width_pt))
    first = min(int(panel.rounds.index[0]) for panel in panels if len(panel.rounds))
    origin = "Simulated time" if first == 1 else f"Time since the start of round {first}"
    axes[-1].set_xlabel(f"{origin} [{unit.symbol}]")
    heights_pt = [panel.height_pt for panel in panels]
    time_axis_pt = 1.5 * (small_pt() + form.label_pt) + 9.5
    figure.set_figheight((ordered_sum(heights_pt) + ordered_sum(titles_pt) + time_axis_pt) / 72)
    legend = {phase: Patch(**bar_style) for phase, bar_style in styles.items() if phase in visible}
    names = [*map(style.phase_label, legend), *mark_legend]
    style.legend_below(figure, [*legend.values(), *mark_legend.values()], names)
    _place_panels(figure, list(axes), heights_pt, titles_pt, left_pt)
    return figure


_WAITING_STYLE: dict[str, Any] = {
    "facecolor": WAITING_COLOUR,
    "edgecolor": "#AAAAAA",
    "hatch": "////",
    "linewidth": 0.0,
}


def _bar_style(colour: str) -> dict[str, Any]:
    """Return the patch properties of a phase's bars.

    The edge has a darker shade. It separates bars of one phase, and keeps the shortest bar visible as a
    hairline.
    """
    red, green, blue = to_rgb(colour)
    return {"facecolor": colour, "edgecolor": (0.7 * red, 0.7 * green, 0.7 * blue), "linewidth": 0.2}


def _banded_nodes(panel: Panel, marks: Marks) -> list[str]:
    """Return the nodes whose bars leave room for bands: all of a kind of which one has a band."""
    kinds = {node_kind(node) for node in marks.bands["node"]}
    return [node for node in panel.rows_pt if node_kind(node) in kinds]


def _draw_bars(
    axes: Axes,
    bars: pd.DataFrame,
    styles: Mapping[str, dict[str, Any]],
    unit: TimeUnit,
    banded_nodes: Sequence[str],
) -> set[str]:
    """Draw the bars, and return the phases that take time.

    Each phase is one collection, which is fast with thousands of bars. In the rows of nodes with bands, bars
    are less high, so that the bands can be seen behind them.
    """
    top_pt, height_pt, start_s, end_s = (
        bars[column].to_numpy(float) for column in ("top_pt", "height_pt", "start_s", "end_s")
    )
    thick = height_pt >= _THIN_PT
    inset_pt = np.where(thick, 0.08 * height_pt, 0.0)
    if banded_nodes:
        inset_pt = np.where(bars["node"].isin(banded_nodes), _BAND_SHARE * height_pt, inset_pt)
    top, bottom = top_pt + inset_pt, top_pt + height_pt - inset_pt
    left, right = start_s / unit.seconds, end_s / unit.seconds
    x, y = np.column_stack((left, right, right, left)), np.column_stack((top, top, bottom, bottom))
    corners = np.stack((x, y), axis=-1)
    parts = {str(phase): index for phase, index in bars.groupby("phase").indices.items()}
    for phase, index in parts.items():
        bar_style = styles[phase] | {"linewidth": np.where(thick[index], styles[phase]["linewidth"], 0.0)}
        with matplotlib.rc_context({"hatch.linewidth": 0.4}):
            collection = PolyCollection(list(corners[index]), label=phase, **bar_style)
        collection.set_zorder(1 if phase == WAITING else 2)
        axes.add_collection(collection, autolim=False)
    return {phase for phase, index in parts.items() if (end_s[index] > start_s[index]).any()}


def _name_rows(axes: Axes, panel: Panel) -> None:
    """Name as many rows of each kind as there is room for; if too few fit, give the kind one name."""
    middles_pt = {node: top_pt + panel.rows_pt[node] / 2 for node, top_pt in panel.tops_pt.items()}
    named: dict[str, float] = {}  # the position of each name
    needed_pt = _NAME * small_pt()
    for _, nodes in itertools.groupby(panel.rows_pt, node_kind):
        alike = list(nodes)
        lowest_pt = next(reversed(named.values()), -needed_pt)
        step = style.thinning(min(panel.rows_pt[node] for node in alike), needed_pt)
        names = {
            style.node_label(node): middles_pt[node]
            for node in alike[::step]
            if middles_pt[node] - lowest_pt >= needed_pt
        }
        middle_pt = (middles_pt[alike[0]] + middles_pt[alike[-1]]) / 2
        if len(names) < min(2, len(alike)) and middle_pt - lowest_pt >= needed_pt:
            names = {_common_name(alike): middle_pt}
        named |= names
    axes.set_yticks(list(named.values()), list(named))
    axes.tick_params(axis="y", length=0)


def _common_name(nodes: Sequence[str]) -> str:
    """Return one name for the rows of a kind, for example ``device 0–4``; wires are just ``wires``."""
    if node_kind(nodes[0]) == "wire":
        return "wires"
    first, last = style.node_label(nodes[0]), style.node_label(nodes[-1])
    stem, _, number = last.rpartition(" ")
    return f"{first}–{number}" if stem == first.rpartition(" ")[0] else f"{first} – {last}"


def _mark_rounds(axes: Axes, panel: Panel, unit: TimeUnit, width_pt: float) -> None:
    """Draw a line at the end of each round, and number as many rounds as there is room for."""
    size_pt = min(small_pt(), _MAX_NUMBER_PT)
    character_pt = _CHARACTER * size_pt
    shown = panel.rounds[panel.rounds["start_s"] < panel.end_s] if panel.is_cut else panel.rounds
    if shown.empty:
        return
    start, end = (shown[column].to_numpy() / unit.seconds for column in ("start_s", "end_s"))
    bottom_pt, cut = axes.get_ylim()[0], panel.end_s / unit.seconds
    axes.vlines(end[end <= cut], 0, bottom_pt, color="#333333", linewidth=0.6, zorder=3)
    if panel.is_cut:
        axes.vlines(cut, 0, bottom_pt, color="#333333", linewidth=0.6, linestyle="dotted", zorder=3)
    end = np.minimum(end, cut)
    room_pt = float(np.median(end - start)) / axes.get_xlim()[1] * width_pt
    numbers = [f"round {number}" for number in shown.index]
    if room_pt < character_pt * len(numbers[-1]):
        numbers = [number.removeprefix("round ") for number in numbers]
    step = style.thinning(room_pt, character_pt * (len(numbers[-1]) + 1))
    for number, middle in list(zip(numbers, (start + end) / 2, strict=True))[::step]:
        axes.text(middle, HEADER_PT / 2, number, fontsize=size_pt, ha="center", va="center")


def _add_titles(axes: Axes, panel: Panel, unit: TimeUnit, width_pt: float) -> float:
    """Write the label on the left and the latency on the right, and return the height of both, [pt].

    If both do not fit side by side, the latency has lines of its own below the label.
    """
    title_pt, latency_pt = style.title_pt(), style.title_pt() - 1.0
    latency = style.wrapped_to(_latency_text(panel, unit), width_pt, latency_pt)
    label = style.wrapped_to(panel.label, width_pt, title_pt)
    both_pt = _widest_pt(label, title_pt) + _TITLE_GAP_PT + _widest_pt(latency, latency_pt)
    raised_pt = 1.4 * latency_pt * (latency.count("\n") + 1) if both_pt > width_pt else 0.0
    axes.set_title(latency, loc="right", fontsize=latency_pt, pad=2, y=1.0)
    axes.set_title(label, loc="left", pad=2, y=1.0 + raised_pt / panel.height_pt)
    return 6.0 + title_pt * 4 / 3 * (label.count("\n") + 1) + raised_pt


def _widest_pt(text: str, size_pt: float) -> float:
    """Return the width of the widest line of a text, [pt]."""
    return max(text_width_pt(line, size_pt) for line in text.splitlines())


def _left_margin_pt(axes: Sequence[Axes]) -> float:
    """Return the room that the longest name of a row needs, [pt]."""
    names = {name.get_text() for axis in axes for name in axis.get_yticklabels()}
    return max((text_width_pt(name, small_pt()) for name in names), default=0.0) + 8.0


def _place_panels(
    figure: Figure,
    axes: Sequence[Axes],
    heights_pt: Sequence[float],
    titles_pt: Sequence[float],
    left_pt: float,
) -> None:
    """Give each panel its position, from the top down.

    All heights are known in points. Matplotlib's layout engine would draw the whole figure to learn them,
    which takes as long as the drawing itself.

    Parameters
    ----------
    heights_pt : sequence of float, [num_panels]
        Height of each panel, [pt].
    titles_pt : sequence of float, [num_panels]
        Height of each panel's title, [pt].
    left_pt : float
        Width of the margin with the names of the rows, [pt].
    """
    width_pt, height_pt = 72 * figure.get_figwidth(), 72 * figure.get_figheight()
    right_pt = 0.995 * width_pt
    bottom_pt = height_pt
    for axis, panel_pt, title_pt in zip(axes, heights_pt, titles_pt, strict=True):
        bottom_pt -= title_pt + panel_pt
        axis.set_position(
            (
                left_pt / width_pt,
                bottom_pt / height_pt,
                (right_pt - left_pt) / width_pt,
                panel_pt / height_pt,
            )
        )
        # positions that are set need no search for words in the way
        axis.xaxis.set_label_coords(0.5, -(1.4 * small_pt() + 7.0) / panel_pt)
        axis.yaxis.set_label_coords(0.0, 0.5)


def _latency_text(panel: Panel, unit: TimeUnit) -> str:
    """Return the duration of a round, and the shown part if the panel does not show everything."""
    if panel.rounds.empty:
        return "no such round"
    first, last = panel.rounds.index[0], panel.rounds.index[-1]
    num_shown = sum(node_kind(node) == "device" for node in panel.rows_pt)
    fewer = f", {num_shown} of {panel.num_devices} devices" if num_shown < panel.num_devices else ""
    if panel.is_cut:
        total_s = float(panel.rounds["end_s"].max())
        total = style.time_unit(total_s).text(total_s)
        rounds = f"round {first}" if first == last else f"rounds {first}–{last}"
        return f"first {unit.text(panel.end_s)} of {rounds} ({total}){fewer}"
    latency = unit.text(float((panel.rounds["end_s"] - panel.rounds["start_s"]).mean()))
    rounds = f" for round {first}" if first == last else f" a round, mean of rounds {first}–{last}"
    return latency + rounds + fewer
