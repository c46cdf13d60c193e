"""Least end times of the stages of a round, for given subchannels and optimal power.

The problem and its solution are those of docs/model.md, section 4.2, equations P5 to P9. Stage 1 carries the
smashed data, stage 2 the upload of the client models, which only some schemes have.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...radio.rates import downlink_rates
from ...radio.resources import RadioResources
from ..problem import RoundWork, transfer_s
from .water_filling import WaterFilling

__all__ = ["PowerDemand", "StageDemand", "minimal_stage_times"]

GAP = 1e-13  # relative difference between a minimum and its lower bound
# Last step of Newton's method, relative; the error that is left is about its square. The second one is for
# searches, whose tolerance is greater than GAP.
STEP_EXACT, STEP_OF_SEARCH = 1e-14, 1e-7
SHRINK = 0.01  # least relative distance of the next point from both ends of a bracket
FIRST_STEP = 1e-3  # of the search for a bracket, relative to T_1
STEP_GROWTH = 8.0  # factor between its steps
LIMIT_SLACK = 1e-9  # relative excess of the common power limit that may come from rounding
SLOW = 0.1  # a step is slow if it leaves more than this share of the gap
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


def minimal_stage_times(
    demand: StageDemand, share: float, tolerance: float = GAP, near_s: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the ends [T_1, T_2] that minimise T_1 + a T_2 within all power limits, [s] (P6).

    Parameters
    ----------
    demand : StageDemand
        Rates and powers that the clients need.
    share : float
        Weight a of the second end, from 0 to 1.
    tolerance : float
        Greatest relative difference between the result and the minimum.
    near_s : ndarray or None, [num_stages]
        The ends of a similar assignment, at which the search begins, [s]. They save time and change the
        result by no more than the tolerance.

    Returns
    -------
    ndarray, [num_stages]
        Ends, [s]; inf for a stage without bits to send.
    """
    # No client ends earlier than with all of its power.
    earliest_s = np.where(demand.bits > 0, demand.ends(demand.filling.rate_max_bps), np.inf)
    if demand.power_demand(earliest_s).power_w.sum() <= demand.limit_w:
        return earliest_s
    curve = _Curve(demand, share, earliest_s, STEP_EXACT if tolerance <= GAP else STEP_OF_SEARCH)
    if np.isinf(earliest_s).any():
        return np.array([curve.end_alone_s(stage, near_s) for stage in range(2)])
    bracket = curve.whole_bracket() if near_s is None else curve.bracket_near(near_s)
    return _least_sum(curve, *bracket, tolerance)


class _Point(NamedTuple):
    """A point of the curve.

    Attributes
    ----------
    ends_s : ndarray, [num_stages]
        The ends; T_2 is inf if all power is too little for T_1, [s].
    value_s : float
        The sum h = T_1 + a T_2, [s].
    slope : float
        The slope dT_2/dT_1 of the curve.
    """

    ends_s: NDArray[np.float64]
    value_s: float
    slope: float


class _Curve:
    """The ends [T_1, T_2] at which all clients together need the common power limit (P8).

    Parameters
    ----------
    demand : StageDemand
        Rates and powers that the clients need.
    share : float
        Weight a of the second end, from 0 to 1.
    earliest_s : ndarray, [num_stages]
        Ends at full power of every client, T_j^min, [s].
    step_max : float
        Newton's method ends with a step of this length, relative to the end.
    """

    def __init__(
        self, demand: StageDemand, share: float, earliest_s: NDArray[np.float64], step_max: float
    ) -> None:
        self._demand, self._share = demand, share
        self._earliest_s, self._step_max = earliest_s, step_max

    def rise(self, point: _Point) -> float:
        """Return the slope of h = T_1 + a T_2 by T_1."""
        return 1.0 + self._share * point.slope

    def at(self, first_s: float, second_start_s: float) -> _Point:
        """Return the point at T_1; the search for T_2 begins at ``second_start_s``."""
        end_s, saving_w_per_s = _end(
            self._demand, np.array([first_s, second_start_s]), 1, self._earliest_s, self._step_max
        )
        slope = 0.0  # at the earliest end more power would not shorten the second stage
        if end_s > self._earliest_s[1]:
            slope = -float(saving_w_per_s[0] / saving_w_per_s[1]) if saving_w_per_s[1] > 0 else -math.inf
        return _Point(np.array([first_s, end_s]), first_s + self._share * end_s, slope)

    def end_alone_s(self, stage: int, near_s: NDArray[np.float64] | None = None) -> float:
        """Return the least end of a stage if the other one needs no power, [s]."""
        ends_s = np.array([np.inf, np.inf])
        if near_s is not None:
            ends_s[stage] = near_s[stage]
        return _end(self._demand, ends_s, stage, self._earliest_s, self._step_max)[0]

    def whole_bracket(self) -> tuple[_Point, _Point]:
        """Return the points between which the curve lies: each has the least end of one stage alone."""
        second_s = self.end_alone_s(1)
        # Beyond this end of the first stage the second gains nothing more: it has all the power already.
        latest_s = self._demand.ends(self._demand.rates(np.array([np.inf, second_s]))[1])[0]
        return self._first(), self.at(float(latest_s), second_s)

    def bracket_near(self, near_s: NDArray[np.float64]) -> tuple[_Point, _Point]:
        """Return two points with the least h between them, by growing steps from the ends nearby."""
        lowest_s = float(self._earliest_s[0])
        point = self.at(max(float(near_s[0]), lowest_s), float(near_s[1]))
        if not math.isfinite(point.slope):
            point = self._first(near_s)
        step_s = FIRST_STEP * point.ends_s[0]
        goes_left = self.rise(point) > 0
        while True:
            first_s = max(point.ends_s[0] - step_s, lowest_s) if goes_left else point.ends_s[0] + step_s
            other = self.at(first_s, self._start_s(point, first_s))
            if goes_left and (first_s == lowest_s or not self.rise(other) > 0):
                return other if math.isfinite(other.slope) else self._first(near_s), point
            if not (goes_left or self.rise(other) < 0):
                return point, other
            point, step_s = other, step_s * STEP_GROWTH

    def _first(self, near_s: NDArray[np.float64] | None = None) -> _Point:
        """Return the point with the least end of the first stage."""
        return self.at(self.end_alone_s(0, near_s), float(self._earliest_s[1]))

    def _start_s(self, point: _Point, first_s: float) -> float:
        """Return a start for T_2 on the tangent at a point, [s]."""
        if not math.isfinite(point.slope):
            return float(self._earliest_s[1])
        return float(point.ends_s[1] + point.slope * (first_s - point.ends_s[0]))


def _least_sum(curve: _Curve, left: _Point, right: _Point, tolerance: float) -> NDArray[np.float64]:
    """Return the ends of the least T_1 + a T_2, a convex function h of T_1 in a bracket.

    The tangents at both ends of the bracket bound the minimum from below (P9). The next point is the minimum
    of the cubic through both ends. If the last step was slow, as at a bend of h, it is the point where the
    tangents meet.

    Parameters
    ----------
    curve : _Curve
        Gives T_2 and the slope of h for each T_1.
    left, right : _Point
        The ends of the bracket.
    tolerance : float
        Relative tolerance of h.
    """
    if curve.rise(left) >= 0:
        return left.ends_s
    if curve.rise(right) <= 0:
        return right.ends_s
    last_gap_s = math.inf
    for _ in range(STEPS_MAX):
        width_s = float(right.ends_s[0] - left.ends_s[0])
        falling, rising = curve.rise(left), curve.rise(right)
        is_finite = math.isfinite(falling)
        if is_finite:
            meeting_s = (rising * width_s - (right.value_s - left.value_s)) / (rising - falling)
            lower_bound_s = left.value_s + falling * meeting_s
        else:
            meeting_s, lower_bound_s = 0.0, right.value_s - rising * width_s
        gap_s = min(left.value_s, right.value_s) - lower_bound_s
        if gap_s <= tolerance * right.value_s:
            break
        next_s = meeting_s
        if is_finite and gap_s < SLOW * last_gap_s:
            bend = 3.0 * (left.value_s - right.value_s) / width_s + falling + rising
            root = math.sqrt(bend * bend - falling * rising)
            next_s = width_s - width_s * (rising + root - bend) / (rising - falling + 2.0 * root)
        last_gap_s = gap_s
        next_s = min(max(next_s, SHRINK * width_s), (1.0 - SHRINK) * width_s)
        middle = curve.at(float(left.ends_s[0]) + next_s, _cubic_s(left, right, next_s))
        if curve.rise(middle) > 0:
            right = middle
        else:
            left = middle
    return min(left, right, key=lambda point: point.value_s).ends_s


def _cubic_s(left: _Point, right: _Point, position_s: float) -> float:
    """Return T_2 on the cubic through two points with their slopes, [s].

    It lies above both tangents, as the curve is convex. With an infinite slope on the left, it is the tangent
    on the right.

    Parameters
    ----------
    left, right : _Point
        The points.
    position_s : float
        T_1 less that of the left point, [s].
    """
    width_s = float(right.ends_s[0] - left.ends_s[0])
    rest_s = width_s - position_s
    tangent_s = float(right.ends_s[1]) - right.slope * rest_s
    if not math.isfinite(left.slope):
        return tangent_s
    part, rest = position_s / width_s, rest_s / width_s
    value_s = rest * rest * (float(left.ends_s[1]) * (1.0 + 2.0 * part) + left.slope * position_s)
    value_s += part * part * (float(right.ends_s[1]) * (1.0 + 2.0 * rest) - right.slope * rest_s)
    return max(value_s, tangent_s, float(left.ends_s[1]) + left.slope * position_s)


def _end(
    demand: StageDemand,
    ends_s: NDArray[np.float64],
    stage: int,
    earliest_s: NDArray[np.float64],
    step_max: float,
) -> tuple[float, NDArray[np.float64]]:
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
    step_max : float
        Newton's method ends with a step of this length, relative to the end.

    Returns
    -------
    float
        The end, [s].
    ndarray, [num_stages]
        The power that all clients save if the end of a stage is a second later, S_j, [W/s].
    """
    low = float(earliest_s[stage])
    saving_w_per_s = np.zeros(2)
    if np.isinf(low):
        return low, saving_w_per_s
    nudged = False
    trial_s = ends_s.copy()
    trial_s[stage] = low if np.isinf(ends_s[stage]) else max(low, ends_s[stage])
    for _ in range(STEPS_MAX):
        needed = demand.power_demand(trial_s)
        saving_w_per_s = needed.saving_w_per_s.sum(axis=1)
        excess_w = float(needed.power_w.sum()) - demand.limit_w
        if trial_s[stage] <= low and excess_w <= 0:
            return low, saving_w_per_s
        saving = float(saving_w_per_s[stage])
        if saving > 0:
            step_s = max(excess_w / saving, low - trial_s[stage])
        else:
            # Only the other stage needs the power; its rates end this stage as early as this.
            reached_s = max(low, float(demand.ends(needed.rate_bps[1 - stage])[stage]))
            step_s = reached_s * (1.0 - NUDGE) - trial_s[stage]
            if excess_w > LIMIT_SLACK * demand.limit_w:
                return math.inf, saving_w_per_s  # all power is too little for the end of the other stage
            if excess_w >= 0 or step_s >= 0 or nudged:
                return reached_s, saving_w_per_s
            nudged = True
        trial_s[stage] += step_s
        if abs(step_s) <= step_max * trial_s[stage]:
            break
    return float(trial_s[stage]), saving_w_per_s
