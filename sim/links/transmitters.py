"""Radio links that transmit bits: at a constant rate, at a rate that changes over time, or as a broadcast."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from simpy import Event

from ..nodes.capacity import CapacityTrace, PiecewiseCapacity, piecewise_duration_s
from ..nodes.node import LinkTransport, Node
from ..nodes.transmission import Transmission
from ..timeline.phases import Phase
from .link_rates import LinkRates, LinkRatesOverTime

__all__ = [
    "BroadcastLink",
    "ConstantRateLink",
    "VaryingRateLink",
    "air_time_s",
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


class VaryingRateLink(PiecewiseCapacity):
    """A link whose rate changes over time: a transfer's bits are the integral of the rate.

    Parameters
    ----------
    rate_bps : callable
        From the rates of all links at an instant to the rate of this link, [bit/s].
    power_w : float
        The transmit power, [W].
    """

    def __init__(
        self, source: LinkRatesOverTime, rate_bps: Callable[[LinkRates], float], power_w: float
    ) -> None:
        self._source = source
        self._rate_bps = rate_bps
        self.power_w = power_w

    @property
    def capacity(self) -> CapacityTrace:
        """The link itself, whose capacity is its rate."""
        return self

    def at(self, time_s: float) -> tuple[float, float]:
        """Return the rate at an instant, [bit/s], and the instant up to which it stays, [s]."""
        links, until_s = self._source.at(time_s)
        return self._rate_bps(links), until_s

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

    def air_time_s(self, bits: float, clients: Sequence[int], start_s: float) -> float:
        """Return the duration of a broadcast to these clients, [s]."""
        if not bits or not clients:
            return 0.0
        rows = [self.row_of(client) for client in clients]
        return air_time_s(self._source, lambda links: float(links.whole_band_bps[rows].min()), start_s, bits)

    def row_of(self, client: int) -> int:
        """Return the client's row in the links."""
        return client if self._row is None else self._row[client]

    def transmission(self, bits: float, clients: Sequence[int], ready_s: float) -> Transmission:
        """Return the transmission of a broadcast to these clients."""
        duration_s = self.air_time_s(bits, clients, ready_s)
        return Transmission(ready_s, duration_s, bits, duration_s)

    def power_w(self, time_s: float) -> float:
        """Return the transmit power at an instant, [W]."""
        return self._source.at(time_s)[0].broadcast_w


def air_time_s(
    source: LinkRatesOverTime, rate_bps: Callable[[LinkRates], float], start_s: float, bits: float
) -> float:
    """Return the time in which the integral of the rate from ``start_s`` on reaches ``bits``, [s]."""

    def rate_at(time_s: float) -> tuple[float, float]:
        links, until_s = source.at(time_s)
        return rate_bps(links), until_s

    return piecewise_duration_s(rate_at, start_s, bits)


def air_times_s(
    source: LinkRatesOverTime,
    rates_bps: Callable[[LinkRates], NDArray[np.float64]],
    starts_s: NDArray[np.float64],
    bits: float,
) -> NDArray[np.float64]:
    """Return the air times of equal transfers on many links, [num_links], [s].

    Each is bit-identical to :func:`air_time_s`; all links go through a block of the channel together.

    Parameters
    ----------
    rates_bps : callable
        From the rates of all links at an instant to those of these links, [num_links], [bit/s].
    starts_s : ndarray, [num_links]
        The start of each transfer, [s].
    bits : float
        The size of each transfer, more than 0, [bit].
    """
    now_s, remaining = starts_s.copy(), np.full(starts_s.shape, float(bits))
    times_s, active = np.full(starts_s.shape, math.inf), np.ones(starts_s.shape, dtype=bool)
    while active.any():
        links, until_s = source.at(float(now_s[active].min()))
        (rows,) = np.nonzero(active & (now_s < until_s))
        rate_bps, begun_s = rates_bps(links)[rows], now_s[rows]
        fits = np.zeros(len(rows), dtype=bool)
        sends = rate_bps > 0
        fits[sends] = remaining[rows][sends] <= rate_bps[sends] * (until_s - begun_s[sends])
        ending = rows[fits]
        times_s[ending] = begun_s[fits] - starts_s[ending] + remaining[ending] / rate_bps[fits]
        active[rows if math.isinf(until_s) else ending] = False
        continuing = rows[~fits]
        if math.isfinite(until_s):
            remaining[continuing] -= rate_bps[~fits] * (until_s - begun_s[~fits])
            now_s[continuing] = until_s
    return times_s


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
        VaryingRateLink(source, lambda state: float(state.uplink_bps[row]), uplink_w),
        VaryingRateLink(source, lambda state: float(state.downlink_bps[row]), downlink_w),
    )


def _seconds_per_bit(rate_bps: float) -> float:
    return math.inf if rate_bps == 0 else 1.0 / rate_bps
