"""Charts with the colours and markers of the project's figures, and with text that stays text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bokeh.models import (
    BoxZoomTool,
    Legend,
    LegendItem,
    PanTool,
    ResetTool,
    SaveTool,
    TabPanel,
    Tabs,
    UIElement,
    WheelZoomTool,
)
from bokeh.plotting import figure

from ..figures.palette import curve_indices, curve_style

__all__ = [
    "CurveStyle",
    "curve_styles",
    "legend_below",
    "new_chart",
    "plain",
    "tabs",
]

FONT = "Helvetica, Arial, sans-serif"
_MARKERS = {
    "o": "circle",
    "s": "square",
    "^": "triangle",
    "D": "diamond",
    "v": "inverted_triangle",
    "P": "plus",
    "X": "x",
    "*": "star",
    "<": "circle_dot",
    ">": "square_dot",
    "h": "hex",
    "p": "hex_dot",
    "d": "diamond_dot",
}
"""Bokeh's name of each marker of Matplotlib."""
_DASHES: dict[object, Any] = {"-": "solid", "--": "dashed", "-.": "dashdot"}


@dataclass(frozen=True)
class CurveStyle:
    """The style of a scheme's curve, which is that of the project's figures."""

    colour: str
    marker: str
    dash: Any


def curve_styles(schemes: Mapping[str, str]) -> dict[str, CurveStyle]:
    """Return the style of each label.

    Parameters
    ----------
    schemes : mapping of str to str
        The scheme of each label.
    """
    styles = {}
    for label, index in zip(schemes, curve_indices(list(schemes.values())), strict=True):
        style = curve_style(index)
        dash = _DASHES.get(style["linestyle"]) or [round(4 * length) for length in style["linestyle"][1]]
        styles[label] = CurveStyle(str(style["color"]), _MARKERS[style["marker"]], dash)
    return styles


def plain(content: object) -> str:
    """Return a text that Bokeh takes for text, although it may look like a formula of TeX."""
    return str(content).replace("$$", "$\u2060$").replace("\\(", "\\\u2060(").replace("\\[", "\\\u2060[")


def new_chart(*, height: int, zoom: Literal["both", "x", "none"] = "none", **options: Any) -> figure:
    """Return an empty chart with the tools and the look of the page.

    In a chart with zoom, dragging moves the chart, and the wheel zooms while Ctrl is held, so that the page
    can be scrolled. Buttons above the chart are costly for a browser, so that a chart without zoom has none.

    Parameters
    ----------
    height : int
        Height, [px].
    zoom : {"both", "x", "none"}, optional
        The axes along which a reader can zoom.
    **options : Any
        Further options of a Bokeh figure.
    """
    chart = figure(height=height, sizing_mode="stretch_width", tools="", toolbar_location=None, **options)
    if zoom != "none":
        dimensions = "width" if zoom == "x" else "both"
        wheel = WheelZoomTool(dimensions=dimensions, modifiers={"ctrl": True})
        pan = PanTool()
        chart.add_tools(pan, BoxZoomTool(dimensions=dimensions), wheel, ResetTool(), SaveTool())
        chart.toolbar_location = "above"
        chart.toolbar.logo = None
        chart.toolbar.active_drag = pan
        chart.toolbar.active_scroll = wheel
    chart.outline_line_color = None
    chart.grid.grid_line_color = "#E4E4E4"
    chart.title.text_font_size = "13px"
    chart.title.text_font = FONT
    for axis in chart.axis:
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = "12px"
        axis.major_label_text_font_size = "11px"
        axis.axis_label_text_font = axis.major_label_text_font = FONT
        axis.minor_tick_line_color = None
    return chart


def legend_below(chart: figure, items: Sequence[LegendItem], *, ncols: int = 6) -> None:
    """Add a legend below a chart; a click on an entry hides it."""
    legend = Legend(
        items=list(items),
        orientation="horizontal",
        ncols=max(1, min(ncols, len(items))),
        click_policy="hide",
        location="left",
        label_text_font_size="11px",
        label_text_font=FONT,
        border_line_color=None,
        padding=2,
        spacing=4,
    )
    chart.add_layout(legend, "below")


def tabs(panels: Mapping[str, UIElement]) -> UIElement:
    """Return elements behind tabs; a single one has no tab."""
    if len(panels) == 1:
        return next(iter(panels.values()))
    shown = [TabPanel(title=plain(title), child=element) for title, element in panels.items()]
    return Tabs(tabs=shown, sizing_mode="stretch_width")
