"""What one panel of a Gantt chart shows: rows in their order, idle times, and never too many bars."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .style import WAITING

__all__ = ["MAX_BARS", "QUEUE", "Kind", "Panel", "fitting", "kind", "make_panel", "round_spans", "seen"]

MAX_BARS = 4000  # of one panel, idle times apart: what can be told apart, and is drawn in a second
QUEUE = "queue"
_FEW_DEVICES = 20  # that are shown in any case, spread over all
_BUSY_WIRE = 0.05  # share of the time from which wires are worth their rows
_KINDS = ("server", "node", "share", "wire", "device")  # from top to bottom

Kind: TypeAlias = Literal["server", "node", "share", "wire", "device"]
Spans = NDArray[np.float64]  # [num_spans, 2]: start and end


@dataclass(frozen=True)
class Panel:
    """The shown part of one scheme's run, with times from the start of the first shown round.

    Attributes
    ----------
    rounds : DataFrame
        start_s and end_s by the round's number, of the rounds asked for.
    end_s : float
        Up to where they are shown.
    bars : DataFrame
        node, lane, phase, start_s, end_s: activities, and idle times as the phase of waiting.
    lanes : dict of list
        Lanes that are drawn apart, of each node in the order of the rows, and its queue.
    devices : int
        How many there are; some have no row where the bars would be too many.
    """

    label: str
    rounds: pd.DataFrame
    end_s: float
    bars: pd.DataFrame
    lanes: dict[str, list[str]]
    devices: int

    @property
    def is_cut(self) -> bool:
        """Return whether the rounds go on after what is shown."""
        return bool(len(self.rounds)) and self.end_s < float(self.rounds["end_s"].max())


def kind(node: str) -> Kind:
    """Return what a row stands for; a share is one client's of the server, a wire one direction of it."""
    if node.startswith("device-"):
        return "device"
    if ">" in node:
        return "wire"
    if re.fullmatch(r"server-\d+", node):
        return "share"
    return "server" if node == "server" else "node"


def round_spans(table: pd.DataFrame) -> pd.DataFrame:
    """Return start and end of each round: it lasts to its last activity, and at least to the next round."""
    spans = table.groupby("round").agg(start_s=("start_s", "min"), end_s=("end_s", "max")).sort_index()
    spans["end_s"] = np.fmax(spans["end_s"], spans["start_s"].shift(-1))
    return spans


def seen(table: pd.DataFrame) -> pd.DataFrame:
    """Return the intervals without those of the wires, where no wire is busy for 5 % of the time."""
    on_wire = table["node"].isin([node for node in table["node"].unique() if kind(node) == "wire"])
    wires = table[on_wire]
    busy_s = (wires["end_s"] - wires["start_s"]).groupby(wires["node"], observed=True).sum()
    total_s = table["end_s"].max() - table["start_s"].min()
    return table if (busy_s >= _BUSY_WIRE * total_s).any() else table[~on_wire]


def fitting(spans: pd.DataFrame, table: pd.DataFrame, horizon_s: float) -> pd.DataFrame:
    """Return the first rounds, at least one, that end by the horizon and have not too many bars."""
    bars = table.groupby("round").size().reindex(spans.index, fill_value=0).cumsum().to_numpy()
    end_s = (spans["end_s"] - spans["start_s"].iloc[0]).to_numpy()
    fits = (end_s <= horizon_s * (1 + 1e-9)) & (bars <= MAX_BARS)
    return spans.iloc[: max(1, int(np.cumprod(fits).sum()))]


def make_panel(label: str, table: pd.DataFrame, spans: pd.DataFrame) -> Panel:
    """Return a scheme's rounds: fewer devices where the bars are too many, then only the beginning.

    Parameters
    ----------
    table : one scheme's intervals, of all rounds
    spans : start_s and end_s of the rounds to show
    """
    origin_s = spans["start_s"].min()
    nodes, table = _in_order(table), seen(table)
    rows = table[table["round"].isin(spans.index)]
    here = set(rows["node"].unique())
    nodes = [node for node in nodes if node in here]
    kept = _kept(nodes, rows)
    rows = rows[rows["node"].isin(kept)]
    rows = rows.assign(start_s=rows["start_s"] - origin_s, end_s=rows["end_s"] - origin_s)
    rounds = spans - origin_s
    columns = ["node", "lane", "phase", "start_s", "end_s"]
    activities = rows[columns].astype(dict.fromkeys(columns[:3], object))
    bars = pd.concat([activities, pd.DataFrame(_waiting(rows, rounds), columns=columns)], ignore_index=True)
    end_s = float(rounds["end_s"].max()) if len(rounds) else 0.0
    later_s = np.sort(rows["start_s"].to_numpy())[MAX_BARS:]
    later_s = later_s[later_s > 0]
    if later_s.size:
        end_s = float(later_s[0])
        bars = bars[bars["start_s"] < end_s]
        bars = bars.assign(end_s=np.minimum(bars["end_s"], end_s))
    parts = dict(iter(bars.groupby("node")))
    lanes = {
        node: _lanes(parts.get(node, bars.iloc[:0]))
        for node in kept
        if node in parts or kind(node) == "device"
    }
    return Panel(label, rounds, end_s, bars, lanes, sum(kind(node) == "device" for node in nodes))


def _in_order(table: pd.DataFrame) -> list[str]:
    """Return the nodes from top to bottom; those of a chain, and wires, as work first reaches them."""
    first_s = table.groupby("node", observed=True)["start_s"].min()
    ends = [node.split(">") for node in first_s.index if kind(node) == "wire"]
    chained = any(set(pair) <= set(first_s.index) for pair in ends)  # from node to node

    def rank(node: str) -> tuple[int, float, str, int]:
        row, (stem, _, number) = kind(node), node.rpartition("-")
        since_s = float(first_s[node]) if row == "wire" or (row == "node" and chained) else 0.0
        numbered = number.isdigit()
        return _KINDS.index(row), since_s, stem if numbered else node, int(number) if numbered else -1

    return sorted((str(node) for node in first_s.index), key=rank)


def _kept(nodes: list[str], rows: pd.DataFrame) -> list[str]:
    """Return the nodes whose rows are shown: every n-th device, with its share, so that the bars fit."""
    devices = [node for node in nodes if kind(node) == "device"]
    many = rows["node"].isin([node for node in nodes if kind(node) in {"device", "share"}]).sum()
    room = max(1, MAX_BARS - (len(rows) - many))
    step = max(1, min(-(-many // room), len(devices) // _FEW_DEVICES))
    dropped = {number for i, number in enumerate(_numbers(devices)) if i % step}
    return [
        node for node in nodes if kind(node) not in {"device", "share"} or _numbers([node])[0] not in dropped
    ]


def _numbers(nodes: list[str]) -> list[str]:
    return [node.rpartition("-")[2] for node in nodes]


def _lanes(bars: pd.DataFrame) -> list[str]:
    """Return the sub-rows of a node: its lanes if two of them are ever busy at once, and its queue's."""
    busy = bars[bars["phase"] != WAITING]
    start_s, end_s = busy["start_s"].to_numpy(), busy["end_s"].to_numpy()
    order = np.argsort(start_s, kind="stable")
    reach_s = np.maximum.accumulate(end_s[order])[:-1]
    at_once = len(busy) and (start_s[order][1:] < reach_s - 1e-9 * end_s.max()).any()
    lanes = sorted(set(busy["lane"])) if at_once else [""]
    return [*lanes, QUEUE] if (bars["lane"] == QUEUE).any() else lanes


def _merged(spans: Spans) -> Spans:
    """Return the union of the spans, in order and apart."""
    ordered = spans[np.argsort(spans[:, 0], kind="stable")]
    reach = np.maximum.accumulate(ordered[:, 1])
    breaks = np.flatnonzero(ordered[1:, 0] > reach[:-1])
    return np.column_stack((ordered[np.append(0, breaks + 1), 0], reach[np.append(breaks, len(spans) - 1)]))


def _gaps(spans: Spans, start: float, end: float) -> Spans:
    """Return the parts of start..end that no span covers; rounding errors are no gaps."""
    busy = _merged(np.clip(spans, start, end))
    gaps = np.column_stack((np.append(start, busy[:, 1]), np.append(busy[:, 0], end)))
    lasting: Spans = gaps[gaps[:, 1] - gaps[:, 0] > 1e-12 * abs(end)]
    return lasting


def _waiting(rows: pd.DataFrame, rounds: pd.DataFrame) -> list[tuple[str, str, str, float, float]]:
    """Return a bar for each time when a device idles in a round, or when another node has work queued."""
    busy = rows[["start_s", "end_s"]].to_numpy(float)
    ready_s = busy[:, 0] - rows["wait_s"].to_numpy(float)
    numbers = rows["round"].to_numpy()
    limits = {number: (start_s, end_s) for number, start_s, end_s in rounds.itertuples()}
    waiting = []
    for node, of_node in rows.groupby("node", observed=True).indices.items():
        at_device = kind(str(node)) == "device"
        for number in np.unique(numbers[of_node]):
            index = of_node[numbers[of_node] == number]
            spans = np.column_stack((ready_s, busy[:, 0]))[index]
            spans = spans[spans[:, 0] < spans[:, 1]]
            if at_device:
                start_s, end_s = limits[number]
                spans = _gaps(busy[of_node], start_s, end_s)
            lane = "" if at_device else QUEUE
            waiting += [
                (str(node), lane, WAITING, *span) for span in (_merged(spans) if len(spans) else spans)
            ]
    return waiting
