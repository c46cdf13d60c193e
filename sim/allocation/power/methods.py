"""Power methods: functions ``(problem, work, client_of) -> psd_w_per_hz``, one for each method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...planning_error import PlanningError
from ...radio.resources import RadioResources, uniform_power_w
from ...radio.units import dbm_to_w
from ..problem import RoundWork, link_rates, round_time_s
from .stage_deadlines import StageDemand, minimal_stage_times

__all__ = [
    "explicit_power",
    "full",
    "optimal",
    "raised_to_limits",
    "shared_limits_w",
    "uniform",
    "with_remaining_power",
]

KEY_PATH = ("allocation", "power")
ROUNDING = 1e-12  # relative; a smaller difference of round times does not count


def uniform(problem: RadioResources, work: RoundWork, client_of: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return uniform power: client i spreads min(p_i^max, p_th/C) evenly over its subchannels.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work : RoundWork
        Unused; the signature is that of every power method.
    client_of : ndarray of int, [num_subchannels]
        Client of each subchannel, from 0; -1 for none.

    Returns
    -------
    ndarray, [num_subchannels]
        Power spectral densities p_k, [W/Hz]; 0 where a subchannel is unused.
    """
    used = client_of[client_of >= 0]
    psd_w_per_hz = np.zeros(problem.num_subchannels)
    count = np.bincount(used, minlength=problem.num_clients)
    psd_w_per_hz[client_of >= 0] = uniform_power_w(problem)[used] / (count[used] * problem.band.subchannel_hz)
    return _within_limits(problem, client_of, psd_w_per_hz)


def optimal(problem: RadioResources, work: RoundWork, client_of: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the powers of the shortest round for given subchannels, exact to rounding.

    The least power of a client for a rate follows from water-filling. :func:`.minimal_stage_times` finds the
    earliest stage ends at which these powers meet all limits (docs/model.md, equations P1 to P9). Each client
    sends with the least power that meets these ends, so an early client saves energy.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work : RoundWork
        Computation and traffic of a round.
    client_of : ndarray of int, [num_subchannels]
        Client of each subchannel, from 0; -1 for none.

    Returns
    -------
    ndarray, [num_subchannels]
        Power spectral densities p_k, [W/Hz]; 0 where a subchannel is unused.

    Raises
    ------
    PlanningError
        If a client has no subchannel.
    """
    flat = uniform(problem, work, client_of)
    demand = StageDemand(problem, work, client_of)
    levels = demand.levels(minimal_stage_times(demand, work.averaging_share))
    psd_w_per_hz = _within_limits(problem, client_of, demand.filling.densities(levels))
    optimal_s, flat_s = (
        round_time_s(work, link_rates(problem, client_of, psd)) for psd in (psd_w_per_hz, flat)
    )
    return flat if flat_s < optimal_s * (1.0 - ROUNDING) else psd_w_per_hz


def full(problem: RadioResources, work: RoundWork, client_of: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the powers of the shortest round, raised by all the power that the limits leave.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work : RoundWork
        Computation and traffic of a round.
    client_of : ndarray of int, [num_subchannels]
        Client of each subchannel, from 0; -1 for none.

    Returns
    -------
    ndarray, [num_subchannels]
        Power spectral densities p_k, [W/Hz]; 0 where a subchannel is unused.

    Raises
    ------
    PlanningError
        If a client has no subchannel.
    """
    return raised_to_limits(problem, client_of, optimal(problem, work, client_of))


def raised_to_limits(
    problem: RadioResources, client_of: NDArray[np.intp], psd_w_per_hz: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return densities raised until all clients or the common limit have no power left, [num_subchannels].

    Each client gets the same fraction of the power that it lacks to its own limit. Its densities grow by one
    factor, so that no transfer becomes slower.

    Parameters
    ----------
    psd_w_per_hz : ndarray, [num_subchannels]
        Power spectral densities within the limits, [W/Hz].
    """
    power_w = _client_power_w(problem, client_of, psd_w_per_hz)
    factor = with_remaining_power(problem, power_w) / np.where(power_w > 0, power_w, 1.0)
    raised = np.where(client_of >= 0, psd_w_per_hz * np.maximum(factor, 1.0)[client_of], 0.0)
    return _within_limits(problem, client_of, raised)


def with_remaining_power(problem: RadioResources, power_w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return powers raised by the power that the limits leave, [num_clients], [W].

    Each client that sends gets the same fraction of the power that it lacks to its own limit.

    Parameters
    ----------
    power_w : ndarray, [num_clients]
        Powers within the limits, [W].
    """
    missing_w = np.where(power_w > 0, np.maximum(problem.power_max_w - power_w, 0.0), 0.0)
    remaining_w = max(0.0, problem.total_power_max_w - float(power_w.sum()))
    fraction = min(1.0, remaining_w / float(missing_w.sum())) if missing_w.any() else 0.0
    raised_w: NDArray[np.float64] = power_w + fraction * missing_w
    return raised_w


def shared_limits_w(problem: RadioResources) -> NDArray[np.float64]:
    """Return ``min(p_i^max, P)`` with the greatest P that keeps the common limit, [num_clients], [W]."""
    limits_w = np.sort(problem.power_max_w)
    count = len(limits_w)
    used_w = np.concatenate(([0.0], np.cumsum(limits_w)[:-1]))
    # P if the smallest limits bind and the other devices share the rest; the first one below its limit holds
    levels_w = (problem.total_power_max_w - used_w) / (count - np.arange(count))
    binding = np.flatnonzero(levels_w <= limits_w)
    level_w = float(levels_w[binding[0]]) if binding.size else np.inf
    return np.minimum(problem.power_max_w, level_w)


def explicit_power(
    dbm_per_hz: Sequence[float], problem: RadioResources, client_of: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the power spectral densities that a scenario states, one for each device.

    Parameters
    ----------
    dbm_per_hz : sequence of float, [num_clients]
        Density on each subchannel of the device, [dBm/Hz].
    problem : RadioResources
        Subchannels, gains and power limits.
    client_of : ndarray of int, [num_subchannels]
        Client of each subchannel, from 0; -1 for none.

    Returns
    -------
    ndarray, [num_subchannels]
        Power spectral densities p_k, [W/Hz]; 0 where a subchannel is unused.

    Raises
    ------
    PlanningError
        If there is not one density for each device, or they exceed a device's limit or the common limit.
    """
    if len(dbm_per_hz) != problem.num_clients:
        raise PlanningError(
            f"power densities are given for {len(dbm_per_hz)} devices; there are {problem.num_clients}",
            KEY_PATH,
        )
    device_w_per_hz = dbm_to_w(np.asarray(dbm_per_hz, dtype=np.float64))
    psd_w_per_hz = np.where(client_of >= 0, device_w_per_hz[client_of], 0.0)
    power_w = _client_power_w(problem, client_of, psd_w_per_hz)
    slack = 1.0 + 1e-9  # densities may meet a limit exactly that was converted from dBm, too
    for client in np.flatnonzero(power_w > problem.power_max_w * slack).tolist():
        raise PlanningError(
            f"device {client}: {dbm_per_hz[client]:g} dBm/Hz on its {np.sum(client_of == client)} subchannels"
            f" is {power_w[client]:.6g} W; its limit is {problem.power_max_w[client]:.6g} W",
            KEY_PATH,
        )
    if power_w.sum() > problem.total_power_max_w * slack:
        raise PlanningError(
            f"all devices together ask for {power_w.sum():.6g} W;"
            f" their limit is {problem.total_power_max_w:.6g} W",
            KEY_PATH,
        )
    return psd_w_per_hz


def _client_power_w(
    problem: RadioResources, client_of: NDArray[np.intp], psd_w_per_hz: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the power of each client, [num_clients], [W]."""
    used = client_of >= 0
    weights = problem.band.subchannel_hz * psd_w_per_hz[used]
    power_w = np.bincount(client_of[used], weights=weights, minlength=problem.num_clients)
    return np.asarray(power_w, dtype=np.float64)


def _within_limits(
    problem: RadioResources, client_of: NDArray[np.intp], psd_w_per_hz: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the densities, scaled down where rounding makes a sum exceed a limit."""
    # A sum of M terms rounds by less than this in any order, so any other program finds the limits met.
    margin = 1.0 - problem.num_subchannels * np.finfo(np.float64).eps
    power_w = _client_power_w(problem, client_of, psd_w_per_hz)
    with np.errstate(divide="ignore"):
        scale = np.minimum(1.0, margin * problem.power_max_w / power_w)
        scale *= np.minimum(1.0, margin * problem.total_power_max_w / (scale * power_w).sum())
    return np.where(client_of >= 0, psd_w_per_hz * scale[client_of], 0.0)
