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

    def share(self, bits_left: Mapping[int, float], now_s: float) -> Share:
        """Return each sender's rate and power with what it owns and borrows."""
        gains, until_s = self._gains.at(now_s)
        senders = np.fromiter(bits_left, dtype=np.intp)
        left = np.fromiter(bits_left.values(), dtype=np.float64)
        # [num_senders, num_subchannels] rates with the planned densities
        snr = self._psd_w_per_hz * self._band.snr_per_w_per_hz(gains[senders])
        planned_bps = self._rate(snr)
        own = self._owner == senders[:, np.newaxis]
        own_bps = np.where(own, planned_bps, 0.0).sum(axis=1)
        borrowed = self._lend(left, own_bps, planned_bps, ~own.any(axis=0) & (self._psd_w_per_hz > 0))
        watts = self._psd_w_per_hz * self._band.subchannel_hz
        own_w, lent_w = own @ watts, borrowed @ watts
        spare_w = np.maximum(self._power_max_w[senders] - own_w, 0.0)
        scale = np.minimum(1.0, spare_w / np.where(lent_w > 0, lent_w, 1.0))
        lent_bps = np.where(borrowed, self._rate(snr * scale[:, np.newaxis]), 0.0).sum(axis=1)
        numbers = senders.tolist()
        return Share(
            dict(zip(numbers, (own_bps + lent_bps).tolist(), strict=True)),
            dict(zip(numbers, (own_w + scale * lent_w).tolist(), strict=True)),
            until_s,
        )

    def _rate(self, snr: Array) -> Array:
        return self._band.subchannel_hz * spectral_efficiency(snr, self._band.efficiency_cap_bps_per_hz)

    def _lend(
        self, left: Array, rate_bps: Array, planned_bps: Array, idle: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Return who borrows which idle subchannel, [num_senders, num_subchannels]."""
        borrowed = np.zeros(planned_bps.shape, dtype=bool)
        rate_bps = rate_bps.copy()
        free_bps = np.where(idle, planned_bps, -math.inf)
        for _ in range(int(idle.sum())):
            with np.errstate(divide="ignore"):
                last = int((left / rate_bps).argmax())
            subchannel = int(free_bps[last].argmax())
            borrowed[last, subchannel] = True
            rate_bps[last] += free_bps[last, subchannel]
            free_bps[:, subchannel] = -math.inf
        return borrowed
