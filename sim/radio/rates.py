"""Rates of the links between the clients and the access point (docs/model.md section 2).

Every rate is a sum over subchannels of ``B log2(1 + p G γ/σ²)``, the form of Lin et al., "Efficient
Parallel Split Learning over Resource-constrained Wireless Edge Networks", 2024. All quantities are linear
and in SI units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Band",
    "assigned_rates",
    "broadcast_rate",
    "downlink_rates",
    "spectral_efficiency",
    "uplink_rates",
    "whole_band_rates",
    "whole_band_sums",
]


@dataclass(frozen=True)
class Band:
    """The spectrum that the clients share, and the quantities that are equal on all its subchannels.

    Attributes
    ----------
    subchannel_hz : float
        Bandwidth B of each of the M subchannels, [Hz].
    centre_hz : ndarray, [num_subchannels]
        Centre frequencies F_k, [Hz].
    noise_w_per_hz : float
        Noise power spectral density σ², [W/Hz].
    antenna_gain : float
        Product G of the gains of both antennas, linear, [1].
    downlink_w_per_hz : float
        Power spectral density p^DL of the access point, [W/Hz].
    efficiency_cap_bps_per_hz : float
        Highest spectral efficiency of a modem, [bit/s/Hz]; no cap by default.
    """

    subchannel_hz: float
    centre_hz: NDArray[np.float64]
    noise_w_per_hz: float
    antenna_gain: float
    downlink_w_per_hz: float
    efficiency_cap_bps_per_hz: float = math.inf

    def snr_per_w_per_hz(self, gains: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return Gγ/σ², [Hz/W]: the signal-to-noise ratio for a transmit PSD of 1 W/Hz."""
        return gains * (self.antenna_gain / self.noise_w_per_hz)

    def efficiency(self, snr: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return :func:`spectral_efficiency` with the cap of this band, [bit/s/Hz]."""
        return spectral_efficiency(snr, self.efficiency_cap_bps_per_hz)


def spectral_efficiency(snr: NDArray[np.float64], cap_bps_per_hz: float = math.inf) -> NDArray[np.float64]:
    """Return ``min(log2(1 + snr), cap)``, [bit/s/Hz].

    Parameters
    ----------
    snr : ndarray, [...]
        Signal-to-noise ratio, linear, [1].
    cap_bps_per_hz : float
        Highest spectral efficiency of a modem, [bit/s/Hz].
    """
    # log1p keeps full precision where the signal is far below the noise.
    return np.minimum(np.log1p(snr) / math.log(2.0), cap_bps_per_hz)


def uplink_rates(
    band: Band, gains: NDArray[np.float64], client_of: NDArray[np.intp], psd_w_per_hz: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the uplink rates ``R_i^U = Σ_k r_i^k B log2(1 + p_k G γ_i^k/σ²)``, [num_clients], [bit/s].

    Parameters
    ----------
    gains : ndarray, [num_clients, num_subchannels]
        Channel power gains γ_i^k, linear, [1].
    client_of : ndarray of int, [num_subchannels]
        The client of each subchannel, from 0; -1 for an unused subchannel.
    psd_w_per_hz : ndarray, [num_subchannels]
        Transmit power spectral densities p_k, [W/Hz].
    """
    used = np.flatnonzero(client_of >= 0)
    clients = client_of[used]
    rates_bps: NDArray[np.float64] = assigned_rates(
        band, gains[clients, used][np.newaxis], clients, psd_w_per_hz[used], len(gains)
    )[0]
    return rates_bps


def assigned_rates(
    band: Band,
    gains: NDArray[np.float64],
    clients: NDArray[np.intp],
    psd_w_per_hz: NDArray[np.float64],
    num_clients: int,
) -> NDArray[np.float64]:
    """Return the rates on the clients' own subchannels in many blocks, [num_blocks, num_clients], [bit/s].

    The gains of other clients on these subchannels do not matter, so they are not needed.

    Parameters
    ----------
    gains : ndarray, [num_blocks, num_used]
        The gain of the own client on each used subchannel, linear, [1].
    clients : ndarray of int, [num_used]
        The client of each used subchannel.
    psd_w_per_hz : ndarray, [num_used]
        Transmit power spectral densities, [W/Hz].
    """
    snr = psd_w_per_hz * band.snr_per_w_per_hz(gains)
    rates_bps = band.subchannel_hz * band.efficiency(snr)
    cells = clients + num_clients * np.arange(len(gains))[:, np.newaxis]
    sums = np.bincount(cells.ravel(), weights=rates_bps.ravel(), minlength=len(gains) * num_clients)
    return np.asarray(sums, dtype=np.float64).reshape(len(gains), num_clients)


def downlink_rates(
    band: Band, gains: NDArray[np.float64], client_of: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the downlink rates R_i^D, [num_clients], [bit/s]: the uplink formula with p^DL for p_k.

    For the parameters see :func:`uplink_rates`.
    """
    return uplink_rates(band, gains, client_of, np.full(gains.shape[1], band.downlink_w_per_hz))


def broadcast_rate(band: Band, gains: NDArray[np.float64]) -> float:
    """Return the broadcast rate ``R^B = min_i Σ_k B log2(1 + p^DL G γ_i^k/σ²)``, [bit/s].

    Parameters
    ----------
    gains : ndarray, [num_clients, num_subchannels]
        Channel power gains γ_i^k of the clients that the broadcast is for, linear, [1].
    """
    return float(whole_band_sums(band, gains, band.downlink_w_per_hz).min())


def whole_band_rates(
    band: Band, gains: NDArray[np.float64], power_w: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the uplink and downlink rates of clients that use the whole band one after another.

    Parameters
    ----------
    gains : ndarray, [num_clients, num_subchannels]
        Channel power gains γ_i^k, linear, [1].
    power_w : ndarray, [num_clients]
        Transmit powers, each spread flat over the band, [W].

    Returns
    -------
    uplink_bps, downlink_bps : ndarray, [num_clients]
        Rates, [bit/s].
    """
    psd_w_per_hz = power_w / (band.subchannel_hz * gains.shape[1])
    return (
        whole_band_sums(band, gains, psd_w_per_hz[:, np.newaxis]),
        whole_band_sums(band, gains, band.downlink_w_per_hz),
    )


def whole_band_sums(
    band: Band, gains: NDArray[np.float64], psd_w_per_hz: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return rates on all subchannels together, [...], [bit/s].

    Parameters
    ----------
    gains : ndarray, [..., num_subchannels]
        Channel power gains, linear, [1].
    psd_w_per_hz : float or ndarray, broadcast to ``gains``
        Transmit power spectral densities, [W/Hz].
    """
    snr = psd_w_per_hz * band.snr_per_w_per_hz(gains)
    rates_bps: NDArray[np.float64] = band.subchannel_hz * band.efficiency(snr).sum(axis=-1)
    return rates_bps
