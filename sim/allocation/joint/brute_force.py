"""The true optimum of small instances, by brute force over subchannels and cuts, with exact power.

Every assignment is looked at, but few need their powers worked out: those of an assignment that beats the
best so far would end each stage early enough, and the least powers for that are water-filling (in closed
form, for all assignments at once). An assignment whose least powers pass the limit is no better.
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
GAIN_MIN = 1e-9  # relative; among rounds that differ by less, as those of alike subchannels, any will do
GOLDEN = (5**0.5 - 1) / 2
STEPS = 60  # of a golden section: the interval shrinks to 3e-13 of its length


def optimal(problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator) -> Plan:
    """Return the plan of the shortest round there is: every assignment and cut, with optimal power.

    Only assignments that use every subchannel are looked at. A further subchannel harms nobody: its client_of
    may leave its uplink unused, the downlink gains by it, and a broadcast takes the whole band anyway.

    Parameters
    ----------
    problem : the resources
    work_by_cut : what a round asks for at each cut
    rng : unused; there for methods that draw

    Returns
    -------
    Plan
        The shortest, to 1e-9 relative.

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
    for search in sorted(searches, key=lambda search: search.shortest_s):  # a good start prunes the rest
        for better in search.improvements(best):
            best = better
            history_s.append(best.predicted_s)
    return replace(best, history_s=tuple(history_s))


class _Assignments:
    """Every assignment that serves all clients and uses all subchannels, and the power curve of each part.

    A part is one client with one set of subchannels; assignments share them. The least power of a part for
    a rate is water-filling: with ``g_k = Gγ_k/σ²`` and the level ``log2 μ``, each subchannel carries
    ``log2(μ g_k)`` bits/s/Hz, between 0 and the cap. So the rate is piecewise linear in the level, and the
    power in μ, with bends where a subchannel starts to be used or reaches the cap.
    """

    def __init__(self, problem: RadioResources) -> None:
        clients, count = problem.num_clients, problem.num_subchannels
        every = np.arange(clients**count)[:, np.newaxis] // clients ** np.arange(count) % clients
        mine = every[:, np.newaxis, :] == np.arange(clients)[:, np.newaxis]  # [all, num_clients, M]
        served = mine.any(axis=2).all(axis=1)
        self.owners = every[served].astype(np.intp)  # [num_assignments, M]
        named = np.broadcast_to(np.arange(clients)[:, np.newaxis], (len(self.owners), clients, 1))
        keys = np.concatenate((named, mine[served]), axis=2).reshape(-1, 1 + count)
        parts, index = np.unique(keys, axis=0, return_inverse=True)
        self.part = index.reshape(-1, clients)  # [num_assignments, num_clients]
        self._hz, self._cap = problem.band.subchannel_hz, problem.band.efficiency_cap_bps_per_hz
        client, has = parts[:, 0], parts[:, 1:].astype(bool)
        self._tabulate(np.where(has, problem.band.snr_per_w_per_hz(problem.gains)[client], 0.0))
        self.downlink_bps = self._downlinks(problem, client, has)  # [num_parts]
        self.uplink_max_bps = self._rates_at(problem.power_max_w[client])  # [num_parts]

    def _downlinks(
        self, problem: RadioResources, client: NDArray[np.intp], has: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        snr = problem.band.downlink_w_per_hz * problem.band.snr_per_w_per_hz(problem.gains)
        rates_bps = self._hz * spectral_efficiency(snr, self._cap)
        total_bps: NDArray[np.float64] = np.where(has, rates_bps[client], 0.0).sum(axis=1)
        return total_bps

    def _tabulate(self, snr_per_w_per_hz: NDArray[np.float64]) -> None:
        """Tabulate level, rate and power at the bends, and how many subchannels fill from each bend on."""
        with np.errstate(divide="ignore"):
            bends = -np.log2(snr_per_w_per_hz)  # inf where a subchannel is not the part's
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
        """Return each part's rate with so much power, [num_parts], [bit/s]."""
        at = (np.arange(len(power_w)), (self._power <= power_w[:, np.newaxis]).sum(axis=1) - 1)
        level, filling_hz = self._level[at], self._filling_hz[at]
        water = np.exp2(level) + (power_w - self._power[at]) / np.maximum(filling_hz, self._hz)
        rate_bps: NDArray[np.float64] = self._rate[at] + filling_hz * (np.log2(water) - level)
        return rate_bps

    def powers_w(self, part: NDArray[np.intp], rate_bps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the least powers of parts for rates up to their greatest, [...], [W].

        Parameters
        ----------
        part : [...], int
            Indices of parts.
        rate_bps : [...], float
            Rates, [bit/s].
        """
        at = (part, (self._rate[part] <= rate_bps[..., np.newaxis]).sum(axis=-1) - 1)
        level, filling_hz = self._level[at], self._filling_hz[at]
        more = (rate_bps - self._rate[at]) / np.maximum(filling_hz, self._hz)
        power_w: NDArray[np.float64] = self._power[at] + filling_hz * np.exp2(level) * np.expm1(more * LN2)
        return power_w


class _Search:
    """The search of one cut: which assignments can still beat the best plan so far?

    A round is ``T1 + a T2 + rest``: the first stage, the second in rounds that exchange models, a the share
    of those, and what no power changes (docs/model.md section 3).
    """

    def __init__(self, problem: RadioResources, assignments: _Assignments, cut: int, work: RoundWork) -> None:
        self._problem, self._all, self._cut, self._work = problem, assignments, cut, work
        self._share = work.averaging_share
        self._upload_bits = work.model_upload_bits if self._share > 0 else 0.0
        part = assignments.part
        self._second_s = (
            transfer_s(work.downlink_bits, assignments.downlink_bps[part]) + work.after_downlink_s
        )
        fastest_bps = assignments.uplink_max_bps[part]
        broadcast_bps = np.asarray(broadcast_rate(problem.band, problem.gains))
        bits = work.broadcast_bits + self._share * work.model_broadcast_bits
        common_s = work.server_s + transfer_s(bits, broadcast_bps)
        self._rest_s = common_s + (1.0 - self._share) * self._second_s.max(axis=1)
        # No client ends a stage earlier than with all of its own power.
        self._ends_s = np.stack(
            (
                (work.before_uplink_s + transfer_s(work.uplink_bits, fastest_bps)).max(axis=1),
                (self._second_s + transfer_s(self._upload_bits, fastest_bps)).max(axis=1),
            )
        )  # [num_stages, num_assignments]
        self._shortest_s = self._rest_s + self._ends_s[0] + self._share * self._ends_s[1]

    @property
    def shortest_s(self) -> float:
        """Return a round time that no assignment goes below, [s]."""
        return float(self._shortest_s.min())

    def improvements(self, best: Plan) -> Iterator[Plan]:
        """Yield plans at this cut, each better than the one before; the first is better than ``best``."""
        left = np.arange(len(self._shortest_s))
        while True:
            target_s = best.predicted_s * (1.0 - GAIN_MIN)
            left = left[self._shortest_s[left] <= target_s]
            excess_w = self._excess_w(left, target_s)
            left, excess_w = left[excess_w <= 0], excess_w[excess_w <= 0]
            if not left.size:
                return
            promising = int(excess_w.argmin())
            solved = self._solved(self._all.owners[left[promising]])
            left = np.delete(left, promising)
            if solved.predicted_s < best.predicted_s:
                best = solved
                yield best

    def _solved(self, client_of: NDArray[np.intp]) -> Plan:
        psd_w_per_hz = optimal_power(self._problem, self._work, client_of)
        rates = link_rates(self._problem, client_of, psd_w_per_hz)
        return Plan(self._cut, client_of, psd_w_per_hz, rates, round_time_s(self._work, rates))

    def _excess_w(self, index: NDArray[np.intp], target_s: float) -> NDArray[np.float64]:
        """Return by how much a round of ``target_s`` passes the limit of all together, [len(index)], [W]."""
        earliest_s = self._ends_s[:, index]
        budget_s = target_s - self._rest_s[index]  # for T1 + a T2
        latest_s = budget_s - self._share * earliest_s[1]  # of T1
        if self._share == 0:
            return self._needed_w(index, latest_s, np.inf) - self._problem.total_power_max_w
        latest_second_s = (budget_s - earliest_s[0]) / self._share
        excess_w = self._needed_w(index, latest_s, latest_second_s) - self._problem.total_power_max_w
        near = np.flatnonzero(excess_w <= 0)  # the others would not even with both stages at their latest
        index, budget_s = index[near], budget_s[near]

        def needed_w(first_s: NDArray[np.float64]) -> NDArray[np.float64]:
            return self._needed_w(index, first_s, (budget_s - first_s) / self._share)

        # What the stages need together is convex in the end of the first.
        excess_w[near] = (
            _least(needed_w, earliest_s[0, near], latest_s[near]) - self._problem.total_power_max_w
        )
        return excess_w

    def _needed_w(
        self, index: NDArray[np.intp], first_s: NDArray[np.float64], second_s: NDArray[np.float64] | float
    ) -> NDArray[np.float64]:
        """Return the least power of all together that ends the stages so early, [len(index)], [W]."""
        ends_s = np.broadcast_to(second_s, first_s.shape)
        rate_bps = np.maximum(
            _rates(self._work.uplink_bits, first_s[:, np.newaxis] - self._work.before_uplink_s),
            _rates(self._upload_bits, ends_s[:, np.newaxis] - self._second_s[index]),
        )
        needed_w: NDArray[np.float64] = self._all.powers_w(self._all.part[index], rate_bps).sum(axis=1)
        return needed_w


def _rates(bits: float, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rates that move the bits in each time, [...], [bit/s]."""
    return bits / time_s if bits > 0 else np.zeros_like(time_s)


def _least(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the least values of convex functions, each between its own bounds, by golden section."""
    width = high - low
    inner, outer = high - GOLDEN * width, low + GOLDEN * width
    at_inner, at_outer = function(inner), function(outer)
    least = np.minimum(np.minimum(function(low), function(high)), np.minimum(at_inner, at_outer))
    for _ in range(STEPS):
        falls = at_outer < at_inner
        low, high = np.where(falls, inner, low), np.where(falls, high, outer)
        width = high - low
        fresh = np.where(falls, low + GOLDEN * width, high - GOLDEN * width)
        at_fresh = function(fresh)
        inner, outer = np.where(falls, outer, fresh), np.where(falls, fresh, inner)
        at_inner, at_outer = np.where(falls, at_outer, at_fresh), np.where(falls, at_fresh, at_inner)
        least = np.minimum(least, at_fresh)
    return least
