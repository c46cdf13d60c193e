"""Least power of each client for a rate: water-filling over its subchannels, in closed form.

The least power for a rate puts ``p_k = max(0, μ − 1/g_k)`` on each subchannel, with one water level μ for
each client and ``g_k = Gγ_k/σ²``. The spectral efficiency of a subchannel is ``log2(μ g_k)``, between 0 and
the cap (docs/model.md, equations P1 to P3). So the rate is piecewise linear in log2 μ, and the power in μ.
Both have the same bends. The tables hold level, rate and power at the bends, and linear interpolation between
bends is exact (Boyd, Vandenberghe, "Convex Optimization", 2004, example 5.2).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...planning_error import PlanningError
from ...radio.resources import RadioResources

__all__ = ["WaterFilling"]

LN2 = math.log(2.0)


class WaterFilling:
    """The least powers of all clients for given subchannels.

    A client's *level* is ``log2(μ g_best)``: the spectral efficiency of its best subchannel without a cap,
    [bit/s/Hz]. Levels relative to the best subchannel keep full precision far below the noise.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    client_of : ndarray of int, [num_subchannels]
        Client of each subchannel, from 0; -1 for none.

    Attributes
    ----------
    rate_max_bps : ndarray, [num_clients]
        Rate R_i^max of each client at its full power, [bit/s].

    Raises
    ------
    PlanningError
        If a client has no subchannel.
    """

    def __init__(self, problem: RadioResources, client_of: NDArray[np.intp]) -> None:
        count = np.bincount(client_of[client_of >= 0], minlength=problem.num_clients)
        if not count.all():
            raise PlanningError(f"client {int(count.argmin())} has no subchannel to send on")
        self._subchannel_hz, self._num_subchannels = problem.band.subchannel_hz, problem.num_subchannels
        # One row for each client and one column for each of its subchannels; subchannels of gain 0 pad rows.
        self._subchannels = np.argsort(client_of, kind="stable")[problem.num_subchannels - count.sum() :]
        clients = client_of[self._subchannels]
        self._cells = (clients, np.arange(len(clients)) - (np.cumsum(count) - count)[clients])
        self._snr_per_w_per_hz = np.ones((problem.num_clients, count.max()))
        self._snr_per_w_per_hz[self._cells] = problem.band.snr_per_w_per_hz(
            problem.gains[clients, self._subchannels]
        )
        is_real = np.zeros(self._snr_per_w_per_hz.shape, dtype=bool)
        is_real[self._cells] = True
        self._best = np.where(is_real, self._snr_per_w_per_hz, 0.0).max(axis=1)
        with np.errstate(divide="ignore"):
            self._offset = np.log2(np.where(is_real, self._snr_per_w_per_hz, 0.0) / self._best[:, np.newaxis])
        # Full power on the best subchannel alone gives a client's greatest level, where its table ends.
        alone = np.log1p(problem.power_max_w * self._best / self._subchannel_hz) / LN2
        self._cap = np.minimum(alone, problem.band.efficiency_cap_bps_per_hz)[:, np.newaxis]
        self._tabulate(is_real)
        density_w = problem.power_max_w / self._subchannel_hz * self._best  # in units of 1/g_best
        self.rate_max_bps = self._rates(
            np.log1p(_interpolate(density_w, self._power_table, np.expm1(self._level_table * LN2))) / LN2
        )

    def _tabulate(self, is_real: NDArray[np.bool_]) -> None:
        """Tabulate level, efficiency and power at the bends.

        A bend is a level at which a subchannel comes into use or reaches the cap.
        """
        last = (self._cap - np.where(is_real, self._offset, 0.0)).max(axis=1, keepdims=True)
        bends = np.concatenate(
            (np.where(is_real, -self._offset, last), np.where(is_real, self._cap - self._offset, last)),
            axis=1,
        )
        order = np.argsort(bends, axis=1, kind="stable")
        change = np.concatenate((np.ones(is_real.shape, dtype=int), np.full(is_real.shape, -1)), axis=1)
        num_filling = np.cumsum(np.take_along_axis(change, order, axis=1), axis=1)[:, :-1]
        self._level_table = np.take_along_axis(bends, order, axis=1)  # [num_clients, num_bends]
        zero = np.zeros((len(bends), 1))
        self._efficiency_table = np.concatenate(
            (zero, np.cumsum(num_filling * np.diff(self._level_table), axis=1)), axis=1
        )
        self._power_table = np.concatenate(
            (zero, np.cumsum(num_filling * np.diff(np.expm1(self._level_table * LN2)), axis=1)), axis=1
        )

    def levels(self, rate_bps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the levels of the least powers for the rates, [num_clients], [bit/s/Hz].

        Parameters
        ----------
        rate_bps : ndarray, [num_clients]
            Rates, at most ``rate_max_bps``, [bit/s].
        """
        efficiency = rate_bps / self._subchannel_hz
        return _interpolate(efficiency, self._efficiency_table, self._level_table)

    def levels_and_powers_w(
        self, rate_bps: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return :meth:`levels` and :meth:`powers_w` for the rates, with one search in the tables."""
        efficiency = rate_bps / self._subchannel_hz
        cell, fraction = _cells(efficiency, self._efficiency_table)
        start = self._level_table.take(cell - 1)
        rise = self._level_table.take(cell) - start
        levels = start + fraction * rise
        # Between two bends the power is linear in 2^level.
        width = np.expm1(rise * LN2)
        fraction = np.expm1((levels - start) * LN2) / np.where(width > 0, width, 1.0)
        below_w = self._power_table.take(cell - 1)
        power_w = below_w + fraction * (self._power_table.take(cell) - below_w)
        power_w *= self._subchannel_hz
        power_w /= self._best
        return levels, power_w

    def powers_w(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the power of each client at its level, [num_clients], [W]."""
        power_w: NDArray[np.float64] = self._subchannel_hz * self._densities(levels).sum(axis=1)
        return power_w

    def log_levels(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the natural logarithms of the water levels μ_i, [num_clients], with μ_i in [W/Hz]."""
        logarithms: NDArray[np.float64] = LN2 * levels - np.log(self._best)
        return logarithms

    def marginal_w_per_bps(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the derivative of each client's power by its rate, μ_i ln 2, [num_clients], [W/(bit/s)]."""
        marginal: NDArray[np.float64] = LN2 * np.exp2(levels) / self._best
        return marginal

    def densities(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the power spectral densities, [num_subchannels], [W/Hz]; 0 where a subchannel is unused."""
        psd_w_per_hz = np.zeros(self._num_subchannels)
        psd_w_per_hz[self._subchannels] = self._densities(levels)[self._cells]
        return psd_w_per_hz

    def _efficiencies(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        efficiencies: NDArray[np.float64] = np.clip(levels[:, np.newaxis] + self._offset, 0.0, self._cap)
        return efficiencies

    def _rates(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        rates_bps: NDArray[np.float64] = self._subchannel_hz * self._efficiencies(levels).sum(axis=1)
        return rates_bps

    def _densities(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        psd_w_per_hz: NDArray[np.float64] = np.expm1(self._efficiencies(levels) * LN2)
        return psd_w_per_hz / self._snr_per_w_per_hz


def _interpolate(
    values: NDArray[np.float64], table: NDArray[np.float64], result_table: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the results at one value for each client, by linear interpolation between the table's columns.

    Parameters
    ----------
    values : ndarray, [num_clients]
        Values to look up.
    table : ndarray, [num_clients, num_bends]
        Ascending rows in which the values are looked up.
    result_table : ndarray, [num_clients, num_bends]
        Results at the same bends.
    """
    cell, fraction = _cells(values, table)
    below = result_table.take(cell - 1)
    interpolated: NDArray[np.float64] = below + fraction * (result_table.take(cell) - below)
    return interpolated


def _cells(
    values: NDArray[np.float64], table: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return each value's cell in its row of a table, and its position in the cell, 0 to 1.

    A cell is the flat index of its end, since :meth:`numpy.ndarray.take` is faster than two indices.
    """
    num_rows, num_bends = table.shape
    values = np.minimum(values, table[:, -1])
    cell = np.count_nonzero(table < values[:, np.newaxis], axis=1)
    np.minimum(np.maximum(cell, 1, out=cell), num_bends - 1, out=cell)
    cell += np.arange(0, num_rows * num_bends, num_bends)
    start = table.take(cell - 1)
    width = table.take(cell) - start
    return cell, (values - start) / np.where(width > 0, width, 1.0)
