"""A metric of a sweep over its swept keys, one chart a facet, with confidence intervals over the seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from bokeh.layouts import gridplot
from bokeh.models import (
    ColumnDataSource,
    FactorRange,
    HoverTool,
    LegendItem,
    Line,
    Scatter,
    Segment,
    UIElement,
)
from bokeh.plotting import figure

from ..figures.axis_text import axis_label, axis_unit, label_and_unit, labelled_value, value_text, with_unit
from ..results.sweeps.sweep_folder import SweepResult
from ..results.sweeps.sweep_statistics import grouped
from .charts import CurveStyle, curve_styles, legend_below, new_chart, plain

__all__ = ["metric_notes", "metric_panels"]

_ACROSS = 3
_HEIGHT_PX = 320
_MAX_FACETS = 12


@dataclass(frozen=True)
class _Axes:
    """The swept key on the x axis, that of the facets, and those of the lines; each may be missing."""

    x: str | None
    facet: str | None
    lines: list[str]


def _axes(sweep: SweepResult) -> _Axes:
    """Choose the axes: the key with the most values goes along x, numbers before texts."""
    counts = {key: sweep.schemes[key].nunique(dropna=False) for key in sweep.keys}
    varied = [key for key in sweep.keys if counts[key] > 1]
    varied.sort(key=lambda key: (not _is_number(sweep.schemes[key]), -counts[key]))
    x = varied[0] if varied else None
    rest = varied[1:]
    facet = next((key for key in rest if counts[key] <= _MAX_FACETS), None)
    return _Axes(x, facet, [key for key in rest if key != facet])


def metric_panels(sweep: SweepResult, metric: str) -> UIElement:
    """Return a chart of the metric for each facet.

    Parameters
    ----------
    sweep : SweepResult
        The tables of the sweep.
    metric : str
        A column of ``schemes.csv``.
    """
    axes = _axes(sweep)
    means = _means(sweep, metric, axes)
    label, _ = label_and_unit(metric)
    largest = float(means[metric].abs().max())
    unit = axis_unit(metric, 1.0 if math.isnan(largest) else largest)
    means[[metric, f"{metric}_low", f"{metric}_high"]] /= unit.size
    names = _line_names(means, axes)
    schemes = sweep.schemes.drop_duplicates("label").set_index("label")["scheme"].astype(str)
    styles = curve_styles({name: schemes[label] for name, label in names.items()})
    facets: list[Any] = list(dict.fromkeys(means[axes.facet])) if axes.facet else [None]
    charts: list[figure] = []
    for facet in facets:
        rows = means[means[axes.facet] == facet] if axes.facet else means
        chart = _chart(
            rows, means, metric, axes, with_unit(label, unit.symbol), styles, charts[0] if charts else None
        )
        if axes.facet:
            chart.title.text = plain(f"{axis_label(axes.facet)}: {value_text(facet)}")
        charts.append(chart)
    if len(charts) == 1:
        return charts[0]
    across = min(_ACROSS, len(charts))
    return gridplot(
        charts, ncols=across, sizing_mode="stretch_width", merge_tools=False, toolbar_location=None
    )


def metric_notes(sweep: SweepResult, metric: str) -> Iterator[str]:
    """Yield a line for a metric that has no mean at some settings, because a seed has no value there."""
    axes = _axes(sweep)
    by = [*(key for key in (axes.x, axes.facet) if key), *axes.lines, "label"]
    values = sweep.schemes.groupby(by, sort=False, dropna=False)[metric]
    table = pd.DataFrame({"count": values.count(), "seeds": values.size()})
    missing = table[table["count"] < table["seeds"]]
    if len(missing):
        label, _ = label_and_unit(metric)
        partly = int((missing["count"] > 0).sum())
        yield (
            f"{label}: no mean at {len(missing)} of {len(table)} settings, because runs have no value there"
            f" (at {partly} of them some seeds have one)"
        )
    expected = sweep.points["seed"].nunique()
    few = int((table["seeds"] < expected).sum())
    if few:
        yield f"{few} of {len(table)} settings lack a seed: they are means over fewer than {expected} seeds"


def _means(sweep: SweepResult, metric: str, axes: _Axes) -> pd.DataFrame:
    by = list(dict.fromkeys([*(key for key in (axes.x, axes.facet) if key), *axes.lines, "label"]))
    means = grouped(sweep.schemes, by, metric)
    return means.assign(line=[_name(row, axes) for row in means.to_dict("records")])


def _name(row: Any, axes: _Axes) -> str:
    parts = [str(row["label"]), *(labelled_value(key, row[key]) for key in axes.lines)]
    return ", ".join(parts)


def _line_names(means: pd.DataFrame, axes: _Axes) -> dict[str, str]:
    return dict(zip(means["line"], means["label"].astype(str), strict=True))


def _chart(
    rows: pd.DataFrame,
    all_rows: pd.DataFrame,
    metric: str,
    axes: _Axes,
    y_label: str,
    styles: dict[str, CurveStyle],
    first: figure | None,
) -> figure:
    """Return the chart of one facet; all facets share the y axis of the first one."""
    x = axes.x or "line"
    numeric = axes.x is not None and _is_number(all_rows[x])
    options: dict[str, Any] = {} if first is None else {"y_range": first.y_range}
    if not numeric:
        options["x_range"] = FactorRange(*dict.fromkeys(plain(value_text(value)) for value in all_rows[x]))
    x_label = plain(axis_label(axes.x)) if axes.x else "Scheme"
    chart = new_chart(
        height=_HEIGHT_PX, zoom="both", x_axis_label=x_label, y_axis_label=plain(y_label), **options
    )
    items = []
    for name, style in styles.items():
        points = rows[rows["line"] == name].dropna(subset=[metric])
        if numeric:
            points = points.sort_values(x)
        if points.empty:
            continue
        items.append(
            LegendItem(
                label={"value": plain(name)}, renderers=_draw(chart, points, x, metric, style, numeric)
            )
        )
    chart.add_tools(
        HoverTool(
            tooltips=[
                ("scheme", "@line"),
                ("x", "@x"),
                ("mean", "@mean{%.4g}"),
                ("95 %", "@low{%.4g} to @high{%.4g}"),
                ("seeds", "@seeds"),
            ],
            formatters=dict.fromkeys(("@mean", "@low", "@high"), "printf"),
        )
    )
    if items:
        legend_below(chart, items, ncols=3)
    return chart


def _draw(
    chart: figure, points: pd.DataFrame, x: str, metric: str, style: CurveStyle, numeric: bool
) -> list[Any]:
    low, high = (points[f"{metric}_{end}"].to_numpy(float) for end in ("low", "high"))
    values = points[x].to_numpy(float) if numeric else [plain(value_text(value)) for value in points[x]]
    source = ColumnDataSource(
        {
            "x": values,
            "mean": points[metric].to_numpy(float),
            "low": low,
            "high": high,
            "line": [plain(name) for name in points["line"]],
            "seeds": points["seeds"].to_numpy(int),
        }
    )
    renderers = [
        chart.add_glyph(
            source,
            Scatter(
                x="x", y="mean", marker=style.marker, size=8, line_color=style.colour, fill_color=style.colour
            ),
        )
    ]
    if numeric:
        renderers.append(
            chart.add_glyph(
                source, Line(x="x", y="mean", line_color=style.colour, line_dash=style.dash, line_width=1.8)
            )
        )
    if np.isfinite(low).any():
        bars = chart.add_glyph(
            source, Segment(x0="x", y0="low", x1="x", y1="high", line_color=style.colour, line_width=1.2)
        )
        renderers.append(bars)
    return renderers


def _is_number(values: Any) -> bool:
    return pd.api.types.is_numeric_dtype(values)
