"""The plan of each scheme, and the network: positions, links, subchannels, powers and cuts."""

from __future__ import annotations

import math
from collections.abc import Iterable

import networkx
import numpy as np
import pandas as pd
from bokeh.layouts import column
from bokeh.models import (
    CDSView,
    ColumnDataSource,
    FactorRange,
    HoverTool,
    LabelSet,
    NoOverlap,
    Range1d,
    Rect,
    Scatter,
    Segment,
    UIElement,
)
from bokeh.plotting import figure

from ..figures.style import node_label
from ..results.run import Run
from .bar_charts import GROUP, group_view, scheme_buttons
from .charts import new_chart, plain
from .html import notes, paragraph
from .page import Section
from .tables import sortable_table

__all__ = ["network_section", "plan_section"]

_COLUMNS = {
    "device": ("device", 1.0, "d"),
    "cut": ("cut", None, ""),
    "subchannels": ("subchannels", None, ""),
    "band_share": ("band [%]", 100.0, ".3g"),
    "server_share": ("server [%]", 100.0, ".3g"),
    "power_w": ("power [W]", 1.0, ".3g"),
    "gain_db": ("gain [dB]", 1.0, ".1f"),
    "snr_db": ("SNR [dB]", 1.0, ".1f"),
    "uplink_bps": ("uplink [Mbit/s]", 1e-6, ".4g"),
    "downlink_bps": ("downlink [Mbit/s]", 1e-6, ".4g"),
    "clock_hz": ("clock [GHz]", 1e-9, ".4g"),
    "distance_m": ("distance [m]", 1.0, ".4g"),
    "samples": ("samples", 1.0, ".0f"),
    "memory_bits": ("memory [MiB]", 1 / (8 * 2**20), ".3g"),
    "slow_share": ("slow [%]", 100.0, ".3g"),
    "offline_share": ("offline [%]", 100.0, ".3g"),
    "outage_share": ("outage [%]", 100.0, ".3g"),
}
"""The shown columns of ``devices.csv``: heading, factor and format; without a factor the text as it is."""
_IF_POSITIVE = ("slow_share", "offline_share", "outage_share")
_MAX_DEVICES = 60  # with a row in the map of the subchannels
_MAX_NAMES = 60  # of devices in the drawing of the network
_CELL_PX = 18
_ACCESS_POINT = "access-point"


def plan_section(run: Run) -> Section:
    """Return the plan of each scheme: a map of its subchannels, and a table of its devices."""
    if run.devices.empty:
        return Section("Plan", [paragraph("No device took part.")])
    devices = run.devices.assign(label=[plain(run.shown_label(str(label))) for label in run.devices["label"]])
    labels = list(dict.fromkeys(devices["label"]))
    table = sortable_table(plan_table(devices), ("subchannels",), groups=devices["label"].tolist())
    names = {
        str(label): [f"device {int(number)}" for number in rows["device"]][:_MAX_DEVICES][::-1]
        for label, rows in devices.groupby("label", sort=False)
    }
    heights = {label: _CELL_PX * len(names[label]) + 90 for label in labels}
    drawn = _subchannel_map(devices, names[labels[0]], heights[labels[0]])
    parts: list[UIElement] = [table]
    views, chart = [table.view], None
    if drawn is not None:
        chart, view = drawn
        parts.insert(0, chart)
        views.append(view)
    if len(labels) > 1:
        parts.insert(0, scheme_buttons(labels, views, chart, names, heights))
    text = (
        "Subchannels, powers and rates are those of the first plan, on the path gains of time 0. The cut is"
        " the number of units that the device keeps."
    )
    return Section("Plan", [paragraph(text), column(*parts, sizing_mode="stretch_width")])


def plan_table(devices: pd.DataFrame) -> pd.DataFrame:
    """Return the plan as text, one row a device and scheme; columns without values are left out."""
    shown: dict[str, list[str]] = {}
    for name, (heading, factor, form) in _COLUMNS.items():
        if name not in devices or devices[name].isna().all() or (devices[name].astype(str) == "").all():
            continue
        if name in _IF_POSITIVE and not (devices[name] > 0).any():
            continue
        if factor is None:
            shown[heading] = [_indices(cell) for cell in devices[name]]
        elif form == "d":
            shown[heading] = [str(int(cell)) for cell in devices[name]]
        else:
            shown[heading] = ["–" if pd.isna(x) else f"{factor * x:{form}}" for x in devices[name]]
    return pd.DataFrame(shown)


def _indices(cell: object) -> str:
    """Return a list of indices with ranges in short, ``0–3, 7``; other texts are unchanged."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)) or cell == "":
        return "–"
    parts = str(cell).split("|")
    if not all(part.isdecimal() for part in parts) or len(parts) == 1:
        return str(cell)
    numbers = sorted(int(part) for part in parts)
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _subchannel_map(devices: pd.DataFrame, first: list[str], height_px: int) -> tuple[figure, CDSView] | None:
    """Return a map of the subchannels of each device, and the view that chooses its scheme.

    A device that has the whole band in its turn has all subchannels. The result is None if no device has
    subchannels of its own.
    """
    texts = devices["subchannels"].astype(str)
    indices = [[int(index) for index in text.split("|") if index.isdecimal()] for text in texts]
    last = max((max(each) for each in indices if each), default=-1)
    if last < 0:
        return None
    cells = [
        (label, f"device {int(device)}", index)
        for label, device, text, own in zip(devices["label"], devices["device"], texts, indices, strict=True)
        for index in (range(last + 1) if text == "all" else own)
    ]
    chart = new_chart(
        height=height_px,
        y_range=FactorRange(*first),
        x_range=Range1d(-0.6, last + 0.6),
        x_axis_label="Subchannel",
    )
    chart.grid.grid_line_color = "#F0F0F0"
    chart.yaxis.major_label_policy = NoOverlap(min_distance=0)
    view = group_view(str(devices["label"].iloc[0]))
    chart.add_glyph(
        ColumnDataSource(
            dict(zip((GROUP, "device", "index"), map(list, zip(*cells, strict=True)), strict=True))
        ),
        Rect(x="index", y="device", width=0.9, height=0.8, fill_color="#0072B2", line_color=None),
        view=view,
    )
    chart.add_tools(HoverTool(tooltips=[("device", "@device"), ("subchannel", "@index")]))
    return chart, view


def network_section(run: Run) -> Section | None:
    """Return a drawing of the network; None if no device has a position."""
    devices = run.devices.drop_duplicates("device")
    if devices.empty or devices[["x_m", "y_m"]].isna().all(axis=None):
        return None
    graph = _graph(devices, _wires(run))
    positions = _layout(graph, devices)
    chart = new_chart(
        height=460,
        zoom="both",
        match_aspect=True,
        x_axis_label="East of the access point [m]",
        y_axis_label="North [m]",
    )
    ends = [(positions[a], positions[b]) for a, b in graph.edges]
    links = ColumnDataSource(
        {
            "x0": [a[0] for a, _ in ends],
            "y0": [a[1] for a, _ in ends],
            "x1": [b[0] for _, b in ends],
            "y1": [b[1] for _, b in ends],
            "colour": ["#888888" if _is_wire(graph, edge) else "#C6D4E1" for edge in graph.edges],
            "dash": ["solid" if _is_wire(graph, edge) else "dashed" for edge in graph.edges],
        }
    )
    chart.add_glyph(links, Segment(x0="x0", y0="y0", x1="x1", y1="y1", line_color="colour", line_dash="dash"))
    for kind, marker, colour, size in (
        ("device", "circle", "#0072B2", 10),
        ("node", "square", "#009E73", 13),
        (_ACCESS_POINT, "triangle", "#D55E00", 17),
    ):
        _draw_nodes(chart, graph, positions, kind, marker, colour, size)
    lines = ["dashed: radio links; devices stand where the scenario places them"]
    if any(graph.nodes[node]["kind"] == "node" for node in graph):
        lines.append("solid: wires; compute nodes have no position of their own")
    lines.append("rates and gains are those of the first scheme's plan")
    return Section("Network", [chart, notes(lines)])


def _graph(devices: pd.DataFrame, wires: Iterable[tuple[str, str]]) -> networkx.Graph[str]:
    graph: networkx.Graph[str] = networkx.Graph()
    graph.add_node(_ACCESS_POINT, kind=_ACCESS_POINT, text="access point, server")
    for row in devices.to_dict("records"):
        name = f"device-{int(row['device'])}"
        text = (
            f"{row['distance_m']:.4g} m, gain {row['gain_db']:.1f} dB, uplink"
            f" {row['uplink_bps'] / 1e6:.4g} Mbit/s, downlink {row['downlink_bps'] / 1e6:.4g} Mbit/s"
        )
        graph.add_node(name, kind="device", text=text)
        graph.add_edge(_ACCESS_POINT, name, wire=False)
    for a, b in wires:
        for node in (a, b):
            if node not in graph:
                graph.add_node(node, kind="node", text="compute node or relay")
        graph.add_edge(a, b, wire=True)
    return graph


def _wires(run: Run) -> list[tuple[str, str]]:
    """Return the ends of each wire that was ever in use; the server is at the access point."""
    nodes = run.stages["node"].astype(str).unique()
    pairs = [node.split(">") for node in nodes if ">" in node]
    return [tuple(_ACCESS_POINT if end == "server" else end for end in pair) for pair in pairs]  # type: ignore[misc]


def _is_wire(graph: networkx.Graph[str], edge: tuple[str, str]) -> bool:
    return bool(graph.edges[edge]["wire"])


def _layout(graph: networkx.Graph[str], devices: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Return the position of each node, [m]; those of compute nodes follow from the graph."""
    fixed = {_ACCESS_POINT: (0.0, 0.0)}
    for row in devices.to_dict("records"):
        fixed[f"device-{int(row['device'])}"] = (float(row["x_m"]), float(row["y_m"]))
    if len(fixed) == len(graph):
        return fixed
    reach = max(math.hypot(*position) for position in fixed.values()) or 1.0
    others = [node for node in graph if node not in fixed]
    angles = np.linspace(0, 2 * math.pi, len(others), endpoint=False)
    circle = {
        node: (0.3 * reach * math.cos(angle), 0.3 * reach * math.sin(angle))
        for node, angle in zip(others, angles.tolist(), strict=True)
    }
    wired = graph.subgraph([_ACCESS_POINT, *others])
    if wired.number_of_edges() < len(others):
        return {**fixed, **circle}
    drawn = networkx.kamada_kawai_layout(wired, pos={_ACCESS_POINT: (0.0, 0.0), **circle}, scale=0.45 * reach)
    origin = drawn[_ACCESS_POINT]
    return {**{node: tuple((drawn[node] - origin).tolist()) for node in others}, **fixed}


def _draw_nodes(
    chart: figure,
    graph: networkx.Graph[str],
    positions: dict[str, tuple[float, float]],
    kind: str,
    marker: str,
    colour: str,
    size: int,
) -> None:
    names = [node for node in graph if graph.nodes[node]["kind"] == kind]
    if not names:
        return
    source = ColumnDataSource(
        {
            "x": [positions[name][0] for name in names],
            "y": [positions[name][1] for name in names],
            "name": [plain(node_label(name)) for name in names],
            "text": [graph.nodes[name]["text"] for name in names],
        }
    )
    points = chart.add_glyph(
        source, Scatter(x="x", y="y", marker=marker, size=size, fill_color=colour, line_color="#FFFFFF")
    )
    chart.add_tools(HoverTool(renderers=[points], tooltips=[("node", "@name"), ("", "@text")], visible=False))
    if len(names) <= _MAX_NAMES:
        chart.add_layout(
            LabelSet(x="x", y="y", text="name", x_offset=9, y_offset=5, text_font_size="11px", source=source)
        )
