"""Least end times of the stages of a round, for given subchannels and optimal power.

The problem and its solution are those of docs/model.md, section 4.2, equations P5 to P9. Stage 1 carries the
smashed data, stage 2 the upload of the client models, which only some schemes have.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...radio.rates import downlink_rates
from ...radio.resources import RadioResources
from ..problem import RoundWork, transfer_s
from .water_filling import WaterFilling

__all__ = ["PowerDemand", "StageDemand", "minimal_stage_times"]

TOLERANCE = 1e-14  # relative; Newton's method is far nearer to the root when its step is this short
GAP = 1e-13  # relative difference between a minimum and its lower bound
NUDGE = 1e-10  # relative step to the side of a bend on which the searched stage determines the slope
STEPS_MAX = 100  # of an iteration; Newton's method needs about six


class PowerDemand(NamedTuple):
    """The power that given stage ends demand of each client.

    Attributes
    ----------
    rate_bps : ndarray, [num_stages, num_clients]
        Rates that each stage needs, [bit/s].
    levels : ndarray, [num_clients]
        Levels of the least powers, as in :class:`.water_filling.WaterFilling`, [bit/s/Hz].
    power_w : ndarray, [num_clients]
        Least powers P_i, [W].
    saving_w_per_s : ndarray, [num_stages, num_clients]
        Power v_ij that a later end saves in the stage that needs the greater rate; 0 in the other, [W/s].
    """

    rate_bps: NDArray[np.float64]
    levels: NDArray[np.float64]
    power_w: NDArray[np.float64]
    saving_w_per_s: NDArray[np.float64]


class StageDemand:
    """The rates and powers that the clients need to end the stages by given times.

    Ends are an array [T_1, T_2] in seconds; T_2 counts from the start of the downlinks. An end is inf where
    its stage has no bits to send. Without averaging the second stage has none.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work : RoundWork
        Computation and traffic of a round.
    client_of : ndarray of int, [num_subchannels]
        Client of each subchannel, from 0; -1 for none.

    Attributes
    ----------
    filling : WaterFilling
        Least powers for rates.
    limit_w : float
        Power limit of all clients together, p_th, [W].
    starts_s : ndarray, [num_stages, num_clients]
        Starts s_ij of each client's transfer, [s].
    bits : ndarray, [num_stages]
        Bits b_j of each client's transfer, [bit].

    Raises
    ------
    PlanningError
        If a client has no subchannel.
    """

    def __init__(self, problem: RadioResources, work: RoundWork, client_of: NDArray[np.intp]) -> None:
        self.filling = WaterFilling(problem, client_of)
        self.limit_w = problem.total_power_max_w
        downlink_bps = downlink_rates(problem.band, problem.gains, client_of)
        backward_end_s = transfer_s(work.downlink_bits, downlink_bps) + work.after_downlink_s
        self.starts_s = np.stack((work.before_uplink_s, backward_end_s))
        upload_bits = work.model_upload_bits if work.averaging_share > 0 else 0.0
        self.bits = np.array([work.uplink_bits, upload_bits])

    def rates(self, ends_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rates that each stage needs, [num_stages, num_clients], [bit/s] (P5)."""
        return self.bits[:, np.newaxis] / (ends_s[:, np.newaxis] - self.starts_s)

    def ends(self, rate_bps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the ends of both stages, [num_stages], [s].

        Parameters
        ----------
        rate_bps : ndarray, [num_clients]
            Uplink rates, [bit/s].
        """
        ends_s: NDArray[np.float64] = (self.starts_s + self.bits[:, np.newaxis] / rate_bps).max(axis=1)
        return ends_s

    def levels(self, ends_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the levels of the least powers that meet both ends, [num_clients], [bit/s/Hz]."""
        return self.filling.levels(self.rates(ends_s).max(axis=0))

    def power_demand(self, ends_s: NDArray[np.float64]) -> PowerDemand:
        """Return the least powers that meet both ends, and their derivatives by the ends (P7)."""
        rate_bps = self.rates(ends_s)
        levels, power_w = self.filling.levels_and_powers_w(rate_bps.max(axis=0))
        saving = self.filling.marginal_w_per_bps(levels) * rate_bps / (ends_s[:, np.newaxis] - self.starts_s)
        first_binds = rate_bps[0] >= rate_bps[1]
        saving *= np.stack((first_binds, ~first_binds))
        return PowerDemand(rate_bps, levels, power_w, saving)


def minimal_stage_times(demand: StageDemand, share: float, tolerance: float = GAP) -> NDArray[np.float64]:
    """Return the ends [T_1, T_2] that minimise T_1 + a T_2 within all power limits, [s] (P6).

    Parameters
    ----------
    demand : StageDemand
        Rates and powers that the clients need.
    share : float
        Weight a of the second end, from 0 to 1.
    tolerance : float
        Greatest relative difference between the result and the minimum.

    Returns
    -------
    ndarray, [num_stages]
        Ends, [s]; inf for a stage without bits to send.
    """
    # No client ends earlier than with all of its power.
    earliest_s = np.where(demand.bits > 0, demand.ends(demand.filling.rate_max_bps), np.inf)
    if demand.power_demand(earliest_s).power_w.sum() <= demand.limit_w:
        return earliest_s
    alone_s = np.array([_end(demand, np.array([np.inf, np.inf]), stage, earliest_s) for stage in range(2)])
    if np.isinf(alone_s).any():
        return alone_s

    def on_curve(first_s: float, second_start_s: float) -> tuple[NDArray[np.float64], float]:
        """Return the ends on the curve of full common power, and the slope dT_2/dT_1 there (P8).

        The search for the second end begins at ``second_start_s``.
        """
        ends_s = np.array([first_s, second_start_s])
        ends_s[1] = _end(demand, ends_s, 1, earliest_s)
        if ends_s[1] <= earliest_s[1]:
            return ends_s, 0.0  # more power would not shorten the second stage
        saving = demand.power_demand(ends_s).saving_w_per_s.sum(axis=1)
        return ends_s, -float(saving[0] / saving[1]) if saving[1] > 0 else -math.inf

    # Beyond this end of the first stage the second gains nothing more: it has all the power already.
    latest_s = demand.ends(demand.rates(np.array([np.inf, alone_s[1]]))[1])[0]
    low_s, high_s = np.array([alone_s[0], earliest_s[1]]), np.array([latest_s, alone_s[1]])
    return _least_sum(on_curve, share, low_s, high_s, tolerance)


def _least_sum(
    on_curve: Callable[[float, float], tuple[NDArray[np.float64], float]],
    share: float,
    low_s: NDArray[np.float64],
    high_s: NDArray[np.float64],
    tolerance: float,
) -> NDArray[np.float64]:
    """Return the ends of the least T_1 + a T_2, a convex function h of T_1 in a bracket.

    The tangents at both ends of the bracket bound the minimum from below (P9). The next point is by turns the
    one where the tangents meet and the zero of the secant of the slopes. Each step shrinks the bracket by 1 %
    at least.

    Parameters
    ----------
    on_curve : callable
        Maps T_1 and a start for T_2 to the ends and to the slope dT_2/dT_1.
    share : float
        Weight a of the second end.
    low_s, high_s : ndarray, [num_stages]
        T_1 at the ends of the bracket, and starts for T_2 there, [s].
    tolerance : float
        Relative tolerance of h.
    """
    weights = np.array([1.0, share])
    left, left_slope = on_curve(*low_s)
    if 1.0 + share * left_slope >= 0:
        return left
    right, right_slope = on_curve(*high_s)
    if 1.0 + share * right_slope <= 0:
        return right
    for step in range(STEPS_MAX):
        width_s = right[0] - left[0]
        falling, rising = 1.0 + share * left_slope, 1.0 + share * right_slope  # slopes of h
        next_s, start_s = 0.01 * width_s, right[1]
        if math.isfinite(falling):
            left_value_s, right_value_s = float(weights @ left), float(weights @ right)
            meeting_s = (rising * width_s - (right_value_s - left_value_s)) / (rising - falling)
            lower_bound_s = left_value_s + falling * meeting_s
            if min(left_value_s, right_value_s) - lower_bound_s <= tolerance * left_value_s:
                break
            secant_s = width_s * falling / (falling - rising)
            next_s = min(max(secant_s if step % 2 else meeting_s, 0.01 * width_s), 0.99 * width_s)
            start_s = max(start_s, left[1] + left_slope * next_s)
        # T_2 is convex in T_1, so it lies above its tangents.
        start_s = max(start_s, right[1] - right_slope * (width_s - next_s))
        middle, slope = on_curve(left[0] + next_s, start_s)
        if 1.0 + share * slope > 0:
            right, right_slope = middle, slope
        else:
            left, left_slope = middle, slope
    return min(left, right, key=lambda ends_s: float(weights @ ends_s))


def _end(
    demand: StageDemand, ends_s: NDArray[np.float64], stage: int, earliest_s: NDArray[np.float64]
) -> float:
    """Return the least end of one stage within the common power limit, for a fixed end of the other, [s].

    The sum of the least powers falls with the end and is convex in it. Newton's method, once it is left of
    the root, therefore approaches the root without passing it.

    Parameters
    ----------
    demand : StageDemand
        Rates and powers that the clients need.
    ends_s : ndarray, [num_stages]
        The fixed end of the other stage, and the start of the search for this one, [s].
    stage : int
        The stage whose end is searched, 0 or 1.
    earliest_s : ndarray, [num_stages]
        Ends at full power of every client, T_j^min, [s].
    """
    low = float(earliest_s[stage])
    if np.isinf(low):
        return low
    nudged = False
    trial_s = ends_s.copy()
    trial_s[stage] = low if np.isinf(ends_s[stage]) else max(low, ends_s[stage])
    for _ in range(STEPS_MAX):
        needed = demand.power_demand(trial_s)
        excess_w = float(needed.power_w.sum()) - demand.limit_w
        if trial_s[stage] <= low and excess_w <= 0:
            return low
        saving = float(needed.saving_w_per_s[stage].sum())
        if saving > 0:
            step_s = max(excess_w / saving, low - trial_s[stage])
        else:
            # Only the other stage needs the power; its rates end this stage as early as this.
            reached_s = max(low, float(demand.ends(needed.rate_bps[1 - stage])[stage]))
            step_s = reached_s * (1.0 - NUDGE) - trial_s[stage]
            if excess_w >= 0 or step_s >= 0 or nudged:
                return reached_s
            nudged = True
        trial_s[stage] += step_s
        if abs(step_s) <= TOLERANCE * trial_s[stage]:
            break
    return float(trial_s[stage])
