"""Schedulers of a shared band: each grants rates and powers to the clients that have bits to send."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from heapq import heappop, heappush
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..radio.rates import Band, spectral_efficiency
from .grants import ConcurrentGrants, ExclusiveGrant, Grant
from .link_rates import Direction, LinkRatesOverTime
from .transmitters import LinkCapacity

__all__ = ["Scheduler", "Tdma", "WorkConservingOfdma"]

Array = NDArray[np.float64]


class Scheduler(Protocol):
    """A scheduler of one direction of the band. Clients are rows of the links."""

    def grant(self, waiting: Sequence[int], remaining_bits: Sequence[float], now_s: float) -> Grant:
        """Return the rates and powers of the clients that have bits to send.

        Parameters
        ----------
        waiting : sequence of int, [num_waiting]
            The clients with bits to send, sorted; at least one.
        remaining_bits : sequence of float, [num_clients]
            The bits that each client still has to send.
        now_s : float
            The instant, [s].
        """


class Tdma:
    """TDMA: each client has the whole band for one slot at most.

    The slots go round in the order of the clients' numbers, over the clients that have bits to send. A slot
    ends early when its client has sent all of its bits.

    Parameters
    ----------
    source : LinkRatesOverTime
        Links whose rates are those of the whole band.
    uplink : bool
        Whether the clients send, or the access point.
    slot_s : float
        The longest slot, [s].

    Attributes
    ----------
    slot : (int, float)
        The client of the current slot, -1 before the first, and the latest end of the slot, [s].
    """

    def __init__(self, source: LinkRatesOverTime, *, uplink: bool, slot_s: float) -> None:
        links, _ = source.at(0.0)
        direction: Direction = "uplink" if uplink else "downlink"
        self._power_w = links.uplink_w if uplink else links.downlink_w
        self._capacity = cache(lambda row: LinkCapacity(source, direction, (row,)))
        self._slot_s = slot_s
        self.slot = (-1, 0.0)

    def grant(self, waiting: Sequence[int], remaining_bits: Sequence[float], now_s: float) -> ExclusiveGrant:
        """Return a grant of the whole band to the client of the current slot."""
        active, slot_end_s = self.slot
        index = bisect_right(waiting, active)  # behind the active client, if it still waits
        if now_s >= slot_end_s or not index or waiting[index - 1] != active:
            active, slot_end_s = self.slot = waiting[index % len(waiting)], now_s + self._slot_s
        rate_bps, until_s = self._capacity(active).at(now_s)
        return ExclusiveGrant(active, rate_bps, float(self._power_w[active]), min(until_s, slot_end_s))


class GainSource(Protocol):
    """Channel power gains over time, constant from one change to the next."""

    def at(self, time_s: float) -> tuple[Array, float]:
        """Return the gains at an instant, [num_clients, num_subchannels], and their last instant, [s]."""


class WorkConservingOfdma:
    """Work-conserving OFDMA: subchannels of clients that do not send are lent to clients that send.

    A sender has all of its own subchannels, as planned. Every other subchannel is lent to the sender that
    would end last, which borrows its best one. The power density on a lent subchannel is the density of its
    own client there, or less where the borrower's power limit requires it. So no power limit is exceeded, and
    no client is slower than with dedicated subchannels. A new grant is made whenever a transfer begins or
    ends, or the channel changes.

    Parameters
    ----------
    band : Band
        The subchannels.
    gains : GainSource
        The channel over time.
    client_of : ndarray, [num_subchannels]
        The planned client of each subchannel, from 0; -1 for none.
    psd_w_per_hz : ndarray, [num_subchannels]
        Transmit power densities, of the plan or of the access point, [W/Hz].
    power_max_w : ndarray, [num_clients]
        The transmit power limit of each sender, [W]; infinite for the access point.
    """

    def __init__(
        self,
        band: Band,
        gains: GainSource,
        client_of: NDArray[np.intp],
        psd_w_per_hz: Array,
        power_max_w: Array,
    ) -> None:
        self._band = band
        self._gains = gains
        self._client_of = client_of
        self._psd_w_per_hz = psd_w_per_hz
        self._power_max_w = power_max_w
        self._subchannel_w = psd_w_per_hz * band.subchannel_hz
        (assigned,) = np.nonzero(client_of >= 0)
        self._assigned_w = _sums(client_of[assigned], self._subchannel_w[assigned], len(power_max_w))
        self._last_rates: tuple[Array, Array, Array, Array] | None = None

    def grant(
        self, waiting: Sequence[int], remaining_bits: Sequence[float], now_s: float
    ) -> ConcurrentGrants:
        """Return each sender's rate and power on its own and its borrowed subchannels."""
        gains, until_s = self._gains.at(now_s)
        senders = np.array(waiting, dtype=np.intp)
        snr, planned_bps, assigned_bps = self._planned_rates(gains)
        sends = np.zeros(len(gains) + 1, dtype=bool)
        sends[senders] = True  # the last element stays False; index −1 of an unassigned subchannel reads it
        idle = np.flatnonzero(~sends[self._client_of] & (self._psd_w_per_hz > 0))
        bits = np.asarray(remaining_bits)[senders]
        borrower, subchannel = self._lend(bits, assigned_bps[senders], planned_bps, senders, idle)
        assigned_w = self._assigned_w[senders]
        lent_w = _sums(borrower, self._subchannel_w[subchannel], len(senders))
        spare_w = np.maximum(self._power_max_w[senders] - assigned_w, 0.0)
        scale = np.minimum(1.0, spare_w / np.where(lent_w > 0, lent_w, 1.0))
        lent_bps = self._rate(snr[senders[borrower], subchannel] * scale[borrower])
        rate_bps = assigned_bps[senders] + _sums(borrower, lent_bps, len(senders))
        power_w = assigned_w + scale * lent_w
        return ConcurrentGrants(senders, rate_bps, power_w, until_s)

    def _planned_rates(self, gains: Array) -> tuple[Array, Array, Array]:
        """Return the rates at the planned densities; the last result is kept while the gains stay.

        Returns
        -------
        snr, planned_bps : ndarray, [num_clients, num_subchannels]
            Signal-to-noise ratios and rates, [bit/s].
        assigned_bps : ndarray, [num_clients]
            The rate of each client on its own subchannels, [bit/s].
        """
        if self._last_rates is None or self._last_rates[0] is not gains:
            snr = self._psd_w_per_hz * self._band.snr_per_w_per_hz(gains)
            planned_bps = self._rate(snr)
            (assigned,) = np.nonzero(self._client_of >= 0)
            client = self._client_of[assigned]
            assigned_bps = _sums(client, planned_bps[client, assigned], len(gains))
            self._last_rates = gains, snr, planned_bps, assigned_bps
        return self._last_rates[1:]

    def _rate(self, snr: Array) -> Array:
        return self._band.subchannel_hz * spectral_efficiency(snr, self._band.efficiency_cap_bps_per_hz)

    @staticmethod
    def _lend(
        remaining_bits: Array,
        assigned_bps: Array,
        planned_bps: Array,
        senders: NDArray[np.intp],
        idle: NDArray[np.intp],
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Lend every idle subchannel to a sender.

        Parameters
        ----------
        remaining_bits, assigned_bps : ndarray, [num_senders]
            The remaining bits of each sender, and its rate on its own subchannels, [bit/s].
        planned_bps : ndarray, [num_clients, num_subchannels]
            The rate of each client on each subchannel, [bit/s].
        senders : ndarray, [num_senders]
            The client of each sender.
        idle : ndarray, [num_idle]
            The subchannels to lend.

        Returns
        -------
        borrower, subchannel : ndarray, [num_idle]
            The index of a sender, and the subchannel that it borrows.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = -np.where(assigned_bps > 0, remaining_bits / assigned_bps, math.inf)
        # The sender that ends last borrows first; of equal ones the first in their order. Senders without a
        # borrowed subchannel wait in a sorted list, the others in a heap. So senders that never borrow cost
        # nothing.
        order = np.argsort(ends, kind="stable")[: len(idle)]
        columns = (ends[order].tolist(), order.tolist(), assigned_bps[order].tolist())
        following = list(zip(*columns, strict=True))[::-1]
        borrowing: list[tuple[float, int, float]] = []
        lent, offers_bps = np.full(planned_bps.shape[1], -math.inf), np.empty(planned_bps.shape[1])
        lent[idle] = 0.0
        borrower, subchannel = list[int](), list[int]()
        for _ in range(len(idle)):
            again = bool(borrowing) and (not following or borrowing[0] < following[-1])
            _, last, rate_bps = heappop(borrowing) if again else following.pop()
            best = int(np.add(planned_bps[senders[last]], lent, out=offers_bps).argmax())
            lent[best] = -math.inf
            borrower.append(last)
            subchannel.append(best)
            rate_bps += float(offers_bps[best])
            heappush(borrowing, (-_duration_s(remaining_bits[last], rate_bps), last, rate_bps))
        return np.array(borrower, dtype=np.intp), np.array(subchannel, dtype=np.intp)


def _duration_s(bits: float, rate_bps: float) -> float:
    return bits / rate_bps if rate_bps else math.inf


def _sums(indices: NDArray[np.intp], values: Array, count: int) -> Array:
    """Return the sum of the values of each index, [count]."""
    sums = np.zeros(count)
    np.add.at(sums, indices, values)
    return sums
