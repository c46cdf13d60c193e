"""What carries bits over radio links: at a constant rate, at one that changes with time, or to all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from simpy import Event

from ..nodes.node import LinkTransport, Node
from ..timeline.phases import Phase
from .link_rates import LinkRates, LinkRatesOverTime

__all__ = ["BroadcastLink", "ConstantRateLink", "VaryingRateLink", "air_time_s", "air_times_s", "carriers"]


class ConstantRateLink:
    """A link of constant rate.

    Parameters
    ----------
    seconds_per_bit : float
        [s/bit].
    power_w : float
        Transmit power, [W]; energy = power·air time.
    """

    __slots__ = ("power_w", "seconds_per_bit")

    def __init__(self, seconds_per_bit: float, power_w: float) -> None:
        self.seconds_per_bit = seconds_per_bit
        self.power_w = power_w

    def carry(self, node: Node, phase: Phase, bits: float) -> Event:
        """Return the event that ends the transfer, queued behind what the lane has to do."""
        duration_s = bits * self.seconds_per_bit
        return node.occupy(node.lanes[phase.lane], phase, duration_s, bits, 0.0, duration_s * self.power_w)

    def abandon(self, node: Node) -> None:
        """Do nothing: the lane knows the transfer."""


class VaryingRateLink:
    """A link whose rate changes with time: a transfer's bits are the integral of the rate.

    Parameters
    ----------
    source : the links over time
    rate_bps : of one state of the links, [bit/s]
    power_w : float
        Transmit power, [W].
    """

    def __init__(
        self, source: LinkRatesOverTime, rate_bps: Callable[[LinkRates], float], power_w: float
    ) -> None:
        self._source = source
        self._rate_bps = rate_bps
        self.power_w = power_w

    def carry(self, node: Node, phase: Phase, bits: float) -> Event:
        """Return the event that ends the transfer, queued behind what the lane has to do."""
        lane = node.lanes[phase.lane]
        start_s = max(node.env.now, lane.free_at_s)
        duration_s = air_time_s(self._source, self._rate_bps, start_s, bits)
        return node.occupy(lane, phase, duration_s, bits, 0.0, duration_s * self.power_w)

    def abandon(self, node: Node) -> None:
        """Do nothing: the lane knows the transfer."""

    def done(self, start_s: float, end_s: float) -> float:
        """Return the bits that the link carries between two instants."""
        now_s, bits = start_s, 0.0
        while now_s < end_s:
            links, until_s = self._source.at(now_s)
            until_s = min(until_s, end_s)
            bits += self._rate_bps(links) * (until_s - now_s)
            now_s = until_s
        return bits


class BroadcastLink:
    """The access point's whole band, at the rate of the weakest listener at every instant.

    Parameters
    ----------
    source : the links over time
    row : each client's place in them; None: its own number
    """

    def __init__(self, source: LinkRatesOverTime, row: Mapping[int, int] | None = None) -> None:
        self._source = source
        self._row = row

    def air_time_s(self, bits: float, clients: Sequence[int], start_s: float) -> float:
        """Return how long a broadcast to these clients takes, [s]."""
        if not bits:
            return 0.0
        listeners = list(clients) if self._row is None else [self._row[client] for client in clients]
        return air_time_s(
            self._source, lambda links: float(links.whole_band_bps[listeners].min()), start_s, bits
        )

    def power_w(self, time_s: float) -> float:
        """Return the transmit power, [W]."""
        return self._source.at(time_s)[0].broadcast_w


def air_time_s(
    source: LinkRatesOverTime, rate_bps: Callable[[LinkRates], float], start_s: float, bits: float
) -> float:
    """Return the time in which the integral of the rate from ``start_s`` on reaches ``bits``, [s]."""
    now_s, left = start_s, bits
    while True:
        links, until_s = source.at(now_s)
        rate = rate_bps(links)
        if rate > 0 and left <= rate * (until_s - now_s):
            return now_s - start_s + left / rate
        if math.isinf(until_s):
            return math.inf if left else 0.0
        left -= rate * (until_s - now_s)
        now_s = until_s


def air_times_s(
    source: LinkRatesOverTime,
    rates_bps: Callable[[LinkRates], NDArray[np.float64]],
    starts_s: NDArray[np.float64],
    bits: float,
) -> NDArray[np.float64]:
    """Return :func:`air_time_s` of equal transfers on many links, block after block for all, [s].

    Parameters
    ----------
    source : the links over time
    rates_bps : of one state of the links, [num_links], [bit/s]
    starts_s : [num_links], float
        When each begins, [s].
    bits : float
        The size of each, more than 0, [bit].
    """
    now_s, left = starts_s.copy(), np.full(starts_s.shape, float(bits))
    times_s, going = np.full(starts_s.shape, math.inf), np.ones(starts_s.shape, dtype=bool)
    while going.any():
        links, until_s = source.at(float(now_s[going].min()))
        (here,) = np.nonzero(going & (now_s < until_s))
        rate_bps, begun_s = rates_bps(links)[here], now_s[here]
        fit = np.zeros(len(here), dtype=bool)
        sends = rate_bps > 0
        fit[sends] = left[here][sends] <= rate_bps[sends] * (until_s - begun_s[sends])
        ends = here[fit]
        times_s[ends] = begun_s[fit] - starts_s[ends] + left[ends] / rate_bps[fit]
        going[here if math.isinf(until_s) else ends] = False
        on = here[~fit]
        if math.isfinite(until_s):
            left[on] -= rate_bps[~fit] * (until_s - begun_s[~fit])
            now_s[on] = until_s
    return times_s


def carriers(source: LinkRatesOverTime, row: int) -> tuple[LinkTransport, LinkTransport]:
    """Return what carries the uplink and the downlink of one row of the links, each on links of its own."""
    links, until_s = source.at(0.0)
    up_w, down_w = float(links.uplink_w[row]), float(links.downlink_w[row])
    if math.isinf(until_s):
        return (
            ConstantRateLink(_seconds_per_bit(float(links.uplink_bps[row])), up_w),
            ConstantRateLink(_seconds_per_bit(float(links.downlink_bps[row])), down_w),
        )
    return (
        VaryingRateLink(source, lambda state: float(state.uplink_bps[row]), up_w),
        VaryingRateLink(source, lambda state: float(state.downlink_bps[row]), down_w),
    )


def _seconds_per_bit(rate_bps: float) -> float:
    return math.inf if rate_bps == 0 else 1.0 / rate_bps
