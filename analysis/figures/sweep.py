"""Figures of a sweep: lines, bars and learning curves with 95 % confidence intervals over seeds."""

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
from ..results.confidence_intervals import CONFIDENCE, is_accuracy
from .axis_text import (
    axis_label,
    label_and_unit,
    labelled_value,
    log_ticks,
    number_text,
    value_text,
    with_unit,
)
from .palette import curve_indices, curve_style, marked_points
from .style import LABEL_PT, WIDTH_IN, figure_style, legend_below, plain_axes, time_unit

__all__ = ["sweep_figure"]

_PANEL_IN = 2.3
_SINGLE_IN = 4.6
_COLUMNS = 3
_MAX_TICKS = 8
_MAX_CHARACTERS = 40  # of all tick labels of an axis, so that they fit side by side
_HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "oo", "++")


@dataclass(frozen=True)
class _Line:
    """One line of the figure, or one bar of each group.

    Attributes
    ----------
    label : str
        Label of the scheme; empty if the schemes stand on the x axis.
    value : Any
        Value of the figure's ``lines`` key; None if the figure has no such key.
    name : str
        Name in the legend; empty if the line needs none.
    style : int
        Index of the line's style, for :func:`.palette.curve_style`.
    """

    label: str
    value: Any
    name: str
    style: int


@figure_style()
def sweep_figure(table: pd.DataFrame, figure: SweepFigure) -> Figure:
    """Draw a figure of a sweep.

    Shaded bands and whiskers are the 95 % confidence intervals over seeds. A scheme has the same style in
    every figure.

    Parameters
    ----------
    table : DataFrame
        The result of :func:`.sweep_statistics.figure_table`.
    figure : SweepFigure
        The figure's section of the scenario.
    """
    panels = list(dict.fromkeys(table[figure.panels])) if figure.panels else [None]
    across = min(len(panels), _COLUMNS)
    down = -(-len(panels) // across)
    width_in = WIDTH_IN if across > 1 else _SINGLE_IN
    canvas = Figure(figsize=(width_in, _PANEL_IN * down + 0.3 * (across == 1)), layout="constrained")
    grid = canvas.subplots(down, across, sharey=True, squeeze=False)
    lines = _lines(table, figure)
    scaled, y_label, x_label = _scaled(table, figure)
    draw: Callable[..., None] = _draw_bars if figure.kind == "bar" else _draw_lines
    for position, axes in enumerate(grid.flat):
        if position >= len(panels):
            axes.set_visible(False)
            continue
        rows = scaled[scaled[figure.panels] == panels[position]] if figure.panels else scaled
        plain_axes(axes)
        axes.grid(axis="y", color="#DDDDDD", linewidth=0.4)
        draw(axes, rows, scaled, lines, figure)
        axes.set_xlabel(x_label, fontsize=LABEL_PT)
        if position % across == 0:
            axes.set_ylabel(y_label, fontsize=LABEL_PT)
        if figure.panels:
            value = value_text(panels[position])
            title = value if "=" in value else f"{axis_label(figure.panels)}: {value}"
            axes.set_title(title, fontsize=LABEL_PT)
    first = grid[0, 0]
    if figure.y_log:
        first.set_yscale("log")
        log_ticks(first.yaxis)
    elif figure.kind == "bar":
        first.set_ylim(bottom=0)
    if is_accuracy(figure.y) and figure.normalise_to is None:  # bands may reach beyond 0 and 100 %
        low, high = first.get_ylim()
        first.set_ylim(max(low, 0.0), min(high, 102.0))
    _legend(canvas, table, lines, figure)
    return canvas


def _lines(table: pd.DataFrame, figure: SweepFigure) -> list[_Line]:
    """Return the lines of the figure: one for each scheme and each value of its ``lines`` key."""
    by_label = figure.x != "label"
    columns = [*(["label", "scheme"] if by_label else []), *([figure.lines] if figure.lines else [])]
    if not columns:
        return [_Line("", None, "", 0)]
    rows = table[columns].drop_duplicates().to_dict("records")
    several = by_label and len({row["label"] for row in rows}) > 1
    styled_by = [
        row["scheme"] if several or not figure.lines else value_text(row[figure.lines]) for row in rows
    ]
    lines = []
    for row, style in zip(rows, curve_indices(styled_by), strict=True):
        value = row[figure.lines] if figure.lines else None
        parts = [row["label"]] if several or not figure.lines else []
        parts += [labelled_value(figure.lines, value)] if figure.lines else []
        lines.append(_Line(row.get("label", ""), value, ", ".join(parts), style))
    return lines


def _rows_of_line(rows: pd.DataFrame, line: _Line, figure: SweepFigure) -> pd.DataFrame:
    if line.label:
        rows = rows[rows["label"] == line.label]
    return rows[rows[figure.lines] == line.value] if figure.lines else rows


def _scaled(table: pd.DataFrame, figure: SweepFigure) -> tuple[pd.DataFrame, str, str]:
    """Return the table in the units of the axes, and the labels of the y axis and of the x axis."""
    columns = [figure.y, f"{figure.y}_low", f"{figure.y}_high"]
    scaled = table.copy()
    (x_label, x_unit), (y_label, y_unit) = label_and_unit(figure.x), label_and_unit(figure.y)
    if figure.normalise_to is not None:
        y_label, y_unit = f"{y_label} relative to {figure.normalise_to}", ""
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
    y_text = _axis_text(figure.y_label, y_label, y_unit)
    return scaled, y_text, _axis_text(figure.x_label, x_label, x_unit)


def _axis_text(requested: str | None, default: str, unit: str) -> str:
    """Return the requested label of an axis, or else the default, with the unit if the label has none."""
    if requested is None:
        return with_unit(default, unit)
    return requested if requested.endswith(")") else with_unit(requested, unit)


def _draw_lines(
    axes: Axes, rows: pd.DataFrame, all_rows: pd.DataFrame, lines: Sequence[_Line], figure: SweepFigure
) -> None:
    """Draw the rows of one panel as lines with bands. The ticks follow from the rows of all panels."""
    numeric = pd.api.types.is_numeric_dtype(all_rows[figure.x])
    x_values = list(dict.fromkeys(all_rows[figure.x]))
    for position, line in enumerate(lines):
        points = _rows_of_line(rows, line, figure)
        if numeric:
            points = points.sort_values(figure.x)
        x = (
            points[figure.x].to_numpy()
            if numeric
            else np.array([x_values.index(value) for value in points[figure.x]])
        )
        style = curve_style(line.style)
        low, high = (points[f"{figure.y}_{end}"].to_numpy(float) for end in ("low", "high"))
        axes.fill_between(x, low, high, color=style["color"], alpha=0.18, linewidth=0)
        marked = marked_points(len(x), position, len(lines))
        axes.plot(x, points[figure.y].to_numpy(float), **style, markevery=marked)
    if not numeric:
        axes.set_xticks(range(len(x_values)), labels=[value_text(value) for value in x_values])
        return
    if figure.x_log:
        axes.set_xscale("log")
        log_ticks(axes.xaxis)
    if figure.kind == "curves":
        if not figure.x_log:
            axes.set_xlim(left=0)
        if figure.x == "round":
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    elif len(x_values) <= _MAX_TICKS:
        axes.set_xticks(sorted(x_values), labels=[number_text(value) for value in sorted(x_values)])
        axes.xaxis.set_minor_locator(NullLocator())


def _draw_bars(
    axes: Axes, rows: pd.DataFrame, all_rows: pd.DataFrame, lines: Sequence[_Line], figure: SweepFigure
) -> None:
    """Draw the rows of one panel as bars with whiskers: a group for each x value, a bar for each line."""
    x_values = list(dict.fromkeys(all_rows[figure.x]))
    width = 0.8 / len(lines)
    for number, line in enumerate(lines):
        points = _rows_of_line(rows, line, figure).set_index(figure.x).reindex(x_values)
        x = np.arange(len(x_values)) + (number - (len(lines) - 1) / 2) * width
        y = points[figure.y].to_numpy(float)
        ends = np.abs(np.stack([points[f"{figure.y}_{end}"].to_numpy(float) for end in ("low", "high")]) - y)
        bars = axes.bar(x, y, width, **_bar_style(line.style))
        if not line.name:  # each bar stands for a scheme
            for bar, style in zip(bars, _styles_of_labels(all_rows), strict=True):
                bar.set(**_bar_style(style))
        # A light line below the dark one keeps a whisker visible on a dark bar.
        axes.errorbar(x, y, yerr=ends, fmt="none", ecolor="white", elinewidth=2.0, capsize=2.4, capthick=1.8)
        axes.errorbar(x, y, yerr=ends, fmt="none", ecolor="black", elinewidth=0.8, capsize=1.8)
    axes.grid(axis="x", visible=False)
    names = [value_text(value) for value in x_values]
    crowded = max(map(len, names)) * len(names) > _MAX_CHARACTERS
    rotation: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
    axes.set_xticks(range(len(names)), labels=names, **rotation)


def _styles_of_labels(table: pd.DataFrame) -> list[int]:
    return curve_indices(table.drop_duplicates("label")["scheme"].tolist())


def _bar_style(style: int) -> dict[str, Any]:
    hatch = _HATCHES[style % len(_HATCHES)]
    return {
        "facecolor": curve_style(style)["color"],
        "hatch": hatch,
        "edgecolor": "white",
        "linewidth": 0.5,
    }


def _legend(canvas: Figure, table: pd.DataFrame, lines: Sequence[_Line], figure: SweepFigure) -> None:
    handles: list[Artist] = []
    named = [line for line in lines if line.name]
    for line in named:
        bar = figure.kind == "bar"
        handles.append(Patch(**_bar_style(line.style)) if bar else Line2D([], [], **curve_style(line.style)))
    names = [line.name for line in named]
    if table[f"{figure.y}_low"].notna().any():
        names.append(f"{100 * CONFIDENCE:g} % interval of the {figure.centre} over seeds")
        whisker = Line2D([], [], color="black", marker="|", linewidth=0.8, markersize=5)
        handles.append(whisker if figure.kind == "bar" else Patch(facecolor="#777777", alpha=0.25))
    legend_below(canvas, handles, names)
