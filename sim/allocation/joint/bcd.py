"""Near-optimal plans over subchannels, power and cut, and lower bounds on the round time of each cut.

The bound of a cut has a closed form. It assumes that every subchannel of a client is as good as its best one,
and that subchannels can be divided. Then a rate R at the spectral efficiency y [nat/s/Hz] needs the bandwidth
R ln 2 / y and the power (e^y − 1) R ln 2 / (g y). Let a subchannel of the bandwidth B have a price of λ
watts. The cheapest y for a bit/s solves (y − 1) e^y + 1 = λ g / B, which Lambert's function gives. At these
prices the demand of all clients costs at most the supply, p_th + λ M. This bounds the end of a stage for
every λ (weak duality; Boyd, Vandenberghe 2004, section 5.2.2), and the greatest of these bounds is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import lambertw

from ...radio.rates import broadcast_rate, spectral_efficiency
from ...radio.resources import RadioResources
from ..planner import Plan
from ..power.methods import optimal
from ..problem import RoundWork, link_rates, round_time_s, transfer_s
from ..subchannels.assignment import Assignment, LinkTables
from ..subchannels.local_search import iterated_search, search
from ..subchannels.surrogate_greedy import surrogate_greedy

__all__ = ["bcd", "cut_bounds"]

LN2 = np.log(2.0)
# A cut is searched if its round is at most NEAR + NEAR_PER_SUBCHANNEL / M times the best one.
NEAR, NEAR_PER_SUBCHANNEL = 1.03, 1.2
NEAR_FOR_RESTARTS = 1.02  # the same for the iterated search
SEARCHED_CUTS_MAX = 3
ROUNDING = 1e-12  # relative; a smaller gain is not an improvement
PRICES = np.geomspace(1e-3, 1e6, 46)  # of all subchannels together, in units of p_th
NEWTON_STEPS = 12  # from below, so that the bound holds after any number of steps
BOUND_MARGIN = 1e-9  # relative


def bcd(problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator) -> Plan:
    """Return a plan near the optimum over subchannels, power and cut.

    The cuts are taken in the order of their lower bounds. Each gets a greedy assignment with optimal power,
    until no bound is below the best round time. Local search then improves the subchannels of the best cuts.
    The plan is no worse than ``greedy`` or ``marginal_greedy`` with optimal power at any cut.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work_by_cut : mapping of int to RoundWork
        The work of a round at each cut. A scheme without a cut has one entry.
    rng : numpy.random.Generator
        Unused; the signature is that of every plan method.

    Raises
    ------
    PlanningError
        If there are more clients than subchannels.
    """
    tables = LinkTables.of(problem)
    bounds_s = cut_bounds(problem, work_by_cut)
    best_at: dict[int, Assignment] = {}
    history_s = [math.inf]

    def keep(cut: int, assignment: Assignment) -> None:
        best_at[cut] = assignment
        if assignment.round_s < history_s[-1] * (1.0 - ROUNDING):
            history_s.append(assignment.round_s)

    def improve(method: Callable[[Assignment], Assignment], near: float) -> None:
        limit_s = near * history_s[-1]
        for cut in sorted(best_at, key=lambda cut: best_at[cut].round_s)[:SEARCHED_CUTS_MAX]:
            if best_at[cut].round_s <= limit_s and bounds_s[cut] < history_s[-1]:
                keep(cut, method(best_at[cut]))

    for cut in sorted(bounds_s, key=bounds_s.__getitem__):
        if bounds_s[cut] < history_s[-1]:
            keep(cut, surrogate_greedy(tables, work_by_cut[cut], rng))
    improve(search, NEAR + NEAR_PER_SUBCHANNEL / problem.num_subchannels)
    # The assignment of the best cut may be a better start for another cut than that cut's present one.
    client_of = min(best_at.values(), key=lambda assignment: assignment.round_s).client_of
    for cut, present in list(best_at.items()):
        candidate = Assignment(tables, work_by_cut[cut], client_of)
        if candidate.round_s < present.round_s:
            keep(cut, search(candidate))
    improve(iterated_search, NEAR_FOR_RESTARTS)
    cut = min(best_at, key=lambda cut: best_at[cut].round_s)
    work, client_of = work_by_cut[cut], best_at[cut].client_of
    psd_w_per_hz = optimal(problem, work, client_of)
    rates = link_rates(problem, client_of, psd_w_per_hz)
    predicted_s = round_time_s(work, rates)
    return Plan(cut, client_of, psd_w_per_hz, rates, predicted_s, (*history_s[1:-1], predicted_s))


def cut_bounds(problem: RadioResources, work_by_cut: Mapping[int, RoundWork]) -> dict[int, float]:
    """Return a lower bound on the round time of each cut, [s].

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work_by_cut : mapping of int to RoundWork
        The work of a round at each cut.
    """
    band, count = problem.band, problem.num_subchannels
    hz, cap = band.subchannel_hz, band.efficiency_cap_bps_per_hz
    snr_per_w_per_hz = band.snr_per_w_per_hz(problem.gains)
    best = snr_per_w_per_hz.max(axis=1)  # [num_clients]
    downlink_bps = hz * spectral_efficiency(band.downlink_w_per_hz * snr_per_w_per_hz, cap)
    # One client alone on the whole band.
    alone_w = np.minimum(problem.power_max_w, problem.total_power_max_w)
    alone_bps = hz * count * spectral_efficiency(alone_w * best / (hz * count), cap)
    price_w = (PRICES * problem.total_power_max_w / count)[:, np.newaxis]  # λ; [num_prices, 1]
    nats = np.maximum(1.0 + lambertw((price_w * best / hz - 1.0) / np.e).real, 1e-9)
    cost_w_per_bps = (np.expm1(nats) / best + price_w / hz) * (LN2 / nats)  # [num_prices, num_clients]
    budget_w = problem.total_power_max_w + price_w[:, 0] * count
    broadcast_bps = np.asarray(broadcast_rate(band, problem.gains))

    def upload_end(bits: float, start_s: NDArray[np.float64]) -> float:
        alone_s = start_s + transfer_s(bits, alone_bps)
        return max(float(alone_s.max()), _earliest_end(bits * cost_w_per_bps, budget_w, start_s))

    def bound(work: RoundWork) -> float:
        share = work.averaging_share
        backward_end_s = work.after_downlink_s + transfer_s(work.downlink_bits, downlink_bps.sum(axis=1))
        # Downlinks share the subchannels: each needs this many subchannels times seconds.
        subchannel_s = work.downlink_bits / downlink_bps.max(axis=1)
        second_s = max(
            float(backward_end_s.max()),
            _earliest_end(subchannel_s[np.newaxis], np.array([count]), work.after_downlink_s),
        )
        time_s = upload_end(work.uplink_bits, work.before_uplink_s) + (1.0 - share) * second_s
        if share > 0:
            time_s += share * max(second_s, upload_end(work.model_upload_bits, backward_end_s))
        broadcast_bits = work.broadcast_bits + share * work.model_broadcast_bits
        return time_s + work.server_s + float(transfer_s(broadcast_bits, broadcast_bps))

    return {cut: bound(work) * (1.0 - BOUND_MARGIN) for cut, work in work_by_cut.items()}


def _earliest_end(
    costs: NDArray[np.float64], budget: NDArray[np.float64], start_s: NDArray[np.float64]
) -> float:
    """Return a time T such that ``Σ_i costs_i / (T' − start_i) <= budget`` fails in some row for any T' < T.

    Parameters
    ----------
    costs : ndarray, [num_rows, num_clients]
        Cost of each client's transfer times its duration, in units of the budget times [s].
    budget : ndarray, [num_rows]
        Supply in each row, for example [W].
    start_s : ndarray, [num_clients]
        Starts of the transfers, [s].
    """
    if not costs.any():
        return float(start_s.max())
    end_s = (start_s + costs / budget[:, np.newaxis]).max(axis=1)  # as if each client had the whole budget
    for _ in range(NEWTON_STEPS):
        duration_s = end_s[:, np.newaxis] - start_s
        demand = costs / duration_s
        end_s = end_s + np.maximum(demand.sum(axis=1) - budget, 0.0) / (demand / duration_s).sum(axis=1)
    return float(end_s.max())
