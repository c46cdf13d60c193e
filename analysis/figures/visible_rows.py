"""The rounds, nodes and intervals of each scheme that a Gantt chart shows.

If a panel would have too many bars, it first drops devices, and then the end of the shown time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from ..results.run import Run

__all__ = [
    "MAX_BARS",
    "NodeKind",
    "VisibleRows",
    "node_kind",
    "plotted_events",
    "plotted_intervals",
    "round_spans",
    "rounds_that_fit",
    "tables_by_label",
    "visible_rows",
    "without_idle_wires",
]

MAX_BARS = 4000  # of one panel, without waiting: a reader can tell them apart, and drawing takes a second
_MIN_DEVICES = 20  # shown in any case, evenly spread over all devices
_BUSY_WIRE = 0.05  # share of the time from which a wire is worth a row
_KINDS = ("server", "node", "share", "wire", "device")  # from top to bottom

NodeKind: TypeAlias = Literal["server", "node", "share", "wire", "device"]


@dataclass(frozen=True)
class VisibleRows:
    """The nodes, the intervals and the time that a panel shows, and the number of all devices.

    Times count from ``origin_s``, the start of the first shown round, [s].
    """

    nodes: list[str]
    rows: pd.DataFrame
    rounds: pd.DataFrame
    origin_s: float
    end_s: float
    num_devices: int


def plotted_intervals(run: Run, rounds: tuple[int, int] | None = None) -> pd.DataFrame:
    """Return the intervals that a Gantt chart of these rounds needs; by default, of the first rounds.

    Raises
    ------
    ValueError
        If the run has none of the rounds.
    """
    if rounds is None:
        return run.recorded.first_rounds(MAX_BARS)
    last = int(run.rounds["round"].max())
    if rounds[0] > last:
        raise ValueError(f"rounds {rounds[0]} to {rounds[1]}: the table's rounds are 1 to {last}")
    return run.recorded.select_rounds(*rounds)


def plotted_events(run: Run, intervals: pd.DataFrame) -> pd.DataFrame:
    """Return the events that a Gantt chart of these intervals needs."""
    if intervals.empty:
        return run.recorded_events.frame().iloc[:0]
    rounds = intervals["round"]
    return run.recorded_events.select_rounds(int(rounds.min()), int(rounds.max()))


def tables_by_label(intervals: pd.DataFrame, labels: Sequence[str] | None) -> dict[str, pd.DataFrame]:
    """Return the intervals of each scheme to show, of the lowest seed.

    Raises
    ------
    ValueError
        If a label is not in the table, or there is no label at all.
    """
    allowed = intervals["label"].unique().tolist()
    chosen = allowed if labels is None else list(dict.fromkeys(labels))
    unknown = [label for label in chosen if label not in allowed]
    if unknown:
        raise ValueError(f"no intervals of {', '.join(unknown)}; the table has {', '.join(allowed)}")
    if not chosen:
        raise ValueError("nothing to draw: the table of intervals has no rows, or no label is chosen")
    tables = {label: intervals[intervals["label"] == label] for label in chosen}
    return {label: table[table["seed"] == table["seed"].min()] for label, table in tables.items()}


def node_kind(node: str) -> NodeKind:
    """Return the kind of a node's row. A share is one client's part of the server; a wire is one-way."""
    if node.startswith("device-"):
        return "device"
    if ">" in node:
        return "wire"
    if re.fullmatch(r"server-\d+", node):
        return "share"
    return "server" if node == "server" else "node"


def round_spans(table: pd.DataFrame) -> pd.DataFrame:
    """Return start_s and end_s of each round.

    A round ends with its last activity, or with the start of the next round if that is later.
    """
    spans = table.groupby("round").agg(start_s=("start_s", "min"), end_s=("end_s", "max")).sort_index()
    spans["end_s"] = np.fmax(spans["end_s"], spans["start_s"].shift(-1))
    return spans


def rounds_that_fit(spans: pd.DataFrame, table: pd.DataFrame, horizon_s: float) -> pd.DataFrame:
    """Return the first rounds, at least one, that end by the horizon and have at most ``MAX_BARS`` bars."""
    bars = table.groupby("round").size().reindex(spans.index, fill_value=0).cumsum().to_numpy()
    end_s = (spans["end_s"] - spans["start_s"].iloc[0]).to_numpy()
    fits = (end_s <= horizon_s * (1 + 1e-9)) & (bars <= MAX_BARS)
    return spans.iloc[: max(1, int(np.cumprod(fits).sum()))]


def visible_rows(table: pd.DataFrame, spans: pd.DataFrame) -> VisibleRows:
    """Choose the nodes and intervals to show: of fewer devices if there are too many, then a shorter time.

    Parameters
    ----------
    table : DataFrame
        The scheme's intervals of all rounds.
    spans : DataFrame
        Start and end of the rounds to show, as :func:`round_spans` returns them.
    """
    origin_s = float(spans["start_s"].min())
    nodes, table = _in_row_order(table), without_idle_wires(table)
    rows = table[table["round"].isin(spans.index)]
    active = set(rows["node"].unique())
    nodes = [node for node in nodes if node in active]
    shown_nodes = _shown_nodes(nodes, rows)
    rows = rows[rows["node"].isin(shown_nodes)]
    rows = rows.assign(start_s=rows["start_s"] - origin_s, end_s=rows["end_s"] - origin_s)
    rounds = spans - origin_s
    end_s = float(rounds["end_s"].max()) if len(rounds) else 0.0
    later_s = np.sort(rows["start_s"].to_numpy())[MAX_BARS:]
    later_s = later_s[later_s > 0]
    if later_s.size:
        end_s = float(later_s[0])
    return VisibleRows(
        shown_nodes, rows, rounds, origin_s, end_s, sum(node_kind(node) == "device" for node in nodes)
    )


def without_idle_wires(table: pd.DataFrame) -> pd.DataFrame:
    """Return the intervals without those of the wires, unless one wire is busy for 5 % of the time."""
    on_wire = table["node"].isin([node for node in table["node"].unique() if node_kind(node) == "wire"])
    wires = table[on_wire]
    busy_s = (wires["end_s"] - wires["start_s"]).groupby(wires["node"], observed=True).sum()
    total_s = table["end_s"].max() - table["start_s"].min()
    return table if (busy_s >= _BUSY_WIRE * total_s).any() else table[~on_wire]


def _in_row_order(table: pd.DataFrame) -> list[str]:
    """Return the nodes from top to bottom.

    Wires and the nodes of a chain stand in the order in which work first reaches them. All
    others stand in the order of their names and numbers.
    """
    first_s = table.groupby("node", observed=True)["start_s"].min()
    ends = [node.split(">") for node in first_s.index if node_kind(node) == "wire"]
    chained = any(set(pair) <= set(first_s.index) for pair in ends)  # a wire leads from one node to another

    def rank(node: str) -> tuple[int, float, str, int]:
        kind, (stem, _, number) = node_kind(node), node.rpartition("-")
        reached_s = float(first_s[node]) if kind == "wire" or (kind == "node" and chained) else 0.0
        numbered = number.isdigit()
        return _KINDS.index(kind), reached_s, stem if numbered else node, int(number) if numbered else -1

    return sorted((str(node) for node in first_s.index), key=rank)


def _shown_nodes(nodes: list[str], rows: pd.DataFrame) -> list[str]:
    """Return the nodes that have a row: of the devices every n-th, with its share, so that the bars fit."""
    devices = [node for node in nodes if node_kind(node) == "device"]
    per_device = {"device", "share"}
    num_bars = rows["node"].isin([node for node in nodes if node_kind(node) in per_device]).sum()
    room = max(1, MAX_BARS - (len(rows) - num_bars))
    step = max(1, min(-(-num_bars // room), len(devices) // _MIN_DEVICES))
    dropped = {_number(device) for i, device in enumerate(devices) if i % step}
    return [node for node in nodes if node_kind(node) not in per_device or _number(node) not in dropped]


def _number(node: str) -> str:
    return node.rpartition("-")[2]
