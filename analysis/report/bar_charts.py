"""Stacked horizontal bars, and the buttons that choose one scheme of a chart or table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from bokeh.layouts import column
from bokeh.models import (
    CDSView,
    ColumnDataSource,
    CustomJS,
    FactorRange,
    GroupFilter,
    HBar,
    HoverTool,
    LegendItem,
    NoOverlap,
    RadioButtonGroup,
    Range1d,
    UIElement,
)
from bokeh.plotting import figure

from .charts import legend_below, new_chart, plain

__all__ = ["GROUP", "group_view", "scheme_buttons", "stacked_bars"]

GROUP = "group"
"""The column of a data source that has the scheme of each row."""
_BAR_PX, _SLIM_BAR_PX, _MANY_BARS = 26, 15, 20
_AXES_PX = 96  # height of a chart without its bars
_HATCHED = ("idle", "waiting")
"""The beginnings of columns that stand for idle time, which is hatched as in the Gantt charts."""


def group_view(first: str) -> CDSView:
    """Return a view of a data source that shows the rows of one scheme."""
    return CDSView(filter=GroupFilter(column_name=GROUP, group=first))


def scheme_buttons(
    labels: Sequence[str],
    views: Sequence[CDSView],
    chart: figure | None,
    rows: Mapping[str, list[str]],
    heights_px: Mapping[str, int],
) -> RadioButtonGroup:
    """Return buttons that choose the scheme that views show, and fit a chart to it.

    Parameters
    ----------
    labels : sequence of str
        The labels of the schemes, with the first one chosen.
    views : sequence of CDSView
        The views to change.
    chart : figure or None
        The chart whose rows change with the scheme.
    rows : mapping of str to list of str
        The rows of the chart for each label, from bottom to top.
    heights_px : mapping of str to int
        The height of the chart for each label, [px].
    """
    buttons = RadioButtonGroup(labels=list(labels), active=0)
    code = "for (const view of views) view.filter = filters[cb_obj.active];"
    arguments: dict[str, Any] = {
        "views": list(views),
        "filters": [GroupFilter(column_name=GROUP, group=label) for label in labels],
    }
    if chart is not None:
        code += "chart.y_range.factors = rows[cb_obj.active]; chart.height = heights[cb_obj.active];"
        arguments |= {
            "chart": chart,
            "rows": [rows[label] for label in labels],
            "heights": [heights_px[label] for label in labels],
        }
    buttons.js_on_change("active", CustomJS(args=arguments, code=code))
    return buttons


def stacked_bars(
    groups: Mapping[str, pd.DataFrame],
    colours: Mapping[str, str],
    names: Mapping[str, str],
    x_label: str,
    unit: str,
) -> UIElement:
    """Return a chart with a horizontal bar for each row, stacked from the columns.

    Parameters
    ----------
    groups : mapping of str to DataFrame
        The lengths of the parts for each label; the index has the names of the bars. Of several labels, the
        chart shows one at a time.
    colours, names : mapping of str to str
        The colour of each column, and its name in the legend, in the order of the stack.
    x_label : str
        The label of the x axis, with its unit.
    unit : str
        The unit of the values.
    """
    tables = {plain(label): values.rename(index=plain) for label, values in groups.items()}
    labels = list(tables)
    rows = {label: [*reversed(values.index)] for label, values in tables.items()}
    heights = {label: _height_px(len(values), len(colours)) for label, values in tables.items()}
    longest = max(float(values.sum(axis=1).max()) for values in tables.values())
    chart = new_chart(
        height=heights[labels[0]],
        y_range=FactorRange(*rows[labels[0]]),
        x_range=Range1d(0.0, 1.04 * longest or 1.0),
        x_axis_label=x_label,
    )
    chart.ygrid.grid_line_color = None
    chart.yaxis.major_label_policy = NoOverlap(min_distance=0)
    items, views = [], []
    for part, columns in _parts(tables, list(colours)).items():
        view = group_view(labels[0])
        hatched = part.startswith(_HATCHED)
        bar = chart.add_glyph(
            ColumnDataSource({**columns, "part": [plain(names[part])] * len(columns["bar"])}),
            HBar(
                y="bar",
                left="left",
                right="right",
                height=0.7,
                fill_color=colours[part],
                line_color="#FFFFFF",
                line_width=0.5,
                hatch_pattern="/" if hatched else None,
                hatch_color="#FFFFFF",
                hatch_weight=0.7,
                hatch_scale=8,
            ),
            view=view,
        )
        views.append(view)
        # the legend draws this sample also while the chart shows a scheme without the part
        sample = chart.add_glyph(ColumnDataSource({name: [math.nan] for name in columns}), bar.glyph.clone())
        items.append(LegendItem(label={"value": plain(names[part])}, renderers=[sample, bar]))
    chart.add_tools(
        HoverTool(
            tooltips=[("bar", "@bar"), ("part", "@part"), ("value", f"@value{{%.4g}} {unit}")],
            formatters={"@value": "printf"},
        )
    )
    legend_below(chart, items)
    if len(labels) == 1:
        return chart
    buttons = scheme_buttons(labels, views, chart, rows, heights)
    return column(buttons, chart, sizing_mode="stretch_width")


def _parts(tables: Mapping[str, pd.DataFrame], order: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """Return the columns of the bars of each part: those of all labels, without parts of no length."""
    parts: dict[str, dict[str, list[Any]]] = {
        part: {name: [] for name in (GROUP, "bar", "left", "right", "value")} for part in order
    }
    for label, values in tables.items():
        start = pd.Series(0.0, index=values.index)
        for part in order:
            if part not in values:
                continue
            lasting = values[part] > 0
            columns = parts[part]
            columns[GROUP] += [label] * int(lasting.sum())
            columns["bar"] += values.index[lasting].tolist()
            columns["left"] += start[lasting].tolist()
            start = start + values[part]
            columns["right"] += start[lasting].tolist()
            columns["value"] += values.loc[lasting, part].tolist()
    return {part: columns for part, columns in parts.items() if columns["bar"]}


def _height_px(num_bars: int, num_parts: int) -> int:
    bar_px = _BAR_PX if num_bars <= _MANY_BARS else _SLIM_BAR_PX
    return _AXES_PX + bar_px * num_bars + 22 * (-(-num_parts // 6))
