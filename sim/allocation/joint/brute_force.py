"""The true optimum of small instances, by brute force over subchannels and cuts, with exact power.

The search considers every assignment, but computes the optimal powers of few. An assignment beats the
incumbent only if its stages can end early enough within the common power limit. The least powers for such
ends have a closed form, water-filling, which is computed for all assignments at once. An assignment whose
least powers exceed the limit cannot beat the incumbent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...planning_error import PlanningError
from ...radio.rates import broadcast_rate, spectral_efficiency
from ...radio.resources import RadioResources
from ..planner import Plan, plan
from ..power.methods import optimal as optimal_power
from ..problem import RoundWork, link_rates, round_time_s, transfer_s
from ..subchannels.greedy import marginal_greedy

__all__ = ["ASSIGNMENTS_MAX", "optimal"]

ASSIGNMENTS_MAX = 100_000
LN2 = math.log(2.0)
GAIN_MIN = 1e-9  # relative; rounds that differ by less, as for equal subchannels, count as equal
GOLDEN_RATIO = (5**0.5 - 1) / 2
STEPS = 60  # of a golden-section search; the interval shrinks to 3e-13 of its length


def optimal(problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator) -> Plan:
    """Return the plan of the shortest round over every assignment and cut, with optimal power.

    The search considers only assignments that use every subchannel, because one more subchannel never
    lengthens a round. Its client may leave the uplink unused, its downlink gets faster, and a broadcast uses
    the whole band in any case.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work_by_cut : mapping of int to RoundWork
        The work of a round at each cut.
    rng : numpy.random.Generator
        Unused; the signature is that of every plan method.

    Returns
    -------
    Plan
        Its round time is the least one to 1e-9, relative.

    Raises
    ------
    PlanningError
        If there are more clients than subchannels, or more than 100,000 assignments.
    """
    clients, count = problem.num_clients, problem.num_subchannels
    if clients <= count and clients**count > ASSIGNMENTS_MAX:
        raise PlanningError(
            f"{clients} clients on {count} subchannels have {clients}^{count} assignments a cut;"
            f" brute force takes {ASSIGNMENTS_MAX:,} at most",
            ("allocation", "method"),
        )
    best = plan(problem, work_by_cut, marginal_greedy, optimal_power, cut=None, rng=rng)
    history_s = list(best.history_s)
    assignments = _Assignments(problem)
    searches = [_Search(problem, assignments, cut, work) for cut, work in work_by_cut.items()]
    for search in sorted(searches, key=lambda search: search.lower_bound_s):  # good plans prune later cuts
        for better in search.improvements(best):
            best = better
            history_s.append(best.predicted_s)
    return replace(best, history_s=tuple(history_s))


class _Assignments:
    """All assignments that serve every client and use every subchannel, with the power curves of their parts.

    A *part* is one client with one set of subchannels; many assignments share it. The least power of a part
    for a rate follows from water-filling. With ``g_k = Gγ_k/σ²`` and the level ``log2 μ``, each subchannel
    carries ``log2(μ g_k)`` bit/s/Hz, between 0 and the cap. So the rate is piecewise linear in the level, and
    the power in μ. Both have bends where a subchannel comes into use or reaches the cap.

    Attributes
    ----------
    client_of : ndarray of int, [num_assignments, num_subchannels]
        Client of each subchannel in each assignment, from 0.
    part : ndarray of int, [num_assignments, num_clients]
        Index of each client's part in each assignment.
    downlink_bps : ndarray, [num_parts]
        Downlink rates, [bit/s].
    uplink_max_bps : ndarray, [num_parts]
        Uplink rates at the client's full power, [bit/s].
    """

    def __init__(self, problem: RadioResources) -> None:
        clients, count = problem.num_clients, problem.num_subchannels
        every = np.arange(clients**count)[:, np.newaxis] // clients ** np.arange(count) % clients
        # [num_all, num_clients, num_subchannels]
        is_clients = every[:, np.newaxis, :] == np.arange(clients)[:, np.newaxis]
        serves_all = is_clients.any(axis=2).all(axis=1)
        self.client_of = every[serves_all].astype(np.intp)
        index_of_client = np.broadcast_to(
            np.arange(clients)[:, np.newaxis], (len(self.client_of), clients, 1)
        )
        keys = np.concatenate((index_of_client, is_clients[serves_all]), axis=2).reshape(-1, 1 + count)
        parts, index = np.unique(keys, axis=0, return_inverse=True)
        self.part = index.reshape(-1, clients)
        self._hz, self._cap = problem.band.subchannel_hz, problem.band.efficiency_cap_bps_per_hz
        client, contains = parts[:, 0], parts[:, 1:].astype(bool)
        self._tabulate(np.where(contains, problem.band.snr_per_w_per_hz(problem.gains)[client], 0.0))
        self.downlink_bps = self._downlinks(problem, client, contains)
        self.uplink_max_bps = self._rates_at(problem.power_max_w[client])

    def _downlinks(
        self, problem: RadioResources, client: NDArray[np.intp], contains: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        snr = problem.band.downlink_w_per_hz * problem.band.snr_per_w_per_hz(problem.gains)
        rates_bps = self._hz * spectral_efficiency(snr, self._cap)
        total_bps: NDArray[np.float64] = np.where(contains, rates_bps[client], 0.0).sum(axis=1)
        return total_bps

    def _tabulate(self, snr_per_w_per_hz: NDArray[np.float64]) -> None:
        """Tabulate level, rate and power at the bends, and the bandwidth that fills after each bend."""
        with np.errstate(divide="ignore"):
            bends = -np.log2(snr_per_w_per_hz)  # inf for subchannels outside the part
        change = np.isfinite(bends).astype(int)
        if np.isfinite(self._cap):
            bends, change = np.hstack((bends, bends + self._cap)), np.hstack((change, -change))
        order = np.argsort(bends, axis=1, kind="stable")
        bends = np.take_along_axis(bends, order, axis=1)
        last = np.where(np.isfinite(bends), bends, -np.inf).max(axis=1, keepdims=True)
        self._level = np.minimum(bends, last)  # [num_parts, num_bends]
        self._filling_hz = self._hz * np.cumsum(np.take_along_axis(change, order, axis=1), axis=1)
        zero, width_hz = np.zeros((len(bends), 1)), self._filling_hz[:, :-1]
        self._rate = np.hstack((zero, np.cumsum(width_hz * np.diff(self._level), axis=1)))
        self._power = np.hstack((zero, np.cumsum(width_hz * np.diff(np.exp2(self._level)), axis=1)))

    def _rates_at(self, power_w: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rate of each part at a power, [num_parts], [bit/s]."""
        at = (np.arange(len(power_w)), (self._power <= power_w[:, np.newaxis]).sum(axis=1) - 1)
        level, filling_hz = self._level[at], self._filling_hz[at]
        water = np.exp2(level) + (power_w - self._power[at]) / np.maximum(filling_hz, self._hz)
        rate_bps: NDArray[np.float64] = self._rate[at] + filling_hz * (np.log2(water) - level)
        return rate_bps

    def powers_w(self, part: NDArray[np.intp], rate_bps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the least powers of parts for rates, [W]; the result has the shape of ``part``.

        Parameters
        ----------
        part : ndarray of int, any shape
            Indices of parts.
        rate_bps : ndarray, the same shape
            Rates, at most those at full power, [bit/s].
        """
        at = (part, (self._rate[part] <= rate_bps[..., np.newaxis]).sum(axis=-1) - 1)
        level, filling_hz = self._level[at], self._filling_hz[at]
        more = (rate_bps - self._rate[at]) / np.maximum(filling_hz, self._hz)
        power_w: NDArray[np.float64] = self._power[at] + filling_hz * np.exp2(level) * np.expm1(more * LN2)
        return power_w


class _Search:
    """The search for better assignments at one cut.

    A round takes ``T_1 + a T_2 + rest``, with the ends of the two stages in which clients send, the share a
    of the rounds that average models, and a rest that no power changes (docs/model.md, equation P6).
    """

    def __init__(self, problem: RadioResources, assignments: _Assignments, cut: int, work: RoundWork) -> None:
        self._problem, self._all, self._cut, self._work = problem, assignments, cut, work
        self._share = work.averaging_share
        self._upload_bits = work.model_upload_bits if self._share > 0 else 0.0
        part = assignments.part
        self._backward_end_s = (
            transfer_s(work.downlink_bits, assignments.downlink_bps[part]) + work.after_downlink_s
        )
        fastest_bps = assignments.uplink_max_bps[part]
        broadcast_bps = np.asarray(broadcast_rate(problem.band, problem.gains))
        bits = work.broadcast_bits + self._share * work.model_broadcast_bits
        common_s = work.server_s + transfer_s(bits, broadcast_bps)
        self._rest_s = common_s + (1.0 - self._share) * self._backward_end_s.max(axis=1)
        # No client ends a stage earlier than with its full power.
        self._ends_s = np.stack(
            (
                (work.before_uplink_s + transfer_s(work.uplink_bits, fastest_bps)).max(axis=1),
                (self._backward_end_s + transfer_s(self._upload_bits, fastest_bps)).max(axis=1),
            )
        )  # [num_stages, num_assignments]
        self._bounds_s = self._rest_s + self._ends_s[0] + self._share * self._ends_s[1]

    @property
    def lower_bound_s(self) -> float:
        """Return a lower bound on the round time of all assignments, [s]."""
        return float(self._bounds_s.min())

    def improvements(self, best: Plan) -> Iterator[Plan]:
        """Yield plans at this cut; each is better than the one before, the first than ``best``."""
        remaining = np.arange(len(self._bounds_s))
        while True:
            target_s = best.predicted_s * (1.0 - GAIN_MIN)
            remaining = remaining[self._bounds_s[remaining] <= target_s]
            excess_w = self._excess_w(remaining, target_s)
            remaining, excess_w = remaining[excess_w <= 0], excess_w[excess_w <= 0]
            if not remaining.size:
                return
            promising = int(excess_w.argmin())
            candidate = self._plan(self._all.client_of[remaining[promising]])
            remaining = np.delete(remaining, promising)
            if candidate.predicted_s < best.predicted_s:
                best = candidate
                yield best

    def _plan(self, client_of: NDArray[np.intp]) -> Plan:
        """Return the plan of one assignment with optimal power."""
        psd_w_per_hz = optimal_power(self._problem, self._work, client_of)
        rates = link_rates(self._problem, client_of, psd_w_per_hz)
        return Plan(self._cut, client_of, psd_w_per_hz, rates, round_time_s(self._work, rates))

    def _excess_w(self, index: NDArray[np.intp], target_s: float) -> NDArray[np.float64]:
        """Return the excess over the common power limit in rounds of ``target_s``, [W].

        Parameters
        ----------
        index : ndarray of int
            Indices of assignments; the result has the same shape.
        target_s : float
            Round time, [s].
        """
        earliest_s = self._ends_s[:, index]
        budget_s = target_s - self._rest_s[index]  # for T_1 + a T_2
        latest_s = budget_s - self._share * earliest_s[1]  # of T_1
        if self._share == 0:
            return self._needed_w(index, latest_s, np.inf) - self._problem.total_power_max_w
        latest_second_s = (budget_s - earliest_s[0]) / self._share
        excess_w = self._needed_w(index, latest_s, latest_second_s) - self._problem.total_power_max_w
        # The others exceed the limit even with both stages at their latest ends.
        near = np.flatnonzero(excess_w <= 0)
        index, budget_s = index[near], budget_s[near]

        def needed_w(first_s: NDArray[np.float64]) -> NDArray[np.float64]:
            return self._needed_w(index, first_s, (budget_s - first_s) / self._share)

        # The power that both stages need together is convex in the end of the first.
        excess_w[near] = (
            _minimum(needed_w, earliest_s[0, near], latest_s[near]) - self._problem.total_power_max_w
        )
        return excess_w

    def _needed_w(
        self, index: NDArray[np.intp], first_s: NDArray[np.float64], second_s: NDArray[np.float64] | float
    ) -> NDArray[np.float64]:
        """Return the least power of all clients together for given stage ends, [len(index)], [W]."""
        ends_s = np.broadcast_to(second_s, first_s.shape)
        rate_bps = np.maximum(
            _rates(self._work.uplink_bits, first_s[:, np.newaxis] - self._work.before_uplink_s),
            _rates(self._upload_bits, ends_s[:, np.newaxis] - self._backward_end_s[index]),
        )
        needed_w: NDArray[np.float64] = self._all.powers_w(self._all.part[index], rate_bps).sum(axis=1)
        return needed_w


def _rates(bits: float, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rates that carry the bits in each time, [bit/s]."""
    return bits / time_s if bits > 0 else np.zeros_like(time_s)


def _minimum(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the minima of convex functions, each between its own bounds, by golden-section search."""
    width = high - low
    inner, outer = high - GOLDEN_RATIO * width, low + GOLDEN_RATIO * width
    at_inner, at_outer = function(inner), function(outer)
    least = np.minimum(np.minimum(function(low), function(high)), np.minimum(at_inner, at_outer))
    for _ in range(STEPS):
        falls = at_outer < at_inner
        low, high = np.where(falls, inner, low), np.where(falls, high, outer)
        width = high - low
        fresh = np.where(falls, low + GOLDEN_RATIO * width, high - GOLDEN_RATIO * width)
        at_fresh = function(fresh)
        inner, outer = np.where(falls, outer, fresh), np.where(falls, fresh, inner)
        at_inner, at_outer = np.where(falls, at_outer, at_fresh), np.where(falls, at_fresh, at_inner)
        least = np.minimum(least, at_fresh)
    return least
