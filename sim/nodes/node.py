"""Devices and the server: their activities, with durations and energies."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from simpy import Environment, Event, Timeout

from ..timeline.event_log import EventKind
from ..timeline.interval_record import IntervalRecord
from ..timeline.lanes import LANES, ActiveTimes, Lane, missing_lane
from ..timeline.phases import LaneName, Phase
from .capacity import CapacityTrace, ComputeNoise, PiecewiseCapacity, completed_fraction, fractions_at
from .device_powers import NO_POWERS, DevicePowers
from .energy_account import EnergyAccount
from .transmission import Transmission

__all__ = ["BroadcastChannel", "Device", "LinkTransport", "Node", "Server"]


class LinkTransport(Protocol):
    """Transports a device's bits in one direction."""

    @property
    def capacity(self) -> CapacityTrace | None:
        """The link's rate over time; None where it is constant, or where a shared medium accounts for it."""

    def transmit(self, node: Node, phase: Phase, bits: float) -> Event:
        """Return the event at which the transfer of these bits ends."""

    def abort(self, node: Node) -> None:
        """Stop the node's transfers that its lanes do not record."""


class BroadcastChannel(Protocol):
    """The access point's whole band."""

    def transmission(self, bits: float, clients: Sequence[int], ready_s: float) -> Transmission:
        """Return the transmission of a broadcast to these clients, which is ready at an instant, [s]."""

    def power_w(self, time_s: float) -> float:
        """Return the transmit power at an instant, [W]."""


class Node:
    """A node of the network, with lanes for compute, uplink and downlink.

    A computation takes FLOPs·κ/f seconds, and ς·f²·κ·FLOPs joules.

    Parameters
    ----------
    index : int
        The node's number in the record.
    clock_hz : float
        f, the clock frequency, [cycles/s].
    cycles_per_flop : float
        κ, [cycles/FLOP].
    switched_capacitance : float
        ς, the effective switched capacitance, [J·s²/cycle³].
    compute_capacity : PiecewiseCapacity, optional
        The relative speed of the processor over time; full speed by default.
    compute_noise : ComputeNoise, optional
        The random times of computations; none by default.
    ends_s : array, optional
        An array that holds the instants at which the node's lanes are free, [s], from ``first_lane`` on. By
        default the node has an array of its own.

    Attributes
    ----------
    full_speed_s : float
        The duration of the last computation at full speed, with its noise, [s].
    """

    # a thousand devices' attributes must fit into a processor's cache
    __slots__ = (
        "_compute_lane",
        "compute_capacity",
        "compute_noise",
        "energy_account",
        "env",
        "full_speed_s",
        "index",
        "joules_per_flop",
        "lanes",
        "name",
        "record",
        "seconds_per_flop",
    )

    def __init__(
        self,
        env: Environment,
        record: IntervalRecord,
        index: int,
        *,
        clock_hz: float,
        cycles_per_flop: float,
        switched_capacitance: float,
        compute_capacity: PiecewiseCapacity | None = None,
        compute_noise: ComputeNoise | None = None,
        ends_s: array[float] | None = None,
        first_lane: int = 0,
    ) -> None:
        self.env = env
        self.record = record
        self.index = index
        self.name = record.nodes[index]
        self.seconds_per_flop = cycles_per_flop / clock_hz
        self.joules_per_flop = switched_capacitance * clock_hz**2 * cycles_per_flop
        self.compute_capacity = compute_capacity
        self.compute_noise = compute_noise
        self.full_speed_s = 0.0
        self.energy_account: EnergyAccount | None = None
        ends_s = array("d", bytes(8 * len(LANES))) if ends_s is None else ends_s
        self.lanes: dict[LaneName, Lane] = {
            name: Lane(ends_s, first_lane + number) for number, name in enumerate(LANES)
        }
        self._compute_lane = self.lanes["compute"]

    def capacity_of(self, lane: LaneName) -> CapacityTrace | None:
        """Return the capacity of a lane over time; None where it is constant."""
        return self.compute_capacity if lane == "compute" else None

    def compute(self, phase: Phase, flops: float, client: int = -1) -> Timeout:
        """Return the event at which a computation ends; it waits for earlier computations.

        A computation of 0 FLOPs takes no time and leaves no interval, but it waits for earlier ones too.
        """
        duration_s = flops * self.seconds_per_flop
        if self.compute_noise is not None and flops:
            duration_s = self.compute_noise.duration_s(duration_s)
        if self.compute_capacity is not None and flops:
            duration_s = self._stretched_s(duration_s)
        return self.occupy(
            self._compute_lane, phase, duration_s, 0.0, flops, flops * self.joules_per_flop, client
        )

    def _stretched_s(self, duration_s: float) -> float:
        """Return the time of a computation behind the lane's earlier ones, by the speed over time, [s]."""
        assert self.compute_capacity is not None
        self.full_speed_s = duration_s
        start_s = max(float(self.env.now), self._compute_lane.free_at_s)
        return self.compute_capacity.duration_s(start_s, duration_s)

    def work_s(self, start_s: float, end_s: float) -> float:
        """Return the work of the last computation, from its start to its end: its time at full speed, [s].

        A computation that never ends has more work than the processor will ever do.
        """
        if self.compute_capacity is None:
            return end_s - start_s
        return self.full_speed_s if math.isinf(end_s) else self.compute_capacity.done(start_s, end_s)

    def occupy(
        self,
        lane: Lane,
        phase: Phase,
        duration_s: float,
        bits: float,
        flops: float,
        energy_j: float,
        client: int = -1,
        ready_s: float = -1.0,
        active: ActiveTimes | None = None,
    ) -> Timeout:
        """Record an activity behind the lane's earlier ones, and return the event at which it ends.

        Parameters
        ----------
        client : int
            The client that the server works for; -1 for none or for several.
        ready_s : float
            The instant from which the activity waits, [s]; by default now.
        active : ActiveTimes, optional
            The times in which the activity goes on and needs power; by default always.
        """
        env = self.env
        now_s = env._now  # faster than the property, by a tenth of an event
        ends_s, index = lane.ends_s, lane.index
        free_at_s = ends_s[index]
        if not (bits or flops):  # an empty activity waits for earlier ones
            return Timeout(env, max(0.0, free_at_s - now_s))
        if free_at_s <= now_s:
            start_s, delay_s = now_s, duration_s
        else:
            start_s, delay_s = free_at_s, free_at_s - now_s + duration_s
        end_s = now_s + delay_s  # the same sum as the event loop's, so the next start is never before it
        ends_s[index] = end_s
        lane.row = self.record.append(
            self.index,
            phase,
            start_s,
            end_s,
            start_s - (now_s if ready_s < 0 else ready_s),
            bits,
            flops,
            energy_j,
            client,
        )
        lane.active = active
        if active is not None:
            self.record.active_times[lane.row] = active.done
        end = Timeout(env, delay_s)
        if self.energy_account is not None:
            self.energy_account.book(lane, energy_j)
        return end

    def abort(self) -> None:
        """Stop the activities of all lanes now; the record keeps the part that is done."""
        now_s = self.env.now
        for name, lane in self.lanes.items():
            if lane.free_at_s > now_s:
                self._truncate(name, lane, now_s)
                lane.free_at_s = now_s

    def _truncate(self, name: LaneName, lane: Lane, now_s: float) -> None:
        start_s, end_s = self.record.span(lane.row)
        if now_s <= start_s:  # it had not begun
            self.record.truncate(lane.row, now_s, 0.0, 0.0)
            return
        capacity = self.capacity_of(name)
        if math.isinf(end_s) and capacity is not None and name != "compute":  # a rate that stays 0
            bits = capacity.done(start_s, now_s) if self.record.bits(lane.row) else 0.0
            self.record.close(lane.row, now_s, bits, lane.active_s(start_s, now_s) * lane.power_w)
            return
        full_speed_s = np.array([self.full_speed_s]) if name == "compute" else None
        work, energy = fractions_at(
            now_s, np.array([start_s]), np.array([end_s]), [capacity], name, full_speed_s
        )
        if lane.active is not None:
            energy[0] = completed_fraction(lane.active, start_s, now_s, end_s)
        self.record.truncate(lane.row, now_s, float(work[0]), float(energy[0]))


class Device(Node):
    """A client's device: it computes, and sends and receives over its links.

    Parameters
    ----------
    powers : DevicePowers
        The device's powers besides computation and radiated power; all 0 by default.
    processor : Any
        The other parameters of :class:`Node`.
    """

    __slots__ = ("downlink_from_server", "powers", "received", "row", "uplink_to_server")

    uplink_to_server: LinkTransport
    downlink_from_server: LinkTransport
    #: the event at which the last downlink ends
    received: Event
    #: the device's row in the links and plans of the current round
    row: int

    def __init__(
        self,
        env: Environment,
        record: IntervalRecord,
        index: int,
        *,
        powers: DevicePowers = NO_POWERS,
        **processor: Any,
    ) -> None:
        super().__init__(env, record, index, **processor)
        self.powers = powers

    @property
    def client(self) -> int:
        """Return the device's number among the clients, from 0."""
        return self.index - 1

    def capacity_of(self, lane: LaneName) -> CapacityTrace | None:
        """Return the capacity of a lane over time; None where it is constant."""
        if lane == "uplink":
            return self.uplink_to_server.capacity
        if lane == "downlink":
            return self.downlink_from_server.capacity
        return super().capacity_of(lane)

    def do(self, phase: Phase, amount: float) -> Event:
        """Return the event at which an activity ends, on the phase's lane.

        Parameters
        ----------
        amount : float
            FLOPs of a computation, or bits of a transfer.
        """
        lane = phase.lane
        if lane == "compute":
            return self.compute(phase, amount)
        if lane == "uplink":
            return self.uplink(phase, amount)
        if lane == "downlink":
            return self.downlink(phase, amount)
        raise missing_lane(phase)

    def uplink(self, phase: Phase, bits: float) -> Event:
        """Return the event at which the transfer of these bits to the server ends."""
        return self.uplink_to_server.transmit(self, phase, bits)

    def downlink(self, phase: Phase, bits: float) -> Event:
        """Return the event at which the transfer of these bits from the server ends."""
        self.received = self.downlink_from_server.transmit(self, phase, bits)
        return self.received

    def receive_broadcast(
        self, phase: Phase, start_s: float, end_s: float, active: ActiveTimes | None = None
    ) -> None:
        """Record the reception of a broadcast; its bits and its transmit energy are in the server's row.

        Parameters
        ----------
        active : ActiveTimes, optional
            The times in which the access point sends; by default always.
        """
        lane = self.lanes["downlink"]
        lane.row = self.record.append(self.index, phase, start_s, end_s, 0.0, 0.0, 0.0, 0.0, -1)
        lane.active = active
        if active is not None:
            self.record.active_times[lane.row] = active.done
        lane.free_at_s = max(lane.free_at_s, end_s)
        if self.energy_account is not None:
            self.energy_account.book(lane, 0.0)

    def abort(self) -> None:
        """Stop computing, sending and receiving now; the record keeps the part that is done."""
        now_s = self.env.now
        stopped = [lane.row for lane in self.lanes.values() if lane.free_at_s > now_s]
        super().abort()
        self.uplink_to_server.abort(self)
        self.downlink_from_server.abort(self)
        if self.energy_account is not None:
            self.energy_account.settle_aborted(stopped)


class Server(Node):
    """The server with the access point's broadcast channel.

    Parameters
    ----------
    listeners : callable, optional
        Maps the receivers of a broadcast to the devices that record it. Without it nothing is recorded,
        because no device spends energy on receptions or idle time.
    processor : Any
        The other parameters of :class:`Node`.
    """

    broadcaster: BroadcastChannel

    def __init__(
        self,
        env: Environment,
        record: IntervalRecord,
        index: int,
        *,
        listeners: Callable[[Sequence[int]], Iterable[Device]] | None = None,
        **processor: Any,
    ) -> None:
        super().__init__(env, record, index, **processor)
        self._listeners = listeners

    def serve(self, stages: Iterable[tuple[Phase, float]], client: int) -> Timeout:
        """Return the event at which the server has done one client's stages, one behind the other.

        Clients are served first come first served.

        Parameters
        ----------
        stages : iterable of (Phase, float)
            Each stage with its FLOPs.
        client : int
            The client, which the record names with each stage.
        """
        event = Timeout(self.env, 0.0)
        ready_s = self.env.now
        for phase, flops in stages:
            duration_s = flops * self.seconds_per_flop
            if self.compute_capacity is not None and flops:
                duration_s = self._stretched_s(duration_s)
            event = self.occupy(
                self._compute_lane,
                phase,
                duration_s,
                0.0,
                flops,
                flops * self.joules_per_flop,
                client,
                ready_s,
            )
            if flops:  # the next stage is ready when this one ends
                ready_s = self._compute_lane.free_at_s
        return event

    def broadcast(self, phase: Phase, bits: float, clients: Sequence[int]) -> Timeout:
        """Return the event at which a broadcast ends; its rate is that of the client with the weakest link.

        The bits count once, on the server's downlink.
        """
        lane = self.lanes["downlink"]
        ready_s = max(self.env.now, lane.free_at_s)
        sent = self.broadcaster.transmission(bits, clients, ready_s)
        if sent.start_s > ready_s:
            lane.free_at_s = sent.start_s  # it begins with its first bit
        energy_j = sent.active_s * self.broadcaster.power_w(sent.start_s)
        ended = self.occupy(lane, phase, sent.duration_s, sent.bits, 0.0, energy_j, active=sent.active)
        if sent.bits > bits:
            self.record.events.add(
                lane.free_at_s, self.index, EventKind.RESENT, value=sent.bits - bits, detail=phase.name
            )
        if bits and self._listeners is not None:
            for device in self._listeners(clients):
                device.receive_broadcast(phase, sent.start_s, lane.free_at_s, sent.active)
        return ended
