"""Marks in the interactive Gantt chart: states, deadlines, cut-off work, lost messages, the critical path."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pandas as pd
from bokeh.models import ColumnDataSource, GlyphRenderer, HBar, Scatter, Segment, VSpan
from bokeh.plotting import figure

from ..figures.gantt_marks import BANDS, MARK_COLOUR, POINTS, Marks
from ..figures.style import TimeUnit
from .gantt_bars import PanelRows

__all__ = ["draw_marks"]

_HATCHES = {"slow": "\\", "outage": "|", "offline": "x", "down": "+"}
_CROWDED = 120  # activities of a path from which on lines between them would hide the bars
_MARKERS = {"lost": "x", "retry": "triangle"}
CRITICAL_PATH = "Critical path"


def draw_marks(
    chart: figure,
    rows: PanelRows,
    marks: Marks,
    unit: TimeUnit,
    entries: MutableMapping[str, list[GlyphRenderer]],
    *,
    behind: bool,
) -> None:
    """Draw the marks of a panel: those behind its bars, or those in front of them.

    Parameters
    ----------
    chart : figure
        The chart of the panel.
    rows : PanelRows
        The rows of the panel.
    marks : Marks
        The marks; their times count from the start of the panel.
    unit : TimeUnit
        The unit of the time axis.
    entries : mapping of str to list of GlyphRenderer
        Receives the renderers of each entry of the legend.
    behind : bool
        Whether to draw the states of nodes, which lie behind the bars, or all other marks.
    """
    if behind:
        _draw_states(chart, rows, marks, unit, entries)
        return
    bars = rows.panel.bars
    if marks.cut.size:
        cut = bars.iloc[marks.cut]
        source = _column_source(y=rows.middle(cut), height=rows.heights(cut), x=cut["end_s"] / unit.seconds)
        entries["Cut off"].append(
            chart.add_glyph(
                source,
                HBar(y="y", height="height", left="x", right="x", line_color=MARK_COLOUR, line_width=3),
            )
        )
    if marks.deadlines_s.size:
        source = _column_source(x=marks.deadlines_s / unit.seconds)
        entries["Deadline"].append(
            chart.add_glyph(source, VSpan(x="x", line_color=MARK_COLOUR, line_dash="dotted", line_width=1.5))
        )
    for kind, (label, style) in POINTS.items():
        points = marks.points[marks.points["kind"] == kind]
        if len(points):
            source = _column_source(
                x=points["time_s"] / unit.seconds, y=points["node"].map(rows.name_of).tolist()
            )
            entries[label].append(
                chart.add_glyph(
                    source,
                    Scatter(
                        x="x",
                        y="y",
                        marker=_MARKERS[kind],
                        size=8,
                        line_color=style["color"],
                        fill_color=style["color"],
                        line_width=2,
                    ),
                )
            )
    if marks.path.size:
        entries[CRITICAL_PATH] += _draw_path(chart, rows, bars.iloc[marks.path], unit)


def _draw_states(
    chart: figure,
    rows: PanelRows,
    marks: Marks,
    unit: TimeUnit,
    entries: MutableMapping[str, list[GlyphRenderer]],
) -> None:
    for kind, (label, style) in BANDS.items():
        bands = marks.bands[marks.bands["kind"] == kind]
        if len(bands):
            source = _column_source(
                y=bands["node"].map(rows.name_of).tolist(),
                left=bands["start_s"] / unit.seconds,
                right=bands["end_s"] / unit.seconds,
            )
            entries[label].append(
                chart.add_glyph(
                    source,
                    HBar(
                        y="y",
                        height=1.0,
                        left="left",
                        right="right",
                        fill_color=style["facecolor"],
                        line_color=None,
                        hatch_pattern=_HATCHES[kind],
                        hatch_color=style["edgecolor"],
                        hatch_weight=0.7,
                        hatch_scale=6,
                    ),
                )
            )


def _draw_path(chart: figure, rows: PanelRows, bars: pd.DataFrame, unit: TimeUnit) -> list[GlyphRenderer]:
    """Outline the bars of the critical path, and join each to the next one by a vertical line."""
    crowded = len(bars) > _CROWDED
    middle = rows.middle(bars)
    start, end = (bars[name].to_numpy(float) / unit.seconds for name in ("start_s", "end_s"))
    outline = chart.add_glyph(
        _column_source(y=middle, height=rows.heights(bars), left=start, right=end),
        HBar(
            y="y",
            height="height",
            left="left",
            right="right",
            fill_color=None,
            line_color="#000000",
            line_width=1.0 if crowded else 1.6,
        ),
    )
    if crowded:
        return [outline]
    joints = chart.add_glyph(
        _column_source(x=start[1:], y0=middle[:-1], y1=middle[1:]),
        Segment(x0="x", x1="x", y0="y0", y1="y1", line_color="#000000", line_width=1.0),
    )
    return [outline, joints]


def _column_source(**columns: Any) -> ColumnDataSource:
    return ColumnDataSource(
        {
            name: values.to_numpy() if isinstance(values, pd.Series) else values
            for name, values in columns.items()
        }
    )
