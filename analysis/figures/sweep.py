"""Figures of a sweep: lines, bars and learning curves with 95 % intervals over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullLocator

from ...scenarios.schema.sweep import SweepFigure
from ..results.sweep_statistics import CONFIDENCE, is_accuracy
from .axis_text import axis_words, key_words, log_ticks, named_value, shown_value, tick_text, with_unit
from .curve_styles import curve_indices, curve_style, marked_points
from .style import LABEL_PT, WIDTH_IN, legend_below, plain_axes, time_unit

__all__ = ["sweep_figure"]

_PANEL_IN = 2.3
_SINGLE_IN = 4.6
_COLUMNS = 3
_TICKS = 8
_CHARACTERS = 40  # of all labels of an axis, that fit side by side
_HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "oo", "++")


@dataclass(frozen=True)
class _Line:
    """One line of the figure: its rows are found by label and, where there is one, the line's key."""

    label: str
    value: Any
    name: str
    style: int


def sweep_figure(table: pd.DataFrame, figure: SweepFigure) -> Figure:
    """Draw a figure of a sweep.

    Shaded bands and whiskers are the 95 % intervals over seeds. A scheme looks the same in every figure.

    Parameters
    ----------
    table : what :func:`figure_table` returns
    figure : what is to be drawn
    """
    panels = list(dict.fromkeys(table[figure.panels])) if figure.panels else [None]
    across = min(len(panels), _COLUMNS)
    down = -(-len(panels) // across)
    width_in = WIDTH_IN if across > 1 else _SINGLE_IN
    drawn = Figure(figsize=(width_in, _PANEL_IN * down + 0.3 * (across == 1)), layout="constrained")
    grid = drawn.subplots(down, across, sharey=True, squeeze=False)
    lines = _lines(table, figure)
    scaled, y_words, x_words = _scaled(table, figure)
    draw: Callable[..., None] = _draw_bars if figure.kind == "bar" else _draw_lines
    for position, axes in enumerate(grid.flat):
        if position >= len(panels):
            axes.set_visible(False)
            continue
        rows = scaled[scaled[figure.panels] == panels[position]] if figure.panels else scaled
        plain_axes(axes)
        axes.grid(axis="y", color="#DDDDDD", linewidth=0.4)
        draw(axes, rows, scaled, lines, figure)
        axes.set_xlabel(x_words, fontsize=LABEL_PT)
        if position % across == 0:
            axes.set_ylabel(y_words, fontsize=LABEL_PT)
        if figure.panels:
            shown = shown_value(panels[position])
            title = shown if "=" in shown else f"{axis_words(figure.panels)}: {shown}"
            axes.set_title(title, fontsize=LABEL_PT)
    first = grid[0, 0]
    if figure.y_log:
        first.set_yscale("log")
        log_ticks(first.yaxis)
    elif figure.kind == "bar":
        first.set_ylim(bottom=0)
    if is_accuracy(figure.y) and figure.normalise_to is None:  # an interval may reach beyond
        low, high = first.get_ylim()
        first.set_ylim(max(low, 0.0), min(high, 102.0))
    _legend(drawn, table, lines, figure)
    return drawn


def _lines(table: pd.DataFrame, figure: SweepFigure) -> list[_Line]:
    by_label = figure.x != "label"
    columns = [*(["label", "scheme"] if by_label else []), *([figure.lines] if figure.lines else [])]
    if not columns:
        return [_Line("", None, "", 0)]
    found = table[columns].drop_duplicates().to_dict("records")
    several = by_label and len({row["label"] for row in found}) > 1
    looks = [
        row["scheme"] if several or not figure.lines else shown_value(row[figure.lines]) for row in found
    ]
    lines = []
    for row, style in zip(found, curve_indices(looks), strict=True):
        value = row[figure.lines] if figure.lines else None
        parts = [row["label"]] if several or not figure.lines else []
        parts += [named_value(figure.lines, value)] if figure.lines else []
        lines.append(_Line(row.get("label", ""), value, ", ".join(parts), style))
    return lines


def _rows(rows: pd.DataFrame, line: _Line, figure: SweepFigure) -> pd.DataFrame:
    if line.label:
        rows = rows[rows["label"] == line.label]
    return rows[rows[figure.lines] == line.value] if figure.lines else rows


def _scaled(table: pd.DataFrame, figure: SweepFigure) -> tuple[pd.DataFrame, str, str]:
    """Return the table in the units of the axes, and what the axes say."""
    columns = [figure.y, f"{figure.y}_low", f"{figure.y}_high"]
    scaled = table.copy()
    (x_words, x_unit), (y_words, y_unit) = key_words(figure.x), key_words(figure.y)
    if figure.normalise_to is not None:
        y_words, y_unit = f"{y_words} relative to {figure.normalise_to}", ""
    elif is_accuracy(figure.y):
        scaled[columns] *= 100
    elif figure.y.endswith("_s"):
        unit = time_unit(float(table[figure.y].max()))
        scaled[columns] /= unit.seconds
        y_unit = unit.symbol
    if figure.kind == "curves" and figure.x == "end_s":
        unit = time_unit(float(table["end_s"].max()))
        scaled["end_s"] /= unit.seconds
        x_unit = unit.symbol
    return scaled, _titled(figure.y_label, y_words, y_unit), _titled(figure.x_label, x_words, x_unit)


def _titled(label: str | None, words: str, unit: str) -> str:
    """Return the axis label that was given, with the unit where it names none."""
    if label is None:
        return with_unit(words, unit)
    return label if label.endswith(")") else with_unit(label, unit)


def _draw_lines(
    axes: Axes, rows: pd.DataFrame, every: pd.DataFrame, lines: Sequence[_Line], figure: SweepFigure
) -> None:
    numeric = pd.api.types.is_numeric_dtype(every[figure.x])
    places = list(dict.fromkeys(every[figure.x]))
    for position, line in enumerate(lines):
        own = _rows(rows, line, figure)
        if numeric:
            own = own.sort_values(figure.x)
        x = (
            own[figure.x].to_numpy()
            if numeric
            else np.array([places.index(value) for value in own[figure.x]])
        )
        style = curve_style(line.style)
        low, high = (own[f"{figure.y}_{end}"].to_numpy(float) for end in ("low", "high"))
        axes.fill_between(x, low, high, color=style["color"], alpha=0.18, linewidth=0)
        marked = marked_points(len(x), position, len(lines))
        axes.plot(x, own[figure.y].to_numpy(float), **style, markevery=marked)
    if not numeric:
        axes.set_xticks(range(len(places)), labels=[shown_value(value) for value in places])
        return
    if figure.x_log:
        axes.set_xscale("log")
        log_ticks(axes.xaxis)
    if figure.kind == "curves":
        if not figure.x_log:
            axes.set_xlim(left=0)
        if figure.x == "round":
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    elif len(places) <= _TICKS:
        axes.set_xticks(sorted(places), labels=[tick_text(value) for value in sorted(places)])
        axes.xaxis.set_minor_locator(NullLocator())


def _draw_bars(
    axes: Axes, rows: pd.DataFrame, every: pd.DataFrame, lines: Sequence[_Line], figure: SweepFigure
) -> None:
    places = list(dict.fromkeys(every[figure.x]))
    width = 0.8 / len(lines)
    for number, line in enumerate(lines):
        own = _rows(rows, line, figure).set_index(figure.x).reindex(places)
        x = np.arange(len(places)) + (number - (len(lines) - 1) / 2) * width
        y = own[figure.y].to_numpy(float)
        ends = np.abs(np.stack([own[f"{figure.y}_{end}"].to_numpy(float) for end in ("low", "high")]) - y)
        bars = axes.bar(x, y, width, **_bar(line.style))
        if not line.name:  # each bar is a scheme
            for bar, style in zip(bars, _styles_of_labels(every), strict=True):
                bar.set(**_bar(style))
        # a light line below the dark one is seen on dark bars too
        axes.errorbar(x, y, yerr=ends, fmt="none", ecolor="white", elinewidth=2.0, capsize=2.4, capthick=1.8)
        axes.errorbar(x, y, yerr=ends, fmt="none", ecolor="black", elinewidth=0.8, capsize=1.8)
    axes.grid(axis="x", visible=False)
    names = [shown_value(value) for value in places]
    crowded = max(map(len, names)) * len(names) > _CHARACTERS
    turned: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
    axes.set_xticks(range(len(names)), labels=names, **turned)


def _styles_of_labels(table: pd.DataFrame) -> list[int]:
    return curve_indices(table.drop_duplicates("label")["scheme"].tolist())


def _bar(style: int) -> dict[str, Any]:
    hatch = _HATCHES[style % len(_HATCHES)]
    return {
        "facecolor": curve_style(style)["color"],
        "hatch": hatch,
        "edgecolor": "white",
        "linewidth": 0.5,
    }


def _legend(drawn: Figure, table: pd.DataFrame, lines: Sequence[_Line], figure: SweepFigure) -> None:
    handles: list[Artist] = []
    named = [line for line in lines if line.name]
    for line in named:
        bar = figure.kind == "bar"
        handles.append(Patch(**_bar(line.style)) if bar else Line2D([], [], **curve_style(line.style)))
    names = [line.name for line in named]
    if table[f"{figure.y}_low"].notna().any():
        names.append(f"{100 * CONFIDENCE:g} % interval of the {figure.centre} over seeds")
        whisker = Line2D([], [], color="black", marker="|", linewidth=0.8, markersize=5)
        handles.append(whisker if figure.kind == "bar" else Patch(facecolor="#777777", alpha=0.25))
    legend_below(drawn, handles, names)
