"""Idle time by cause: for each gap of a lane, the state or the activity of others that its node waits for."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .spans import NO_SPANS, Coverage, Spans, length_s, without
from .windows import Window, spans_of

__all__ = ["IdleCause", "IdleTimes"]


class IdleCause(StrEnum):
    """A cause of idle time of a lane. An instant with several causes counts for the first in this order."""

    #: the device is offline
    OFFLINE = "offline"
    #: the links of the device are interrupted
    OUTAGE = "outage"
    #: the server has failed
    FAILURE = "failure"
    #: work of this lane, or the server's work for this device, waits in a queue or for a shared band
    QUEUE = "queue"
    #: another lane of the node is busy
    OTHER_LANE = "other lane"
    #: the server, a compute node or a wire works for the device, or for all devices together
    SERVER = "server"
    #: other clients are active, for example before a barrier or in their turn
    CLIENTS = "clients"
    #: no node is active, for example before a deadline or while a link of another client is interrupted
    NOTHING = "nothing"


_DEVICE = "device-"
_Rows: TypeAlias = NDArray[np.intp]
_NO_ROWS: _Rows = np.empty(0, np.intp)


class IdleTimes:
    """Splits the idle time of each lane of a window by cause.

    Parameters
    ----------
    window : Window
        The rounds to split.
    """

    def __init__(self, window: Window) -> None:
        intervals = window.intervals
        self._spans = spans_of(intervals)
        self._wait_s = intervals["wait_s"].to_numpy(float)
        self._node, self._lane, self._phase = (
            intervals[name].astype(str).to_numpy(object) for name in ("node", "lane", "phase")
        )
        client = intervals["client"].to_numpy()
        at_device = np.array([node.startswith(_DEVICE) for node in self._node], dtype=bool)
        self._of_node: dict[str, _Rows] = _rows_by(self._node, np.arange(len(intervals)))
        self._for_client: dict[int, _Rows] = _rows_by(client, np.flatnonzero(~at_device & (client >= 0)))
        states = window.events[window.events["end_s"].notna()]
        self._states = {key: spans_of(rows) for key, rows in states.groupby(["kind", "node"], observed=True)}
        self._devices = Coverage(self._spans[at_device])
        self._joint = Coverage(self._spans[~at_device & (client < 0)])
        self._all = Coverage(self._spans)

    def busy_times(self, node: str, lane: str) -> tuple[list[str], Spans]:
        """Return the phase and the span of each activity of a lane."""
        rows = self._of_node.get(node, _NO_ROWS)
        rows = rows[self._lane[rows] == lane]
        return self._phase[rows].tolist(), self._spans[rows]

    def of_lane(self, node: str, lane: str, idle: Spans) -> Iterator[tuple[IdleCause, float]]:
        """Yield each cause with its time, [s]; the times sum to the idle time.

        Parameters
        ----------
        node, lane : str
            The lane.
        idle : ndarray
            The spans in which the lane is idle, in order.
        """
        rest = idle
        for cause, spans in self._own_causes(node, lane):
            if len(spans):
                remaining = without(rest, spans)
                yield cause, length_s(rest) - length_s(remaining)
                rest = remaining
        is_device = node.startswith(_DEVICE)
        first = self._joint if is_device else self._devices
        first_s, all_s, rest_s = first.within_s(rest), self._all.within_s(rest), length_s(rest)
        causes = (IdleCause.SERVER, IdleCause.CLIENTS) if is_device else (IdleCause.CLIENTS, IdleCause.SERVER)
        yield causes[0], first_s
        yield causes[1], all_s - first_s
        yield IdleCause.NOTHING, rest_s - all_s

    def _own_causes(self, node: str, lane: str) -> Iterator[tuple[IdleCause, Spans]]:
        """Yield the spans of the causes that concern this node, in the order of their priority."""
        yield IdleCause.OFFLINE, self._states.get(("offline", node), NO_SPANS)
        yield IdleCause.OUTAGE, self._states.get(("outage", node), NO_SPANS)
        yield IdleCause.FAILURE, self._states.get(("down", "server"), NO_SPANS)
        rows, served = self._of_node.get(node, _NO_ROWS), _NO_ROWS
        if node.startswith(_DEVICE):
            served = self._for_client.get(int(node.removeprefix(_DEVICE)), _NO_ROWS)
        in_lane = self._lane[rows] == lane
        yield IdleCause.QUEUE, self._waits(np.concatenate((rows[in_lane], served)))
        yield IdleCause.OTHER_LANE, self._spans[rows[~in_lane]]
        yield IdleCause.SERVER, self._spans[served]

    def _waits(self, rows: _Rows) -> Spans:
        """Return the spans between being ready and starting."""
        waiting = rows[self._wait_s[rows] > 0]
        start_s = self._spans[waiting, 0]
        return np.column_stack((start_s - self._wait_s[waiting], start_s))


def _rows_by(values: NDArray[Any], rows: _Rows) -> dict[Any, _Rows]:
    """Return the given rows by the value that each has."""
    groups = pd.Series(rows).groupby(values[rows]).indices
    return {value: rows[positions] for value, positions in groups.items()}
