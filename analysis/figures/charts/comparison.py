"""Bars of a comparison: the means of several quantities with their confidence intervals, a bar a scheme."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ....scenarios.ordered_sum import ordered_sum
from ...results.confidence_intervals import CONFIDENCE
from ..axis_text import AxisUnit, axis_unit, experiment_text, label_and_unit, with_unit
from ..figure_format import DEFAULT_FORMAT, FigureFormat
from ..palette import curve_style, label_styles
from ..style import legend_below, plain_axes, small_pt, styled, wrapped_to
from .curves import panels_across

__all__ = ["comparison_figure"]

_LEAST_IN = 1.6  # width of a panel
_BAR_IN, _AXES_IN = 0.19, 0.75  # height of a bar, and of titles and axes
_BAR = 0.72  # thickness of a bar, as a share of its row
_CENSORED = {"time_to_target_s": "time_below_target_s", "rounds_to_target": "rounds_below_target"}
"""The columns with a lower bound for runs that did not reach the target."""


@styled
def comparison_figure(
    table: pd.DataFrame,
    columns: Sequence[str] = ("mean_latency_s", "final_accuracy", "energy_j"),
    *,
    labels: Sequence[str] | None = None,
    form: FigureFormat = DEFAULT_FORMAT,
) -> Figure:
    """Draw the means of several columns of a comparison, with 95 % confidence intervals over the seeds.

    Each column has a panel, and each scheme a bar in its own colour. Several experiments stand below each
    other. If a run of a scheme did not reach the target, there is no bar of the time to the target, and a
    text says how many runs reached it.

    Parameters
    ----------
    table : DataFrame
        The comparison: experiment, settings, scheme, label, paper_label, runs, runs_at_target, and each
        column with ``_low`` and ``_high``.
    columns : sequence of str, optional
        The columns; one without any value has no panel.
    labels : sequence of str, optional
        Labels of the schemes to show; by default all. They do not change the style of a scheme.
    form : FigureFormat, optional
        Width of the figure, and its letters.

    Raises
    ------
    ValueError
        If no column has a value.
    """
    styles = label_styles(dict(table.drop_duplicates("label")[["label", "scheme"]].itertuples(index=False)))
    shown = table if labels is None else table[table["label"].isin(labels)]
    columns = [
        column for column in columns if shown[[column, _CENSORED.get(column, column)]].notna().any(axis=None)
    ]
    if not columns:
        raise ValueError("the runs have no value of these columns")
    experiments = list(dict.fromkeys(shown["experiment"]))
    across = panels_across(form.width_in - 0.6, columns, _LEAST_IN)
    bands = [(e, columns[n : n + across]) for e in experiments for n in range(0, len(columns), across)]
    heights = [len(shown[shown["experiment"] == experiment]) * _BAR_IN + _AXES_IN for experiment, _ in bands]
    figure = Figure(figsize=(form.width_in, ordered_sum(heights)), layout="constrained")
    grid = figure.subplots(len(bands), across, squeeze=False, height_ratios=heights)
    panel_pt = 72 * form.width_in / (across + 0.6)
    units = {column: _unit(shown, column) for column in columns}
    for row, (experiment, of_band) in zip(grid, bands, strict=True):
        rows = shown[shown["experiment"] == experiment]
        for position, axes in enumerate(row):
            if position >= len(of_band):
                axes.set_visible(False)
                continue
            column = of_band[position]
            _draw_bars(axes, rows, column, units[column], [styles[label] for label in rows["label"]])
            text = with_unit(label_and_unit(column)[0], units[column].symbol)
            axes.set_xlabel(wrapped_to(text, 0.95 * panel_pt, form.label_pt))
            names = [wrapped_to(name, panel_pt, small_pt()) for name in rows["paper_label"]]
            axes.set_yticks(range(len(rows)), labels=names if position == 0 else [""] * len(rows))
            if position == 0 and len(experiments) > 1:
                text = experiment_text(str(experiment), str(rows["settings"].iloc[0]))
                axes.set_title(text, loc="left", fontsize=form.label_pt)
    if any(shown[f"{column}_low"].notna().any() for column in columns):
        whisker = Line2D([], [], color="black", marker="|", linewidth=0.8, markersize=5)
        legend_below(figure, [whisker], [f"{100 * CONFIDENCE:g} % interval of the mean over seeds"])
    return figure


def _unit(table: pd.DataFrame, column: str) -> AxisUnit:
    largest = float(table[column].abs().max())
    return axis_unit(column, 0.0 if np.isnan(largest) else largest)


def _draw_bars(axes: Axes, rows: pd.DataFrame, column: str, unit: AxisUnit, styles: Sequence[int]) -> None:
    plain_axes(axes)
    axes.tick_params(axis="y", length=0)
    values, low, high = (rows[f"{column}{end}"].to_numpy(float) / unit.size for end in ("", "_low", "_high"))
    y = np.arange(len(rows))
    colours = [curve_style(style)["color"] for style in styles]
    axes.barh(y, np.nan_to_num(values), _BAR, color=colours, edgecolor="black", linewidth=0.3)
    lengths = np.abs(np.stack((low, high)) - values)
    for colour, width, cap in (("white", 2.0, 2.4), ("black", 0.8, 1.8)):
        axes.errorbar(values, y, xerr=lengths, fmt="none", ecolor=colour, elinewidth=width, capsize=cap)
    for position, (value, row) in enumerate(zip(values, rows.to_dict("records"), strict=True)):
        if np.isnan(value):
            text = f" {_reason(row, column)}"
            axes.text(0, position, text, va="center", fontsize=small_pt(), color="#444444")
    axes.set_xlim(left=0)
    if np.isnan(values).all():  # the numbers of the axis would mean nothing
        axes.set_xticks([])
    axes.set_ylim(len(rows) - 0.4, -0.6)


def _reason(row: Mapping[Hashable, Any], column: str) -> str:
    """Return why a scheme has no bar."""
    if column in _CENSORED and not pd.isna(row[_CENSORED[column]]):
        if row["runs"] == 1:
            return "target not reached"
        return f"reached by {row['runs_at_target']} of {row['runs']} seeds"
    return "no value"
