"""What clients do side by side on what is each one's own: all its instants are known when they set out."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from simpy import Environment

from ..links.link_rates import LinkRates, LinkRatesOverTime
from ..links.transmitters import air_times_s
from ..nodes.node import Device
from ..timeline.interval_record import IntervalRecord, Rows, empty_rows, packed, unpacked
from ..timeline.lanes import LANES, completed_fraction, no_lane
from ..timeline.phases import Phase

__all__ = ["ActivitySequence", "BatchedActivities"]

Array: TypeAlias = NDArray[np.float64]

ActivitySequence: TypeAlias = Sequence[tuple[Phase, float]]
"""What a client does on its own, one thing after the other: phases, each with its FLOPs or bits."""


_ALL = slice(None)


@dataclass(frozen=True)
class _Job:
    """One thing that every client of a stint does.

    Attributes
    ----------
    phase, amount : with its FLOPs or bits
    places : [num_clients], int
        The clients' lanes in the table.
    duration_s : [num_clients], float
        At full speed, [s]; None on links that change.
    power_w : [num_clients], float
        Of a transfer, [W].
    """

    phase: Phase
    amount: float
    places: NDArray[np.intp]
    duration_s: Array | None
    power_w: Array


@dataclass(frozen=True)
class _Prepared:
    """A stint of certain clients, as far as it does not depend on when they set out.

    Attributes
    ----------
    devices : [num_clients], Device
    jobs : in their order; those that are empty are left out
    links : [num_clients], int
        The clients' rows of the links.
    lanes : [num_clients · num_lanes], int
        All lanes of the clients.
    slows : whether any of the devices has slow-downs
    endless : whether something may take for ever
    packed : [num_jobs, num_clients, ROW_BYTES], int
        The rows: all but phase and times, and energies on links that change.
    """

    devices: NDArray[np.object_]
    jobs: Sequence[_Job]
    links: NDArray[np.intp]
    lanes: NDArray[np.intp]
    slows: bool
    endless: bool
    packed: NDArray[np.uint8]

    def rows(self) -> Rows:
        """Return new rows, [num_jobs, num_clients]."""
        return unpacked(self.packed.copy())


class BatchedActivities:
    """Works out stints of many clients at once, without an event for each thing that one of them does.

    A client's processor and links of its own are nobody else's: no event changes what it does on them, but a
    deadline, which is known. The rows are, to the last bit, those that a process for each client would leave.

    Parameters
    ----------
    env, record : the event loop, and where intervals go
    free_at_s : [num_devices · num_lanes], float
        When each lane of each device is free, one device behind the other, [s].
    devices : dict of int to Device
        By number.
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
        self._prepared = lru_cache(maxsize=4)(self._prepare)

    def connect(self, links: LinkRatesOverTime, members: Sequence[int]) -> None:
        """Let these clients send and receive on these links from now on, each on its row's."""
        self._links, self._members = links, frozenset(members)
        self._prepared.cache_clear()

    def set_out(
        self, stint: ActivitySequence, clients: tuple[int, ...], until_s: float = math.inf
    ) -> tuple[tuple[int, ...], float] | None:
        """Record what the clients will have done when their stints are over, or at ``until_s``.

        Nothing is foreseen, and None returned, where a client has something else to do.

        Parameters
        ----------
        stint : what each of them does from now on
        clients : tuple of int
            Their numbers, at least one; they are asked for nothing else until they are done.
        until_s : float, optional
            The instant at which the late ones stop what they are doing, [s].

        Returns
        -------
        tuple of int
            The clients that are in time.
        float
            When the last of them is done, or ``until_s`` if anybody is late, [s].
        """
        made, now_s = self._prepared(stint, clients), float(self._env.now)
        if self._free_at_s[made.lanes].max() > now_s:
            return None
        rows = made.rows()
        rows["round"] = self._record.round
        ready_s = np.full(len(clients), now_s)
        for job, cells in zip(made.jobs, rows, strict=True):
            if made.endless or until_s < math.inf:
                ready_s = self._do_until(made, job, cells, ready_s, until_s)
            else:
                ready_s = self._do(made, job, cells, ready_s)
        last_s = float(ready_s.max())
        if last_s <= until_s:
            self._keep(made, rows)
            return clients, last_s
        self._cut_off(made, rows, until_s)
        self._keep(made, rows, until_s)
        on_time = (ready_s <= until_s).tolist()
        return tuple(client for client, is_in in zip(clients, on_time, strict=True) if is_in), until_s

    def _do(
        self, made: _Prepared, job: _Job, cells: Rows, start_s: Array, who: slice | NDArray[np.intp] = _ALL
    ) -> Array:
        """Fill in one job's times of all clients or some, and return when each of them is done with it."""
        if job.duration_s is None:
            rates_bps = _rates(job.phase, made.links[who])
            duration_s = air_times_s(self._links, rates_bps, start_s, job.amount)
            cells["energy_j"][who] = duration_s * job.power_w[who]
        else:
            duration_s = job.duration_s[who]
            if made.slows and job.phase.lane == "compute":
                duration_s = _slowed(made.devices[who], duration_s, start_s)
        end_s: Array = start_s + duration_s
        cells["start_s"][who], cells["end_s"][who] = start_s, end_s
        self._free_at_s[job.places[who]] = end_s
        return end_s

    def _do_until(self, made: _Prepared, job: _Job, cells: Rows, ready_s: Array, until_s: float) -> Array:
        """Do the same for those that begin by ``until_s``; the others are late, and are never done.

        What these would do may be without end. What begins at that instant and takes no time is in time.
        """
        (who,) = np.nonzero((ready_s <= until_s) & (ready_s < math.inf))
        end_s = np.full(ready_s.shape, math.inf)
        cells["start_s"] = ready_s
        end_s[who] = self._do(made, job, cells, ready_s[who], who)
        return end_s

    def _cut_off(self, made: _Prepared, rows: Rows, until_s: float) -> None:
        """End what has begun and would last longer; all lanes are free then."""
        for job, cells in zip(made.jobs, rows, strict=True):
            self._free_at_s[job.places] = np.minimum(self._free_at_s[job.places], until_s)
            (cut,) = np.nonzero((cells["start_s"] < until_s) & (cells["end_s"] > until_s))
            start_s, end_s = cells["start_s"][cut], cells["end_s"][cut]
            time_share = (until_s - start_s) / (end_s - start_s)
            done_share = time_share.copy()
            for place, client in enumerate(cut.tolist()):
                pace = made.devices[client].lanes[job.phase.lane].pace
                if pace is not None:
                    done_share[place] = completed_fraction(
                        pace, float(start_s[place]), until_s, float(end_s[place])
                    )
            cells["end_s"][cut] = until_s
            for column in ("bits", "flops"):
                cells[column][cut] *= done_share
            # A processor pays for each FLOP, a transmitter for each second.
            with np.errstate(invalid="ignore"):  # of what would take for ever
                cells["energy_j"][cut] *= done_share if job.phase.lane == "compute" else time_share

    def _keep(self, made: _Prepared, rows: Rows, until_s: float = math.inf) -> None:
        """Add to the record what begins before ``until_s``."""
        for job, cells in zip(made.jobs, rows, strict=True):
            if until_s == math.inf or cells["start_s"].min() <= until_s:  # asked for, if only to be stopped
                cells["phase"] = self._record.phase_number(job.phase)
        self._record.extend(rows if until_s == math.inf else rows[rows["start_s"] < until_s])

    def _prepare(self, stint: ActivitySequence, clients: tuple[int, ...]) -> _Prepared:
        if not self._members.issuperset(clients):
            strangers = sorted(set(clients) - self._members)
            raise ValueError(f"clients {strangers} are called, and are not in the round")
        devices = [self._devices[client] for client in clients]
        at_links = np.array([device.row for device in devices])
        first_lanes = len(LANES) * np.array(clients)
        jobs = []
        for phase, amount in stint:
            if phase.lane not in LANES:
                raise no_lane(phase)
            if amount:
                places = first_lanes + LANES.index(phase.lane)
                if phase.lane == "compute":
                    duration_s: Array | None = amount * np.array([d.seconds_per_flop for d in devices])
                    power_w = np.zeros(len(clients))
                else:
                    duration_s, power_w = self._transfer(phase, amount, at_links)
                jobs.append(_Job(phase, amount, places, duration_s, power_w))
        rows = empty_rows(len(jobs), len(clients))
        rows["node"], rows["client"] = [device.index for device in devices], -1
        for job, cells in zip(jobs, rows, strict=True):
            if job.phase.lane == "compute":
                cells["flops"] = job.amount
                cells["energy_j"] = job.amount * np.array([d.joules_per_flop for d in devices])
            else:
                cells["bits"] = job.amount
                if job.duration_s is not None:
                    with np.errstate(invalid="ignore"):  # no power for ever
                        cells["energy_j"] = job.duration_s * job.power_w
        lanes = np.add.outer(first_lanes, np.arange(len(LANES))).ravel()
        slows = any(device.speed is not None for device in devices)
        endless = any(job.duration_s is None or not np.isfinite(job.duration_s).all() for job in jobs)
        return _Prepared(np.array(devices, dtype=object), jobs, at_links, lanes, slows, endless, packed(rows))

    def _transfer(self, phase: Phase, bits: float, rows: NDArray[np.intp]) -> tuple[Array | None, Array]:
        """Return how long a transfer takes, [s], where that does not change, and the transmit powers, [W]."""
        links, until_s = self._links.at(0.0)
        power_w = (links.uplink_w if phase.lane == "uplink" else links.downlink_w)[rows]
        if math.isfinite(until_s):
            return None, power_w
        with np.errstate(divide="ignore"):
            return bits * (1.0 / _rates(phase, rows)(links)), power_w


def _rates(phase: Phase, rows: NDArray[np.intp]) -> Callable[[LinkRates], Array]:
    """Return what gives the rates of these rows of the links, [bit/s]."""
    if phase.lane == "uplink":
        return lambda links: links.uplink_bps[rows]
    return lambda links: links.downlink_bps[rows]


def _slowed(devices: Iterable[Device], duration_s: Array, start_s: Array) -> Array:
    """Return how long work takes on devices of which some slow down, [s]."""
    slowed_s = duration_s.copy()
    for place, device in enumerate(devices):
        if device.speed is not None:
            slowed_s[place] = device.speed.duration_s(float(start_s[place]), float(duration_s[place]))
    return slowed_s
