"""What clients do side by side on what is each one's own: all its instants are known when they set out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from simpy import Environment

from .carriers import air_times_s
from .lanes import LANES, LaneTable, no_lane
from .links import Links, LinkSource
from .nodes import Device
from .phases import Phase
from .record import IntervalRecord, Rows, empty_rows, packed, unpacked

__all__ = ["Stint", "Stints"]

Array: TypeAlias = NDArray[np.float64]

Stint: TypeAlias = tuple[tuple[Phase, float], ...]
"""What a client does on its own, one thing after the other: phases, each with its FLOPs or bits."""


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
    devices, jobs : in their order
    recorded : those of the jobs that are not empty
    links : [num_clients], int
        The clients' rows of the links.
    slowing : places of the devices that have slow-downs
    places : [num_recorded · num_clients], int
        The lanes of the rows, in their order.
    packed : [num_recorded, num_clients, ROW_BYTES], int
        The rows: all but phase and times, and energies on links that change.
    """

    devices: Sequence[Device]
    jobs: Sequence[_Job]
    recorded: Sequence[_Job]
    links: NDArray[np.intp]
    slowing: Sequence[int]
    places: NDArray[np.intp]
    packed: NDArray[np.uint8]

    def rows(self) -> Rows:
        """Return new rows, [num_recorded, num_clients]."""
        return unpacked(self.packed.copy())


class Stints:
    """Works out stints of many clients at once, without an event for each thing that one of them does.

    A client's processor and links of its own are nobody else's: no event changes what it does on them, but a
    deadline, which is known. The rows are, to the last bit, those that a process for each client would leave.

    Parameters
    ----------
    env, record : the event loop, and where intervals go
    lanes : LaneTable
        The lanes of all devices, one device behind the other.
    devices : dict of int to Device
        By number.
    """

    def __init__(
        self, env: Environment, record: IntervalRecord, lanes: LaneTable, devices: Mapping[int, Device]
    ) -> None:
        self._env = env
        self._record = record
        self._devices = devices
        self._free_at_s = np.frombuffer(lanes.free_at_s)
        self._last_rows = np.frombuffer(lanes.rows, dtype=np.int64)
        self._prepared = lru_cache(maxsize=8)(self._prepare)

    def connect(self, links: LinkSource) -> None:
        """Let clients send and receive on these links from now on, each on its row's."""
        self._links = links
        self._prepared.cache_clear()

    def set_out(
        self, stint: Stint, clients: tuple[int, ...], until_s: float = math.inf
    ) -> tuple[tuple[int, ...], float]:
        """Record what the clients will have done when their stints are over, or at ``until_s``.

        Parameters
        ----------
        stint : what each of them does from now on
        clients : tuple of int
            Their numbers, at least one.
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
        rows = made.rows()
        rows["round"] = self._record.round
        ready_s, cells = np.full(len(clients), now_s), iter(rows)
        idle = not made.places.size or bool(self._free_at_s[made.places].max() <= now_s)
        for job in made.jobs:
            if job.amount:
                ready_s = self._do(made, job, next(cells), ready_s, idle=idle)
            elif not idle:  # nothing to do, after what is queued already
                ready_s = ready_s + np.maximum(0.0, self._free_at_s[job.places] - ready_s)
        last_s = float(ready_s.max())
        if last_s <= until_s:
            self._keep(made, rows)
            return clients, last_s
        late = ready_s > until_s
        self._cut_off(made, rows, late, until_s)
        self._keep(made, rows, ~late | (rows["start_s"] < until_s))
        return tuple(client for client, is_late in zip(clients, late, strict=True) if not is_late), until_s

    def _do(self, made: _Prepared, job: _Job, cells: Rows, ready_s: Array, *, idle: bool) -> Array:
        """Fill in one job's times, and return when each client is done with it.

        Where all lanes were ``idle`` as the clients set out, none of them ever waits for one.
        """
        free_s = None if idle else self._free_at_s[job.places]
        start_s = ready_s if free_s is None else np.maximum(ready_s, free_s)
        if job.duration_s is None:
            duration_s = air_times_s(self._links, self._rates(job.phase, made.links), start_s, job.amount)
            cells["energy_j"] = duration_s * job.power_w
        else:
            duration_s = job.duration_s
            if made.slowing and job.phase.lane == "compute":
                duration_s = _slowed(made, duration_s, start_s)
        if free_s is None:
            end_s: Array = ready_s + duration_s
        else:  # the same sums as those of a node that is asked
            end_s = ready_s + np.where(free_s > ready_s, free_s - ready_s + duration_s, duration_s)
            cells["wait_s"] = start_s - ready_s
        cells["start_s"], cells["end_s"] = start_s, end_s
        self._free_at_s[job.places] = end_s
        return end_s

    def _cut_off(self, made: _Prepared, rows: Rows, late: NDArray[np.bool_], until_s: float) -> None:
        """End what late clients are doing; what has not begun is left as it is, and their lanes are free."""
        for job, cells in zip(made.recorded, rows, strict=True):
            places = job.places[late]
            self._free_at_s[places] = np.minimum(self._free_at_s[places], until_s)
            (cut,) = np.nonzero(late & (cells["start_s"] < until_s) & (cells["end_s"] > until_s))
            if not cut.size:
                continue
            start_s, end_s = cells["start_s"][cut], cells["end_s"][cut]
            time_share = (until_s - start_s) / (end_s - start_s)
            done_share = time_share.copy()
            for place, client in enumerate(cut):
                pace = made.devices[int(client)].lanes[job.phase.lane].pace
                if pace is not None:
                    began_s = float(start_s[place])
                    done_share[place] = pace.done(began_s, until_s) / pace.done(began_s, float(end_s[place]))
            cells["end_s"][cut] = until_s
            for column in ("bits", "flops"):
                cells[column][cut] *= done_share
            # A processor pays for each FLOP, a transmitter for each second.
            cells["energy_j"][cut] *= done_share if job.phase.lane == "compute" else time_share

    def _keep(self, made: _Prepared, rows: Rows, kept: NDArray[np.bool_] | None = None) -> None:
        """Add rows to the record, all or those that are kept, and note each lane's last."""
        for number, job in enumerate(made.recorded):
            if kept is None or kept[number].any():  # a phase has a number from its first row on
                rows["phase"][number] = self._record.phase_number(job.phase)
        places = made.places if kept is None else made.places[kept.reshape(-1)]
        first = self._record.extend(rows if kept is None else rows[kept])
        self._last_rows[places] = np.arange(first, first + len(places))

    def _rates(self, phase: Phase, rows: NDArray[np.intp]) -> Callable[[Links], Array]:
        if phase.lane == "uplink":
            return lambda links: links.uplink_bps[rows]
        return lambda links: links.downlink_bps[rows]

    def _prepare(self, stint: Stint, clients: tuple[int, ...]) -> _Prepared:
        devices = [self._devices[client] for client in clients]
        at_links = np.array([device.row for device in devices])
        first_lanes = len(LANES) * np.array(clients)
        rows = empty_rows(sum(bool(amount) for _, amount in stint), len(clients))
        rows["node"], rows["client"] = [device.index for device in devices], -1
        jobs, cells, none = list[_Job](), iter(rows), np.zeros(len(clients))
        for phase, amount in stint:
            if phase.lane not in LANES:
                raise no_lane(phase)
            if phase.lane == "compute":
                duration_s: Array | None = amount * np.array([d.seconds_per_flop for d in devices])
                energy_j, power_w = amount * np.array([d.joules_per_flop for d in devices]), none
            else:
                duration_s, power_w = self._transfer(phase, amount, at_links)
                energy_j = none if duration_s is None else duration_s * power_w
            jobs.append(_Job(phase, amount, first_lanes + LANES.index(phase.lane), duration_s, power_w))
            if amount:
                row = next(cells)
                row["flops" if phase.lane == "compute" else "bits"], row["energy_j"] = amount, energy_j
        slowing = [place for place, device in enumerate(devices) if device.speed is not None]
        recorded = [job for job in jobs if job.amount]
        places = np.concatenate([np.empty(0, np.intp), *(job.places for job in recorded)])
        return _Prepared(devices, jobs, recorded, at_links, slowing, places, packed(rows))

    def _transfer(self, phase: Phase, bits: float, rows: NDArray[np.intp]) -> tuple[Array | None, Array]:
        """Return how long a transfer takes, [s], where that does not change, and the transmit powers, [W]."""
        links, until_s = self._links.at(0.0)
        power_w = (links.uplink_w if phase.lane == "uplink" else links.downlink_w)[rows]
        if math.isfinite(until_s):
            return None, power_w
        with np.errstate(divide="ignore"):
            return bits * (1.0 / self._rates(phase, rows)(links)), power_w


def _slowed(made: _Prepared, duration_s: Array, start_s: Array) -> Array:
    """Return how long work takes on devices of which some slow down, [s]."""
    slowed_s = duration_s.copy()
    for place in made.slowing:
        speed = made.devices[place].speed
        assert speed is not None
        slowed_s[place] = speed.duration_s(float(start_s[place]), float(duration_s[place]))
    return slowed_s
