"""Radio links that transmit bits: at a constant rate, at a rate that changes over time, or as a broadcast."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from simpy import Event

from ..nodes.capacity import CapacityTrace, PiecewiseCapacity
from ..nodes.device import LinkTransport
from ..nodes.node import Node
from ..nodes.transmission import Transmission
from ..timeline.phases import Phase
from .link_rates import Direction, LinkRatesOverTime, RateWindow

__all__ = [
    "BroadcastLink",
    "ConstantRateLink",
    "LinkCapacity",
    "VaryingRateLink",
    "air_times_s",
    "dedicated_links",
]


class ConstantRateLink:
    """A link of constant rate; a transfer's energy is transmit power times air time.

    Parameters
    ----------
    seconds_per_bit : float
        The inverse of the rate, [s/bit].
    power_w : float
        The transmit power, [W].
    """

    __slots__ = ("power_w", "seconds_per_bit")

    capacity: CapacityTrace | None = None

    def __init__(self, seconds_per_bit: float, power_w: float) -> None:
        self.seconds_per_bit = seconds_per_bit
        self.power_w = power_w

    def transmit(self, node: Node, phase: Phase, bits: float) -> Event:
        """Return the event at which the transfer ends; it waits for the lane's earlier transfers."""
        duration_s = bits * self.seconds_per_bit
        return node.occupy(node.lanes[phase.lane], phase, duration_s, bits, 0.0, duration_s * self.power_w)

    def abort(self, node: Node) -> None:
        """Do nothing: the node's lane records the transfer."""


class LinkCapacity(PiecewiseCapacity):
    """The rate of one link over time, or the least rate of several links.

    Parameters
    ----------
    rows : sequence of int
        The rows of the clients in the source.
    """

    def __init__(self, source: LinkRatesOverTime, direction: Direction, rows: Sequence[int]) -> None:
        self._source = source
        self._direction = direction
        self._rows = np.asarray(rows, dtype=np.intp)
        self._edges_s: list[float] = [math.inf]
        self._rates_bps: list[float] = []

    def at(self, time_s: float) -> tuple[float, float]:
        """Return the rate at an instant, [bit/s], and the instant up to which it stays, [s]."""
        edges_s = self._edges_s
        if not edges_s[0] <= time_s < edges_s[-1]:
            window = self._source.window(self._direction, self._rows, time_s)
            edges_s = self._edges_s = window.edges_s.tolist()
            self._rates_bps = window.rates_bps.min(axis=1).tolist()
        block = bisect_right(edges_s, time_s) - 1
        return self._rates_bps[block], edges_s[block + 1]


class VaryingRateLink(LinkCapacity):
    """A link whose rate changes over time: a transfer's bits are the integral of the rate.

    Parameters
    ----------
    row : int
        The row of the client in the source.
    power_w : float
        The transmit power, [W].
    """

    def __init__(self, source: LinkRatesOverTime, direction: Direction, row: int, power_w: float) -> None:
        super().__init__(source, direction, (row,))
        self.power_w = power_w

    @property
    def capacity(self) -> CapacityTrace:
        """The link itself, whose capacity is its rate."""
        return self

    def transmit(self, node: Node, phase: Phase, bits: float) -> Event:
        """Return the event at which the transfer ends; it waits for the lane's earlier transfers."""
        lane = node.lanes[phase.lane]
        start_s = max(node.env.now, lane.free_at_s)
        duration_s = self.duration_s(start_s, bits)
        return node.occupy(lane, phase, duration_s, bits, 0.0, duration_s * self.power_w)

    def abort(self, node: Node) -> None:
        """Do nothing: the node's lane records the transfer."""


class BroadcastLink:
    """The access point's whole band; a broadcast has the rate of the weakest listener at every instant.

    Parameters
    ----------
    row : mapping, optional
        From each client to its row in the links; by default the client's number.
    """

    def __init__(self, source: LinkRatesOverTime, row: Mapping[int, int] | None = None) -> None:
        self._source = source
        self._row = row
        self._power_w = source.at(0.0)[0].broadcast_w

    def air_time_s(self, bits: float, clients: Sequence[int], start_s: float) -> float:
        """Return the duration of a broadcast to these clients, [s]."""
        if not bits or not clients:
            return 0.0
        rows = [self.row_of(client) for client in clients]
        return LinkCapacity(self._source, "broadcast", rows).duration_s(start_s, bits)

    def row_of(self, client: int) -> int:
        """Return the client's row in the links."""
        return client if self._row is None else self._row[client]

    def transmission(self, bits: float, clients: Sequence[int], ready_s: float) -> Transmission:
        """Return the transmission of a broadcast to these clients."""
        duration_s = self.air_time_s(bits, clients, ready_s)
        return Transmission(ready_s, duration_s, bits, duration_s)

    def power_w(self, time_s: float) -> float:
        """Return the transmit power at an instant, [W]."""
        return self._power_w


def air_times_s(
    source: LinkRatesOverTime,
    direction: Direction,
    rows: NDArray[np.intp],
    starts_s: NDArray[np.float64],
    bits: float,
) -> NDArray[np.float64]:
    """Return the air times of equal transfers on many links, [num_links], [s].

    Each is bit-identical to :meth:`LinkCapacity.duration_s`; all links go through a window together.

    Parameters
    ----------
    rows : ndarray of int, [num_links]
        The rows of the clients in the source.
    starts_s : ndarray, [num_links]
        The start of each transfer, [s].
    bits : float
        The size of each transfer, more than 0, [bit].
    """
    now_s, remaining = starts_s.copy(), np.full(starts_s.shape, float(bits))
    times_s, waiting = np.full(starts_s.shape, math.inf), np.arange(len(starts_s))
    while len(waiting):
        window = source.window(direction, rows, float(now_s[waiting].min()))
        end_s = float(window.edges_s[-1])
        links = waiting[now_s[waiting] < end_s]
        begins_s, rests, block = _last_blocks(window, links, now_s[links], remaining[links])
        ends = block >= 0
        ending, block, column = links[ends], block[ends], np.flatnonzero(ends)
        rates_bps = window.rates_bps[block, ending]
        times_s[ending] = begins_s[block, column] - starts_s[ending] + rests[block, column] / rates_bps
        now_s[links], remaining[links] = end_s, rests[-1]
        waiting = np.setdiff1d(waiting, links if math.isinf(end_s) else ending, assume_unique=True)
    return times_s


def _last_blocks(
    window: RateWindow, links: NDArray[np.intp], now_s: NDArray[np.float64], bits: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Return the progress of transfers in a window.

    Returns
    -------
    begins_s : ndarray, [num_blocks, num_links]
        When each transfer begins to use each block, [s].
    rests : ndarray, [num_blocks + 1, num_links]
        The remaining bits at these instants, and at the end of the window if no transfer ends in it, [bit].
    block : ndarray of int, [num_links]
        The block in which each transfer ends; -1 if it does not end in the window.
    """
    edges_s, rates_bps = window.edges_s[:, np.newaxis], window.rates_bps[:, links]
    begins_s = np.maximum(edges_s[:-1], now_s)
    lengths_s = np.maximum(edges_s[1:] - begins_s, 0.0)
    carried = np.multiply(rates_bps, lengths_s, out=np.zeros_like(lengths_s), where=rates_bps > 0)
    rests = np.subtract.accumulate(np.concatenate([bits[np.newaxis], carried]), axis=0)
    fits = (rates_bps > 0) & (rests[:-1] <= carried)
    return begins_s, rests, np.where(fits.any(axis=0), fits.argmax(axis=0), -1)


def dedicated_links(
    source: LinkRatesOverTime, row: int, circuit_w: float = 0.0
) -> tuple[LinkTransport, LinkTransport]:
    """Return the uplink and the downlink of one row of the links, for a client with its own subchannels.

    Parameters
    ----------
    row : int
        The client's row in the links.
    circuit_w : float
        Power of the transmitter's circuits, which the uplink's energy includes, [W].
    """
    links, until_s = source.at(0.0)
    uplink_w, downlink_w = float(links.uplink_w[row]) + circuit_w, float(links.downlink_w[row])
    if math.isinf(until_s):
        return (
            ConstantRateLink(_seconds_per_bit(float(links.uplink_bps[row])), uplink_w),
            ConstantRateLink(_seconds_per_bit(float(links.downlink_bps[row])), downlink_w),
        )
    return (
        VaryingRateLink(source, "uplink", row, uplink_w),
        VaryingRateLink(source, "downlink", row, downlink_w),
    )


def _seconds_per_bit(rate_bps: float) -> float:
    return math.inf if rate_bps == 0 else 1.0 / rate_bps
