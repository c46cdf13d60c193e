"""Latency Gantt charts: the activities of every node over time, one panel a scheme, on one time axis."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ...scenarios.ordered_sum import ordered_sum
from . import style
from .gantt_rows import HEADER_PT, WAITING, Panel, gantt_panels, node_kind
from .palette import WAITING_COLOUR, phase_colours
from .style import LABEL_PT, SMALL_PT, TimeUnit

__all__ = ["gantt_figure"]

_THIN_PT = 4.0  # height below which a bar has neither an edge nor a gap to the next row
_NAME_PT = 6.8  # distance that the names of two rows need
_CHARACTER_PT = 0.6 * SMALL_PT
_TITLE_CHARACTERS = 88  # of both titles of a panel together


@style.figure_style()
def gantt_figure(
    intervals: pd.DataFrame,
    *,
    rounds: tuple[int, int] | None = None,
    labels: Sequence[str] | None = None,
) -> Figure:
    """Draw the intervals of each scheme as a panel of bars, one row a node, all on one time axis.

    A bar is an interval of activity, coloured by its phase. Lanes of a node that are busy at once share the
    node's row. Two kinds of waiting are hatched: a device that idles in a round in which it takes part, also
    before its turn; and work in the queue of a server, compute node or wire, on a sub-row. A broadcast is
    drawn once, at the server, and the devices count as waiting meanwhile. A thin line ends each round. Of
    several seeds the lowest is drawn.

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
    panels_pt = [panel.height_pt for panel in panels]
    titles_pt = 18 * len(panels) + 30  # with the time axis
    figure = Figure(figsize=(style.WIDTH_IN, (ordered_sum(panels_pt) + titles_pt) / 72), layout="constrained")
    axes = figure.subplots(len(panels), sharex=True, squeeze=False, height_ratios=panels_pt)[:, 0]
    axes[0].set_xlim(0, 1.005 * longest_s / unit.seconds)
    visible: set[str] = set()
    for axis, panel in zip(axes, panels, strict=True):
        style.plain_axes(axis)
        axis.set_ylim(panel.height_pt, 0)
        visible |= _draw_bars(axis, panel.bars, styles, unit)
        _name_rows(axis, panel)
        _mark_rounds(axis, panel, unit)
        _add_titles(axis, panel, unit)
    first = min(int(panel.rounds.index[0]) for panel in panels if len(panel.rounds))
    origin = "Simulated time" if first == 1 else f"Time since the start of round {first}"
    axes[-1].set_xlabel(f"{origin} ({unit.symbol})", fontsize=LABEL_PT)
    legend = {phase: Patch(**bar_style) for phase, bar_style in styles.items() if phase in visible}
    style.legend_below(figure, [*legend.values()], [style.phase_label(phase) for phase in legend])
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


def _draw_bars(
    axes: Axes, bars: pd.DataFrame, styles: Mapping[str, dict[str, Any]], unit: TimeUnit
) -> set[str]:
    """Draw the bars, and return the phases that take time.

    Each phase is one collection, which is fast with thousands of bars.
    """
    parts = {str(phase): part for phase, part in bars.groupby("phase")}
    for phase, part in parts.items():
        thick = part["height_pt"] >= _THIN_PT
        inset_pt = 0.08 * part["height_pt"].where(thick, 0.0)
        top, bottom = part["top_pt"] + inset_pt, part["top_pt"] + part["height_pt"] - inset_pt
        left, right = part["start_s"] / unit.seconds, part["end_s"] / unit.seconds
        x, y = np.column_stack((left, right, right, left)), np.column_stack((top, top, bottom, bottom))
        bar_style = styles[phase] | {"linewidth": np.where(thick, styles[phase]["linewidth"], 0.0)}
        with matplotlib.rc_context({"hatch.linewidth": 0.4}):
            collection = PolyCollection([*np.stack((x, y), axis=-1)], label=phase, **bar_style)
        collection.set_zorder(1 if phase == WAITING else 2)
        axes.add_collection(collection, autolim=False)
    return {phase for phase, part in parts.items() if (part["end_s"] > part["start_s"]).any()}


def _name_rows(axes: Axes, panel: Panel) -> None:
    """Name as many rows of each kind as there is room for; if too few fit, give the kind one name."""
    middles_pt = {node: top_pt + panel.rows_pt[node] / 2 for node, top_pt in panel.tops_pt.items()}
    named: dict[str, float] = {}  # the position of each name
    for _, nodes in itertools.groupby(panel.rows_pt, node_kind):
        alike = list(nodes)
        lowest_pt = next(reversed(named.values()), -_NAME_PT)
        step = style.thinning(min(panel.rows_pt[node] for node in alike), _NAME_PT)
        names = {
            style.node_label(node): middles_pt[node]
            for node in alike[::step]
            if middles_pt[node] - lowest_pt >= _NAME_PT
        }
        middle_pt = (middles_pt[alike[0]] + middles_pt[alike[-1]]) / 2
        if len(names) < min(2, len(alike)) and middle_pt - lowest_pt >= _NAME_PT:
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


def _mark_rounds(axes: Axes, panel: Panel, unit: TimeUnit) -> None:
    """Draw a line at the end of each round, and number as many rounds as there is room for."""
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
        axes.text(middle, HEADER_PT / 2, number, fontsize=SMALL_PT, ha="center", va="center")


def _add_titles(axes: Axes, panel: Panel, unit: TimeUnit) -> None:
    """Write the label on the left and the latency on the right; a long latency narrows the label."""
    latency = _latency_text(panel, unit)
    label = style.wrapped(panel.label, min(52, _TITLE_CHARACTERS - len(latency)))
    axes.set_title(label, loc="left", fontsize=style.TITLE_PT, pad=2)
    axes.set_title(latency, loc="right", fontsize=LABEL_PT, pad=2)


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
