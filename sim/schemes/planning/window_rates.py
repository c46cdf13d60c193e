"""The rates of many blocks of a channel at once, for the two ways in which a client can use the band."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...links.gain_window import GainWindow
from ...radio.rates import assigned_rates, whole_band_sums
from ...radio.resources import RadioResources

__all__ = ["own_subchannel_rates", "whole_band_window_rates"]

Array: TypeAlias = NDArray[np.float64]

GAINS_MAX = 2**20
"""Largest number of gains that are computed at once."""


def whole_band_window_rates(
    resources: RadioResources, gains: GainWindow, psd_w_per_hz: float | Array, clients: NDArray[np.intp]
) -> Array:
    """Return the rates of some clients on the whole band, [num_blocks, num_rows], [bit/s].

    Parameters
    ----------
    psd_w_per_hz : float or ndarray, [num_clients]
        The flat transmit power spectral density, of the access point or of each client, [W/Hz].
    clients : ndarray of int, [num_rows]
        The rows of the clients.
    """
    density = np.broadcast_to(psd_w_per_hz, resources.num_clients)
    rates_bps = np.empty((len(gains), len(clients)))
    step = max(1, GAINS_MAX // (len(gains) * resources.num_subchannels))
    for first in range(0, len(clients), step):
        rows = clients[first : first + step]
        rates_bps[:, first : first + step] = whole_band_sums(
            resources.band, gains.of_clients(rows), density[rows, np.newaxis]
        )
    return rates_bps


def own_subchannel_rates(
    resources: RadioResources,
    gains: GainWindow,
    client_of: NDArray[np.intp],
    psd_w_per_hz: Array,
    clients: NDArray[np.intp],
) -> Array:
    """Return the rates of some clients on their own subchannels, [num_blocks, num_rows], [bit/s].

    Parameters
    ----------
    client_of : ndarray of int, [num_subchannels]
        The client of each subchannel, -1 for none.
    psd_w_per_hz : ndarray, [num_subchannels]
        Transmit power spectral densities, [W/Hz].
    clients : ndarray of int, [num_rows]
        The rows of the clients.
    """
    is_asked = np.zeros(resources.num_clients + 1, dtype=bool)
    is_asked[clients] = True  # the last element stays False; index −1 of an unused subchannel reads it
    used = np.flatnonzero(is_asked[client_of])
    owners = client_of[used]
    rates_bps = assigned_rates(
        resources.band, gains.of_subchannels(owners, used), owners, psd_w_per_hz[used], resources.num_clients
    )
    return rates_bps[:, clients]
