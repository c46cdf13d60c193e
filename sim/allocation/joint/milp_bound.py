"""Lower bound on the round time of any plan, for instances that are too large for brute force.

For one cut, the joint choice of subchannels and power is relaxed to a mixed-integer linear program, which
HiGHS solves. Rates are concave in the power, and times are convex in the rate. Tangents therefore bound both
on the side that keeps the bound valid (outer approximation: Duran, Grossmann 1986). A tangent to a rate is
scaled by the share of the subchannel, and so stays tight for fractional shares (perspective cuts: Frangioni,
Gentile 2006). New tangents are added where a solution violates the curve that they approximate.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...radio.rates import broadcast_rate, spectral_efficiency
from ...radio.resources import RadioResources, uniform_power_w
from ..linear_program import LinearProgram
from ..problem import RoundWork, transfer_s

__all__ = ["lower_bound_s"]


Floats: TypeAlias = NDArray[np.float64]
Columns: TypeAlias = NDArray[np.intp]

Step: TypeAlias = Literal["nothing", "counts", "shares"]

STEPS: tuple[Step, ...] = ("nothing", "counts", "shares")
"""Variables that must be integers: none; the number of each client's subchannels; the shares."""

LN2 = math.log(2.0)
MARGIN = 1e-6  # relative; HiGHS solves a program with numbers near 1 to 1e-7
CLOSE = 1e-5  # relative; smaller violations of a curve add no tangent
REFINEMENTS_MAX = 12  # of one step
FIRST_TANGENTS = (0.3, 1.0, 3.0)  # relative to uniform power and to an equal number of subchannels


def lower_bound_s(
    problem: RadioResources, work_by_cut: Mapping[int, RoundWork], *, time_limit_s: float = 5.0
) -> float:
    """Return a lower bound on the round time of all plans, [s].

    The result is the least of the cuts' bounds. So the search raises the bound of the cut with the least one,
    step by step, until that cut has no step left or the time is over. The bound is valid at any time; more
    time or a faster machine may raise it.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work_by_cut : mapping of int to RoundWork
        The work of a round at each cut.
    time_limit_s : float
        Wall-clock limit, [s]; 0 gives each cut's first, simple bound.

    Returns
    -------
    float
        The bound, [s]; inf if no plan exists, for example with more clients than subchannels.
    """
    deadline_s = time.monotonic() + time_limit_s
    relaxations = [_Relaxation(problem, work) for work in work_by_cut.values()]
    while True:
        lowest = min(relaxations, key=lambda relaxation: relaxation.bound_s)
        remaining_s = deadline_s - time.monotonic()
        if not lowest.steps or remaining_s <= 0 or math.isinf(lowest.bound_s):
            return lowest.bound_s
        lowest.improve(remaining_s if len(relaxations) == 1 else remaining_s / 2)


@dataclass(frozen=True)
class _Variables:
    """Indices of the program's variables, in named blocks.

    Attributes
    ----------
    share : ndarray of int, [num_clients, num_subchannels]
        Share of the subchannel that the client has, from 0 to 1.
    power : ndarray of int, [num_clients, num_subchannels]
        Uplink power of the client on the subchannel, in units of the client's limit.
    rate : ndarray of int, [num_clients, num_subchannels]
        Uplink rate of the client on the subchannel, in the client's unit of rate.
    number : ndarray of int, [num_clients]
        Number of the client's subchannels.
    link_time : ndarray of int, [2, num_clients]
        Time of the client's uplink and of its downlink, in units of time.
    stage_end : ndarray of int, [3]
        End of the first stage, of the second one, and of the second one with the model upload.
    count : int
        Number of all variables.
    """

    share: Columns
    power: Columns
    rate: Columns
    number: Columns
    link_time: Columns
    stage_end: Columns
    count: int

    @staticmethod
    def of(num_clients: int, num_subchannels: int) -> _Variables:
        """Return consecutive indices for all blocks."""
        count = 0

        def block(*shape: int) -> Columns:
            nonlocal count
            indices = count + np.arange(math.prod(shape)).reshape(shape)
            count += indices.size
            return indices

        share, power, rate = (block(num_clients, num_subchannels) for _ in range(3))
        number, link_time, stage_end = block(num_clients), block(2, num_clients), block(3)
        return _Variables(share, power, rate, number, link_time, stage_end, count)


class _Relaxation:
    """The program of one cut, and the best bound so far.

    Solvers need numbers near 1. Powers are therefore in units of the client's limit, and times in units of
    the first bound. Uplink rates are in units of the mean rate at uniform power on one subchannel, downlink
    rates in units of the mean rate.

    Attributes
    ----------
    bound_s : float
        Lower bound on the round time at this cut, [s].
    steps : list of Step
        Steps that may still raise the bound.
    """

    def __init__(self, problem: RadioResources, work: RoundWork) -> None:
        self.steps = list(STEPS)
        clients, count = problem.gains.shape
        band, share = problem.band, work.averaging_share
        snr_per_w_per_hz = band.snr_per_w_per_hz(problem.gains)
        self._cap = band.efficiency_cap_bps_per_hz
        # Signal-to-noise ratio with all of the client's power on the subchannel.
        self._snr = snr_per_w_per_hz * (problem.power_max_w / band.subchannel_hz)[:, np.newaxis]
        self._upload_bits = work.model_upload_bits if share > 0 else 0.0
        self._sent_bits = work.uplink_bits + self._upload_bits
        self._end_weights = np.array([1.0, 1.0 - share, share])
        downlink = spectral_efficiency(band.downlink_w_per_hz * snr_per_w_per_hz, self._cap)
        self._set_first_bound(problem, work, downlink)
        self._set_units(problem, work, downlink)
        self._variables = _Variables.of(clients, count)
        self._program = LinearProgram()
        self._add_resource_limits(problem)
        self._add_stage_ends(work)
        for factor in FIRST_TANGENTS:
            self._add_rate_tangents(np.nonzero(self._flat), np.minimum(factor * self._flat, 1.0).ravel())
            for link in range(2):
                self._add_time_tangents(link, np.arange(clients), np.full(clients, factor * count / clients))

    def improve(self, time_limit_s: float) -> None:
        """Take the next step: solve the program and add tangents, until they hold or the time is over."""
        step = self.steps.pop(0)
        deadline_s = time.monotonic() + time_limit_s
        for _ in range(REFINEMENTS_MAX):
            remaining_s = deadline_s - time.monotonic()
            solution = self._solve(step, remaining_s) if remaining_s > 0 else None
            if solution is None or not self._refine(solution):
                return

    def _set_first_bound(self, problem: RadioResources, work: RoundWork, downlink: Floats) -> None:
        """Set the bound to the round time if each client had the whole band for itself."""
        band, count, share = problem.band, problem.num_subchannels, work.averaging_share
        hz = band.subchannel_hz
        # Every subchannel of an uplink is taken to be as good as the client's best one.
        most_bps = hz * count * spectral_efficiency(self._snr.max(axis=1) / count, self._cap)
        backward_end_s = transfer_s(work.downlink_bits, hz * downlink.sum(axis=1)) + work.after_downlink_s
        ends_s = (
            work.before_uplink_s + transfer_s(work.uplink_bits, most_bps),
            backward_end_s,
            backward_end_s + transfer_s(self._upload_bits, most_bps),
        )
        broadcast_bits = work.broadcast_bits + share * work.model_broadcast_bits
        broadcast_bps = np.asarray(broadcast_rate(band, problem.gains))
        self._common_s = work.server_s + float(transfer_s(broadcast_bits, broadcast_bps))
        self.bound_s = self._common_s + float(self._end_weights @ [end_s.max() for end_s in ends_s])
        self._time_unit_s = self.bound_s or 1.0

    def _set_units(self, problem: RadioResources, work: RoundWork, downlink: Floats) -> None:
        """Set uniform power, the units of rates, and the times of links in these units."""
        clients, count = problem.gains.shape
        hz = problem.band.subchannel_hz
        flat = uniform_power_w(problem) / problem.power_max_w * min(1.0, clients / count)
        self._flat = np.repeat(flat[:, np.newaxis], count, axis=1)
        self._rate_unit = spectral_efficiency(flat[:, np.newaxis] * self._snr, self._cap).mean(axis=1)
        downlink_unit = downlink.mean(axis=1)
        # Rate of a link for one unit of its variables on each subchannel: uplink rates, downlink shares.
        # [num_links, num_clients, num_subchannels]
        self._unit_rates = np.stack((np.ones_like(downlink), downlink / downlink_unit[:, np.newaxis]))
        # Time of a link at a rate of 1 unit; [num_links, num_clients]
        self._unit_times = (
            np.stack((self._sent_bits / (hz * self._rate_unit), work.downlink_bits / (hz * downlink_unit)))
            / self._time_unit_s
        )

    def _add_resource_limits(self, problem: RadioResources) -> None:
        """Add rows for subchannels, power limits and the cap of the spectral efficiency."""
        program, share, power = self._program, self._variables.share, self._variables.power
        program.add(1.0, (share.T, 1.0))  # each subchannel is assigned once
        # The number of a client's subchannels is the sum of its shares.
        program.add(0.0, (share, 1.0), (self._variables.number, -1.0))
        program.add(0.0, (share, -1.0), (self._variables.number, 1.0))
        program.add(1.0, (power, 1.0))  # the limit of each client
        relative_limit = np.repeat(problem.power_max_w / problem.total_power_max_w, power.shape[1])
        program.add(1.0, (power.reshape(1, -1), relative_limit))  # the common limit
        program.add(0.0, (power.ravel(), 1.0), (share.ravel(), -1.0))  # no power without a share
        if math.isfinite(self._cap):
            cap = np.repeat(self._cap / self._rate_unit, share.shape[1])
            program.add(0.0, (self._variables.rate.ravel(), 1.0), (share.ravel(), -cap))

    def _add_stage_ends(self, work: RoundWork) -> None:
        """Add rows which say that a stage ends with its last client."""
        uplink, downlink = self._variables.link_time
        first, second, with_upload = (np.full(len(uplink), end) for end in self._variables.stage_end)
        before, after = -work.before_uplink_s / self._time_unit_s, -work.after_downlink_s / self._time_unit_s
        sent_bits = self._sent_bits or 1.0
        self._program.add(before, (uplink, work.uplink_bits / sent_bits), (first, -1.0))
        self._program.add(after, (downlink, 1.0), (second, -1.0))
        upload = (uplink, self._upload_bits / sent_bits)
        self._program.add(after, (downlink, 1.0), upload, (with_upload, -1.0))

    def _add_rate_tangents(self, at: tuple[Columns, ...], power: Floats) -> None:
        """Add tangents to uplink rates as functions of the power.

        Parameters
        ----------
        at : pair of ndarray of int
            Clients and subchannels.
        power : ndarray
            Power for a full share at which each tangent touches the curve, in units of the client's limit.
        """
        variables, snr, unit = self._variables, self._snr[at], self._rate_unit[at[0]]
        slope = snr / ((1.0 + snr * power) * LN2 * unit)
        start = np.log1p(snr * power) / (LN2 * unit) - slope * power
        self._program.add(
            0.0, (variables.rate[at], 1.0), (variables.power[at], -slope), (variables.share[at], -start)
        )

    def _add_time_tangents(self, link: int, client: Columns, rate: Floats) -> None:
        """Add tangents to the times of links as functions of the rate.

        Parameters
        ----------
        link : int
            0 for uplinks, 1 for downlinks.
        client : ndarray of int
            Clients.
        rate : ndarray
            Rate of the link at which each tangent touches the curve, in units of rate.
        """
        variables = (self._variables.rate, self._variables.share)[link][client]
        slope = (self._unit_times[link, client] / rate**2)[:, np.newaxis]
        upper = -2.0 * self._unit_times[link, client] / rate
        self._program.add(
            upper,
            (self._variables.link_time[link, client], -1.0),
            (variables, -slope * self._unit_rates[link, client]),
        )

    def _solve(self, step: Step, time_limit_s: float) -> Floats | None:
        """Solve the present program, raise the bound, and return the solution if there is one."""
        variables = self._variables
        is_integer = np.zeros(variables.count, dtype=np.intp)
        is_integer[variables.number] = step == "counts"
        is_integer[variables.share] = step == "shares"
        lower, upper = np.zeros(variables.count), np.full(variables.count, np.inf)
        lower[variables.number], upper[variables.share] = 1.0, 1.0
        cost = np.zeros(variables.count)
        cost[variables.stage_end] = self._end_weights
        result = self._program.minimise(
            cost, is_integer=is_integer, lower=lower, upper=upper, time_limit_s=time_limit_s
        )
        if result.status == 2:  # infeasible
            self.bound_s = math.inf
            return None
        # An unfinished linear program has no dual bound; a finished one is its own bound.
        dual = result.mip_dual_bound if is_integer.any() else result.fun if result.status == 0 else None
        if dual is not None:
            bound_s = self._common_s + float(dual) * self._time_unit_s * (1.0 - MARGIN)
            self.bound_s = max(self.bound_s, bound_s)
        return None if result.x is None else np.asarray(result.x)

    def _refine(self, solution: Floats) -> bool:
        """Add tangents where a solution violates a curve, and return whether it does so anywhere."""
        variables = self._variables
        share, power, rate = (solution[of] for of in (variables.share, variables.power, variables.rate))
        per_share = np.clip(power / np.maximum(share, 1e-9), 1e-3 * self._flat, 1.0)
        curve = share * np.log1p(self._snr * per_share) / (LN2 * self._rate_unit[:, np.newaxis])
        is_above = (share > 1e-6) & (rate > curve * (1.0 + CLOSE) + 1e-6)
        if is_above.any():
            self._add_rate_tangents(np.nonzero(is_above), per_share[is_above])
        violated = bool(is_above.any())
        for link, values in enumerate((rate, share)):
            link_rate = np.maximum((self._unit_rates[link] * values).sum(axis=1), 1e-6)
            is_below = solution[variables.link_time[link]] < self._unit_times[link] / link_rate * (
                1.0 - CLOSE
            )
            if is_below.any():
                self._add_time_tangents(link, np.flatnonzero(is_below), link_rate[is_below])
            violated |= bool(is_below.any())
        return violated
