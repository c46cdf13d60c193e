"""The times in which each device of a round was busy, received, and was idle, from the round's intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..timeline.interval_record import Rows
from ..timeline.phases import LaneName

__all__ = ["RoundTimes", "round_times"]

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class RoundTimes:
    """The times of a round's devices, and the energies that no interval has (docs/model.md section 2.3).

    Attributes
    ----------
    clients : tuple of int
        The devices of the round, sorted.
    busy_s : ndarray, [num_clients]
        Time in which a device computed, sent or received, [s].
    idle_s : ndarray, [num_clients]
        The rest of the device's time in the round, [s]. A device that leaves the run has no time after that.
    receive_s : ndarray, [num_clients]
        Time in which a device received a transfer or a broadcast, [s].
    idle_j, receive_j : ndarray, [num_clients]
        Energy of the idle time, and of the receiver, [J].
    """

    clients: tuple[int, ...]
    busy_s: Array
    idle_s: Array
    receive_s: Array
    idle_j: Array
    receive_j: Array


def round_times(
    rows: Rows,
    lanes: Sequence[LaneName],
    clients: Sequence[int],
    in_round_s: Array,
    pauses_s: tuple[Mapping[int, float], Mapping[int, float]],
    idle_w: Array,
    receive_w: Array,
) -> RoundTimes:
    """Return the times and energies of a round's devices.

    Parameters
    ----------
    rows : Rows
        The round's intervals, in the order of their start.
    lanes : sequence of str
        The lane of each phase, by the phase's number in the rows.
    clients : sequence of int, [num_clients]
        The devices of the round, sorted.
    in_round_s : ndarray, [num_clients]
        Time from the start of the round to its end, or to the instant at which the device left the run, [s].
    pauses_s : (mapping, mapping)
        For uplinks and for downlinks, the times within a device's intervals in which a shared band served
        other devices, by device, [s].
    idle_w, receive_w : ndarray, [num_clients]
        Powers while a device is idle and while it receives, [W].
    """
    devices = np.asarray(clients, dtype=np.intp)
    positions = np.minimum(np.searchsorted(devices, rows["node"] - 1), len(devices) - 1)
    rows, positions = (each[devices[positions] == rows["node"] - 1] for each in (rows, positions))
    is_downlink = np.array([lane == "downlink" for lane in lanes], dtype=bool)[rows["phase"]]
    durations_s = rows["end_s"] - rows["start_s"]
    uplink_pauses_s, downlink_pauses_s = (
        np.array([pauses.get(client, 0.0) for client in clients]) for pauses in pauses_s
    )

    def sums(values: Array) -> Array:
        return np.asarray(np.bincount(positions, weights=values, minlength=len(devices)), np.float64)

    busy_s = sums(durations_s - _overlaps_s(rows, positions)) - uplink_pauses_s - downlink_pauses_s
    receive_s = sums(np.where(is_downlink, durations_s, 0.0)) - downlink_pauses_s
    idle_s = np.maximum(in_round_s - busy_s, 0.0)  # rounding may make the difference negative
    return RoundTimes(tuple(clients), busy_s, idle_s, receive_s, idle_w * idle_s, receive_w * receive_s)


def _overlaps_s(rows: Rows, positions: NDArray[np.intp]) -> Array:
    """Return the time that each interval shares with earlier ones of its device, [num_rows], [s]."""
    overlaps_s = np.zeros(len(rows))
    order = np.argsort(positions, kind="stable")
    start_s, end_s, same = rows["start_s"][order], rows["end_s"][order], np.diff(positions[order]) == 0
    if not (same & (start_s[1:] < end_s[:-1])).any():
        return overlaps_s  # as in every scheme that does one thing at a time on each device
    busy_until_s: dict[int, float] = {}
    for index in order.tolist():
        device, start, end = int(positions[index]), float(rows["start_s"][index]), float(rows["end_s"][index])
        until = busy_until_s.get(device, start)
        overlaps_s[index] = max(0.0, min(until, end) - start)
        busy_until_s[device] = max(until, end)
    return overlaps_s
