"""Rates and transmit powers of the radio links, constant or over time."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["LinkRates", "LinkRatesOverTime", "LinkSnr"]

Array = NDArray[np.float64]


class LinkRatesOverTime(Protocol):
    """Rates and powers over time, constant from one change to the next."""

    def at(self, time_s: float) -> tuple[LinkRates, float]:
        """Return the rates at an instant, and the later instant up to which they stay, [s]."""

    def mean_snr(self) -> LinkSnr | None:
        """Return the mean signal-to-noise ratios that the links were planned with; None if they are unknown.

        Links of fixed rates have none.
        """


@dataclass(frozen=True, eq=False)
class LinkSnr:
    """Mean signal-to-noise ratios over the subchannels of each link, [num_devices], linear, [1].

    Attributes
    ----------
    uplink, downlink : ndarray
        On each device's own subchannels.
    broadcast : ndarray
        On the whole downlink band.
    """

    uplink: Array
    downlink: Array
    broadcast: Array


@dataclass(frozen=True, eq=False)
class LinkRates:
    """Rates and transmit powers of all radio links under one allocation, for one state of the channel.

    Attributes
    ----------
    uplink_bps, downlink_bps : ndarray, [num_devices]
        The rates of each device's dedicated links, [bit/s].
    whole_band_bps : ndarray, [num_devices]
        The downlink rates over all subchannels, for broadcasts, [bit/s].
    uplink_w, downlink_w : ndarray, [num_devices]
        The transmit power of the device, and of the access point on the device's subchannels, [W].
    broadcast_w : float
        The transmit power of the access point over the whole band, [W].
    """

    uplink_bps: Array
    downlink_bps: Array
    whole_band_bps: Array
    uplink_w: Array
    downlink_w: Array
    broadcast_w: float

    def of(self, devices: NDArray[np.intp]) -> LinkRates:
        """Return the links of these devices only, in this order."""
        return LinkRates(
            self.uplink_bps[devices],
            self.downlink_bps[devices],
            self.whole_band_bps[devices],
            self.uplink_w[devices],
            self.downlink_w[devices],
            self.broadcast_w,
        )

    def slowed_to(self, share: float) -> LinkRates:
        """Return the links with this share of their rates."""
        return replace(
            self,
            uplink_bps=share * self.uplink_bps,
            downlink_bps=share * self.downlink_bps,
            whole_band_bps=share * self.whole_band_bps,
        )

    def at(self, time_s: float) -> tuple[LinkRates, float]:
        """Return these rates, which never change."""
        return self, math.inf

    def mean_snr(self) -> LinkSnr | None:
        """Return None: rates alone say nothing of signal and noise."""
        return None
