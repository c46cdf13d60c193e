"""Radio links: their rates and powers, also where these change with time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["LinkRates", "LinkRatesOverTime"]

Array = NDArray[np.float64]


class LinkRatesOverTime(Protocol):
    """Links over time, constant from one change to the next."""

    def at(self, time_s: float) -> tuple[LinkRates, float]:
        """Return the links at an instant, and the instant up to which they stay, [s]."""


@dataclass(frozen=True, eq=False)
class LinkRates:
    """Rates and transmit powers of every radio link under one allocation, on one state of the channel.

    Attributes
    ----------
    uplink_bps, downlink_bps : [num_devices], float
        Each client's own links, [bit/s].
    whole_band_bps : [num_devices], float
        Downlink rate over all subchannels, for broadcasts, [bit/s].
    uplink_w, downlink_w : [num_devices], float
        Transmit power of the device, and of the access point on the client's subchannels, [W].
    broadcast_w : float
        Transmit power of the access point over the whole band, [W].
    """

    uplink_bps: Array
    downlink_bps: Array
    whole_band_bps: Array
    uplink_w: Array
    downlink_w: Array
    broadcast_w: float

    def of(self, devices: NDArray[np.intp]) -> LinkRates:
        """Return the links of these devices alone, in this order."""
        return LinkRates(
            self.uplink_bps[devices],
            self.downlink_bps[devices],
            self.whole_band_bps[devices],
            self.uplink_w[devices],
            self.downlink_w[devices],
            self.broadcast_w,
        )

    def at(self, time_s: float) -> tuple[LinkRates, float]:
        """Return these links for ever: a channel that does not change."""
        return self, math.inf
