"""Learning curves of the page: test accuracy over simulated time and over rounds, with bands."""

from __future__ import annotations

import numpy as np
import pandas as pd
from bokeh.layouts import row
from bokeh.models import ColumnDataSource, HoverTool, LegendItem, Line, Scatter, Span, UIElement, VArea
from bokeh.plotting import figure

from ..figures.palette import marked_points
from ..figures.style import time_unit
from ..results.confidence_intervals import CONFIDENCE
from ..results.sweeps.sweep_statistics import grouped
from .charts import CurveStyle, legend_below, new_chart, plain

__all__ = ["BAND_OF_CLIENTS", "BAND_OF_SEEDS", "accuracy_charts", "curve_of_run", "curve_over_seeds"]

BAND_OF_CLIENTS = "Bands reach from the client with the least accuracy to the one with the greatest."
BAND_OF_SEEDS = (
    f"Curves are means over the seeds, at the rounds that all seeds evaluated. Bands are"
    f" {100 * CONFIDENCE:g} % confidence intervals of the mean."
)
_COLUMNS = ["round", "time_s", "accuracy", "low", "high"]
_HEIGHT_PX = 340


def curve_of_run(rounds: pd.DataFrame) -> pd.DataFrame:
    """Return the points of one scheme: round, time_s, accuracy, and low and high over the clients."""
    evaluated = rounds[rounds["test_accuracy"].notna()].sort_values("round")
    names = {
        "round": "round",
        "end_s": "time_s",
        "test_accuracy": "accuracy",
        "test_accuracy_min": "low",
        "test_accuracy_max": "high",
    }
    return evaluated.reindex(columns=list(names)).rename(columns=names).reset_index(drop=True)


def curve_over_seeds(rounds: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over seeds of one scheme, with its confidence interval, as :func:`curve_of_run`."""
    num_seeds = rounds["seed"].nunique()
    evaluated = rounds[rounds["test_accuracy"].notna()]
    means = grouped(evaluated, ["round"], "test_accuracy")
    times_s = evaluated.groupby("round", as_index=False)["end_s"].mean()
    points = means.merge(times_s, on="round")
    points = points[points["seeds"] == num_seeds].sort_values("round")
    names = {"test_accuracy": "accuracy", "test_accuracy_low": "low", "test_accuracy_high": "high"}
    return points.rename(columns={**names, "end_s": "time_s"})[_COLUMNS].reset_index(drop=True)


def accuracy_charts(
    curves: dict[str, pd.DataFrame], styles: dict[str, CurveStyle], target: float | None
) -> UIElement:
    """Return test accuracy over simulated time and over rounds, side by side.

    Parameters
    ----------
    curves : dict of str to DataFrame
        The points of each label: round, time_s [s], and accuracy, low and high as fractions of 1.
    styles : dict of str to CurveStyle
        The style of each label.
    target : float or None
        An accuracy to mark, as a fraction of 1.
    """
    unit = time_unit(max(float(points["time_s"].max()) for points in curves.values()))
    over_time = new_chart(
        height=_HEIGHT_PX,
        zoom="both",
        x_axis_label=f"Simulated time [{unit.symbol}]",
        y_axis_label="Test accuracy [%]",
    )
    over_rounds = new_chart(height=_HEIGHT_PX, zoom="both", x_axis_label="Round", y_range=over_time.y_range)
    items: dict[str, list[LegendItem]] = {"time": [], "round": []}
    for position, (label, points) in enumerate(curves.items()):
        source = ColumnDataSource(
            {
                "label": [plain(label)] * len(points),
                "round": points["round"].to_numpy(int),
                "time": points["time_s"].to_numpy(float) / unit.seconds,
                **{name: 100 * points[name].to_numpy(float) for name in ("accuracy", "low", "high")},
            }
        )
        for chart, x in ((over_time, "time"), (over_rounds, "round")):
            item = _draw(chart, x, source, styles[label], marked_points(len(points), position, len(curves)))
            item.label = {"value": plain(label)}
            items[x].append(item)
    for chart, x in ((over_time, "time"), (over_rounds, "round")):
        if target is not None:
            chart.add_layout(
                Span(location=100 * target, dimension="width", line_color="#333333", line_dash="dashed")
            )
        chart.x_range.start = 0
        chart.add_tools(_hover(chart, unit.symbol))
        legend_below(chart, items[x], ncols=4)
    _toggle_together(over_time, over_rounds)
    return row(over_time, over_rounds, sizing_mode="stretch_width")


def _draw(
    chart: figure, x: str, source: ColumnDataSource, style: CurveStyle, marked: tuple[int, int]
) -> LegendItem:
    """Draw a curve with its band and its markers, and return its entry of the legend."""
    renderers = []
    if np.isfinite(np.asarray(source.data["low"], float)).any():
        area = chart.add_glyph(
            source, VArea(x=x, y1="low", y2="high", fill_color=style.colour, fill_alpha=0.15)
        )
        renderers.append(area)
    line = chart.add_glyph(
        source, Line(x=x, y="accuracy", line_color=style.colour, line_dash=style.dash, line_width=1.8)
    )
    first, step = marked
    shown = {name: np.asarray(values)[first::step] for name, values in source.data.items()}
    marks = chart.add_glyph(
        ColumnDataSource(shown),
        Scatter(
            x=x, y="accuracy", marker=style.marker, size=7, line_color=style.colour, fill_color=style.colour
        ),
    )
    return LegendItem(renderers=[line, marks, *renderers])


def _hover(chart: figure, unit: str) -> HoverTool:
    lines = [renderer for renderer in chart.renderers if type(renderer.glyph).__name__ == "Line"]
    return HoverTool(
        renderers=lines,
        mode="mouse",
        tooltips=[
            ("scheme", "@label"),
            ("round", "@round"),
            ("time", f"@time{{%.4g}} {unit}"),
            ("accuracy", "@accuracy{%.2f} %"),
            ("band", "@low{%.2f} to @high{%.2f} %"),
        ],
        formatters=dict.fromkeys(("@time", "@accuracy", "@low", "@high"), "printf"),
    )


def _toggle_together(first: figure, second: figure) -> None:
    """Let a click on a legend hide a curve in both charts."""
    for one, other in zip(first.renderers, second.renderers, strict=True):
        one.js_link("visible", other, "visible")
        other.js_link("visible", one, "visible")
