"""At what power each subchannel is used: functions ``(problem, work, client_of) -> psd``, one a method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...planning_error import PlanningError
from ...radio.resources import RadioResources, uniform_power_w
from ...radio.units import dbm_to_w
from ..problem import RoundWork, link_rates, round_time_s
from .stage_deadlines import StageDemand, minimal_stage_times

__all__ = ["explicit_power", "optimal", "uniform"]

GIVEN = ("allocation", "power")
ROUNDING = 1e-12  # relative; a round that is shorter by less is not shorter


def uniform(problem: RadioResources, work: RoundWork, client_of: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return uniform power: client i spreads min(p_i^max, p_th/C) flat over its own subchannels.

    Parameters
    ----------
    problem : the resources
    work : unused; there for methods that fit the power to it
    client_of : [num_subchannels], int
        The client of each subchannel, from 0; -1 for none.

    Returns
    -------
    psd_w_per_hz : [num_subchannels], float
        Power spectral densities p_k, [W/Hz]; 0 where a subchannel is unused.
    """
    used = client_of[client_of >= 0]
    psd_w_per_hz = np.zeros(problem.num_subchannels)
    count = np.bincount(used, minlength=problem.num_clients)
    psd_w_per_hz[client_of >= 0] = uniform_power_w(problem)[used] / (count[used] * problem.band.subchannel_hz)
    return _within_limits(problem, client_of, psd_w_per_hz)


def optimal(problem: RadioResources, work: RoundWork, client_of: NDArray[np.intp]) -> NDArray[np.float64]:
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
    client_of : [num_subchannels], int
        The client of each subchannel, from 0; -1 for none.

    Returns
    -------
    psd_w_per_hz : [num_subchannels], float
        Power spectral densities p_k, [W/Hz]; 0 where a subchannel is unused.

    Raises
    ------
    PlanningError
        If a client has no subchannel.
    """
    flat = uniform(problem, work, client_of)
    needs = StageDemand(problem, work, client_of)
    levels = needs.levels(minimal_stage_times(needs, work.averaging_share))
    psd_w_per_hz = _within_limits(problem, client_of, needs.filling.densities(levels))
    optimal_s, flat_s = (round_time_s(work, link_rates(problem, client_of, psd)) for psd in (psd_w_per_hz, flat))
    return flat if flat_s < optimal_s * (1.0 - ROUNDING) else psd_w_per_hz


def explicit_power(
    dbm_per_hz: Sequence[float], problem: RadioResources, client_of: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return power spectral densities that are given, one a device.

    Parameters
    ----------
    dbm_per_hz : [num_clients], float
        Density on each of the client's subchannels, [dBm/Hz].
    problem : the resources
    client_of : [num_subchannels], int
        The client of each subchannel, from 0; -1 for none.

    Returns
    -------
    psd_w_per_hz : [num_subchannels], float
        Power spectral densities p_k, [W/Hz]; 0 where a subchannel is unused.

    Raises
    ------
    PlanningError
        If there is not one a device, or they break a device's limit or that of all together.
    """
    if len(dbm_per_hz) != problem.num_clients:
        raise PlanningError(
            f"power densities are given for {len(dbm_per_hz)} devices; there are {problem.num_clients}",
            GIVEN,
        )
    given = dbm_to_w(np.asarray(dbm_per_hz, dtype=np.float64))
    psd_w_per_hz = np.where(client_of >= 0, given[client_of], 0.0)
    power_w = _client_power_w(problem, client_of, psd_w_per_hz)
    slack = 1.0 + 1e-9  # a limit that was itself converted from dBm may be met exactly
    for client in np.flatnonzero(power_w > problem.power_max_w * slack).tolist():
        raise PlanningError(
            f"device {client}: {dbm_per_hz[client]:g} dBm/Hz on its {np.sum(client_of == client)} subchannels"
            f" is {power_w[client]:.6g} W; its limit is {problem.power_max_w[client]:.6g} W",
            GIVEN,
        )
    if power_w.sum() > problem.total_power_max_w * slack:
        raise PlanningError(
            f"all devices together ask for {power_w.sum():.6g} W;"
            f" their limit is {problem.total_power_max_w:.6g} W",
            GIVEN,
        )
    return psd_w_per_hz


def _client_power_w(
    problem: RadioResources, client_of: NDArray[np.intp], psd_w_per_hz: NDArray[np.float64]
) -> NDArray[np.float64]:
    used = client_of >= 0
    weights = problem.band.subchannel_hz * psd_w_per_hz[used]
    power_w = np.bincount(client_of[used], weights=weights, minlength=problem.num_clients)
    return np.asarray(power_w, dtype=np.float64)


def _within_limits(
    problem: RadioResources, client_of: NDArray[np.intp], psd_w_per_hz: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the densities, scaled down where rounding carries a sum past a limit."""
    # However a sum of M terms is ordered, it rounds by less than this: so any reader finds the limits met.
    margin = 1.0 - problem.num_subchannels * np.finfo(np.float64).eps
    power_w = _client_power_w(problem, client_of, psd_w_per_hz)
    with np.errstate(divide="ignore"):
        scale = np.minimum(1.0, margin * problem.power_max_w / power_w)
        scale *= np.minimum(1.0, margin * problem.total_power_max_w / (scale * power_w).sum())
    return np.where(client_of >= 0, psd_w_per_hz * scale[client_of], 0.0)
