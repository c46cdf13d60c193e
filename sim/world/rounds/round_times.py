"""The times in which each device of a round was busy, received, and was idle, from the round's intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from simpy import Environment

from ...links.shared_medium import SharedMedium
from ...nodes.device import Device
from ...nodes.fleet import Fleet
from ...timeline.interval_record import IntervalRecord, Rows
from ...timeline.phases import LaneName

__all__ = ["RoundAccount", "RoundTimes", "round_times"]

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


class RoundAccount:
    """Accounts for the idle and receive times of each round's devices.

    Idle time has a power in a round, and none between two rounds.
    """

    def __init__(self, env: Environment, record: IntervalRecord, fleet: Fleet) -> None:
        self._env = env
        self._record = record
        self._fleet = fleet
        self._start_s = 0.0
        self._first_row = 0
        self._clients: tuple[int, ...] = ()

    def begin(self, devices: Sequence[Device]) -> None:
        """Begin a round of these devices now."""
        self._start_s, self._first_row = float(self._env.now), len(self._record)
        self._record.active_times.clear()
        self._clients = tuple(device.client for device in devices)
        for device in devices:
            if device.energy_account is not None:
                device.energy_account.resume()

    def pause(self, devices: Iterable[Device]) -> None:
        """Stop charging the idle time of these devices until the next round begins."""
        for device in devices:
            if device.energy_account is not None:
                device.energy_account.suspend()

    def times(self, left_at_s: Mapping[int, float], media: Sequence[SharedMedium]) -> RoundTimes | None:
        """Return the busy and idle times of the round that ends now; None if no device has idle power.

        It needs the rows of the round, so it is to be called before they leave the record.

        Parameters
        ----------
        left_at_s : mapping of int to float
            When clients have left the run or the round, [s].
        media : sequence of SharedMedium
            The shared uplink and downlink band; empty if each client has dedicated links.
        """
        fleet = self._fleet
        if not fleet.has_powers:
            return None
        now_s, clients = float(self._env.now), self._clients
        end_s = np.array([min(now_s, left_at_s.get(client, now_s)) for client in clients])
        pauses_s: dict[str, dict[int, float]] = {"uplink": {}, "downlink": {}}
        for name, medium in zip(pauses_s, media, strict=False):
            pauses_s[name] = medium.take_pauses()
        for node, lane, paused_s in self._record.pauses():
            pauses_s[lane][node - 1] = pauses_s[lane].get(node - 1, 0.0) + paused_s
        powers = np.array([fleet.powers(client) for client in clients]).reshape(-1, 3)
        return round_times(
            self._record.rows_from(self._first_row),
            [lane for _, lane in self._record.phases],
            clients,
            end_s - self._start_s,
            (pauses_s["uplink"], pauses_s["downlink"]),
            powers[:, 0],
            powers[:, 1],
        )


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
