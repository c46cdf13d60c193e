"""A band that its senders share from instant to instant: who gets how much of it, and for how long."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .links import LinkSource
from .radio.rates import Band, spectral_efficiency

__all__ = ["Lending", "Share", "Sharing", "Turns"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Share:
    """What the senders have up to the next change.

    Attributes
    ----------
    rate_bps, power_w : dict
        Rate, [bit/s], and transmit power, [W], of each client that sends, in the order of the clients; not of
        one that waits for its turn.
    until_s : float
        The instant up to which they stay if nobody begins or ends, [s].
    """

    rate_bps: dict[int, float]
    power_w: dict[int, float]
    until_s: float


class Sharing(Protocol):
    """A rule by which a direction of the band is shared."""

    def share(self, bits_left: Mapping[int, float], now_s: float) -> Share:
        """Return what the clients get that have bits left to send, which are in the order of the clients."""


class Turns:
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

    def __init__(self, source: LinkSource, *, uplink: bool, slot_s: float) -> None:
        self._source = source
        self._uplink = uplink
        self._slot_s = slot_s
        self.turn = (-1, 0.0)

    def share(self, bits_left: Mapping[int, float], now_s: float) -> Share:
        """Return the whole band for the one whose turn it is, and nothing for the others."""
        active, slot_end_s = self.turn
        if active not in bits_left or now_s >= slot_end_s:
            waiting = list(bits_left)
            following = waiting[bisect_right(waiting, active) % len(waiting)]
            active, slot_end_s = self.turn = following, now_s + self._slot_s
        links, until_s = self._source.at(now_s)
        rates = links.uplink_bps if self._uplink else links.downlink_bps
        powers = links.uplink_w if self._uplink else links.downlink_w
        return Share(
            {active: float(rates[active])}, {active: float(powers[active])}, min(until_s, slot_end_s)
        )


class GainSource(Protocol):
    """Channel power gains over time, constant from one change to the next."""

    def at(self, time_s: float) -> tuple[Array, float]:
        """Return the gains [num_clients, num_subchannels] at an instant, and up to when they stay, [s]."""


class Lending:
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
        self._known: tuple[Array, Array, Array, Array] | None = None

    def share(self, bits_left: Mapping[int, float], now_s: float) -> Share:
        """Return each sender's rate and power with what it owns and borrows."""
        gains, until_s = self._gains.at(now_s)
        senders = np.fromiter(bits_left, dtype=np.intp)
        left = np.fromiter(bits_left.values(), dtype=np.float64)
        snr, planned_bps, own_bps = self._planned(gains)
        own_bps = own_bps[senders]
        own = self._owner == senders[:, np.newaxis]  # [num_senders, num_subchannels]
        idle = ~own.any(axis=0) & (self._psd_w_per_hz > 0)
        borrowed = self._lend(left, own_bps, np.where(idle, planned_bps[senders], -math.inf))
        watts = self._psd_w_per_hz * self._band.subchannel_hz
        own_w, lent_w = own @ watts, borrowed @ watts
        spare_w = np.maximum(self._power_max_w[senders] - own_w, 0.0)
        scale = np.minimum(1.0, spare_w / np.where(lent_w > 0, lent_w, 1.0))
        rows, subchannels = borrowed.nonzero()
        each_bps = np.zeros(own.shape)
        each_bps[rows, subchannels] = self._rate(snr[senders[rows], subchannels] * scale[rows])
        lent_bps = each_bps.sum(axis=1)
        numbers = senders.tolist()
        return Share(
            dict(zip(numbers, (own_bps + lent_bps).tolist(), strict=True)),
            dict(zip(numbers, (own_w + scale * lent_w).tolist(), strict=True)),
            until_s,
        )

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
            own = self._owner == np.arange(len(gains))[:, np.newaxis]
            self._known = gains, snr, planned_bps, np.where(own, planned_bps, 0.0).sum(axis=1)
        return self._known[1:]

    def _rate(self, snr: Array) -> Array:
        return self._band.subchannel_hz * spectral_efficiency(snr, self._band.efficiency_cap_bps_per_hz)

    def _lend(self, left: Array, rate_bps: Array, free_bps: Array) -> NDArray[np.bool_]:
        """Return who borrows which idle subchannel, [num_senders, num_subchannels].

        Parameters
        ----------
        left, rate_bps : [num_senders], float
            What each has to send, [bit], and its rate on what it owns.
        free_bps : [num_senders, num_subchannels], float
            What each subchannel would carry; -inf where it is not idle. It is used up.
        """
        borrowed = np.zeros(free_bps.shape, dtype=bool)
        rate_bps = rate_bps.copy()
        with np.errstate(divide="ignore"):
            ends_s = left / rate_bps
            for _ in range(int((free_bps[0] > -math.inf).sum())):
                last = int(ends_s.argmax())
                subchannel = int(free_bps[last].argmax())
                borrowed[last, subchannel] = True
                rate_bps[last] += free_bps[last, subchannel]
                ends_s[last] = left[last] / rate_bps[last]
                free_bps[:, subchannel] = -math.inf
        return borrowed
