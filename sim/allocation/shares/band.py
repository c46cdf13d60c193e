"""Shares of the band whose uplinks obey power limits, and a cut for each device.

A device with the share β of the band W sends with the power spectral density ``min(d, P/(βW))``: the density
limit d leaves room for the other devices under the common power limit, and P is the device's own limit. So
its uplink rate is ``R(β) = β Σ_k B log2(1 + min(d, P/(βW)) Gγ_k/σ²)``, which is concave in β. The time of
device i with cut j is ``T_i = c_ij + u_ij/(β f_i(β)) + d_ij/β``, where f is the rate relative to that at the
density P/W, and the longest time is to be minimised (docs/model.md section 6).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...radio.rates import spectral_efficiency
from ...radio.resources import RadioResources
from .problem import SharePlan

__all__ = ["BandProblem", "PowerLimits", "ShareUplinks"]

Array = NDArray[np.float64]

GAIN_MIN = 1e-12  # relative; a smaller gain of a descent step is rounding
STEPS_MAX = 60  # of Newton's method; it needs about ten
GAP = 1e-13  # relative difference between the longest time and its lower bound at which the search ends
BISECTIONS = 60  # of a density, to full precision


@dataclass(frozen=True)
class PowerLimits:
    """The limits that devices obey while all of them send at the same time.

    Attributes
    ----------
    power_w : ndarray, [num_devices]
        Limit P of each device's power, [W].
    density_w_per_hz : ndarray, [num_devices]
        Limit d of each device's power spectral density, infinite for none, [W/Hz].
    """

    power_w: Array
    density_w_per_hz: Array


@dataclass(frozen=True)
class ShareUplinks:
    """The uplinks of devices as functions of their shares.

    Attributes
    ----------
    snr : ndarray, [num_devices, num_subchannels]
        Signal-to-noise ratios if each device spreads its power limit over the whole band, linear.
    density_ratio : ndarray, [num_devices]
        The density limit relative to the density of the power limit on the whole band, dW/P.
    cap_bps_per_hz : float
        Highest spectral efficiency, [bit/s/Hz].
    subchannel_hz : float
        Bandwidth of one subchannel, [Hz].
    limits : PowerLimits
        The limits behind these numbers.
    """

    snr: Array
    density_ratio: Array
    cap_bps_per_hz: float
    subchannel_hz: float
    limits: PowerLimits

    @classmethod
    def of(cls, resources: RadioResources, limits: PowerLimits) -> ShareUplinks:
        """Return the uplinks on the gains of these resources."""
        band = resources.band
        whole_hz = band.subchannel_hz * resources.num_subchannels
        density_w_per_hz = limits.power_w / whole_hz
        return cls(
            density_w_per_hz[:, np.newaxis] * band.snr_per_w_per_hz(resources.gains),
            limits.density_w_per_hz / density_w_per_hz,
            band.efficiency_cap_bps_per_hz,
            band.subchannel_hz,
            limits,
        )

    def ratios(self, shares: Array) -> Array:
        """Return each device's density at its share, relative to its power limit on the whole band."""
        with np.errstate(divide="ignore"):
            return np.minimum(self.density_ratio, 1.0 / shares)

    def whole_band_bps(self, ratios: Array) -> Array:
        """Return the rates on the whole band at relative densities, [num_devices], [bit/s]."""
        snr = ratios[:, np.newaxis] * self.snr
        rates_bps: Array = self.subchannel_hz * spectral_efficiency(snr, self.cap_bps_per_hz).sum(axis=1)
        return rates_bps

    def rates_bps(self, shares: Array) -> Array:
        """Return R(β), the uplink rate of each device on its share, [num_devices], [bit/s]."""
        return shares * self.whole_band_bps(self.ratios(shares))

    def slopes_bps(self, shares: Array) -> Array:
        """Return dR/dβ, greater than 0, [num_devices], [bit/s]."""
        ratios = self.ratios(shares)
        snr = ratios[:, np.newaxis] * self.snr
        efficiency = spectral_efficiency(snr, self.cap_bps_per_hz)
        # A share beyond the power limit costs density: x d/dx log2(1 + x), unless the modem is at its cap.
        limited = (ratios < self.density_ratio)[:, np.newaxis] & (efficiency < self.cap_bps_per_hz)
        lost = np.where(limited, snr / (1.0 + snr) / np.log(2.0), 0.0)
        slopes: Array = self.subchannel_hz * np.maximum(efficiency - lost, 0.0).sum(axis=1)
        return slopes

    def ratios_for(self, rates_bps: Array) -> Array:
        """Return the least relative densities that give whole-band rates, [num_devices]."""
        low, high = np.zeros(len(rates_bps)), np.ones(len(rates_bps))
        while (short := self.whole_band_bps(high) < rates_bps).any():
            high = np.where(short, 2.0 * high, high)
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            short = self.whole_band_bps(middle) < rates_bps
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        return high


@dataclass(frozen=True)
class BandProblem:
    """The traffic and the further times of each device with each cut; columns stand for cuts.

    Attributes
    ----------
    fixed_s : ndarray, [num_devices, num_cuts]
        Time that does not depend on the share of the band, c_ij, [s].
    uplink_bits : ndarray, [num_cuts]
        Bits that each device sends in a round, [bit].
    downlink_s : ndarray, [num_devices, num_cuts]
        Time of all downlinks on the whole band, d_ij, [s].
    allowed : ndarray of bool, [num_devices, num_cuts]
        Whether the device's memory permits the cut.
    uplinks : ShareUplinks
        Rates of the uplinks by share.
    """

    fixed_s: Array
    uplink_bits: Array
    downlink_s: Array
    allowed: NDArray[np.bool_]
    uplinks: ShareUplinks

    def whole_band_s(self, shares: Array) -> Array:
        """Return times on the whole band at the densities of these shares, [num_devices, num_cuts], [s]."""
        rates_bps = self.uplinks.whole_band_bps(self.uplinks.ratios(shares))
        return self.uplink_bits / rates_bps[:, np.newaxis] + self.downlink_s

    def times_s(self, shares: Array) -> Array:
        """Return T_ij, infinite for cuts that are not allowed, [num_devices, num_cuts], [s]."""
        with np.errstate(divide="ignore", invalid="ignore"):
            shared_s = self.whole_band_s(shares) / shares[:, np.newaxis]
        return np.where(self.allowed, self.fixed_s + np.nan_to_num(shared_s, posinf=np.inf), np.inf)

    def with_best_shares(self, columns: NDArray[np.intp], start: Array) -> SharePlan:
        """Return the plan of these cuts with the shares with which all devices end together.

        Newton's method on ``Σ β_i(T) = 1``. The tangents of the convex times bound the longest time from
        below, so that the best shares found have a certificate: the search ends when both bounds meet.

        Parameters
        ----------
        columns : ndarray of int, [num_devices]
            The column of each device's cut.
        start : ndarray, [num_devices]
            Shares greater than 0 that the search begins with.
        """
        rows = np.arange(len(columns))
        fixed_s, bits, down_s = (
            self.fixed_s[rows, columns],
            self.uplink_bits[columns],
            self.downlink_s[rows, columns],
        )
        shares = np.maximum(start, 1e-9) / np.maximum(start, 1e-9).sum()
        best_s, best = np.inf, shares
        for _ in range(STEPS_MAX):
            rate_bps, slope_bps = self.uplinks.rates_bps(shares), self.uplinks.slopes_bps(shares)
            times_s = fixed_s + bits / rate_bps + down_s / shares
            longest_s = float(times_s.max())
            if longest_s < best_s:
                best_s, best = longest_s, shares
            falls_s = bits * slope_bps / rate_bps**2 + down_s / shares**2  # −dT_i/dβ_i
            weights = 1.0 / np.maximum(falls_s, np.finfo(float).tiny)
            bound_s = float((weights * times_s).sum() / weights.sum())  # all tangents end together here
            if best_s - bound_s <= GAP * best_s:
                break
            shares = np.maximum(shares + weights * (times_s - bound_s), 0.125 * shares)
            shares = shares / shares.sum()
        return SharePlan(columns, best, best_s, (best_s,))

    def descent(self, start: SharePlan) -> SharePlan:
        """Return the plan of the alternating descent: best shares for the cuts, best cuts for the shares.

        Every cut uses the band, so the descent ends at the optimum, for the reason in :mod:`.solvers`: it
        needs only that each time falls with the device's share.
        """
        plan = self.with_best_shares(start.cut_columns, start.shares)
        history_s = [*start.history_s[:-1], plan.time_s]
        while True:
            times_s = self.times_s(plan.shares)
            columns: NDArray[np.intp] = times_s.argmin(axis=1)
            rows = np.arange(len(columns))
            gains = times_s[rows, columns] < times_s[rows, plan.cut_columns] * (1.0 - GAIN_MIN)
            columns = np.where(gains, columns, plan.cut_columns)
            if not gains.any():
                break
            better = self.with_best_shares(columns, plan.shares)
            if better.time_s >= plan.time_s * (1.0 - GAIN_MIN):
                break
            plan = better
            history_s.append(plan.time_s)
        return SharePlan(plan.cut_columns, plan.shares, plan.time_s, tuple(history_s))

    def at_shares(self, columns: NDArray[np.intp] | None, shares: Array) -> SharePlan:
        """Return the plan at these shares, with the best cut of each device unless cuts are given."""
        times_s = self.times_s(shares)
        chosen: NDArray[np.intp] = times_s.argmin(axis=1) if columns is None else columns
        time_s = float(times_s[np.arange(len(chosen)), chosen].max())
        return SharePlan(chosen, shares, time_s, (time_s,))
