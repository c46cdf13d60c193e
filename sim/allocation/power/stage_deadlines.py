"""When the stages of a round can end at the earliest, for given subchannels and optimal power."""

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

TOLERANCE = 1e-14  # relative; Newton's method is far nearer when its step is this short
GAP = 1e-13  # relative; what a minimum may be above the true one
NUDGE = 1e-10  # relative; to the side of a bend on which the slope is that of the stage in question
STEPS_MAX = 100  # of Newton's method, which takes about six


class PowerDemand(NamedTuple):
    """What given ends ask of the clients.

    Attributes
    ----------
    rate_bps : [num_stages, num_clients], float
        The rates that each stage needs, [bit/s].
    levels : [num_clients], float
        The water levels of the least powers.
    power_w : [num_clients], float
        The least powers, [W].
    saved_w_per_s : [num_stages, num_clients], float
        The power that a later end of each stage would save, [W/s]: of the stage that needs the greater rate.
    """

    rate_bps: NDArray[np.float64]
    levels: NDArray[np.float64]
    power_w: NDArray[np.float64]
    saved_w_per_s: NDArray[np.float64]


class StageDemand:
    """What ending the first stage by T1 and the second by T2 takes of each client.

    Ends are given as a pair [T1, T2] of seconds, the second counted from its own start; inf where a stage has
    no bits to send. Without averaging the second stage needs no power.

    Parameters
    ----------
    problem : the resources
    work : what the round asks for
    client_of : [num_subchannels], int
        The client of each subchannel, from 0; -1 for none.

    Attributes
    ----------
    filling : WaterFilling
        The least powers.
    starts_s : [num_stages, num_clients], float
        When each client starts to send in each stage, [s].
    bits : [num_stages], float
        What it sends, [bit].

    Raises
    ------
    PlanningError
        If a client has no subchannel.
    """

    def __init__(self, problem: RadioResources, work: RoundWork, client_of: NDArray[np.intp]) -> None:
        self.filling = WaterFilling(problem, client_of)
        self.limit_w = problem.total_power_max_w
        downlink_bps = downlink_rates(problem.band, problem.gains, client_of)
        second_s = transfer_s(work.downlink_bits, downlink_bps) + work.after_downlink_s
        self.starts_s = np.stack((work.before_uplink_s, second_s))
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

    def strain(self, ends_s: NDArray[np.float64]) -> PowerDemand:
        """Return what the least powers that meet both ends are, and how they fall with later ends."""
        rate_bps = self.rates(ends_s)
        levels, power_w = self.filling.levels_and_powers_w(rate_bps.max(axis=0))
        saved = self.filling.marginal_w_per_bps(levels) * rate_bps / (ends_s[:, np.newaxis] - self.starts_s)
        first_binds = rate_bps[0] >= rate_bps[1]
        saved *= np.stack((first_binds, ~first_binds))
        return PowerDemand(rate_bps, levels, power_w, saved)


def minimal_stage_times(needs: StageDemand, share: float, tolerance: float = GAP) -> NDArray[np.float64]:
    """Return the ends [T1, T2] that minimise T1 + share·T2 within all limits, [s].

    Parameters
    ----------
    needs : of the clients
    share : float
        Weight of the second end, from 0 to 1, [1].
    tolerance : float
        What the sum may be above the least, relative, [1].

    Returns
    -------
    ends_s : [num_stages], float
        Ends, [s]; inf where a stage has no bits to send.
    """
    # A client alone, with all of its own power, ends no earlier than this.
    earliest_s = np.where(needs.bits > 0, needs.ends(needs.filling.rate_max_bps), np.inf)
    if needs.strain(earliest_s).power_w.sum() <= needs.limit_w:
        return earliest_s
    alone_s = np.array([_end(needs, np.array([np.inf, np.inf]), stage, earliest_s) for stage in range(2)])
    if np.isinf(alone_s).any():
        return alone_s

    def follow(first_s: float, second_s: float) -> tuple[NDArray[np.float64], float]:
        """Return the ends where the first stage has this one, and the slope of T2 by T1 there.

        The end of the second stage is searched from a given one.
        """
        ends_s = np.array([first_s, second_s])
        ends_s[1] = _end(needs, ends_s, 1, earliest_s)
        if ends_s[1] <= earliest_s[1]:
            return ends_s, 0.0  # more power for the second stage would not shorten it
        saved = needs.strain(ends_s).saved_w_per_s.sum(axis=1)
        return ends_s, -float(saved[0] / saved[1]) if saved[1] > 0 else -math.inf

    # From here on the second stage, all power spent on it, gains nothing by a later end of the first.
    latest_s = needs.ends(needs.rates(np.array([np.inf, alone_s[1]]))[1])[0]
    low_s, high_s = np.array([alone_s[0], earliest_s[1]]), np.array([latest_s, alone_s[1]])
    return _least_sum(follow, share, low_s, high_s, tolerance)


def _least_sum(
    follow: Callable[[float, float], tuple[NDArray[np.float64], float]],
    share: float,
    low_s: NDArray[np.float64],
    high_s: NDArray[np.float64],
    tolerance: float,
) -> NDArray[np.float64]:
    """Return the ends of the least T1 + share·T2, a convex function of T1 between two bounds.

    The tangents at both sides of the minimum meet below it: there it is, if it is a bend. If it is not, the
    secant of the slopes is nearer to it; the two take turns, until the tangents leave nothing to gain.
    """
    weights = np.array([1.0, share])
    left, left_slope = follow(*low_s)
    if 1.0 + share * left_slope >= 0:
        return left
    right, right_slope = follow(*high_s)
    if 1.0 + share * right_slope <= 0:
        return right
    for step in range(STEPS_MAX):
        wide_s = right[0] - left[0]
        falling, rising = 1.0 + share * left_slope, 1.0 + share * right_slope
        next_s, begin_s = 0.01 * wide_s, right[1]
        if math.isfinite(falling):
            first_s, last_s = float(weights @ left), float(weights @ right)
            met_s = (rising * wide_s - (last_s - first_s)) / (rising - falling)
            if min(first_s, last_s) - (first_s + falling * met_s) <= tolerance * first_s:
                break
            turned_s = wide_s * falling / (falling - rising)
            next_s = min(max(turned_s if step % 2 else met_s, 0.01 * wide_s), 0.99 * wide_s)
            begin_s = max(begin_s, left[1] + left_slope * next_s)
        # The second end is convex in the first, and so not before its tangents.
        begin_s = max(begin_s, right[1] - right_slope * (wide_s - next_s))
        tried, slope = follow(left[0] + next_s, begin_s)
        if 1.0 + share * slope > 0:
            right, right_slope = tried, slope
        else:
            left, left_slope = tried, slope
    return min(left, right, key=lambda ends_s: float(weights @ ends_s))


def _end(
    needs: StageDemand, ends_s: NDArray[np.float64], stage: int, earliest_s: NDArray[np.float64]
) -> float:
    """Return the least end of one stage at which all keep to the common limit, the other's end given, [s].

    The sum of the least powers falls with the end and is convex in it. So Newton's method, once it is before
    the root, comes nearer from there without passing it; it starts from the end that is given.
    """
    low = float(earliest_s[stage])
    if np.isinf(low):
        return low
    nudged = False
    tried_s = ends_s.copy()
    tried_s[stage] = low if np.isinf(ends_s[stage]) else max(low, ends_s[stage])
    for _ in range(STEPS_MAX):
        strain = needs.strain(tried_s)
        excess_w = float(strain.power_w.sum()) - needs.limit_w
        if tried_s[stage] <= low and excess_w <= 0:
            return low
        saved = float(strain.saved_w_per_s[stage].sum())
        if saved > 0:
            step_s = max(excess_w / saved, low - tried_s[stage])
        else:
            # The power is for the other stage alone, whose rates end this one as early as this.
            reached_s = max(low, float(needs.ends(strain.rate_bps[1 - stage])[stage]))
            step_s = reached_s * (1.0 - NUDGE) - tried_s[stage]
            if excess_w >= 0 or step_s >= 0 or nudged:
                return reached_s
            nudged = True
        tried_s[stage] += step_s
        if abs(step_s) <= TOLERANCE * tried_s[stage]:
            break
    return float(tried_s[stage])
