"""Figures of a sweep: lines, bars and learning curves with 95 % confidence intervals over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ....scenarios.schema.sweep import SweepFigure
from ...results.confidence_intervals import CONFIDENCE, is_accuracy
from ...results.sweeps.sweep_gaps import reached_text
from ..axis_text import (
    AxisUnit,
    axis_unit,
    label_and_unit,
    labelled_value,
    log_ticks,
    value_text,
    with_unit,
)
from ..figure_format import FigureFormat
from ..palette import curve_style, label_styles, marked_points
from ..style import legend_below, plain_axes, small_pt, styled, wrapped_to
from .curves import FEW_POINTS, MAX_CURVES, draw_curve, draw_faint, interval_handle, panels_across
from .sweep_ticks import category_ticks, curve_ticks, number_ticks

__all__ = ["sweep_figure"]

_PANEL_IN, _LEAST_IN = 2.3, 2.2  # height of a panel, and its least width
_SMALL_IN, _SMALL_LEAST_IN = 1.45, 1.65  # the same of a small multiple
_SINGLE_IN = 4.6  # default width of a single panel
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

    def rows(self, table: pd.DataFrame, figure: SweepFigure) -> pd.DataFrame:
        """Return the rows of the line in a table of the figure."""
        if self.label:
            table = table[table["label"] == self.label]
        return table[table[figure.lines] == self.value] if figure.lines else table


@dataclass(frozen=True)
class _Panel:
    """One panel: its title, its rows, its lines, and the lines of other panels that it shows in grey."""

    title: str
    rows: pd.DataFrame
    lines: Sequence[_Line]
    faint: Sequence[_Line]


@dataclass(frozen=True)
class _Content:
    """A figure's table in the units of its axes, and the labels of the axes."""

    table: pd.DataFrame
    figure: SweepFigure
    x_label: str
    y_label: str
    panel_pt: float

    @property
    def is_numeric(self) -> bool:
        """Return whether the x axis has numbers, and no names."""
        return pd.api.types.is_numeric_dtype(self.table[self.figure.x])

    @property
    def x_values(self) -> list[Any]:
        """Return the values on the x axis, in the order of the sweep."""
        return list(dict.fromkeys(self.table[self.figure.x].dropna()))

    @property
    def has_few_points(self) -> bool:
        """Return whether there are so few x values that intervals are error bars."""
        return len(self.x_values) <= FEW_POINTS

    def points(self, rows: pd.DataFrame) -> tuple[np.ndarray[Any, Any], ...]:
        """Return x, y, and both ends of the interval, for each row with a value, in the order of x."""
        figure = self.figure
        rows = rows.dropna(subset=[figure.x, figure.y])
        if self.is_numeric:
            rows = rows.sort_values(figure.x)
            x = rows[figure.x].to_numpy(float)
        else:
            x = np.array([self.x_values.index(value) for value in rows[figure.x]], dtype=float)
        return x, *(rows[f"{figure.y}{end}"].to_numpy(float) for end in ("", "_low", "_high"))


@styled
def sweep_figure(
    table: pd.DataFrame,
    figure: SweepFigure,
    *,
    schemes: Mapping[str, str] | None = None,
    target: float | None = None,
    form: FigureFormat | None = None,
) -> Figure:
    """Draw a figure of a sweep.

    Bands, error bars and whiskers are the 95 % confidence intervals over seeds. Lines have error bars if the
    figure has at most 8 x values. A scheme has the same style in every figure. A panel without any value
    says so, and so does the legend of a line without one. More than 8 lines become small multiples: a panel
    for each scheme if each has several lines, and otherwise a panel for each line, with the others in grey.

    Parameters
    ----------
    table : DataFrame
        The result of :func:`.sweep_statistics.figure_table`.
    figure : SweepFigure
        The figure's section of the scenario.
    schemes : mapping of str to str, optional
        The scheme of each label of the sweep, also of labels that the figure does not show. By default, those
        of the table.
    target : float, optional
        The target accuracy of the sweep, as a fraction of 1.
    form : FigureFormat, optional
        Width of the figure, and its letters. A figure of one panel is less wide by default.
    """
    if schemes is None:
        schemes = dict(table.drop_duplicates("label")[["label", "scheme"]].itertuples(index=False))
    styles = label_styles(schemes)
    lines = _lines(table, figure, styles)
    titles = _group_titles(lines, figure)
    num_panels = (len(set(table[figure.panels])) if figure.panels else 1) * len(titles)
    if form is None:
        form = FigureFormat(width_in=_SINGLE_IN) if num_panels == 1 else FigureFormat()
    height_in, least_in = (_SMALL_IN, _SMALL_LEAST_IN) if len(titles) > 1 else (_PANEL_IN, _LEAST_IN)
    across = panels_across(form.width_in, range(num_panels), least_in)
    down = -(-num_panels // across)
    content = _content(table, figure, 72 * form.width_in / across)
    panels = _panels(content, lines, titles)
    canvas = Figure(figsize=(form.width_in, height_in * down + 0.3 * (down == 1)), layout="constrained")
    same_x = figure.kind != "curves"
    grid = canvas.subplots(down, across, sharey=True, sharex=same_x, squeeze=False)
    canvas.get_layout_engine().set(h_pad=0.07)  # type: ignore[union-attr,call-arg]
    missing = reached_text(figure, target)
    for position, axes in enumerate(grid.flat):
        if position >= len(panels):
            axes.set_visible(False)
            continue
        panel = panels[position]
        plain_axes(axes)
        axes.grid(axis="y", color="#DDDDDD", linewidth=0.4)
        if panel.rows[figure.y].isna().all():
            _say(axes, missing if (panel.rows["seeds"] > 0).any() else "no point is finished", content)
            if not same_x:
                axes.set_xticks([])
        elif figure.kind == "bar":
            _draw_bars(axes, panel, content, styles)
        else:
            _draw_lines(axes, panel, content)
        if position + across >= len(panels):
            axes.set_xlabel(wrapped_to(content.x_label, 0.95 * content.panel_pt, form.label_pt))
            axes.tick_params(labelbottom=True)
        if position % across == 0:
            axes.set_ylabel(wrapped_to(content.y_label, 72 * 0.8 * height_in, form.label_pt))
        axes.set_title(wrapped_to(panel.title, 0.8 * content.panel_pt, form.label_pt), fontsize=form.label_pt)
    _limit_y(grid[0, 0], figure)
    _legend(canvas, content, lines if len(titles) == 1 or figure.lines else [], missing)
    return canvas


def _lines(table: pd.DataFrame, figure: SweepFigure, styles: Mapping[str, int]) -> list[_Line]:
    """Return the lines of the figure: one for each scheme and each value of its ``lines`` key.

    A line has its scheme's style, unless a key distinguishes the lines too.
    """
    by_label = figure.x != "label"
    columns = [*(["label"] if by_label else []), *([figure.lines] if figure.lines else [])]
    if not columns:
        return [_Line("", None, "", 0)]
    names = _names(table)
    rows = table[columns].drop_duplicates().to_dict("records")
    several = by_label and len({row["label"] for row in rows}) > 1
    split = _is_split(len(rows), several=several, figure=figure)
    lines, values = [], list(dict.fromkeys(table[figure.lines])) if figure.lines else []
    for number, row in enumerate(rows):
        value = row[figure.lines] if figure.lines else None
        parts = [names[row["label"]]] if (several and not split) or not figure.lines else []
        parts += [labelled_value(figure.lines, value)] if figure.lines else []
        style = number if figure.lines else styles[row["label"]]
        lines.append(
            _Line(row.get("label", ""), value, ", ".join(parts), values.index(value) if split else style)
        )
    return lines


def _names(table: pd.DataFrame) -> dict[str, str]:
    """Return the label of each scheme of a figure's table as papers write it."""
    return dict(zip(table["label"].astype(str), table["paper_label"].astype(str), strict=True))


def _is_split(num_lines: int, *, several: bool, figure: SweepFigure) -> bool:
    """Return whether there is a panel for each scheme, in which a key distinguishes the lines."""
    return num_lines > MAX_CURVES and several and figure.lines is not None


def _group_titles(lines: Sequence[_Line], figure: SweepFigure) -> list[str]:
    """Return the titles of the small multiples: labels, or names of lines; one empty text without them."""
    labels = list(dict.fromkeys(line.label for line in lines))
    if _is_split(len(lines), several=len(labels) > 1, figure=figure):
        return labels
    return [line.name for line in lines] if len(lines) > MAX_CURVES else [""]


def _panels(content: _Content, lines: Sequence[_Line], titles: Sequence[str]) -> list[_Panel]:
    """Return the panels: for each value of the figure's ``panels`` key, all small multiples."""
    table, key = content.table, content.figure.panels
    names = _names(table)
    panels = []
    for value in dict.fromkeys(table[key]) if key else (None,):
        rows = table[table[key] == value] if key else table
        of_key = [labelled_value(key, value)] if key else []
        for title in titles:
            shown, faint = list(lines), list[_Line]()
            if title:
                shown = [line for line in lines if title in (line.label, line.name)]
                faint = [] if len(shown) > 1 else [line for line in lines if line not in shown]
            group = rows
            if title and len(shown) == 1:
                group = shown[0].rows(rows, content.figure)
            elif title:
                group = rows[rows["label"] == title]
            text = ", ".join((*of_key, *([names.get(title, title)] if title else [])))
            panels.append(_Panel(text, group, shown, faint))
    return panels


def _content(table: pd.DataFrame, figure: SweepFigure, panel_pt: float) -> _Content:
    """Return the table in the units of the axes, and the labels of the axes."""
    ys = [figure.y, f"{figure.y}_low", f"{figure.y}_high"]
    scaled = table.copy()
    (x_label, x_unit), (y_label, y_unit) = label_and_unit(figure.x), label_and_unit(figure.y)
    if figure.normalise_to is not None:
        names = _names(table)
        y_label, y_unit = f"{y_label} relative to {names.get(figure.normalise_to, figure.normalise_to)}", ""
    else:
        unit = _unit(table, figure.y, figure.y_label)
        scaled[ys] = scaled[ys] / unit.size
        y_unit = unit.symbol
    if pd.api.types.is_numeric_dtype(table[figure.x]):
        unit = _unit(table, figure.x, figure.x_label)
        if unit.size != 1.0:
            scaled[figure.x] = scaled[figure.x].astype(float) / unit.size
        x_unit = unit.symbol
    y_text = _axis_text(figure.y_label, y_label, y_unit)
    return _Content(scaled, figure, _axis_text(figure.x_label, x_label, x_unit), y_text, panel_pt)


def _has_unit(label: str | None) -> bool:
    return label is not None and (label.endswith(")") or "[" in label)


def _unit(table: pd.DataFrame, column: str, requested: str | None) -> AxisUnit:
    """Return the unit of an axis; a time has that of the table if the requested label names its unit."""
    unit = label_and_unit(column)[1]
    if _has_unit(requested) and not is_accuracy(column):
        return AxisUnit(unit, 1.0)
    return axis_unit(column, float(table[column].abs().max()))


def _axis_text(requested: str | None, default: str, unit: str) -> str:
    """Return the requested label of an axis, or else the default, with the unit if the label has none."""
    if requested is None:
        return with_unit(default, unit)
    return requested if _has_unit(requested) else with_unit(requested, unit)


def _say(axes: Axes, text: str, content: _Content) -> None:
    """Write into an empty panel why it is empty."""
    shown = wrapped_to(text[:1].upper() + text[1:], 0.7 * content.panel_pt, small_pt())
    axes.text(
        0.5,
        0.5,
        shown,
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=small_pt(),
        color="#444444",
    )
    axes.grid(visible=False)


def _draw_lines(axes: Axes, panel: _Panel, content: _Content) -> None:
    """Draw the lines of one panel. The ticks follow from the rows of all panels."""
    figure = content.figure
    for line in panel.faint:
        same = (
            content.table[content.table[figure.panels].isin(panel.rows[figure.panels])]
            if figure.panels
            else content.table
        )
        x, y, _, _ = content.points(line.rows(same, figure))
        draw_faint(axes, x, y)
    for position, line in enumerate(panel.lines):
        x, y, low, high = content.points(line.rows(panel.rows, figure))
        marked = marked_points(len(x), position, len(panel.lines))
        style = curve_style(line.style) | {"markevery": None if content.has_few_points else marked}
        place = (position, len(panel.lines))
        draw_curve(axes, x, y, (low, high), style, few=content.has_few_points, place=place)
    if not content.is_numeric:
        category_ticks(axes, [value_text(value) for value in content.x_values], content.panel_pt)
        return
    if figure.x_log:
        axes.set_xscale("log")
        log_ticks(axes.xaxis)
    if figure.kind == "curves":
        curve_ticks(axes, figure)
    else:
        number_ticks(axes, sorted(content.x_values), content.panel_pt, is_log=figure.x_log)


def _draw_bars(axes: Axes, panel: _Panel, content: _Content, styles: Mapping[str, int]) -> None:
    """Draw the rows of one panel as bars with whiskers: a group for each x value, a bar for each line."""
    figure, x_values = content.figure, content.x_values
    width = 0.8 / len(panel.lines)
    for number, line in enumerate(panel.lines):
        points = line.rows(panel.rows, figure).set_index(figure.x).reindex(x_values)
        x = np.arange(len(x_values)) + (number - (len(panel.lines) - 1) / 2) * width
        y = points[figure.y].to_numpy(float)
        ends = np.abs(np.stack([points[f"{figure.y}_{end}"].to_numpy(float) for end in ("low", "high")]) - y)
        bars = axes.bar(x, y, width, **_bar_style(line.style))
        if not line.name:  # each bar stands for a scheme
            for bar, label in zip(bars, x_values, strict=True):
                bar.set(**_bar_style(styles[label]))
        # A light line below the dark one keeps a whisker visible on a dark bar.
        axes.errorbar(x, y, yerr=ends, fmt="none", ecolor="white", elinewidth=2.0, capsize=2.4, capthick=1.8)
        axes.errorbar(x, y, yerr=ends, fmt="none", ecolor="black", elinewidth=0.8, capsize=1.8)
    axes.grid(axis="x", visible=False)
    names = _names(content.table)
    shown = [names[value] if figure.x == "label" else value_text(value) for value in x_values]
    category_ticks(axes, shown, content.panel_pt)


def _bar_style(style: int) -> dict[str, Any]:
    hatch = _HATCHES[style % len(_HATCHES)]
    return {
        "facecolor": curve_style(style)["color"],
        "hatch": hatch,
        "edgecolor": "white",
        "linewidth": 0.5,
    }


def _limit_y(axes: Axes, figure: SweepFigure) -> None:
    """Set scale and limits of the y axis, which all panels share."""
    if figure.y_log:
        axes.set_yscale("log")
        log_ticks(axes.yaxis)
    elif figure.kind == "bar":
        axes.set_ylim(bottom=0)
    if is_accuracy(figure.y) and figure.normalise_to is None:  # bands may reach beyond 0 and 100 %
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, 0.0), min(high, 102.0))


def _legend(canvas: Figure, content: _Content, lines: Sequence[_Line], missing: str) -> None:
    """Add the legend. A line without any value says so."""
    table, figure = content.table, content.figure
    is_bar = figure.kind == "bar"
    handles: list[Artist] = []
    names: list[str] = []
    for line in lines:
        if not line.name or line.name in names:
            continue
        handles.append(
            Patch(**_bar_style(line.style)) if is_bar else Line2D([], [], **curve_style(line.style))
        )
        is_empty = line.rows(table, figure)[figure.y].isna().all()
        names.append(f"{line.name} ({missing})" if is_empty else line.name)
    if table[f"{figure.y}_low"].notna().any():
        names.append(f"{100 * CONFIDENCE:g} % interval of the {figure.centre} over seeds")
        whisker = Line2D([], [], color="black", marker="|", linewidth=0.8, markersize=5)
        handles.append(whisker if is_bar else interval_handle(few=content.has_few_points))
    legend_below(canvas, handles, names)
