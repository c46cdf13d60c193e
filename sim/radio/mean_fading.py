"""Mean rates over fading and lossy links, for plans that include both (docs/model.md section 4.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .rates import Band, spectral_efficiency
from .resources import RadioResources, uniform_power_w

__all__ = ["NO_FADING", "MeanBand", "fading_nodes", "with_mean_rates"]

Array = NDArray[np.float64]

NODES = 256
"""Number of power gains that stand for the distribution of the fading."""
NO_FADING = np.ones(1)
"""The power gain without fading, in the place of :func:`fading_nodes`."""
_SNR_MIN, _SNR_MAX = 1e-6, 1e14
_LOG_SNR = np.linspace(math.log(_SNR_MIN), math.log(_SNR_MAX), 2000)
"""Natural logarithms of the ratios at which mean efficiencies are tabulated."""


@dataclass(frozen=True)
class MeanBand(Band):
    """A band whose rates are means over the fading, and over interruptions and losses of links.

    Allocation methods compute with rates log2(1 + snr) of their own. So the gains on such a band are scaled
    by one factor g, with which these rates are equal to the mean ones at a typical signal-to-noise ratio. The
    rates of an allocation, from which its round time follows, are the exact means at every ratio.

    Attributes
    ----------
    nodes : ndarray, [num_nodes]
        Power gains of equal probability, of mean 1.
    scale : float
        The factor g by which gains are scaled.
    delivered : float
        The share of the time and of the bits of links that serves new bits.
    """

    nodes: Array = field(kw_only=True)
    scale: float = field(kw_only=True, default=1.0)
    delivered: float = field(kw_only=True, default=1.0)

    def efficiency(self, snr: Array) -> Array:
        """Return the mean spectral efficiency ``E[min(log2(1 + snr·h/g), cap)]`` of new bits, [bit/s/Hz].

        It is interpolated between tabulated ratios to a relative 1e-4.

        Parameters
        ----------
        snr : ndarray, any shape
            Signal-to-noise ratio on the scaled gains, linear, [1].
        """
        true_snr = snr / self.scale
        with np.errstate(divide="ignore"):
            tabulated: Array = np.interp(np.log(true_snr), _LOG_SNR, self._table)
        weak = true_snr < _SNR_MIN  # where the efficiency is linear in the ratio
        linear = spectral_efficiency(true_snr, self.efficiency_cap_bps_per_hz)
        return self.delivered * np.where(weak, linear, tabulated)

    @cached_property
    def _table(self) -> Array:
        """The mean efficiency at the ratios of ``_LOG_SNR``, [num_ratios], [bit/s/Hz]."""
        faded = np.exp(_LOG_SNR)[:, np.newaxis] * self.nodes
        mean: Array = spectral_efficiency(faded, self.efficiency_cap_bps_per_hz).mean(axis=1)
        return mean


def fading_nodes(gains: Array) -> Array:
    """Return a few power gains of equal probability that stand for many draws, [num_nodes].

    Parameters
    ----------
    gains : ndarray, any shape
        Independent draws of the fading's power gain, linear, [1].
    """
    nodes = np.array([part.mean() for part in np.array_split(np.sort(gains, axis=None), NODES) if part.size])
    return np.asarray(nodes / nodes.mean(), dtype=np.float64)


def with_mean_rates(resources: RadioResources, nodes: Array, delivered: float = 1.0) -> RadioResources:
    """Return resources whose rates are means.

    The typical signal-to-noise ratio is the median over clients and subchannels, with equal powers of the
    clients on equal shares of the band.

    Parameters
    ----------
    resources : RadioResources
        Resources with the gains without fading.
    nodes : ndarray, [num_nodes]
        The result of :func:`fading_nodes`.
    delivered : float
        The share of the time and of the bits of links that serves new bits.
    """
    band = resources.band
    share_hz = band.subchannel_hz * resources.num_subchannels / resources.num_clients
    psd_w_per_hz = (uniform_power_w(resources) / share_hz)[:, np.newaxis]
    typical = float(np.median(psd_w_per_hz * band.snr_per_w_per_hz(resources.gains)))
    values = {each.name: getattr(band, each.name) for each in fields(band)}
    unscaled = MeanBand(**values, nodes=nodes, delivered=delivered)
    mean = float(unscaled.efficiency(np.array([typical]))[0])
    equivalent = math.expm1(mean * math.log(2.0)) / typical
    scale = equivalent if equivalent > 0 else 1.0  # the noise may be so strong that all rates are 0
    return RadioResources(
        replace(unscaled, scale=scale),
        resources.gains * scale,
        resources.power_max_w,
        resources.total_power_max_w,
    )
