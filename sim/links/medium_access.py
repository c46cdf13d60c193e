"""A band that its senders share from instant to instant: who gets how much of it, and for how long."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..radio.rates import Band, spectral_efficiency
from .grants import ConcurrentGrants, ExclusiveGrant, Grant
from .link_rates import LinkRatesOverTime

__all__ = ["Scheduler", "Tdma", "WorkConservingOfdma"]

Array = NDArray[np.float64]


class Scheduler(Protocol):
    """A rule by which a direction of the band is shared."""

    def share(self, waiting: Sequence[int], left: Sequence[float], now_s: float) -> Grant:
        """Return what the clients get that have something to send.

        Parameters
        ----------
        waiting : [num_waiting], int
            These clients, in their order; at least one.
        left : by client, float
            What each has still to send, [bit].
        now_s : float
            The instant, [s].
        """


class Tdma:
    """TDMA: the whole band in turns of at most one slot; who has nothing left ends its turn early.

    The turns go round in the order of the clients' numbers, over those that have something to send.

    Parameters
    ----------
    source : links over time whose ``rates`` are those of the whole band
    uplink : whether the clients send, or the access point
    slot_s : float
        Longest turn, [s].

    Attributes
    ----------
    turn : whose turn it is, -1 before the first, and when it ends at the latest, [s]
    """

    def __init__(self, source: LinkRatesOverTime, *, uplink: bool, slot_s: float) -> None:
        self._source = source
        self._uplink = uplink
        self._slot_s = slot_s
        self.turn = (-1, 0.0)

    def share(self, waiting: Sequence[int], left: Sequence[float], now_s: float) -> ExclusiveGrant:
        """Return the whole band for the one whose turn it is, and nothing for the others."""
        active, slot_end_s = self.turn
        place = bisect_right(waiting, active)  # behind it, if it is among them
        if now_s >= slot_end_s or not place or waiting[place - 1] != active:
            active, slot_end_s = self.turn = waiting[place % len(waiting)], now_s + self._slot_s
        links, until_s = self._source.at(now_s)
        rates = links.uplink_bps if self._uplink else links.downlink_bps
        powers = links.uplink_w if self._uplink else links.downlink_w
        return ExclusiveGrant(active, float(rates[active]), float(powers[active]), min(until_s, slot_end_s))


class GainSource(Protocol):
    """Channel power gains over time, constant from one change to the next."""

    def at(self, time_s: float) -> tuple[Array, float]:
        """Return the gains [num_clients, num_subchannels] at an instant, and up to when they stay, [s]."""


class WorkConservingOfdma:
    """Work-conserving: subchannels of clients that are not sending serve those that are.

    Whoever sends has all of its own subchannels, as planned. Each of the others is lent, best use first: to
    the sender that would end last, its best one. A lent subchannel is used with the power density that its
    owner would use there, or less where the borrower's own limit asks for it: so no power limit is ever
    passed, and nobody is ever slower than with dedicated subchannels. At every beginning, end and change of
    the channel all is shared out anew.

    Parameters
    ----------
    band : the subchannels
    gains : over time
    owner : [num_subchannels], int
        The plan: the client of each subchannel, from 0; -1 for none.
    psd_w_per_hz : [num_subchannels], float
        Transmit power densities, of the plan or of the access point, [W/Hz].
    power_max_w : [num_clients], float
        Transmit power limit of each sender, [W]; the access point has none for a client.
    """

    def __init__(
        self, band: Band, gains: GainSource, owner: NDArray[np.intp], psd_w_per_hz: Array, power_max_w: Array
    ) -> None:
        self._band = band
        self._gains = gains
        self._owner = owner
        self._psd_w_per_hz = psd_w_per_hz
        self._power_max_w = power_max_w
        self._watts = psd_w_per_hz * band.subchannel_hz
        (owned,) = np.nonzero(owner >= 0)
        self._own_w = _sums(owner[owned], self._watts[owned], len(power_max_w))
        self._known: tuple[Array, Array, Array, Array] | None = None

    def share(self, waiting: Sequence[int], left: Sequence[float], now_s: float) -> ConcurrentGrants:
        """Return each sender's rate and power with what it owns and borrows."""
        gains, until_s = self._gains.at(now_s)
        senders = np.array(waiting, dtype=np.intp)
        snr, planned_bps, own_bps = self._planned(gains)
        sends = np.zeros(len(gains) + 1, dtype=bool)
        sends[senders] = True  # the last is nobody, whom owner −1 finds there
        idle = np.flatnonzero(~sends[self._owner] & (self._psd_w_per_hz > 0))
        bits = np.asarray(left)[senders]
        borrower, subchannel = self._lend(bits, own_bps[senders], planned_bps, senders, idle)
        own_w = self._own_w[senders]
        lent_w = _sums(borrower, self._watts[subchannel], len(senders))
        spare_w = np.maximum(self._power_max_w[senders] - own_w, 0.0)
        scale = np.minimum(1.0, spare_w / np.where(lent_w > 0, lent_w, 1.0))
        each_bps = self._rate(snr[senders[borrower], subchannel] * scale[borrower])
        rate_bps = own_bps[senders] + _sums(borrower, each_bps, len(senders))
        power_w = own_w + scale * lent_w
        return ConcurrentGrants(senders, rate_bps, power_w, until_s)

    def _planned(self, gains: Array) -> tuple[Array, Array, Array]:
        """Return what the planned densities give on these gains, looked up where they are the last ones.

        Returns
        -------
        snr, planned_bps : [num_clients, num_subchannels], float
            Signal-to-noise ratios and rates.
        own_bps : [num_clients], float
            Rates on their own subchannels.
        """
        if self._known is None or self._known[0] is not gains:
            snr = self._psd_w_per_hz * self._band.snr_per_w_per_hz(gains)
            planned_bps = self._rate(snr)
            (owned,) = np.nonzero(self._owner >= 0)
            owner = self._owner[owned]
            self._known = gains, snr, planned_bps, _sums(owner, planned_bps[owner, owned], len(gains))
        return self._known[1:]

    def _rate(self, snr: Array) -> Array:
        return self._band.subchannel_hz * spectral_efficiency(snr, self._band.efficiency_cap_bps_per_hz)

    @staticmethod
    def _lend(
        left: Array,
        own_bps: Array,
        planned_bps: Array,
        senders: NDArray[np.intp],
        idle: NDArray[np.intp],
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return who borrows what.

        Parameters
        ----------
        left, own_bps : [num_senders], float
            What each has to send, [bit], and its rate on what it owns.
        planned_bps : [num_clients, num_subchannels], float
            What each subchannel would carry.
        senders : [num_senders], int
            Their clients.
        idle : [num_idle], int
            The subchannels that are lent.

        Returns
        -------
        borrower, subchannel : [num_idle], int
            Places among the senders, and what they borrow.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = -np.where(own_bps > 0, left / own_bps, math.inf)
        # The last to end borrows first, and of equal ones the first in their order. Who has not borrowed yet
        # waits in a row, and who has in a heap: so what is not lent costs nothing.
        row = np.argsort(ends, kind="stable")[: len(idle)]
        following = list(zip(ends[row].tolist(), row.tolist(), own_bps[row].tolist(), strict=True))[::-1]
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
            heappush(borrowing, (-_end_s(left[last], rate_bps), last, rate_bps))
        return np.array(borrower, dtype=np.intp), np.array(subchannel, dtype=np.intp)


def _end_s(bits: float, rate_bps: float) -> float:
    return bits / rate_bps if rate_bps else math.inf


def _sums(places: NDArray[np.intp], values: Array, count: int) -> Array:
    """Return the sum of the values of each place, ``[count]``."""
    sums = np.zeros(count)
    np.add.at(sums, places, values)
    return sums
