"""How short a round can be at best at each cut, in closed form: to leave out cuts that can't win.

Every subchannel of a client is taken to be as good as its best one, and may be shared out in parts. Then a
rate R needs, at y nat/s/Hz, the bandwidth R ln 2 / y and the power (e^y − 1) R ln 2 / (g y). With a price λ
in watts of a subchannel, a bit/s costs the least at the y with (y − 1) e^y + 1 = λ g / B, which Lambert's
function gives, and what all clients need costs no more than what there is: p_th + λ M. That bounds the end of
a stage for every λ (weak duality; Boyd, Vandenberghe 2004, section 5.2.2), so the greatest bound counts.
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
from ..subchannels.local_search import disturbed, improved
from ..subchannels.surrogate_greedy import draft

__all__ = ["bcd", "cut_bounds"]


NEAR, NEAR_PER_SUBCHANNEL = 1.03, 1.2
"""Up to NEAR plus the other over M times the best round, a cut is searched, [1]."""

NEARER = 1.02  # and to be disturbed
CUTS_MAX = 3  # that are searched
ROUNDING = 1e-12  # relative


def bcd(problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator) -> Plan:
    """Return a plan near the optimum over subchannels, power and cut.

    Cuts are taken in the order of a lower bound of their rounds. Each is given a draft of the subchannels,
    with optimal power, until no bound is below the best round found; of the best cuts the subchannels are
    then exchanged while that shortens the round. The plan is no worse than greedy or marginal_greedy with
    optimal power at any cut.

    Parameters
    ----------
    problem : the resources
    work_by_cut : what a round asks for at each cut; a scheme without a cut has one entry
    rng : unused; there for methods that draw

    Raises
    ------
    PlanningError
        If there are more clients than subchannels.
    """
    tables = LinkTables.of(problem)
    bounds_s = cut_bounds(problem, work_by_cut)
    found: dict[int, Assignment] = {}
    history_s = [math.inf]

    def keep(cut: int, assignment: Assignment) -> None:
        found[cut] = assignment
        if assignment.round_s < history_s[-1] * (1.0 - ROUNDING):
            history_s.append(assignment.round_s)

    for cut in sorted(bounds_s, key=bounds_s.__getitem__):
        if bounds_s[cut] < history_s[-1]:
            keep(cut, draft(tables, work_by_cut[cut], rng))

    def search(method: Callable[[Assignment], Assignment], near: float) -> None:
        limit_s = near * history_s[-1]
        for cut in sorted(found, key=lambda cut: found[cut].round_s)[:CUTS_MAX]:
            if found[cut].round_s <= limit_s and bounds_s[cut] < history_s[-1]:
                keep(cut, method(found[cut]))

    search(improved, NEAR + NEAR_PER_SUBCHANNEL / problem.num_subchannels)
    # What is good at the best cut may be a better start at another one than its own.
    client_of = min(found.values(), key=lambda assignment: assignment.round_s).client_of
    for cut, present in list(found.items()):
        carried = Assignment(tables, work_by_cut[cut], client_of)
        if carried.round_s < present.round_s:
            keep(cut, improved(carried))
    search(disturbed, NEARER)
    cut = min(found, key=lambda cut: found[cut].round_s)
    work, client_of = work_by_cut[cut], found[cut].client_of
    psd_w_per_hz = optimal(problem, work, client_of)
    rates = link_rates(problem, client_of, psd_w_per_hz)
    predicted_s = round_time_s(work, rates)
    return Plan(cut, client_of, psd_w_per_hz, rates, predicted_s, (*history_s[1:-1], predicted_s))


LN2 = np.log(2.0)
PRICES = np.geomspace(1e-3, 1e6, 46)  # of all subchannels together, in units of p_th
STEPS = 12  # of Newton's method, from below: the bound holds wherever it is ended
ROUNDING = 1e-9  # relative


def cut_bounds(problem: RadioResources, work_by_cut: Mapping[int, RoundWork]) -> dict[int, float]:
    """Return a time for each cut that no round at it goes below, [s].

    Parameters
    ----------
    problem : the resources
    work_by_cut : what a round asks for at each cut
    """
    band, count = problem.band, problem.num_subchannels
    hz, cap = band.subchannel_hz, band.efficiency_cap_bps_per_hz
    snr_per_w_per_hz = band.snr_per_w_per_hz(problem.gains)
    best = snr_per_w_per_hz.max(axis=1)  # [num_clients]
    downlink_bps = hz * spectral_efficiency(band.downlink_w_per_hz * snr_per_w_per_hz, cap)
    alone_w = np.minimum(problem.power_max_w, problem.total_power_max_w)
    alone_bps = hz * count * spectral_efficiency(alone_w * best / (hz * count), cap)
    price_w = (PRICES * problem.total_power_max_w / count)[:, np.newaxis]  # [num_prices, 1]
    nats = np.maximum(1.0 + lambertw((price_w * best / hz - 1.0) / np.e).real, 1e-9)
    cost_w_per_bps = (np.expm1(nats) / best + price_w / hz) * (LN2 / nats)  # [num_prices, num_clients]
    budget_w = problem.total_power_max_w + price_w[:, 0] * count
    broadcast_bps = np.asarray(broadcast_rate(band, problem.gains))

    def upload_end(bits: float, start_s: NDArray[np.float64]) -> float:
        alone_s = start_s + transfer_s(bits, alone_bps)
        return max(float(alone_s.max()), _end(bits * cost_w_per_bps, budget_w, start_s))

    def bound(work: RoundWork) -> float:
        share = work.averaging_share
        back_s = work.after_downlink_s + transfer_s(work.downlink_bits, downlink_bps.sum(axis=1))
        one_each = work.downlink_bits / downlink_bps.max(axis=1)  # subchannel-seconds
        second_s = max(
            float(back_s.max()), _end(one_each[np.newaxis], np.array([count]), work.after_downlink_s)
        )
        time_s = upload_end(work.uplink_bits, work.before_uplink_s) + (1.0 - share) * second_s
        if share > 0:
            time_s += share * max(second_s, upload_end(work.model_upload_bits, back_s))
        broadcast_bits = work.broadcast_bits + share * work.model_broadcast_bits
        return time_s + work.server_s + float(transfer_s(broadcast_bits, broadcast_bps))

    return {cut: bound(work) * (1.0 - ROUNDING) for cut, work in work_by_cut.items()}


def _end(costs: NDArray[np.float64], budget: NDArray[np.float64], start_s: NDArray[np.float64]) -> float:
    """Return a time before which ``Σ_i costs_i / (T − start_i) <= budget`` holds in none of the rows, [s].

    Parameters
    ----------
    costs : [num_rows, num_clients], float
        Costs times seconds.
    budget : [num_rows], float
        What there is.
    start_s : [num_clients], float
        Starts, [s].
    """
    if not costs.any():
        return float(start_s.max())
    end_s = (start_s + costs / budget[:, np.newaxis]).max(axis=1)  # as if each had all of it
    for _ in range(STEPS):
        left_s = end_s[:, np.newaxis] - start_s
        asked = costs / left_s
        end_s = end_s + np.maximum(asked.sum(axis=1) - budget, 0.0) / (asked / left_s).sum(axis=1)
    return float(end_s.max())
