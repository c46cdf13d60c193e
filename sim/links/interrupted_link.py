"""Links of a device's own whose rates follow traces, or which are interrupted at times."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from simpy import Event

from ..faults.effects import BroadcastLosses
from ..nodes.capacity import CapacityTrace, PiecewiseCapacity
from ..nodes.node import Node
from ..nodes.transmission import AllWork, Interruptions, Transmission, transmission
from ..timeline.event_log import EventKind
from ..timeline.phases import Phase
from .link_rates import LinkRatesOverTime
from .transmitters import BroadcastLink, LinkCapacity

__all__ = ["ConstantRate", "FaultyBroadcast", "InterruptedLink"]


class ConstantRate(PiecewiseCapacity):
    """The capacity of a link of constant rate.

    Parameters
    ----------
    seconds_per_bit : float
        The inverse of the rate, [s/bit].
    """

    def __init__(self, seconds_per_bit: float) -> None:
        self._seconds_per_bit = seconds_per_bit

    def at(self, time_s: float) -> tuple[float, float]:
        """Return the rate, [bit/s], which never changes."""
        return 1.0 / self._seconds_per_bit, math.inf

    def duration_s(self, start_s: float, work: float) -> float:
        """Return the air time of some bits, [s]."""
        return work * self._seconds_per_bit

    def done(self, start_s: float, end_s: float) -> float:
        """Return the bits that are sent between two instants."""
        return (end_s - start_s) / self._seconds_per_bit


class _WorkingTimeRate:
    """The rate of a link over time, 0 while the link is interrupted."""

    def __init__(self, rate: CapacityTrace, interruptions: Interruptions) -> None:
        self._rate, self._interruptions = rate, interruptions

    def duration_s(self, start_s: float, work: float) -> float:
        """Return the time from an instant to the end of a message of these bits, [s]."""
        sent = transmission(self._rate, self._interruptions, start_s, work)
        return sent.start_s - start_s + sent.duration_s

    def done(self, start_s: float, end_s: float) -> float:
        """Return the bits that are sent between two instants."""
        now_s, bits = start_s, 0.0
        while now_s < end_s:
            works, until_s = self._interruptions.at(now_s)
            until_s = min(until_s, end_s)
            if works:
                bits += self._rate.done(now_s, until_s)
            now_s = until_s
        return bits


class InterruptedLink:
    """A link of a client's own, with a rate over time and perhaps interruptions.

    A transfer begins with its first bit. While the link is interrupted, nothing is radiated.

    Parameters
    ----------
    rate : CapacityTrace
        The rate while the link works, [bit/s].
    power_w : float
        The transmit power, [W].
    interruptions : Interruptions or None
        The times in which the link works; None for always.
    """

    def __init__(self, rate: CapacityTrace, power_w: float, interruptions: Interruptions | None) -> None:
        self._rate, self._power_w, self._interruptions = rate, power_w, interruptions
        self._capacity = rate if interruptions is None else _WorkingTimeRate(rate, interruptions)
        self._repeated_bits: dict[int, float] = {}  # of transfers in progress, by their rows in the record

    @property
    def capacity(self) -> CapacityTrace:
        """The link's rate over time, 0 while it is interrupted."""
        return self._capacity

    def transmit(self, node: Node, phase: Phase, bits: float) -> Event:
        """Return the event at which the transfer ends; it waits for the lane's earlier transfers."""
        lane, now_s = node.lanes[phase.lane], float(node.env.now)
        if not bits:
            return node.occupy(lane, phase, 0.0, bits, 0.0, 0.0)
        ready_s = max(now_s, lane.free_at_s)
        sent = transmission(self._rate, self._interruptions, ready_s, bits)
        if sent.start_s > ready_s:
            lane.free_at_s = sent.start_s  # it begins with its first bit
        lane.power_w = self._power_w
        energy_j = sent.active_s * self._power_w if self._power_w else 0.0
        ended = node.occupy(lane, phase, sent.duration_s, sent.bits, 0.0, energy_j, active=sent.active)
        if sent.bits > bits and ended.callbacks is not None:
            row = lane.row
            self._repeated_bits[row] = sent.bits - bits
            ended.callbacks.append(lambda _: self._log_repeats(node, phase, row))
        return ended

    def abort(self, node: Node) -> None:
        """Forget the transfers in progress; the node's lane records the parts of them that were sent."""
        self._repeated_bits.clear()

    def _log_repeats(self, node: Node, phase: Phase, row: int) -> None:
        """Log the repeated bits of a transfer that has ended, unless it was stopped before."""
        repeated_bits = self._repeated_bits.pop(row, 0.0)
        if repeated_bits:
            node.record.events.add(
                float(node.env.now), node.index, EventKind.RESENT, value=repeated_bits, detail=phase.name
            )


class FaultyBroadcast(BroadcastLink):
    """A broadcast with interruptions and repeated packets.

    On the radio it waits while a listener is interrupted, as all listeners receive the same bits at the same
    time. On links of the devices' own each listener has a copy of it, and it ends with the last copy.

    Parameters
    ----------
    source : LinkRatesOverTime
        The links over time.
    row : mapping of int to int
        From each client to its row in the links.
    interruptions : mapping of int to Interruptions
        The interruptions of the clients that have any.
    losses : BroadcastLosses or None
        The lost packets; None for none.
    own_rate : callable or None
        From a client to the rate of its own downlink; None where the broadcast uses the radio.
    """

    def __init__(
        self,
        source: LinkRatesOverTime,
        row: Mapping[int, int],
        interruptions: Mapping[int, Interruptions],
        losses: BroadcastLosses | None,
        own_rate: Callable[[int], CapacityTrace] | None = None,
    ) -> None:
        super().__init__(source, row)
        self._interruptions, self._losses, self._own_rate = interruptions, losses, own_rate

    def transmission(self, bits: float, clients: Sequence[int], ready_s: float) -> Transmission:
        """Return the transmission of a broadcast to these clients, with all repeated bits."""
        if not bits or not clients:
            return super().transmission(bits, clients, ready_s)
        if self._losses is not None:
            bits = self._losses.air_bits(bits, self._snr(clients))
        if self._own_rate is not None:
            copies = [
                transmission(self._own_rate(client), self._interruptions.get(client), ready_s, bits)
                for client in clients
            ]
            start_s = min(copy.start_s for copy in copies)
            duration_s = max(copy.start_s + copy.duration_s for copy in copies) - start_s
            return Transmission(start_s, duration_s, max(copy.bits for copy in copies), duration_s)
        interruptions = [self._interruptions[each] for each in clients if each in self._interruptions]
        return transmission(
            LinkCapacity(self._source, "broadcast", [self.row_of(client) for client in clients]),
            AllWork(interruptions) if interruptions else None,
            ready_s,
            bits,
        )

    def _snr(self, clients: Sequence[int]) -> list[float]:
        """Return each listener's signal-to-noise ratio over the whole band, linear; NaN on fixed links."""
        snr = self._source.mean_snr()
        if snr is None:
            return [math.nan] * len(clients)
        return [float(snr.broadcast[self.row_of(client)]) for client in clients]
