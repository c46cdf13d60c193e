"""Medium access: the way in which the clients of a planned scheme use the radio.

Each class is one way of sending, with the radio resources that were planned for it. It returns the
results that depend on the way of sending: the links on any gains, the schedulers of a shared band, and the
columns of ``devices.csv``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...allocation.problem import Rates, link_rates
from ...links.channel import Channel
from ...links.gain_window import GainWindow
from ...links.link_rates import Direction, LinkRates, LinkRatesOverTime, LinkSnr
from ...links.schedulers import Scheduler, Tdma, WorkConservingOfdma
from ...radio.resources import RadioResources
from ...radio.units import linear_to_db
from .whole_band import band_hz, broadcast_snr, flat_snr, power_in_turn_w, whole_band_links
from .window_rates import own_subchannel_rates, whole_band_window_rates

__all__ = [
    "BandShares",
    "DedicatedSubchannels",
    "FixedLinks",
    "MediumAccess",
    "NoRadio",
    "Schedulers",
    "TimeSlots",
    "WholeBand",
    "WorkConservingSubchannels",
]

Array: TypeAlias = NDArray[np.float64]
Schedulers: TypeAlias = tuple[Scheduler, Scheduler] | None
"""The schedulers of the uplink and of the downlink; None if each client has dedicated links."""


class MediumAccess(ABC):
    """A way in which clients send and receive.

    Attributes
    ----------
    one_at_a_time : bool
        Whether clients send one after the other, each on the whole band.
    """

    one_at_a_time: ClassVar[bool] = False

    @abstractmethod
    def links(self, resources: RadioResources) -> LinkRates:
        """Return the rates and powers of all clients on the gains of these resources."""

    def rates_bps(
        self, direction: Direction, resources: RadioResources, gains: GainWindow, clients: NDArray[np.intp]
    ) -> Array:
        """Return the rates of some clients in all blocks of a window, [num_blocks, num_rows], [bit/s].

        They are those of :meth:`links` in each block. A subclass may override this method with a faster one.

        Parameters
        ----------
        gains : GainWindow
            The gains of all clients.
        clients : ndarray of int, [num_rows]
            The rows of the clients.
        """
        links = (self.links(replace(resources, gains=gains.gains(block))) for block in range(len(gains)))
        return np.stack([each.rates_bps(direction)[clients] for each in links])

    def computes_together(self, direction: Direction) -> bool:
        """Return whether the rates of all clients in a direction cost about as much as those of one."""
        return False

    def schedulers(self, resources: RadioResources, channel: Channel, links: LinkRatesOverTime) -> Schedulers:
        """Return the schedulers of the shared band; None if each client has dedicated links."""
        return None

    def device_columns(self, resources: RadioResources) -> dict[str, Any]:
        """Return the radio's columns of ``devices.csv``: arrays over clients, or one value for all."""
        links = self.links(resources)
        return {
            "subchannels": self._subchannel_texts(resources),
            "band_share": np.nan,
            "power_w": links.uplink_w,
            "snr_db": linear_to_db(self.uplink_snr(resources)),
            "uplink_bps": links.uplink_bps,
            "downlink_bps": links.downlink_bps,
        }

    def uplink_snr(self, resources: RadioResources) -> Array:
        """Return the mean signal-to-noise ratio of each uplink's subchannels, [num_clients], linear."""
        return flat_snr(resources, whole_band_links(resources).uplink_w)

    def downlink_snr(self, resources: RadioResources) -> Array:
        """Return the mean signal-to-noise ratio of each downlink's subchannels, [num_clients], linear."""
        return broadcast_snr(resources)

    def link_snr(self, resources: RadioResources) -> LinkSnr | None:
        """Return the mean signal-to-noise ratios of all links; None on links of fixed rates."""
        return LinkSnr(self.uplink_snr(resources), self.downlink_snr(resources), broadcast_snr(resources))

    def closed_form_rates(self, resources: RadioResources) -> Rates:
        """Return the rates that the closed form of a round's time uses."""
        links = self.links(resources)
        return Rates(links.uplink_bps, links.downlink_bps, float(links.whole_band_bps.min()))

    def with_fixed_links(self, rates: LinkRates) -> MediumAccess:
        """Return the same access with other fixed links, if it uses any."""
        return self

    def describe(self) -> list[str]:
        """Return phrases for decisions that have no column in the table of plans."""
        return []

    def _subchannel_texts(self, resources: RadioResources) -> list[str]:
        return ["all"] * resources.num_clients


@dataclass(frozen=True)
class _WholeBandInTurn(MediumAccess):
    """A client that sends has the whole band alone.

    Attributes
    ----------
    power_w : ndarray, [num_clients], or None
        The power of each client, [W]; None for all that the limits allow, min(p_i^max, p_th).
    """

    power_w: Array | None = None

    def links(self, resources: RadioResources) -> LinkRates:
        """Return each client's links while it sends."""
        return whole_band_links(resources, self.power_w)

    def rates_bps(
        self, direction: Direction, resources: RadioResources, gains: GainWindow, clients: NDArray[np.intp]
    ) -> Array:
        """Return the rates of some clients on the whole band, [num_blocks, num_rows], [bit/s]."""
        density_w_per_hz: float | Array = resources.band.downlink_w_per_hz
        if direction == "uplink":
            density_w_per_hz = power_in_turn_w(resources, self.power_w) / band_hz(resources)
        return whole_band_window_rates(resources, gains, density_w_per_hz, clients)

    def uplink_snr(self, resources: RadioResources) -> Array:
        """Return the mean signal-to-noise ratio of each client's uplink, [num_clients], linear."""
        return flat_snr(resources, self.links(resources).uplink_w)


class WholeBand(_WholeBandInTurn):
    """One client at a time sends, as in sequential split learning."""

    one_at_a_time: ClassVar[bool] = True


@dataclass(frozen=True)
class TimeSlots(_WholeBandInTurn):
    """TDMA: clients that have bits to send take turns on the whole band.

    Attributes
    ----------
    power_w : ndarray, [num_clients], or None
        The power of each client in its turn, [W]; None for all that the limits allow, min(p_i^max, p_th).
    slot_s : float
        The longest time of a turn, [s].
    """

    slot_s: float = field(kw_only=True)

    def closed_form_rates(self, resources: RadioResources) -> Rates:
        """Return the rates if all clients always send, so that the closed form is an upper bound."""
        rates, clients = super().closed_form_rates(resources), resources.num_clients
        return replace(
            rates, uplink_bps=rates.uplink_bps / clients, downlink_bps=rates.downlink_bps / clients
        )

    def schedulers(self, resources: RadioResources, channel: Channel, links: LinkRatesOverTime) -> Schedulers:
        """Return the two TDMA schedulers."""
        return (
            Tdma(links, uplink=True, slot_s=self.slot_s),
            Tdma(links, uplink=False, slot_s=self.slot_s),
        )


@dataclass(frozen=True)
class BandShares(MediumAccess):
    """Each client has a fixed share of the whole band's bandwidth, as in EdgeSplit.

    Attributes
    ----------
    shares : ndarray, [num_clients]
        Each client's share of the band; their sum is at most 1.
    density_w_per_hz : ndarray, [num_clients]
        Each client's power spectral density on its share, [W/Hz].
    """

    shares: Array
    density_w_per_hz: Array

    def links(self, resources: RadioResources) -> LinkRates:
        """Return the links on the shares: β_i of the rate and of the power on the whole band."""
        whole, shares = whole_band_links(resources, self.density_w_per_hz * band_hz(resources)), self.shares
        return replace(
            whole,
            uplink_bps=shares * whole.uplink_bps,
            downlink_bps=shares * whole.downlink_bps,
            uplink_w=shares * whole.uplink_w,
            downlink_w=shares * whole.downlink_w,
        )

    def rates_bps(
        self, direction: Direction, resources: RadioResources, gains: GainWindow, clients: NDArray[np.intp]
    ) -> Array:
        """Return the rates of some clients on their shares, [num_blocks, num_rows], [bit/s]."""
        density = self.density_w_per_hz if direction == "uplink" else resources.band.downlink_w_per_hz
        whole_bps = whole_band_window_rates(resources, gains, density, clients)
        return whole_bps if direction == "broadcast" else self.shares[clients] * whole_bps

    def uplink_snr(self, resources: RadioResources) -> Array:
        """Return the mean signal-to-noise ratio of each client's uplink, [num_clients], linear."""
        return flat_snr(
            resources, self.density_w_per_hz * len(resources.band.centre_hz) * resources.band.subchannel_hz
        )

    def device_columns(self, resources: RadioResources) -> dict[str, Any]:
        """Return the radio's columns of ``devices.csv``, including the shares."""
        return super().device_columns(resources) | {"band_share": self.shares}

    def describe(self) -> list[str]:
        """Return a phrase with the shares."""
        return ["shares of the band " + "|".join(f"{share:.3g}" for share in self.shares)]


@dataclass(frozen=True)
class DedicatedSubchannels(MediumAccess):
    """Each client keeps its subchannels for the whole round.

    Attributes
    ----------
    client_of : ndarray, [num_subchannels], int
        The client of each subchannel, -1 for none.
    psd_w_per_hz : ndarray, [num_subchannels]
        Uplink power spectral density on each subchannel, [W/Hz].
    """

    client_of: NDArray[np.intp]
    psd_w_per_hz: Array

    def links(self, resources: RadioResources) -> LinkRates:
        """Return each client's links on its subchannels."""
        band, whole = resources.band, whole_band_links(resources)
        rates = link_rates(resources, self.client_of, self.psd_w_per_hz)
        watts = self.psd_w_per_hz * band.subchannel_hz
        downlink_watts = np.full_like(watts, band.subchannel_hz * band.downlink_w_per_hz)
        return LinkRates(
            uplink_bps=rates.uplink_bps,
            downlink_bps=rates.downlink_bps,
            whole_band_bps=whole.whole_band_bps,
            uplink_w=self._sum_by_client(watts, resources.num_clients),
            downlink_w=self._sum_by_client(downlink_watts, resources.num_clients),
            broadcast_w=whole.broadcast_w,
        )

    def rates_bps(
        self, direction: Direction, resources: RadioResources, gains: GainWindow, clients: NDArray[np.intp]
    ) -> Array:
        """Return the rates of some clients on their subchannels, [num_blocks, num_rows], [bit/s]."""
        downlink_w_per_hz = resources.band.downlink_w_per_hz
        if direction == "broadcast":
            return whole_band_window_rates(resources, gains, downlink_w_per_hz, clients)
        density = self.psd_w_per_hz
        if direction == "downlink":
            density = np.full_like(density, downlink_w_per_hz)
        return own_subchannel_rates(resources, gains, self.client_of, density, clients)

    def computes_together(self, direction: Direction) -> bool:
        """Return whether the direction uses the clients' own subchannels, of which the band has a few."""
        return direction != "broadcast"

    def uplink_snr(self, resources: RadioResources) -> Array:
        """Return the mean signal-to-noise ratio of each uplink's subchannels, [num_clients], linear."""
        return self._mean_snr(resources, self.psd_w_per_hz)

    def downlink_snr(self, resources: RadioResources) -> Array:
        """Return the mean signal-to-noise ratio of each downlink's subchannels, [num_clients], linear."""
        return self._mean_snr(resources, np.full_like(self.psd_w_per_hz, resources.band.downlink_w_per_hz))

    def _mean_snr(self, resources: RadioResources, psd_w_per_hz: Array) -> Array:
        band, clients = resources.band, resources.num_clients
        subchannels = np.arange(len(self.client_of))
        snr = psd_w_per_hz * band.snr_per_w_per_hz(resources.gains)[self.client_of, subchannels]
        return self._sum_by_client(snr, clients) / self._sum_by_client(np.ones_like(snr), clients)

    def _sum_by_client(self, values: Array, clients: int) -> Array:
        """Return the sums of values [num_subchannels] over each client's subchannels, [num_clients]."""
        used = self.client_of >= 0
        sums = np.bincount(self.client_of[used], weights=values[used], minlength=clients)
        return np.asarray(sums, dtype=np.float64)

    def _subchannel_texts(self, resources: RadioResources) -> list[str]:
        return [
            "|".join(str(k) for k in np.flatnonzero(self.client_of == client))
            for client in range(resources.num_clients)
        ]


class WorkConservingSubchannels(DedicatedSubchannels):
    """Clients that have nothing to send lend their subchannels to the clients that are sending."""

    def schedulers(self, resources: RadioResources, channel: Channel, links: LinkRatesOverTime) -> Schedulers:
        """Return the two work-conserving schedulers."""
        band = resources.band
        downlink_psd_w_per_hz = np.full(resources.num_subchannels, band.downlink_w_per_hz)
        no_limit_w = np.full(resources.num_clients, np.inf)
        return (
            WorkConservingOfdma(band, channel, self.client_of, self.psd_w_per_hz, resources.power_max_w),
            WorkConservingOfdma(band, channel, self.client_of, downlink_psd_w_per_hz, no_limit_w),
        )


@dataclass(frozen=True)
class FixedLinks(MediumAccess):
    """The devices have links of fixed rates instead of the radio.

    Attributes
    ----------
    rates : LinkRates
        The fixed rates, the same on every channel.
    sequential : bool
        Whether the scheme's clients send one after the other.
    """

    rates: LinkRates
    sequential: bool = False

    @property
    def one_at_a_time(self) -> bool:  # type: ignore[override]  # depends on the scheme
        """Return whether the scheme's clients send one after the other."""
        return self.sequential

    def links(self, resources: RadioResources) -> LinkRates:
        """Return the fixed rates."""
        return self.rates

    def with_fixed_links(self, rates: LinkRates) -> MediumAccess:
        """Return the same access with other links."""
        return replace(self, rates=rates)

    def link_snr(self, resources: RadioResources) -> LinkSnr | None:
        """Return None: the rates are given without signal and noise."""
        return None

    def device_columns(self, resources: RadioResources) -> dict[str, Any]:
        """Return the columns of ``devices.csv``, of which only the rates have values."""
        return {
            "subchannels": [""] * resources.num_clients,
            "band_share": np.nan,
            "power_w": np.nan,
            "snr_db": np.nan,
            "uplink_bps": self.rates.uplink_bps,
            "downlink_bps": self.rates.downlink_bps,
        }


@dataclass(frozen=True)
class NoRadio(MediumAccess):
    """Clients neither send nor receive, as in centralised training.

    Attributes
    ----------
    rates : LinkRates or None
        The fixed rates of the devices' links; None if the devices have the radio.
    """

    rates: LinkRates | None = None

    def links(self, resources: RadioResources) -> LinkRates:
        """Return the devices' links, which no client uses."""
        return self.rates or whole_band_links(resources)

    def with_fixed_links(self, rates: LinkRates) -> MediumAccess:
        """Return the same access with other links, unless the devices have the radio."""
        return replace(self, rates=rates) if self.rates is not None else self

    def link_snr(self, resources: RadioResources) -> LinkSnr | None:
        """Return None: no client uses its links."""
        return None

    def device_columns(self, resources: RadioResources) -> dict[str, Any]:
        """Return the columns of ``devices.csv``, all empty."""
        columns = ("band_share", "power_w", "snr_db", "uplink_bps", "downlink_bps")
        return {"subchannels": [""] * resources.num_clients, **dict.fromkeys(columns, np.nan)}
