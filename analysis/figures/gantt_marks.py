"""Marks in a Gantt chart: states of nodes, deadlines, cut-off work, lost messages and the critical path."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from .gantt_rows import HEADER_PT, WAITING, Panel
from .style import TimeUnit

__all__ = ["BANDS", "MARK_COLOUR", "POINTS", "Marks", "draw_marks", "panel_marks"]

BANDS: dict[str, tuple[str, dict[str, Any]]] = {
    "slow": ("Slow", {"facecolor": "#F9D5CB", "edgecolor": "#B5442B", "hatch": "\\\\\\\\\\\\"}),
    "outage": ("Link outage", {"facecolor": "#E4DAF0", "edgecolor": "#5E3C99", "hatch": "||||||"}),
    "offline": ("Offline", {"facecolor": "#FFFFFF", "edgecolor": "#222222", "hatch": "xxxxxx"}),
    "down": ("Failed", {"facecolor": "#FFFFFF", "edgecolor": "#222222", "hatch": "++++++"}),
}
"""Legend and style of each state, from back to front; hatches differ from that of waiting, also in grey."""
POINTS: dict[str, tuple[str, dict[str, Any]]] = {
    "lost": ("Lost message", {"marker": "X", "color": "#C00000"}),
    "retry": ("Sent again", {"marker": ">", "color": "#000000"}),
}
"""Legend and marker of each kind of event at one instant."""
_STOPPED = ("late", "offline", "battery")
"""The reasons for which a client stops what it is doing."""
MARK_COLOUR = "#C00000"
_DEADLINE_STYLE: dict[str, Any] = {"color": MARK_COLOUR, "linewidth": 0.9, "linestyle": (0, (1, 1.4))}
_CUT_PT = 1.6  # width of the end of a bar that was cut off
_PATH_STYLE: dict[str, Any] = {"edgecolor": "#000000", "linewidth": 1.1}
_MARKER_PT = 4.0
_GAPS = 4000  # bands with a gap below this fraction of the shown time are one, as they are for the eye


@dataclass(frozen=True)
class Marks:
    """The marks of one panel. Times count from the start of the first shown round, [s].

    Attributes
    ----------
    bands : DataFrame
        One row a state of a node: kind, node, start_s, end_s.
    points : DataFrame
        One row a lost message or a retry: kind, node, time_s.
    deadlines_s : ndarray
        The instants at which a step of a round stopped waiting.
    cut : ndarray of int
        Positions of the bars that were cut off.
    path : ndarray of int
        Positions of the bars on the critical path, in the order of their starts.
    """

    bands: pd.DataFrame
    points: pd.DataFrame
    deadlines_s: NDArray[np.float64]
    cut: NDArray[np.intp]
    path: NDArray[np.intp]


def panel_marks(panel: Panel, events: pd.DataFrame | None, path_rows: Collection[int] = ()) -> Marks:
    """Return the marks of a panel.

    Parameters
    ----------
    events : DataFrame or None
        One row an event of any scheme: label, seed, round, time_s, end_s, node, kind, detail.
    path_rows : collection of int
        Labels of the rows of the table of intervals that are on the critical path.
    """
    shown = _shown_events(panel, events)
    bands = [
        (kind, node, *span)
        for (kind, node), states in shown[shown["end_s"].notna()].groupby(["kind", "node"], sort=False)
        if kind in BANDS
        for span in _joined(states[["start_s", "end_s"]].to_numpy(float), panel.end_s / _GAPS)
    ]
    instants = shown[shown["end_s"].isna()]
    points = instants[instants["kind"].isin(POINTS)]
    bars = panel.bars
    left_out = instants[(instants["kind"] == "left out") & instants["detail"].isin(_STOPPED)]
    ends = set(zip(left_out["node"], left_out["start_s"], strict=True))
    is_cut = [
        phase != WAITING and (node, end_s) in ends
        for node, phase, end_s in zip(bars["node"], bars["phase"], bars["end_s"], strict=True)
    ]
    path = np.flatnonzero(bars["row"].isin(list(path_rows)))
    return Marks(
        pd.DataFrame(bands, columns=["kind", "node", "start_s", "end_s"]),
        points[["kind", "node", "start_s"]].rename(columns={"start_s": "time_s"}),
        np.unique(instants.loc[instants["kind"] == "deadline", "start_s"].to_numpy(float)),
        np.flatnonzero(is_cut),
        path[np.argsort(bars["start_s"].to_numpy(float)[path], kind="stable")],
    )


def _shown_events(panel: Panel, events: pd.DataFrame | None) -> pd.DataFrame:
    """Return kind, node, detail, start_s and end_s of the panel's events, cut at its end."""
    columns = ["kind", "node", "detail", "start_s", "end_s"]
    if events is None or events.empty or panel.rounds.empty:
        return pd.DataFrame({name: pd.Series(dtype=float) for name in columns})
    own = events[(events["label"] == panel.label) & events["round"].isin(panel.rounds.index)]
    own = own[own["seed"] == own["seed"].min()]
    start_s, end_s = own["time_s"] - panel.origin_s, own["end_s"] - panel.origin_s
    shown = own.assign(start_s=start_s.clip(lower=0.0), end_s=end_s.clip(upper=panel.end_s))
    is_instant = own["end_s"].isna()
    visible = np.where(is_instant, start_s.between(0.0, panel.end_s), shown["start_s"] < shown["end_s"])
    with_row = shown["node"].isin(list(panel.rows_pt)) | (shown["kind"] == "deadline")
    rows: pd.DataFrame = shown.loc[visible & with_row, columns]
    return rows


def _joined(spans: NDArray[np.float64], gap_s: float) -> list[tuple[float, float]]:
    """Return spans in their order, of which those with a gap of at most ``gap_s`` are joined."""
    joined: list[tuple[float, float]] = []
    for start_s, end_s in sorted(map(tuple, spans)):
        if joined and start_s - joined[-1][1] <= gap_s:
            joined[-1] = joined[-1][0], max(end_s, joined[-1][1])
        else:
            joined.append((start_s, end_s))
    return joined


def draw_marks(axes: Axes, panel: Panel, marks: Marks, unit: TimeUnit) -> dict[str, Artist]:
    """Draw the marks of a panel, and return an artist for the legend of each kind that occurs."""
    legend: dict[str, Artist] = {}
    for kind, (label, band_style) in BANDS.items():
        of_kind = marks.bands[marks.bands["kind"] == kind]
        if len(of_kind):
            _draw_bands(axes, panel, of_kind, band_style, unit)
            legend[label] = Patch(**band_style, linewidth=0.0)
    if marks.cut.size:
        legend["Cut off"] = _draw_cuts(axes, panel.bars.iloc[marks.cut], unit)
    if marks.deadlines_s.size:
        axes.vlines(marks.deadlines_s / unit.seconds, HEADER_PT, panel.height_pt, zorder=3, **_DEADLINE_STYLE)
        legend["Deadline"] = Line2D([], [], **_DEADLINE_STYLE)
    for kind, (label, marker_style) in POINTS.items():
        of_kind = marks.points[marks.points["kind"] == kind]
        if len(of_kind):
            legend[label] = _draw_points(axes, panel, of_kind, marker_style, unit)
    if marks.path.size:
        legend["Critical path"] = _draw_path(axes, panel.bars.iloc[marks.path], unit)
    return legend


def _draw_bands(
    axes: Axes, panel: Panel, bands: pd.DataFrame, band_style: dict[str, Any], unit: TimeUnit
) -> None:
    """Draw states over the height of the nodes' rows, behind the bars of activities."""
    top_pt = np.array([panel.tops_pt[node] for node in bands["node"]])
    bottom_pt = top_pt + np.array([panel.rows_pt[node] for node in bands["node"]])
    corners = _corners(bands, top_pt, bottom_pt, unit)
    with matplotlib.rc_context({"hatch.linewidth": 0.5}):
        collection = PolyCollection(corners, linewidth=0.0, **band_style)
    collection.set_zorder(1.5)
    axes.add_collection(collection, autolim=False)


def _draw_cuts(axes: Axes, bars: pd.DataFrame, unit: TimeUnit) -> Artist:
    top_pt = bars["top_pt"].to_numpy(float)
    axes.vlines(
        bars["end_s"].to_numpy(float) / unit.seconds,
        top_pt,
        top_pt + bars["height_pt"].to_numpy(float),
        color=MARK_COLOUR,
        linewidth=_CUT_PT,
        zorder=4,
    )
    return Line2D(
        [], [], color=MARK_COLOUR, marker="|", markersize=9.0, markeredgewidth=_CUT_PT, linestyle="none"
    )


def _draw_points(
    axes: Axes, panel: Panel, points: pd.DataFrame, marker_style: dict[str, Any], unit: TimeUnit
) -> Artist:
    middle_pt = [panel.tops_pt[node] + panel.rows_pt[node] / 2 for node in points["node"]]
    full_style = {
        **marker_style,
        "linestyle": "none",
        "markersize": _MARKER_PT,
        "markeredgecolor": "#FFFFFF",
        "markeredgewidth": 0.4,
    }
    axes.plot(points["time_s"].to_numpy(float) / unit.seconds, middle_pt, zorder=5, **full_style)
    return Line2D([], [], **full_style)


def _draw_path(axes: Axes, bars: pd.DataFrame, unit: TimeUnit) -> Artist:
    """Outline the bars of the critical path, and join each to the next one by a vertical line."""
    top_pt, height_pt = bars["top_pt"].to_numpy(float), bars["height_pt"].to_numpy(float)
    outline = PolyCollection(
        _corners(bars, top_pt, top_pt + height_pt, unit), facecolor="none", **_PATH_STYLE
    )
    outline.set_zorder(4)
    axes.add_collection(outline, autolim=False)
    middle_pt, start_s = top_pt + height_pt / 2, bars["start_s"].to_numpy(float)
    axes.vlines(
        start_s[1:] / unit.seconds, middle_pt[:-1], middle_pt[1:], color="#000000", linewidth=0.8, zorder=3.5
    )
    return Patch(facecolor="none", **_PATH_STYLE)


def _corners(
    spans: pd.DataFrame, top_pt: NDArray[np.float64], bottom_pt: NDArray[np.float64], unit: TimeUnit
) -> list[NDArray[np.float64]]:
    """Return the corners of a rectangle for each span, [4, 2]."""
    left, right = (spans[name].to_numpy(float) / unit.seconds for name in ("start_s", "end_s"))
    x, y = (
        np.column_stack((left, right, right, left)),
        np.column_stack((top_pt, top_pt, bottom_pt, bottom_pt)),
    )
    return list(np.stack((x, y), axis=-1))
