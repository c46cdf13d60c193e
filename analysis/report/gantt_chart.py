"""The interactive Gantt chart: a panel for each scheme, all on one time axis, with one legend and filters."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from bokeh.layouts import column, gridplot, row
from bokeh.models import (
    AllIndices,
    CDSView,
    CheckboxButtonGroup,
    ColumnDataSource,
    CustomJS,
    FactorRange,
    GlyphRenderer,
    GroupFilter,
    HBar,
    HoverTool,
    LegendItem,
    MultiSelect,
    NoOverlap,
    Range1d,
    Select,
    Text,
    UIElement,
    VSpan,
)
from bokeh.plotting import figure

from ..figures.gantt_marks import Marks
from ..figures.gantt_rows import WAITING, Panel
from ..figures.palette import WAITING_COLOUR, phase_colours
from ..figures.style import TimeUnit, phase_label, time_unit
from .charts import legend_below, new_chart, plain
from .gantt_bars import ROUND_ROW, PanelRows, bar_columns, round_columns
from .gantt_marks import draw_marks

__all__ = ["gantt_chart"]

_ROW_PX, _MIN_PX, _MAX_PX, _AXES_PX = 18, 90, 620, 78
_LEGEND_PX = 22


@dataclass
class _Drawn:
    """The renderers of all panels, by their entry in the legend, and the filters of the rounds."""

    by_entry: dict[str, list[GlyphRenderer]] = field(default_factory=lambda: defaultdict(list))
    filters: list[GroupFilter] = field(default_factory=list)
    views: list[CDSView] = field(default_factory=list)


def gantt_chart(
    panels: Mapping[str, tuple[Panel, Marks]],
    intervals: pd.DataFrame,
    cuts: Mapping[str, dict[str, str]],
) -> UIElement:
    """Return the chart with its filters.

    Parameters
    ----------
    panels : mapping of str to (Panel, Marks)
        The panel of each label, with its marks.
    intervals : DataFrame
        The table of intervals that the panels were made of.
    cuts : mapping of str to dict of str to str
        For each label, the cut of each node.
    """
    end_s = max(panel.end_s for panel, _ in panels.values())
    unit = time_unit(end_s)
    x_range = Range1d(0.0, end_s / unit.seconds, bounds=(0.0, 1.02 * end_s / unit.seconds))
    phases = {
        str(phase)
        for panel, _ in panels.values()
        for phase in panel.bars["phase"].unique()
        if phase != WAITING
    }
    colours = phase_colours(sorted(phases))
    drawn = _Drawn()
    charts = [
        _panel_chart(label, panel, marks, intervals, cuts.get(label, {}), colours, unit, x_range, drawn)
        for label, (panel, marks) in panels.items()
    ]
    order = [*colours, WAITING]
    entries = sorted(drawn.by_entry, key=lambda entry: order.index(entry) if entry in order else len(order))
    legend = _legend({entry: drawn.by_entry[entry] for entry in entries}, charts[0])
    controls = _controls(list(panels), charts, [panel for panel, _ in panels.values()], drawn, x_range, unit)
    # one toolbar for all panels
    grid = gridplot(
        [[chart] for chart in charts], sizing_mode="stretch_width", toolbar_options={"logo": None}
    )
    return column(controls, legend, grid, sizing_mode="stretch_width")


def _panel_chart(
    label: str,
    panel: Panel,
    marks: Marks,
    intervals: pd.DataFrame,
    cuts: dict[str, str],
    colours: Mapping[str, str],
    unit: TimeUnit,
    x_range: Range1d,
    drawn: _Drawn,
) -> figure:
    """Draw the panel of one scheme."""
    rows = PanelRows(panel)
    chart = new_chart(
        height=int(np.clip(_ROW_PX * len(rows.names), _MIN_PX, _MAX_PX)) + _AXES_PX,
        zoom="x",
        title=plain(_title(label, panel)),
        x_range=x_range,
        y_range=FactorRange(*reversed(rows.names), tags=list(reversed(rows.names))),
        x_axis_label=f"Time [{unit.symbol}]",
    )
    chart.ygrid.grid_line_color = None
    chart.yaxis.major_label_policy = NoOverlap(min_distance=0)
    _draw_rounds(chart, panel, unit)
    draw_marks(chart, rows, marks, unit, drawn.by_entry, behind=True)
    hovers: dict[str, list[GlyphRenderer]] = defaultdict(list)
    for phase in [WAITING, *colours]:
        bars = panel.bars[panel.bars["phase"] == phase]
        if bars.empty:
            continue
        source = ColumnDataSource(bar_columns(rows, bars, intervals, cuts, unit))
        renderer = _draw_bars(chart, phase, source, colours, drawn)
        renderer.name = plain(phase_label(phase))
        drawn.by_entry[phase].append(renderer)
        kind = "waiting" if phase == WAITING else "compute" if "flops" in source.data else "transfer"
        hovers[kind].append(renderer)
    draw_marks(chart, rows, marks, unit, drawn.by_entry, behind=False)
    for kind, renderers in hovers.items():
        chart.add_tools(_hover(kind, renderers, unit, has_cut=any(cuts.values())))
    return chart


def _draw_bars(
    chart: figure, phase: str, source: ColumnDataSource, colours: Mapping[str, str], drawn: _Drawn
) -> GlyphRenderer:
    """Draw the bars of one phase; those of activities can be filtered by their round."""
    position = {"y": "y", "height": "height", "left": "left", "right": "right"}
    if phase == WAITING:
        return chart.add_glyph(
            source,
            HBar(
                **position,
                fill_color=WAITING_COLOUR,
                line_color=None,
                hatch_pattern="/",
                hatch_color="#BBBBBB",
                hatch_weight=0.5,
                hatch_scale=6,
            ),
            level="underlay",
        )
    view = CDSView(filter=AllIndices())
    drawn.views.append(view)
    return chart.add_glyph(
        source, HBar(**position, fill_color=colours[phase], line_color="#FFFFFF", line_width=0.3), view=view
    )


def _draw_rounds(chart: figure, panel: Panel, unit: TimeUnit) -> None:
    """Draw the row with the numbers of the rounds, and a line at the end of each."""
    source = ColumnDataSource(round_columns(panel, unit))
    chart.add_glyph(
        source, HBar(y="y", height=1.0, left="left", right="right", fill_color="colour", line_color=None)
    )
    chart.add_glyph(
        source,
        Text(
            x="middle",
            y="y",
            text="number",
            text_align="center",
            text_baseline="middle",
            text_font_size="10px",
        ),
    )
    chart.add_glyph(source, VSpan(x="right", line_color="#888888", line_width=0.7))


def _title(label: str, panel: Panel) -> str:
    """Return the label, the rounds, and the devices and the time that are shown."""
    numbers = panel.rounds.index
    if not len(numbers):
        return f"{label}: none of these rounds"
    rounds = f"round {numbers[0]}" if len(numbers) == 1 else f"rounds {numbers[0]} to {numbers[-1]}"
    shown = sum(node.startswith("device-") for node in panel.rows_pt)
    parts = [rounds]
    if shown < panel.num_devices:
        parts.append(f"{shown} of {panel.num_devices} devices")
    if panel.is_cut:
        whole_s = float(panel.rounds["end_s"].max())
        unit = time_unit(whole_s)
        parts.append(f"the first {unit.text(panel.end_s)} of {unit.text(whole_s)}")
    return f"{label}: {', '.join(parts)}"


def _hover(kind: str, renderers: list[GlyphRenderer], unit: TimeUnit, *, has_cut: bool) -> HoverTool:
    """Return a tool that shows the values of the bar below the pointer."""
    times = ("left", "right", "duration", "wait", "energy", "flops", "bits", "rate")
    tooltips = [
        ("activity", "$name@client"),
        ("node", "@node"),
        ("time", f"@left{{%.5g}} to @right{{%.5g}} {unit.symbol}"),
        ("duration", f"@duration{{%.4g}} {unit.symbol}"),
    ]
    if kind == "waiting":
        tooltips = [("idle, or work in a queue", "@node"), *tooltips[2:]]
    else:
        tooltips.insert(2, ("round", "@round"))
        tooltips.append(("waited", f"@wait{{%.4g}} {unit.symbol}"))
        if kind == "compute":
            tooltips.append(("work", "@flops{%.4g} MFLOP"))
        else:
            tooltips += [("size", "@bits{%.4g} Mbit"), ("rate", "@rate{%.4g} Mbit/s")]
        tooltips.append(("energy", "@energy{%.4g} J"))
        if has_cut:
            tooltips.append(("cut", "@cut"))
    return HoverTool(
        renderers=renderers,
        tooltips=tooltips,
        formatters={f"@{name}": "printf" for name in times},
        point_policy="follow_mouse",
        visible=False,
    )


def _legend(entries: Mapping[str, list[GlyphRenderer]], first: figure) -> figure:
    """Return a chart that is one legend for all panels; a click hides an entry in each of them."""
    columns = 7
    chart = figure(
        height=_LEGEND_PX * (-(-len(entries) // columns)) + 30,
        sizing_mode="stretch_width",
        toolbar_location=None,
        x_range=Range1d(0, 1),
        y_range=Range1d(0, 1),
        outline_line_color=None,
    )
    chart.axis.visible = False
    chart.grid.visible = False
    items = []
    for entry, renderers in entries.items():
        sample = renderers[0]
        fields = sample.data_source.column_names
        copy = chart.add_glyph(ColumnDataSource({name: [math.nan] for name in fields}), sample.glyph.clone())
        name = phase_label(entry) if not entry[:1].isupper() else entry
        items.append(LegendItem(label={"value": plain(name)}, renderers=[copy, *renderers]))
    legend_below(chart, items, ncols=columns)
    return chart


def _controls(
    labels: list[str],
    charts: list[figure],
    panels: list[Panel],
    drawn: _Drawn,
    x_range: Range1d,
    unit: TimeUnit,
) -> UIElement:
    """Return the filters by scheme, round and node."""
    controls: list[UIElement] = []
    if len(labels) > 1:
        schemes = CheckboxButtonGroup(
            labels=[plain(label) for label in labels], active=list(range(len(labels))), name="schemes"
        )
        show = "charts.forEach((chart, i) => { chart.visible = cb_obj.active.includes(i) })"
        schemes.js_on_change("active", CustomJS(args={"charts": charts}, code=show))
        controls.append(schemes)
    numbers = sorted({int(number) for panel in panels for number in panel.rounds.index})
    if len(numbers) > 1:
        spans = {str(number): _span(panels, number, unit) for number in numbers}
        end = float(x_range.end)
        spans["all"] = (0.0, end)
        rounds = Select(
            title="Rounds",
            value="all",
            options=[("all", "All rounds"), *((str(number), f"Round {number}") for number in numbers)],
            width=140,
            name="rounds",
        )
        code = """
            const number = cb_obj.value, [start, end] = spans[number];
            for (const view of views) view.filter = number == "all" ? all : one[number];
            range.setv({start, end});
        """
        filters = {str(number): GroupFilter(column_name="round", group=number) for number in numbers}
        arguments = {
            "views": drawn.views,
            "all": AllIndices(),
            "one": filters,
            "spans": spans,
            "range": x_range,
        }
        rounds.js_on_change("value", CustomJS(args=arguments, code=code))
        controls.append(rounds)
    nodes = list(dict.fromkeys(name for panel in panels for name in PanelRows(panel).name_of.values()))
    choice = MultiSelect(
        title="Nodes (none: all; Ctrl for several)", options=nodes, size=4, width=260, name="nodes"
    )
    code = f"""
        const keep = (row) => row == "{ROUND_ROW}" || !cb_obj.value.length || cb_obj.value.includes(row);
        for (const range of ranges) range.factors = range.tags.filter(keep);
    """
    choice.js_on_change("value", CustomJS(args={"ranges": [chart.y_range for chart in charts]}, code=code))
    controls.append(choice)
    return row(*controls, sizing_mode="stretch_width")


def _span(panels: list[Panel], number: int, unit: TimeUnit) -> tuple[float, float]:
    """Return the time in which any scheme is in a round, in the unit of the axis."""
    spans = [panel.rounds.loc[number].to_dict() for panel in panels if number in panel.rounds.index]
    starts_s, ends_s = ([float(span[name]) for span in spans] for name in ("start_s", "end_s"))
    return min(starts_s) / unit.seconds, max(ends_s) / unit.seconds
