"""Devices and the server: what occupies them, for how long, and what it costs."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from simpy import Environment, Event, Timeout

from ..timeline.interval_record import IntervalRecord
from ..timeline.lanes import LANES, Lane, completed_fraction, no_lane
from ..timeline.phases import LaneName, Phase
from .capacity import CapacityTrace

__all__ = ["BroadcastChannel", "Device", "LinkTransport", "Node", "Server"]


class LinkTransport(Protocol):
    """What carries a device's bits in one direction."""

    def carry(self, node: Node, phase: Phase, bits: float) -> Event:
        """Return the event that ends the transfer of so many bits."""

    def abandon(self, node: Node) -> None:
        """Stop what is being carried for the node beyond what its lanes know of."""


class BroadcastChannel(Protocol):
    """The access point's whole band."""

    def air_time_s(self, bits: float, clients: Sequence[int], start_s: float) -> float:
        """Return how long a broadcast to these clients takes, [s]."""

    def power_w(self, time_s: float) -> float:
        """Return the transmit power, [W]."""


class Node:
    """A place where things take time: lanes for compute, uplink and downlink.

    Parameters
    ----------
    env : the event loop
    record : where intervals go
    index : int
        The node's number in the record.
    clock_hz, cycles_per_flop, switched_capacitance : float
        The processor: time = FLOPs·κ/clock, energy = ς·clock²·κ·FLOPs.
    speed : SpeedTrace, optional
        The processor's slow-downs; none by default.
    ends_s : array, optional
        Where the instants stand at which its lanes are free, from ``first_lane`` on; its own by default.
    """

    # a thousand devices' attributes must fit into a processor's cache
    __slots__ = (
        "_compute_lane",
        "env",
        "index",
        "joules_per_flop",
        "lanes",
        "name",
        "record",
        "seconds_per_flop",
        "speed",
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
        speed: CapacityTrace | None = None,
        ends_s: array[float] | None = None,
        first_lane: int = 0,
    ) -> None:
        self.env = env
        self.record = record
        self.index = index
        self.name = record.nodes[index]
        self.seconds_per_flop = cycles_per_flop / clock_hz
        self.joules_per_flop = switched_capacitance * clock_hz**2 * cycles_per_flop
        self.speed = speed
        ends_s = array("d", bytes(8 * len(LANES))) if ends_s is None else ends_s
        self.lanes: dict[LaneName, Lane] = {
            name: Lane(ends_s, first_lane + number) for number, name in enumerate(LANES)
        }
        self._compute_lane = self.lanes["compute"]
        self._compute_lane.pace = speed

    def compute(self, phase: Phase, flops: float, client: int = -1) -> Timeout:
        """Return the event that ends this computation, queued behind what the processor has to do.

        No FLOPs take no time of their own and leave no interval, but wait their turn.
        """
        work_s = flops * self.seconds_per_flop
        if self.speed is not None and flops:
            start_s = max(self.env.now, self._compute_lane.free_at_s)
            work_s = self.speed.duration_s(start_s, work_s)
        return self.occupy(
            self._compute_lane, phase, work_s, 0.0, flops, flops * self.joules_per_flop, client
        )

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
    ) -> Timeout:
        """Return the event that ends a job, queued behind what the lane has to do, and record it."""
        env = self.env
        now_s = env._now  # the property costs a tenth of an event
        ends_s, place = lane.ends_s, lane.place
        free_at_s = ends_s[place]
        if not (bits or flops):  # nothing to do, after what is queued already
            return Timeout(env, max(0.0, free_at_s - now_s))
        if free_at_s <= now_s:
            start_s, delay_s = now_s, duration_s
        else:
            start_s, delay_s = free_at_s, free_at_s - now_s + duration_s
        end_s = now_s + delay_s  # the same sum as the event loop's, so the next start is never before it
        ends_s[place] = end_s
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
        return Timeout(env, delay_s)

    def abandon(self) -> None:
        """Stop what every lane is doing now; the record keeps what was done so far."""
        now_s = self.env.now
        for lane in self.lanes.values():
            if lane.free_at_s > now_s:
                self._cut_off(lane, now_s)
                lane.free_at_s = now_s

    def _cut_off(self, lane: Lane, now_s: float) -> None:
        start_s, planned_s = self.record.span(lane.row)
        if now_s <= start_s:  # it had not begun
            self.record.truncate(lane.row, now_s, 0.0, 0.0)
            return
        time_share = done_share = (now_s - start_s) / (planned_s - start_s)
        if lane.pace is not None:
            done_share = completed_fraction(lane.pace, start_s, now_s, planned_s)
        # A processor pays for each FLOP, a transmitter for each second.
        energy_share = done_share if lane is self._compute_lane else time_share
        self.record.truncate(lane.row, now_s, done_share, energy_share)


class Device(Node):
    """A client: computes, sends and receives over its own links. Transfers are recorded here."""

    __slots__ = ("charge_j", "downlink_from_server", "received", "row", "uplink_to_server")

    uplink_to_server: LinkTransport
    downlink_from_server: LinkTransport
    #: the end of the last downlink
    received: Event
    #: its place among those that the links and the plan are for
    row: int
    #: what is left to spend; without a battery, without end
    charge_j: float

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.charge_j = math.inf

    @property
    def client(self) -> int:
        """Return the device's number among the clients, from 0."""
        return self.index - 1

    def do(self, phase: Phase, amount: float) -> Event:
        """Return the event that ends so many FLOPs, or the transfer of so many bits, by the phase's lane."""
        lane = phase.lane
        if lane == "compute":
            return self.compute(phase, amount)
        if lane == "uplink":
            return self.uplink(phase, amount)
        if lane == "downlink":
            return self.downlink(phase, amount)
        raise no_lane(phase)

    def uplink(self, phase: Phase, bits: float) -> Event:
        """Return the event that ends the transfer of so many bits to the server."""
        return self.uplink_to_server.carry(self, phase, bits)

    def downlink(self, phase: Phase, bits: float) -> Event:
        """Return the event that ends the transfer of so many bits from the server."""
        self.received = self.downlink_from_server.carry(self, phase, bits)
        return self.received

    def spend(self, energy_j: float) -> None:
        """Take so much from what is left, [J]."""

    def deplete_battery(self) -> None:
        """Leave the run; for devices with a battery."""
        raise RuntimeError(f"{self.name} has no battery that could be empty")

    def abandon(self) -> None:
        """Stop computing, sending and receiving now; the record keeps what was done so far."""
        super().abandon()
        self.uplink_to_server.abandon(self)
        self.downlink_from_server.abandon(self)


class Server(Node):
    """The server with the access point's broadcast channel."""

    broadcaster: BroadcastChannel

    def serve(self, stages: Iterable[tuple[Phase, float]], client: int) -> Timeout:
        """Return the event that ends one client's job: its stages back to back, first come first served.

        Parameters
        ----------
        stages : (phase, FLOPs) each
        client : int
            Whose rows they are; the record carries it.
        """
        event = Timeout(self.env, 0.0)
        ready_s = self.env.now
        for phase, flops in stages:
            event = self.occupy(
                self._compute_lane,
                phase,
                flops * self.seconds_per_flop,
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
        """Return the event that ends a broadcast at the rate of the weakest of these clients.

        The bits are counted once, on the server's downlink.
        """
        lane = self.lanes["downlink"]
        start_s = max(self.env.now, lane.free_at_s)
        duration_s = self.broadcaster.air_time_s(bits, clients, start_s)
        return self.occupy(lane, phase, duration_s, bits, 0.0, duration_s * self.broadcaster.power_w(start_s))
