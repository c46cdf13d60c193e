"""The activities of a round: the rows of the interval table, with the client that each belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["Activity", "activities_of", "by_round", "device_of"]

_DEVICE = "device-"


@dataclass(frozen=True, slots=True)
class Activity:
    """One interval of activity of one round.

    Attributes
    ----------
    row : int
        The index of its row in the table of intervals.
    node, lane, phase : str
        As in the table of intervals.
    client : int
        The device that is active, or the one that the server works for; -1 for several.
    start_s, end_s : float
        Its instants, [s].
    ready_s : float
        The instant from which it waited for its lane, [s].
    flops, bits : float
        Its amount of work.
    """

    row: int
    node: str
    lane: str
    phase: str
    client: int
    start_s: float
    end_s: float
    ready_s: float
    flops: float
    bits: float

    @property
    def is_joint(self) -> bool:
        """Return whether a node works for several clients together."""
        return self.client < 0

    @property
    def is_on_device(self) -> bool:
        """Return whether the client's device does it, and not a node that works for the client."""
        return self.node.startswith(_DEVICE)

    @property
    def amount(self) -> float:
        """Return its FLOPs, or its bits."""
        return self.flops or self.bits


def device_of(node: str) -> int:
    """Return the number of a device by the name of its node; -1 for other nodes."""
    return int(node[len(_DEVICE) :]) if node.startswith(_DEVICE) else -1


def activities_of(intervals: pd.DataFrame) -> list[Activity]:
    """Return the activities in rows of the interval table, in the order of their starts, then of their ends.

    A broadcast may have a row at each device that receives it. These rows are left out, because the row of
    the server is the broadcast.

    Parameters
    ----------
    intervals : DataFrame
        Rows of ``intervals.parquet`` of one scheme, with a unique index.
    """
    starts_s, ends_s = intervals["start_s"].to_numpy(), intervals["end_s"].to_numpy()
    order = np.lexsort((ends_s, starts_s))
    nodes = intervals["node"].to_numpy()[order].tolist()
    number = {node: device_of(node) for node in set(nodes)}
    clients = intervals["client"].to_numpy()[order].tolist()
    ready_s = starts_s - intervals["wait_s"].to_numpy()
    columns = zip(
        intervals.index.to_numpy()[order].tolist(),
        nodes,
        intervals["lane"].to_numpy()[order].tolist(),
        intervals["phase"].to_numpy()[order].tolist(),
        [max(number[node], client) for node, client in zip(nodes, clients, strict=True)],
        starts_s[order].tolist(),
        ends_s[order].tolist(),
        ready_s[order].tolist(),
        intervals["flops"].to_numpy()[order].tolist(),
        intervals["bits"].to_numpy()[order].tolist(),
        strict=True,
    )
    each = [Activity(*cells) for cells in columns]
    broadcasts = {(a.phase, a.start_s, a.end_s) for a in each if a.node == "server" and a.lane == "downlink"}
    if not broadcasts:
        return each
    return [
        a
        for a in each
        if a.node == "server" or a.bits or a.flops or (a.phase, a.start_s, a.end_s) not in broadcasts
    ]


def by_round(intervals: pd.DataFrame, starts_s: Mapping[int, float]) -> Iterator[tuple[int, list[Activity]]]:
    """Yield each round of one scheme with its activities, and those of the round before that last into it.

    Parameters
    ----------
    intervals : DataFrame
        The rows of one scheme, with a unique index.
    starts_s : mapping of int to float
        The start of each round to yield, by the round's number, [s].
    """
    rounds = dict(zip(intervals.index.tolist(), intervals["round"].tolist(), strict=True))
    of_round: dict[int, list[Activity]] = {}
    for activity in activities_of(intervals):
        of_round.setdefault(rounds[activity.row], []).append(activity)
    for number, start_s in starts_s.items():
        lasting = [activity for activity in of_round.get(number - 1, ()) if activity.end_s > start_s]
        yield number, [*lasting, *of_round.get(number, ())]
