"""At what power each subchannel is used: functions ``(problem, work, owner) -> psd``, one a method."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from ..radio.rates import downlink_rates
from ..radio.units import dbm_to_w
from .problem import (
    AllocationError,
    RadioProblem,
    RoundWork,
    link_rates,
    round_time_s,
    transfer_s,
    uniform_power_w,
)
from .water_filling import WaterFilling

__all__ = ["explicit_power", "optimal", "uniform"]

TOLERANCE = 4 * np.finfo(np.float64).eps  # the least that brentq takes
GIVEN = ("allocation", "power")
ROUNDING = 1e-12  # relative; a round that is shorter by less is not shorter


def uniform(problem: RadioProblem, work: RoundWork, owner: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return uniform power: client i spreads min(p_i^max, p_th/C) flat over its own subchannels.

    Parameters
    ----------
    problem : the resources
    work : unused; there for methods that fit the power to it
    owner : [num_subchannels], int
        The client of each subchannel, from 0; -1 for none.

    Returns
    -------
    psd_w_per_hz : [num_subchannels], float
        Power spectral densities p_k, [W/Hz]; 0 where a subchannel is unused.
    """
    used = owner[owner >= 0]
    psd_w_per_hz = np.zeros(problem.num_subchannels)
    count = np.bincount(used, minlength=problem.num_clients)
    psd_w_per_hz[owner >= 0] = uniform_power_w(problem)[used] / (count[used] * problem.band.subchannel_hz)
    return _within_limits(problem, owner, psd_w_per_hz)


def optimal(problem: RadioProblem, work: RoundWork, owner: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the powers of the shortest round for given subchannels, exact to rounding.

    A client's least power for a rate is water-filling over its own subchannels, convex in the rate. So the
    shortest first stage T1 has the least powers that let every client end by T1 reach a limit: it is found
    as a root (docs/model.md section 4). Where models are uploaded, the second stage T2 needs power too, and
    T1 + a T2 is minimised along the curve on which the least powers sum to p_th; both are convex in T1.
    Nobody sends with more power than that takes: a client that is early saves energy instead.

    Parameters
    ----------
    problem : the resources
    work : what the round asks for
    owner : [num_subchannels], int
        The client of each subchannel, from 0; -1 for none.

    Returns
    -------
    psd_w_per_hz : [num_subchannels], float
        Power spectral densities p_k, [W/Hz]; 0 where a subchannel is unused.

    Raises
    ------
    AllocationError
        If a client has no subchannel.
    """
    flat = uniform(problem, work, owner)
    needs = _Needs(problem, work, owner)
    levels = needs.levels(_shortest_ends(needs, work.averaging_share))
    psd_w_per_hz = _within_limits(problem, owner, needs.filling.densities(levels))
    optimal_s, flat_s = (round_time_s(work, link_rates(problem, owner, psd)) for psd in (psd_w_per_hz, flat))
    return flat if flat_s < optimal_s * (1.0 - ROUNDING) else psd_w_per_hz


def explicit_power(
    dbm_per_hz: Sequence[float], problem: RadioProblem, owner: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return power spectral densities that are given, one a device.

    Parameters
    ----------
    dbm_per_hz : [num_clients], float
        Density on each of the client's subchannels, [dBm/Hz].
    problem : the resources
    owner : [num_subchannels], int
        The client of each subchannel, from 0; -1 for none.

    Returns
    -------
    psd_w_per_hz : [num_subchannels], float
        Power spectral densities p_k, [W/Hz]; 0 where a subchannel is unused.

    Raises
    ------
    AllocationError
        If there is not one a device, or they break a device's limit or that of all together.
    """
    if len(dbm_per_hz) != problem.num_clients:
        raise AllocationError(
            f"power densities are given for {len(dbm_per_hz)} devices; there are {problem.num_clients}",
            GIVEN,
        )
    given = dbm_to_w(np.asarray(dbm_per_hz, dtype=np.float64))
    psd_w_per_hz = np.where(owner >= 0, given[owner], 0.0)
    power_w = _client_power_w(problem, owner, psd_w_per_hz)
    slack = 1.0 + 1e-9  # a limit that was itself converted from dBm may be met exactly
    for client in np.flatnonzero(power_w > problem.power_max_w * slack).tolist():
        raise AllocationError(
            f"device {client}: {dbm_per_hz[client]:g} dBm/Hz on its {np.sum(owner == client)} subchannels"
            f" is {power_w[client]:.6g} W; its limit is {problem.power_max_w[client]:.6g} W",
            GIVEN,
        )
    if power_w.sum() > problem.total_power_max_w * slack:
        raise AllocationError(
            f"all devices together ask for {power_w.sum():.6g} W;"
            f" their limit is {problem.total_power_max_w:.6g} W",
            GIVEN,
        )
    return psd_w_per_hz


class _Needs:
    """What ending the first stage by T1 and the second by T2 takes of each client.

    Ends are given as a pair [T1, T2] of seconds, the second counted from its own start.
    """

    def __init__(self, problem: RadioProblem, work: RoundWork, owner: NDArray[np.intp]) -> None:
        self.filling = WaterFilling(problem, owner)
        self.limit_w = problem.total_power_max_w
        downlink_bps = downlink_rates(problem.band, problem.gains, owner)
        second_s = transfer_s(work.downlink_bits, downlink_bps) + work.after_downlink_s
        self.starts_s = np.stack((work.before_uplink_s, second_s))  # [num_stages, num_clients]
        upload_bits = work.model_upload_bits if work.averaging_share > 0 else 0.0
        self.bits = np.array([work.uplink_bits, upload_bits])

    def rates(self, ends_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rates that each stage needs, [num_stages, num_clients], [bit/s]."""
        return self.bits[:, np.newaxis] / (ends_s[:, np.newaxis] - self.starts_s)

    def ends(self, rate_bps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the ends of both stages at given rates, [num_stages], [s]."""
        ends_s: NDArray[np.float64] = (self.starts_s + self.bits[:, np.newaxis] / rate_bps).max(axis=1)
        return ends_s

    def levels(self, ends_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the water levels of the least powers that meet both ends, [num_clients]."""
        return self.filling.levels(self.rates(ends_s).max(axis=0))

    def excess_w(self, ends_s: NDArray[np.float64]) -> float:
        """Return by how much the least powers that meet both ends pass the limit of all together, [W]."""
        return float(self.filling.powers_w(self.levels(ends_s)).sum()) - self.limit_w


def _shortest_ends(needs: _Needs, share: float) -> NDArray[np.float64]:
    """Return the ends [T1, T2] that minimise T1 + share·T2 within all limits, [s]; inf: no bits to send."""
    # A client alone, with all of its own power, ends no earlier than this.
    earliest_s = np.where(needs.bits > 0, needs.ends(needs.filling.rate_max_bps), np.inf)
    if needs.excess_w(earliest_s) <= 0:
        return earliest_s
    alone_s = np.array([_end_alone(needs, earliest_s[stage], stage) for stage in range(2)])
    if np.isinf(alone_s).any():
        return alone_s

    def second_s(first_s: float) -> float:
        # Where the first stage's rates end the second, that one needs no power of its own.
        latest_s = needs.ends(needs.rates(np.array([first_s, np.inf]))[0])[1]
        return _falling_root(
            lambda end_s: needs.excess_w(np.array([first_s, end_s])), earliest_s[1], latest_s
        )

    def slope(first_s: float) -> float:
        """Return a number of the sign of the derivative of T1 + share·T2 by T1 along the curve."""
        ends_s = np.array([first_s, second_s(first_s)])
        if ends_s[1] <= earliest_s[1]:
            return 1.0  # more power for the second stage would not shorten it
        rate_bps = needs.rates(ends_s)
        # The power that a later end of each stage saves, [W/s].
        saved = needs.filling.marginal_w_per_bps(needs.levels(ends_s)) * rate_bps
        saved /= ends_s[:, np.newaxis] - needs.starts_s
        first_binds = rate_bps[0] >= rate_bps[1]
        return float(saved[1, ~first_binds].sum() - share * saved[0, first_binds].sum())

    # From here on the second stage, all power spent on it, gains nothing by a later end of the first.
    latest_s = needs.ends(needs.rates(np.array([np.inf, alone_s[1]]))[1])[0]
    first_s = _falling_root(lambda end_s: -slope(end_s), alone_s[0], latest_s)
    return np.array([first_s, second_s(first_s)])


def _end_alone(needs: _Needs, earliest_s: float, stage: int) -> float:
    """Return the least end of one stage if the other needed no power, [s]; inf if it has no bits to send."""
    if np.isinf(earliest_s):
        return earliest_s
    latest_s = 2.0 * earliest_s

    def excess_w(end_s: float) -> float:
        return needs.excess_w(np.where(np.arange(2) == stage, end_s, np.inf))

    while excess_w(latest_s) > 0:
        latest_s *= 2.0
    return _falling_root(excess_w, earliest_s, latest_s)


def _falling_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a falling function changes sign, or the bound that is nearest to it."""
    if high <= low or function(low) <= 0:
        return low
    if function(high) >= 0:
        return high
    return float(brentq(function, low, high, xtol=np.finfo(np.float64).tiny, rtol=TOLERANCE))


def _client_power_w(
    problem: RadioProblem, owner: NDArray[np.intp], psd_w_per_hz: NDArray[np.float64]
) -> NDArray[np.float64]:
    used = owner >= 0
    weights = problem.band.subchannel_hz * psd_w_per_hz[used]
    power_w = np.bincount(owner[used], weights=weights, minlength=problem.num_clients)
    return np.asarray(power_w, dtype=np.float64)


def _within_limits(
    problem: RadioProblem, owner: NDArray[np.intp], psd_w_per_hz: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the densities, scaled down where rounding carries a sum past a limit."""
    # However a sum of M terms is ordered, it rounds by less than this: so any reader finds the limits met.
    margin = 1.0 - problem.num_subchannels * np.finfo(np.float64).eps
    power_w = _client_power_w(problem, owner, psd_w_per_hz)
    with np.errstate(divide="ignore"):
        scale = np.minimum(1.0, margin * problem.power_max_w / power_w)
        scale *= np.minimum(1.0, margin * problem.total_power_max_w / (scale * power_w).sum())
    return np.where(owner >= 0, psd_w_per_hz * scale[owner], 0.0)
