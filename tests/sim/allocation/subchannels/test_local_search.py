"""Laws of the local search: bounds on moves, no worse than greedy, and the optimum where it is known."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cutlayer.sim.allocation.power.methods import optimal
from cutlayer.sim.allocation.power.water_filling import WaterFilling
from cutlayer.sim.allocation.problem import RoundWork, link_rates, round_time_s
from cutlayer.sim.allocation.subchannels.assignment import Assignment, LinkTables
from cutlayer.sim.allocation.subchannels.greedy import greedy, marginal_greedy
from cutlayer.sim.allocation.subchannels.local_search import (
    _ranked_moves,
    _subchannel_values,
    local_search,
)
from cutlayer.sim.allocation.subchannels.smoothed_objective import SmoothedRoundTime, least_power, sum_terms
from cutlayer.sim.planning_error import PlanningError
from cutlayer.sim.radio.rates import Band
from cutlayer.sim.radio.resources import RadioResources

SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.sampled_from([0.0, 0.1, 0.5, 1.0])
CAPS = st.sampled_from([np.inf, 7.4, 2.0])
RNG = np.random.default_rng(0)


def round_s(problem: RadioResources, work: RoundWork, client_of: np.ndarray) -> float:
    """Return the round time of an assignment with optimal power, by the formulas of the planner, [s]."""
    return round_time_s(work, link_rates(problem, client_of, optimal(problem, work, client_of)))


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 6), more=st.integers(0, 9), averaging=SHARES, cap=CAPS)
def test_the_search_is_never_worse_than_the_greedy_rules(
    instance: Callable[..., Any], seed: int, clients: int, more: int, averaging: float, cap: float
) -> None:
    """With optimal power its round is no longer; it serves every client and uses every subchannel."""
    problem, work_by_cut = instance(
        seed,
        clients,
        clients + more,
        averaging_share=averaging,
        cap_bps_per_hz=cap,
        fading=bool(seed % 2),
    )
    work = work_by_cut[1 + seed % 5]
    client_of = local_search(problem, work, RNG)
    np.testing.assert_array_equal(np.arange(clients), np.unique(client_of))
    for rule in (greedy, marginal_greedy):
        rules_s = round_s(problem, work, rule(problem, work, RNG))
        assert round_s(problem, work, client_of) <= rules_s * (1 + 1e-9)


@pytest.mark.parametrize("averaging", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(10))
def test_the_search_reaches_the_optimum_of_two_clients(
    instance: Callable[..., Any], seed: int, averaging: float
) -> None:
    """Of all assignments of five subchannels to two clients, none has a shorter round."""
    problem, work_by_cut = instance(seed, 2, 5, averaging_share=averaging, fading=bool(seed % 2))
    work = work_by_cut[1 + seed % 5]
    assignments = (
        np.array(client_of) for client_of in product(range(2), repeat=5) if len(set(client_of)) == 2
    )
    best_s = min(round_s(problem, work, client_of) for client_of in assignments)
    assert pytest.approx(best_s, rel=1e-9) == round_s(problem, work, local_search(problem, work, RNG))


def test_the_search_swaps_two_first_choices() -> None:
    """Client 0 has the slower processor, chooses first, and takes the only subchannel that serves client 1.

    No move can undo this, since each client has one subchannel. After a swap both links have 3 bit/s.
    """
    band = Band(1.0, np.arange(2.0), 1.0, 1.0, 1.0)
    problem = RadioResources(band, np.array([[7.1, 7.0], [7.0, 0.1]]), np.ones(2), 2.0)
    work = RoundWork(np.array([1.0, 0.9]), 9.0, 0.0, 0.0, 0.0, np.zeros(2))
    np.testing.assert_array_equal([0, 1], greedy(problem, work, RNG))
    np.testing.assert_array_equal([1, 0], local_search(problem, work, RNG))
    assert pytest.approx(1 + 9 / 3) == round_s(problem, work, np.array([1, 0]))


def test_the_search_returns_a_first_choice() -> None:
    """The first choice of client 1 is the only good subchannel of client 0; client 1 has two others.

    Client 0's 3 bit/s take 1 W there, and on a subchannel of gain 1 would take 7 W, beyond its limit.
    """
    band = Band(1.0, np.arange(3.0), 1.0, 1.0, 1.0)
    problem = RadioResources(band, np.array([[7.0, 1e-3, 1e-3], [7.5, 7.0, 7.0]]), np.ones(2), 2.0)
    work = RoundWork(np.array([0.0, 0.1]), 9.0, 0.0, 0.0, 0.0, np.zeros(2))
    assert greedy(problem, work, RNG)[0] == 1
    np.testing.assert_array_equal([0, 1, 1], local_search(problem, work, RNG))


def test_equal_problems_have_equal_answers(instance: Callable[..., Any]) -> None:
    """The result does not depend on the generator, whose state does not change."""
    problem, work_by_cut = instance(7, 5, 20, fading=True)
    rng = np.random.default_rng(1)
    first = local_search(problem, work_by_cut[2], rng)
    np.testing.assert_array_equal(first, local_search(problem, work_by_cut[2], np.random.default_rng(2)))
    assert np.random.default_rng(1).random() == rng.random()


def test_no_bits_to_send_is_no_error(instance: Callable[..., Any]) -> None:
    """If no assignment changes the round, each client still gets a subchannel."""
    problem, _ = instance(0, 3, 7)
    work = RoundWork(np.zeros(3), 0.0, 0.0, 0.0, 0.0, np.zeros(3))
    np.testing.assert_array_equal(np.arange(3), np.unique(local_search(problem, work, RNG)))


def test_more_clients_than_subchannels_are_refused(instance: Callable[..., Any]) -> None:
    """The error names both numbers, as for the other methods."""
    problem, work_by_cut = instance(0, 5, 4)
    with pytest.raises(PlanningError, match=r"5 clients .* there are 4"):
        local_search(problem, work_by_cut[1], RNG)


@settings(deadline=None)
@given(seed=SEEDS, count=st.integers(1, 9), cap=CAPS, share=st.floats(0.01, 1.0))
def test_the_least_power_is_that_of_water_filling(
    instance: Callable[..., Any], seed: int, count: int, cap: float, share: float
) -> None:
    """The loop over one client's subchannels and the tables of all clients give the same power."""
    problem, _ = instance(seed, 1, count, cap_bps_per_hz=cap, fading=True)
    filling = WaterFilling(problem, np.zeros(count, dtype=np.intp))
    rate_bps = share * filling.rate_max_bps
    (expected_w,) = filling.powers_w(filling.levels(rate_bps))
    hz = problem.band.subchannel_hz
    tables = LinkTables.of(problem)
    nats = float(rate_bps[0]) * np.log(2) / hz
    actual_w = hz * least_power(sorted(tables.log_snr_lists[0], reverse=True), nats, tables.cap_nats)
    assert pytest.approx(expected_w, rel=1e-9) == actual_w


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 5), averaging=SHARES, cap=CAPS)
def test_an_assignments_time_is_the_round_time_with_optimal_power(
    instance: Callable[..., Any], seed: int, clients: int, averaging: float, cap: float
) -> None:
    """The search compares the round times that the plan will have."""
    problem, work_by_cut = instance(
        seed, clients, 9, averaging_share=averaging, cap_bps_per_hz=cap, fading=True
    )
    work = work_by_cut[1 + seed % 5]
    client_of = np.arange(9) % clients
    searched_s = Assignment(LinkTables.of(problem), work, client_of).round_s
    assert pytest.approx(round_s(problem, work, client_of), rel=1e-10) == searched_s


def swapped(client_of: np.ndarray, subchannel: int, receiver: int, back: int) -> np.ndarray:
    """Return the assignment after a move, or after a swap if a subchannel goes back."""
    result = client_of.copy()
    if back >= 0:
        result[back] = client_of[subchannel]
    result[subchannel] = receiver
    return result


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, clients=st.integers(2, 4), cap=st.sampled_from([np.inf, 4.0]))
def test_no_swap_is_better_than_its_estimate(
    instance: Callable[..., Any], seed: int, clients: int, cap: float
) -> None:
    """Where only one stage sends, a swap lowers the objective by at most (u_ik − u_ck) + (u_cl − u_il)."""
    problem, work_by_cut = instance(seed, clients, 8, cap_bps_per_hz=cap, fading=bool(seed % 2))
    work = work_by_cut[1 + seed % 5]
    start = Assignment(LinkTables.of(problem), work, np.arange(8) % clients)
    nats = work.uplink_bits / (start.ends_s[0] - work.before_uplink_s) * np.log(2)
    full = problem.band.subchannel_hz * np.bincount(start.client_of) * start.tables.cap_nats
    assume((nats < (1 - 1e-9) * full).all())  # a client at the cap everywhere has no unique water level
    objective = SmoothedRoundTime(start, 1e-2)
    kept_s, _, _ = _subchannel_values(start, objective)
    before_s = objective.value_s(sum_terms(objective.terms(start)))
    for subchannel, receiver, back in _ranked_moves(start, objective):
        if back < 0:
            continue
        giver = int(start.client_of[subchannel])
        estimate_s = (kept_s[receiver, subchannel] - kept_s[giver, subchannel]) + (
            kept_s[giver, back] - kept_s[receiver, back]
        )
        other = Assignment(start.tables, start.work, swapped(start.client_of, subchannel, receiver, back))
        fall_s = before_s - objective.value_s(sum_terms(objective.terms(other)))
        assert fall_s <= max(estimate_s, 0.0) + 1e-9 * start.time_s


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 4))
def test_power_values_bound_the_change_of_the_least_power(
    instance: Callable[..., Any], seed: int, clients: int
) -> None:
    """Saving ≤ w⁺ ≤ w for a subchannel that is added, w ≤ cost ≤ w⁻ for one that is removed (P23)."""
    problem, work_by_cut = instance(seed, clients, 9, fading=bool(seed % 2))
    # Without a downlink the values in seconds are powers times the shadow price.
    work = replace(work_by_cut[1 + seed % 5], downlink_bits=0.0)
    start = Assignment(LinkTables.of(problem), work, np.arange(9) % clients)
    objective = SmoothedRoundTime(start, 1e-2)
    price_s_per_w, _ = objective.shadow_prices(start)
    kept_s, gained_s, lost_s = _subchannel_values(start, objective)
    tables, hz = start.tables, problem.band.subchannel_hz
    nats = work.uplink_bits / (start.ends_s[0] - work.before_uplink_s) * np.log(2) / hz
    for client, subchannels in enumerate(start.subchannels_by_client()):
        snr = tables.log_snr_lists[client]
        tolerance_w = 1e-9 * start.power_w[client]
        for k in range(9):
            changed = [s for s in subchannels if s != k] if k in subchannels else [*subchannels, k]
            power_w = hz * least_power(
                sorted((snr[s] for s in changed), reverse=True), float(nats[client]), tables.cap_nats
            )
            kept_w = kept_s[client, k] / price_s_per_w[client]
            if k not in subchannels:
                gained_w = gained_s[client, k] / price_s_per_w[client]
                assert start.power_w[client] - power_w <= gained_w + tolerance_w
                assert gained_w <= kept_w + tolerance_w
                continue
            assert kept_w <= power_w - start.power_w[client] + tolerance_w
            used = np.exp(start.log_level[client] + np.array(snr)[subchannels]) > 1
            if used.sum() > 1:
                lost_w = lost_s[k] / price_s_per_w[client]
                assert power_w - start.power_w[client] <= lost_w * (1 + 1e-9) + tolerance_w
