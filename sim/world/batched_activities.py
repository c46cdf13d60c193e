"""Batched activities: computations and transfers of several clients that use only their own resources.

Their end times are known in advance, so that a batch needs one event in total.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from simpy import Environment

from ..links.link_rates import Direction, LinkRatesOverTime
from ..links.transmitters import air_times_s
from ..nodes.capacity import fractions_at, stretched_s
from ..nodes.device import Device
from ..timeline.interval_record import IntervalRecord, Rows, empty_rows, packed, unpacked
from ..timeline.lanes import LANES, missing_lane
from ..timeline.phases import Phase
from .rounds.round_policy import NO_LIMITS, StepLimits

__all__ = ["ActivitySequence", "BatchedActivities"]

Array: TypeAlias = NDArray[np.float64]

ActivitySequence: TypeAlias = Sequence[tuple[Phase, float]]
"""Activities that a client does one after the other: each a phase with its FLOPs or bits."""


_ALL = slice(None)


@dataclass(frozen=True)
class _Activity:
    """One activity that every client of a batch does.

    Attributes
    ----------
    amount : float
        FLOPs or bits.
    lanes : ndarray, [num_clients]
        The index of each client's lane in the array of all lanes.
    duration_s : ndarray, [num_clients], or None
        The duration at full speed, [s]; None on links whose rates change.
    power_w : ndarray, [num_clients]
        The transmit power of a transfer, with that of a device's circuits, [W].
    """

    phase: Phase
    amount: float
    lanes: NDArray[np.intp]
    duration_s: Array | None
    power_w: Array


@dataclass(frozen=True)
class _Batch:
    """The activities of certain clients, as far as they do not depend on the time at which they start.

    Attributes
    ----------
    devices : ndarray of Device, [num_clients]
    activities : sequence of _Activity
        The activities in their order, without empty ones.
    link_rows : ndarray, [num_clients]
        The rows of the clients in the links.
    lanes : ndarray, [num_clients · num_lanes]
        The indices of all lanes of the clients.
    has_slowdowns : bool
        Whether the speed of any device changes.
    has_noise : bool
        Whether computations of any device take random times.
    may_be_endless : bool
        Whether an activity may take infinitely long.
    packed : ndarray, [num_activities, num_clients, ROW_BYTES]
        The rows of the record, without phases and times, and without energies on links that change.
    """

    devices: NDArray[np.object_]
    activities: Sequence[_Activity]
    link_rows: NDArray[np.intp]
    lanes: NDArray[np.intp]
    has_slowdowns: bool
    has_noise: bool
    may_be_endless: bool
    packed: NDArray[np.uint8]

    def rows(self) -> Rows:
        """Return a copy of the rows, [num_activities, num_clients]."""
        return unpacked(self.packed.copy())


class BatchedActivities:
    """Computes the activities of several clients at once, without one event for each activity.

    A client's processor and dedicated links serve no other client. So nothing changes the activities on
    them except the limits of the step, which are known when they start. The rows of the record are
    bit-identical to those that a process for each client would leave.

    Parameters
    ----------
    free_at_s : array, [num_devices · num_lanes]
        When each lane of each device is free, one device behind the other, [s].
    devices : mapping of int to Device
        The devices by number.
    """

    def __init__(
        self,
        env: Environment,
        record: IntervalRecord,
        free_at_s: array[float],
        devices: Mapping[int, Device],
    ) -> None:
        self._env = env
        self._record = record
        self._devices = devices
        self._free_at_s = np.frombuffer(free_at_s)
        self._batch_of = lru_cache(maxsize=4)(self._prepare)

    def connect(self, links: LinkRatesOverTime, clients: Sequence[int]) -> None:
        """Use these links from now on, which have one row for each of these clients."""
        self._links, self._clients = links, frozenset(clients)
        self._batch_of.cache_clear()

    def run_batch(
        self, activities: ActivitySequence, clients: tuple[int, ...], limits: StepLimits = NO_LIMITS
    ) -> tuple[tuple[int, ...], float] | None:
        """Record the activities of the clients up to their ends, or until the step closes.

        Returns None, and records nothing, if a lane of a client is in use. It does so too if a number of
        clients closes the step and computations take random times, of which late clients would draw too many.

        Parameters
        ----------
        clients : tuple of int
            At least one client; none of them may start anything else before the batch ends.
        limits : StepLimits, optional
            Decide when the step closes; late clients then stop their activities. None by default.

        Returns
        -------
        tuple of int
            The clients that are on time.
        float
            When the last of them ends, or when the step closes if a client is late, [s].
        """
        batch, now_s = self._batch_of(activities, clients), float(self._env.now)
        if self._free_at_s[batch.lanes].max() > now_s or (limits.counts_clients and batch.has_noise):
            return None
        rows = batch.rows()
        rows["round"] = self._record.round
        ready_s = np.full(len(clients), now_s)
        until_s = math.inf if limits.counts_clients else now_s + limits.waits_s
        full_speed_s = np.full(rows.shape, math.nan)
        for activity, cells, work_s in zip(batch.activities, rows, full_speed_s, strict=True):
            if batch.may_be_endless or until_s < math.inf:
                ready_s = self._run_until(batch, activity, cells, ready_s, until_s, work_s)
            else:
                ready_s = self._run(batch, activity, cells, ready_s, work_s)
        is_on_time, closes_s = limits.close(ready_s, clients, now_s)
        if is_on_time.all():
            self._record_rows(batch, rows)
            return clients, closes_s
        self._truncate(batch, rows, full_speed_s, closes_s)
        self._record_rows(batch, rows, closes_s)
        on_time = zip(clients, is_on_time.tolist(), strict=True)
        return tuple(client for client, is_member in on_time if is_member), closes_s

    def _run(
        self,
        batch: _Batch,
        activity: _Activity,
        cells: Rows,
        start_s: Array,
        full_speed_s: Array,
        columns: slice | NDArray[np.intp] = _ALL,
    ) -> Array:
        """Fill in the times of one activity, for some columns of the batch, and return its ends, [s].

        The durations of computations at full speed go to ``full_speed_s``, [num_clients], [s].
        """
        if activity.duration_s is None:
            rows = batch.link_rows[columns]
            duration_s = air_times_s(self._links, _direction(activity.phase), rows, start_s, activity.amount)
            cells["energy_j"][columns] = duration_s * activity.power_w[columns]
        else:
            duration_s = activity.duration_s[columns]
            if activity.phase.lane == "compute":
                devices = batch.devices[columns]
                if batch.has_noise:
                    duration_s = _with_noise(devices, duration_s)
                if batch.has_slowdowns:
                    full_speed_s[columns] = duration_s
                    traces = [device.compute_capacity for device in devices]
                    duration_s = stretched_s(traces, start_s, duration_s)
        end_s: Array = start_s + duration_s
        cells["start_s"][columns], cells["end_s"][columns] = start_s, end_s
        self._free_at_s[activity.lanes[columns]] = end_s
        return end_s

    def _run_until(
        self,
        batch: _Batch,
        activity: _Activity,
        cells: Rows,
        ready_s: Array,
        until_s: float,
        full_speed_s: Array,
    ) -> Array:
        """Run one activity of the clients that begin it by the deadline, and return its ends, [s].

        The other clients are late, and end never: their activities might have no end. An activity without
        duration that begins at the deadline is on time.
        """
        (columns,) = np.nonzero((ready_s <= until_s) & (ready_s < math.inf))
        end_s = np.full(ready_s.shape, math.inf)
        cells["start_s"] = ready_s
        end_s[columns] = self._run(batch, activity, cells, ready_s[columns], full_speed_s, columns)
        return end_s

    def _truncate(self, batch: _Batch, rows: Rows, full_speed_s: Array, until_s: float) -> None:
        """Stop the activities that are in progress when the step closes, and free all lanes."""
        for activity, cells, work_s in zip(batch.activities, rows, full_speed_s, strict=True):
            self._free_at_s[activity.lanes] = np.minimum(self._free_at_s[activity.lanes], until_s)
            (columns,) = np.nonzero((cells["start_s"] < until_s) & (cells["end_s"] > until_s))
            lane = activity.phase.lane
            traces = [device.capacity_of(lane) for device in batch.devices[columns]]
            work, energy = fractions_at(
                until_s, cells["start_s"][columns], cells["end_s"][columns], traces, lane, work_s[columns]
            )
            cells["end_s"][columns] = until_s
            for column in ("bits", "flops"):
                cells[column][columns] *= work
            with np.errstate(invalid="ignore"):  # an activity without end has infinite energy
                cells["energy_j"][columns] *= energy

    def _record_rows(self, batch: _Batch, rows: Rows, until_s: float = math.inf) -> None:
        """Add the rows that begin before the step closes to the record."""
        for activity, cells in zip(batch.activities, rows, strict=True):
            # phases are numbered when they are first requested, also if they are stopped at once
            if until_s == math.inf or cells["start_s"].min() <= until_s:
                cells["phase"] = self._record.phase_number(activity.phase)
        self._record.extend(rows if until_s == math.inf else rows[rows["start_s"] < until_s])

    def _prepare(self, sequence: ActivitySequence, clients: tuple[int, ...]) -> _Batch:
        if not self._clients.issuperset(clients):
            strangers = sorted(set(clients) - self._clients)
            raise ValueError(f"clients {strangers} are not in the round, so they cannot start a step of it")
        devices = [self._devices[client] for client in clients]
        link_rows = np.array([device.row for device in devices])
        first_lanes = len(LANES) * np.array(clients)
        activities = []
        for phase, amount in sequence:
            if phase.lane not in LANES:
                raise missing_lane(phase)
            if amount:
                lanes = first_lanes + LANES.index(phase.lane)
                if phase.lane == "compute":
                    duration_s: Array | None = amount * np.array([d.seconds_per_flop for d in devices])
                    power_w = np.zeros(len(clients))
                else:
                    duration_s, power_w = self._transfer(phase, amount, link_rows)
                    if phase.lane == "uplink":
                        power_w = power_w + np.array([d.powers.circuit_w for d in devices])
                activities.append(_Activity(phase, amount, lanes, duration_s, power_w))
        rows = empty_rows(len(activities), len(clients))
        rows["node"], rows["client"] = [device.index for device in devices], -1
        for activity, cells in zip(activities, rows, strict=True):
            if activity.phase.lane == "compute":
                cells["flops"] = activity.amount
                cells["energy_j"] = activity.amount * np.array([d.joules_per_flop for d in devices])
            else:
                cells["bits"] = activity.amount
                if activity.duration_s is not None:
                    with np.errstate(invalid="ignore"):  # no power for an infinite time
                        cells["energy_j"] = activity.duration_s * activity.power_w
        return _Batch(
            devices=np.array(devices, dtype=object),
            activities=activities,
            link_rows=link_rows,
            lanes=np.add.outer(first_lanes, np.arange(len(LANES))).ravel(),
            has_slowdowns=any(device.compute_capacity is not None for device in devices),
            has_noise=any(device.compute_noise is not None for device in devices),
            may_be_endless=any(
                activity.duration_s is None or not np.isfinite(activity.duration_s).all()
                for activity in activities
            )
            or any(getattr(device.compute_capacity, "ends_because", None) is not None for device in devices),
            packed=packed(rows),
        )

    def _transfer(self, phase: Phase, bits: float, rows: NDArray[np.intp]) -> tuple[Array | None, Array]:
        """Return the air times on constant links, [s], or None, and the transmit powers, [W]."""
        links, until_s = self._links.at(0.0)
        power_w = (links.uplink_w if phase.lane == "uplink" else links.downlink_w)[rows]
        if math.isfinite(until_s):
            return None, power_w
        with np.errstate(divide="ignore"):
            return bits * (1.0 / links.rates_bps(_direction(phase))[rows]), power_w


def _with_noise(devices: NDArray[np.object_], durations_s: Array) -> Array:
    """Return the random times of the next computations of these devices, [num_devices], [s]."""
    durations_s = durations_s.copy()
    for index, device in enumerate(devices):
        if device.compute_noise is not None:
            durations_s[index] = device.compute_noise.duration_s(float(durations_s[index]))
    return durations_s


def _direction(phase: Phase) -> Direction:
    return "uplink" if phase.lane == "uplink" else "downlink"
