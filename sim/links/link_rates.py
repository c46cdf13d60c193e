"""Rates and transmit powers of the radio links, constant or over time."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Direction", "LinkRates", "LinkRatesOverTime", "LinkSnr", "RateWindow"]

Array = NDArray[np.float64]

Direction: TypeAlias = Literal["uplink", "downlink", "broadcast"]
"""The kind of a link: a client's dedicated links, or the access point's whole band to a client."""


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
class RateWindow:
    """The rates of some links over consecutive blocks of time, in each of which they are constant.

    Attributes
    ----------
    edges_s : ndarray, [num_blocks + 1]
        The rising edges of the blocks, [s]; the last may be infinite.
    rates_bps : ndarray, [num_blocks, num_links]
        Rates, [bit/s].
    """

    edges_s: Array
    rates_bps: Array


class LinkRatesOverTime(ABC):
    """Rates over time, constant from one change to the next; the powers do not change.

    A subclass must define :meth:`at`. It may override :meth:`window` with a faster method that gives many
    blocks at once.
    """

    @abstractmethod
    def at(self, time_s: float) -> tuple[LinkRates, float]:
        """Return the rates at an instant, and the later instant up to which they stay, [s]."""

    def mean_snr(self) -> LinkSnr | None:
        """Return the mean signal-to-noise ratios that the links were planned with; None if they are unknown.

        Links of fixed rates have none.
        """
        return None

    def window(self, direction: Direction, rows: NDArray[np.intp], time_s: float) -> RateWindow:
        """Return the rates of some links in one block or more, the first of which holds an instant.

        Parameters
        ----------
        rows : ndarray of int, [num_links]
            The rows of the clients in these links.
        time_s : float
            The instant, [s].
        """
        links, until_s = self.at(time_s)
        return RateWindow(np.array([time_s, until_s]), links.rates_bps(direction)[rows][np.newaxis])


@dataclass(frozen=True, eq=False)
class LinkRates(LinkRatesOverTime):
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

    def rates_bps(self, direction: Direction) -> Array:
        """Return the rates in one direction, [num_devices], [bit/s]."""
        if direction == "broadcast":
            return self.whole_band_bps
        return self.uplink_bps if direction == "uplink" else self.downlink_bps

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
