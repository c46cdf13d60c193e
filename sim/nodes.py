"""Devices and the server: what occupies them, for how long, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable

from simpy import Environment, Timeout

from .phases import Phase
from .processor import SpeedTrace
from .record import IntervalRecord

__all__ = ["Device", "Node", "Server", "Transmitter"]


class Lane:
    """One thing of a node that does one job at a time, first come first served.

    A job's end is known when it is asked for, so a queue is no more than the instant at which the lane
    is free: one event a job, and intervals of a lane never overlap.
    """

    __slots__ = ("free_at_s", "row")

    def __init__(self) -> None:
        self.free_at_s = 0.0
        self.row = -1


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
    """

    def __init__(
        self,
        env: Environment,
        record: IntervalRecord,
        index: int,
        *,
        clock_hz: float,
        cycles_per_flop: float,
        switched_capacitance: float,
        speed: SpeedTrace | None = None,
    ) -> None:
        self.env = env
        self.record = record
        self.index = index
        self.name = record.nodes[index]
        self.seconds_per_flop = cycles_per_flop / clock_hz
        self.joules_per_flop = switched_capacitance * clock_hz**2 * cycles_per_flop
        self._speed = speed
        self._lanes = {"compute": Lane(), "uplink": Lane(), "downlink": Lane()}
        self._compute_lane = self._lanes["compute"]

    def compute(self, phase: Phase, flops: float, client: int = -1) -> Timeout:
        """Return the event that ends this computation, queued behind what the processor has to do.

        No FLOPs take no time of their own and leave no interval, but wait their turn.
        """
        work_s = flops * self.seconds_per_flop
        if self._speed is not None and flops:
            start_s = max(self.env.now, self._compute_lane.free_at_s)
            work_s = self._speed.duration_s(start_s, work_s)
        return self._occupy(
            self._compute_lane, phase, work_s, 0.0, flops, flops * self.joules_per_flop, client
        )

    def _occupy(
        self,
        lane: Lane,
        phase: Phase,
        duration_s: float,
        bits: float,
        flops: float,
        energy_j: float,
        client: int,
        ready_s: float = -1.0,
    ) -> Timeout:
        env = self.env
        now_s = env._now  # the property costs a tenth of an event
        free_at_s = lane.free_at_s
        if not (bits or flops):  # nothing to do, after what is queued already
            return Timeout(env, max(0.0, free_at_s - now_s))
        if free_at_s <= now_s:
            start_s, delay_s = now_s, duration_s
        else:
            start_s, delay_s = free_at_s, free_at_s - now_s + duration_s
        end_s = now_s + delay_s  # the same sum as the event loop's, so the next start is never before it
        lane.free_at_s = end_s
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
        for lane in self._lanes.values():
            if lane.free_at_s > now_s:
                even = self._speed is None or lane is not self._compute_lane
                self.record.truncate(lane.row, now_s, None if even else self._speed)
                lane.free_at_s = now_s


class Transmitter:
    """One direction of a radio link as the allocation made it.

    Parameters
    ----------
    seconds_per_bit : float
        Of the whole route, [s/bit].
    power_w : float
        Transmit power, [W]; energy = power·air time.
    """

    __slots__ = ("power_w", "seconds_per_bit")

    def __init__(self, seconds_per_bit: float, power_w: float) -> None:
        self.seconds_per_bit = seconds_per_bit
        self.power_w = power_w


class Device(Node):
    """A client: computes, sends and receives over its own links. Transfers are recorded here."""

    uplink_to_server: Transmitter
    downlink_from_server: Transmitter

    @property
    def client(self) -> int:
        """Return the device's number among the clients, from 0."""
        return self.index - 1

    def uplink(self, phase: Phase, bits: float) -> Timeout:
        """Return the event that ends the transfer of so many bits to the server."""
        return self._transfer(self.uplink_to_server, phase, bits)

    def downlink(self, phase: Phase, bits: float) -> Timeout:
        """Return the event that ends the transfer of so many bits from the server."""
        return self._transfer(self.downlink_from_server, phase, bits)

    @property
    def downlink_free_at_s(self) -> float:
        """Return the instant at which what is being sent to the device has arrived, [s]."""
        return self._lanes["downlink"].free_at_s

    def _transfer(self, link: Transmitter, phase: Phase, bits: float) -> Timeout:
        duration_s = bits * link.seconds_per_bit
        lane = self._lanes[phase.lane]
        return self._occupy(lane, phase, duration_s, bits, 0.0, duration_s * link.power_w, -1)


class Server(Node):
    """The server with the access point's broadcast channel."""

    #: per client: whole-band transmitter of the access point, as that client would receive it
    broadcast_to: list[Transmitter]

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
            event = self._occupy(
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

    def broadcast(self, phase: Phase, bits: float, clients: Iterable[int]) -> Timeout:
        """Return the event that ends a broadcast at the rate of the weakest of these clients.

        The bits are counted once, on the server's downlink.
        """
        weakest = max((self.broadcast_to[i] for i in clients), key=lambda link: link.seconds_per_bit)
        duration_s = bits * weakest.seconds_per_bit
        lane = self._lanes["downlink"]
        return self._occupy(lane, phase, duration_s, bits, 0.0, duration_s * weakest.power_w, -1)
