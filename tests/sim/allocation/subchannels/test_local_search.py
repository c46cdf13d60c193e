"""Laws of the exchange: never worse than the greedy rules, and the optimum where that is known."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.sim.allocation.power.methods import optimal
from cutlayer.sim.allocation.power.water_filling import WaterFilling
from cutlayer.sim.allocation.problem import RoundWork, link_rates, round_time_s
from cutlayer.sim.allocation.subchannels.assignment import Assignment, LinkTables
from cutlayer.sim.allocation.subchannels.greedy import greedy, marginal_greedy
from cutlayer.sim.allocation.subchannels.local_search import exchange
from cutlayer.sim.allocation.subchannels.smoothed_objective import least_power
from cutlayer.sim.planning_error import PlanningError
from cutlayer.sim.radio.rates import Band
from cutlayer.sim.radio.resources import RadioResources

SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.sampled_from([0.0, 0.1, 0.5, 1.0])
CAPS = st.sampled_from([np.inf, 7.4, 2.0])
RNG = np.random.default_rng(0)


def round_s(problem: RadioResources, work: RoundWork, client_of: np.ndarray) -> float:
    """The round time of an assignment with optimal power, by the formulas that planning uses."""
    return round_time_s(work, link_rates(problem, client_of, optimal(problem, work, client_of)))


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 6), more=st.integers(0, 9), averaging=SHARES, cap=CAPS)
def test_exchange_is_never_worse_than_the_greedy_rules(
    instance: Callable[..., Any], seed: int, clients: int, more: int, averaging: float, cap: float
) -> None:
    """With optimal power its round is no longer; every client is served, no subchannel is left."""
    problem, work_by_cut = instance(
        seed,
        clients,
        clients + more,
        averaging_share=averaging,
        cap_bps_per_hz=cap,
        fading=bool(seed % 2),
    )
    work = work_by_cut[1 + seed % 5]
    client_of = exchange(problem, work, RNG)
    np.testing.assert_array_equal(np.arange(clients), np.unique(client_of))
    for rule in (greedy, marginal_greedy):
        rules_s = round_s(problem, work, rule(problem, work, RNG))
        assert round_s(problem, work, client_of) <= rules_s * (1 + 1e-9)


@pytest.mark.parametrize("averaging", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(10))
def test_exchange_is_the_optimum_of_two_clients(
    instance: Callable[..., Any], seed: int, averaging: float
) -> None:
    """Of all assignments of five subchannels to two clients, none has a shorter round."""
    problem, work_by_cut = instance(seed, 2, 5, averaging_share=averaging, fading=bool(seed % 2))
    work = work_by_cut[1 + seed % 5]
    assignments = (
        np.array(client_of) for client_of in product(range(2), repeat=5) if len(set(client_of)) == 2
    )
    best_s = min(round_s(problem, work, client_of) for client_of in assignments)
    assert pytest.approx(best_s, rel=1e-9) == round_s(problem, work, exchange(problem, work, RNG))


def test_exchange_swaps_what_greedy_has_crossed() -> None:
    """Client 0, the slower processor, picks first and takes, by a hair, the only one that serves client 1.

    No move can undo that, for each has one subchannel; swapped, both links have 3 bit/s at full power.
    """
    band = Band(1.0, np.arange(2.0), 1.0, 1.0, 1.0)
    problem = RadioResources(band, np.array([[7.1, 7.0], [7.0, 0.1]]), np.ones(2), 2.0)
    work = RoundWork(np.array([1.0, 0.9]), 9.0, 0.0, 0.0, 0.0, np.zeros(2))
    np.testing.assert_array_equal([0, 1], greedy(problem, work, RNG))
    np.testing.assert_array_equal([1, 0], exchange(problem, work, RNG))
    assert pytest.approx(1 + 9 / 3) == round_s(problem, work, np.array([1, 0]))


def test_exchange_gives_a_clients_first_subchannel_back() -> None:
    """Client 1's first choice is client 0's only good one; of the others client 1 then has two.

    Client 0's 3 bit/s take 1 W there, and on a subchannel of gain 1 would take 7 W, beyond its limit.
    """
    band = Band(1.0, np.arange(3.0), 1.0, 1.0, 1.0)
    problem = RadioResources(band, np.array([[7.0, 1e-3, 1e-3], [7.5, 7.0, 7.0]]), np.ones(2), 2.0)
    work = RoundWork(np.array([0.0, 0.1]), 9.0, 0.0, 0.0, 0.0, np.zeros(2))
    assert greedy(problem, work, RNG)[0] == 1
    np.testing.assert_array_equal([0, 1, 1], exchange(problem, work, RNG))


def test_equal_problems_have_equal_answers(instance: Callable[..., Any]) -> None:
    """Whatever the generator: nothing is drawn from it."""
    problem, work_by_cut = instance(7, 5, 20, fading=True)
    rng = np.random.default_rng(1)
    first = exchange(problem, work_by_cut[2], rng)
    np.testing.assert_array_equal(first, exchange(problem, work_by_cut[2], np.random.default_rng(2)))
    assert np.random.default_rng(1).random() == rng.random()


def test_nothing_to_send_is_no_fault(instance: Callable[..., Any]) -> None:
    """Where no assignment changes the round, each client still gets a subchannel."""
    problem, _ = instance(0, 3, 7)
    work = RoundWork(np.zeros(3), 0.0, 0.0, 0.0, 0.0, np.zeros(3))
    np.testing.assert_array_equal(np.arange(3), np.unique(exchange(problem, work, RNG)))


def test_more_clients_than_subchannels_are_refused(instance: Callable[..., Any]) -> None:
    """The error names both numbers, as for the other methods."""
    problem, work_by_cut = instance(0, 5, 4)
    with pytest.raises(PlanningError, match=r"5 clients .* there are 4"):
        exchange(problem, work_by_cut[1], RNG)


@settings(deadline=None)
@given(seed=SEEDS, count=st.integers(1, 9), cap=CAPS, share=st.floats(0.01, 1.0))
def test_the_least_power_is_that_of_water_filling(
    instance: Callable[..., Any], seed: int, count: int, cap: float, share: float
) -> None:
    """The loop over one client's subchannels and the tables of all clients find the same power."""
    problem, _ = instance(seed, 1, count, cap_bps_per_hz=cap, fading=True)
    filling = WaterFilling(problem, np.zeros(count, dtype=np.intp))
    rate_bps = share * filling.rate_max_bps
    (expected_w,) = filling.powers_w(filling.levels(rate_bps))
    hz = problem.band.subchannel_hz
    tables = LinkTables.of(problem)
    nats = float(rate_bps[0]) * np.log(2) / hz
    actual_w = hz * least_power(tables.log_snr_lists[0], nats, tables.cap_nats)
    assert pytest.approx(expected_w, rel=1e-9) == actual_w


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 5), averaging=SHARES, cap=CAPS)
def test_an_assignments_time_is_the_round_time_with_optimal_power(
    instance: Callable[..., Any], seed: int, clients: int, averaging: float, cap: float
) -> None:
    """The search compares the times that the plan then has."""
    problem, work_by_cut = instance(
        seed, clients, 9, averaging_share=averaging, cap_bps_per_hz=cap, fading=True
    )
    work = work_by_cut[1 + seed % 5]
    client_of = np.arange(9) % clients
    searched_s = Assignment(LinkTables.of(problem), work, client_of).round_s
    assert pytest.approx(round_s(problem, work, client_of), rel=1e-10) == searched_s
