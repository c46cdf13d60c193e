"""Links on the whole band and links of fixed rates, which need no plan of subchannels."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...links.link_rates import LinkRates
from ...radio.rates import whole_band_rates
from ...radio.resources import RadioResources

__all__ = [
    "band_hz",
    "broadcast_snr",
    "fixed_link_rates",
    "flat_snr",
    "power_in_turn_w",
    "whole_band_links",
]

Array: TypeAlias = NDArray[np.float64]


def flat_snr(resources: RadioResources, power_w: Array) -> Array:
    """Return the mean signal-to-noise ratio over the band, [num_clients], linear.

    Parameters
    ----------
    power_w : ndarray, [num_clients]
        The power of each client if its density were on the whole band, [W].
    """
    band = resources.band
    flat_w_per_hz = power_w / band_hz(resources)
    mean: Array = flat_w_per_hz * band.snr_per_w_per_hz(resources.gains).mean(axis=1)
    return mean


def broadcast_snr(resources: RadioResources) -> Array:
    """Return the mean signal-to-noise ratio of each client over the downlink band, [num_clients], linear."""
    band = resources.band
    mean: Array = band.downlink_w_per_hz * band.snr_per_w_per_hz(resources.gains).mean(axis=1)
    return mean


def whole_band_links(resources: RadioResources, power_w: Array | None = None) -> LinkRates:
    """Return each client's links on the whole band, at a flat density.

    Parameters
    ----------
    power_w : ndarray, [num_clients], optional
        The power of each client, [W]; by default all that the limits allow, min(p_i^max, p_th).
    """
    power_w = power_in_turn_w(resources, power_w)
    uplink_bps, downlink_bps = whole_band_rates(resources.band, resources.gains, power_w)
    band_w = resources.band.downlink_w_per_hz * resources.band.subchannel_hz * resources.num_subchannels
    return LinkRates(
        uplink_bps=uplink_bps,
        downlink_bps=downlink_bps,
        whole_band_bps=downlink_bps,
        uplink_w=power_w,
        downlink_w=np.full(resources.num_clients, band_w),
        broadcast_w=band_w,
    )


def power_in_turn_w(resources: RadioResources, power_w: Array | None) -> Array:
    """Return the power of each client that sends alone, [num_clients], [W]; by default the limits."""
    if power_w is None:
        return np.minimum(resources.power_max_w, resources.total_power_max_w)
    return power_w


def band_hz(resources: RadioResources) -> float:
    """Return the bandwidth of all subchannels together, [Hz]."""
    return resources.band.subchannel_hz * resources.num_subchannels


def fixed_link_rates(uplink_bps: Array, downlink_bps: Array) -> LinkRates:
    """Return links of fixed rates, which need no radio energy; a broadcast reaches all devices at once.

    Parameters
    ----------
    uplink_bps, downlink_bps : ndarray, [num_devices]
        Rates of each device's links, [bit/s].
    """
    zero_w = np.zeros(len(uplink_bps))
    return LinkRates(uplink_bps, downlink_bps, downlink_bps, zero_w, zero_w, 0.0)
