"""Laws of the plans that choose subchannels, power and cut together, and of the bounds of cuts."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.sim.allocation.joint.bcd import bcd, cut_bounds
from cutlayer.sim.allocation.planner import plan
from cutlayer.sim.allocation.power.methods import optimal
from cutlayer.sim.allocation.problem import RoundWork, link_rates, round_time_s
from cutlayer.sim.allocation.subchannels.baselines import random
from cutlayer.sim.allocation.subchannels.greedy import greedy, marginal_greedy
from cutlayer.sim.planning_error import PlanningError
from cutlayer.sim.radio.rates import Band
from cutlayer.sim.radio.resources import RadioResources

SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.sampled_from([0.0, 0.1, 0.5, 1.0])
CAPS = st.sampled_from([np.inf, 7.4, 2.0])
RNG = np.random.default_rng(0)


def shortest_by_brute_force(problem: RadioResources, work_by_cut: dict[int, RoundWork]) -> float:
    """The shortest round over every cut and every assignment that serves all clients, with optimal power."""
    clients, count = problem.gains.shape
    assignments = [
        np.array(client_of)
        for client_of in product(range(clients), repeat=count)
        if len(set(client_of)) == clients
    ]
    return min(
        round_time_s(work, link_rates(problem, client_of, optimal(problem, work, client_of)))
        for client_of in assignments
        for work in work_by_cut.values()
    )


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 6), more=st.integers(0, 9), averaging=SHARES, cap=CAPS)
def test_the_plan_is_never_worse_than_the_greedy_rules_at_any_cut(
    instance: Callable[..., Any], seed: int, clients: int, more: int, averaging: float, cap: float
) -> None:
    """Also at the cuts that are left out for their bounds; compared with optimal power."""
    problem, work_by_cut = instance(
        seed,
        clients,
        clients + more,
        averaging_share=averaging,
        cap_bps_per_hz=cap,
        fading=bool(seed % 2),
    )
    found = bcd(problem, work_by_cut, RNG)
    for rule in (greedy, marginal_greedy):
        for cut in work_by_cut:
            fixed = plan(problem, work_by_cut, rule, optimal, cut=cut, rng=RNG)
            assert found.predicted_s <= fixed.predicted_s * (1 + 1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 6), averaging=SHARES, cap=CAPS)
def test_the_plan_keeps_the_limits_and_its_promise(
    instance: Callable[..., Any], seed: int, clients: int, averaging: float, cap: float
) -> None:
    """Both power limits hold, all are served, and the prediction is the plan's round time to the bit."""
    problem, work_by_cut = instance(
        seed, clients, 11, averaging_share=averaging, cap_bps_per_hz=cap, fading=True
    )
    found = bcd(problem, work_by_cut, RNG)
    watts = np.bincount(found.client_of, found.psd_w_per_hz * problem.band.subchannel_hz)
    np.testing.assert_array_equal(np.arange(clients), np.unique(found.client_of))
    assert (found.psd_w_per_hz >= 0).all()
    assert (watts <= problem.power_max_w).all()
    assert watts.sum() <= problem.total_power_max_w
    rates = link_rates(problem, found.client_of, found.psd_w_per_hz)
    assert round_time_s(work_by_cut[found.cut], rates) == found.predicted_s
    assert found.history_s[-1] == found.predicted_s
    assert (np.diff(found.history_s) < 0).all()


@pytest.mark.parametrize("averaging", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("clients", "subchannels"), [(1, 4), (2, 2), (2, 5)])
def test_the_plan_is_the_optimum_of_the_smallest_instances(
    instance: Callable[..., Any], seed: int, averaging: float, clients: int, subchannels: int
) -> None:
    """One client, two with one subchannel each, and two that share out five."""
    problem, work_by_cut = instance(
        seed, clients, subchannels, averaging_share=averaging, fading=bool(seed % 2)
    )
    best_s = shortest_by_brute_force(problem, work_by_cut)
    assert pytest.approx(best_s, rel=1e-9) == bcd(problem, work_by_cut, RNG).predicted_s


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 8), averaging=SHARES, cap=CAPS, fading=st.booleans())
def test_no_plan_goes_below_its_cuts_bound(
    instance: Callable[..., Any], seed: int, clients: int, averaging: float, cap: float, fading: bool
) -> None:
    """Neither the best plan nor a random assignment with optimal power."""
    problem, work_by_cut = instance(
        seed, clients, 12, averaging_share=averaging, cap_bps_per_hz=cap, fading=fading
    )
    bounds_s = cut_bounds(problem, work_by_cut)
    assert list(work_by_cut) == list(bounds_s)
    for cut, work in work_by_cut.items():
        for found in (
            bcd(problem, {cut: work}, RNG),
            plan(problem, work_by_cut, random, optimal, cut=cut, rng=np.random.default_rng(seed)),
        ):
            assert bounds_s[cut] <= found.predicted_s


def test_bounds_by_hand() -> None:
    """Three equal clients on six equal subchannels: two each, which the bound knows, is the optimum.

    A client's 1 W on two of 1 Hz give log2(1 + 6 · 1/2) = 2 bit/s on each; down there are log2(1 + 7) = 3.
    So 5 + 12/4 s and 12/6 + 1 s, and 2 s of the server; the broadcast of 36 bit has all six, 18 bit/s.
    """
    band = Band(1.0, np.arange(6.0), 1.0, 1.0, 7.0 / 6.0)
    problem = RadioResources(band, np.full((3, 6), 6.0), np.ones(3), 3.0)
    work = RoundWork(np.full(3, 5.0), 12.0, 2.0, 36.0, 12.0, np.ones(3))
    expected_s = 5 + 3 + 2 + 2 + 2 + 1
    assert pytest.approx(expected_s) == bcd(problem, {4: work}, RNG).predicted_s
    # The price at which the bound is tight lies between two of those that are tried.
    assert pytest.approx(expected_s, rel=0.01) == cut_bounds(problem, {4: work})[4]


def test_a_good_cut_behind_a_bad_bound_is_found(instance: Callable[..., Any]) -> None:
    """The order of the work_by_cut is no matter: the plan is the same from either end."""
    for seed in range(6):
        problem, work_by_cut = instance(seed, 3, 7, fading=True)
        backwards = dict(reversed(work_by_cut.items()))
        assert bcd(problem, work_by_cut, RNG).predicted_s == bcd(problem, backwards, RNG).predicted_s


def test_equal_problems_have_equal_plans(instance: Callable[..., Any]) -> None:
    """Whatever the generator: nothing is drawn from it."""
    problem, work_by_cut = instance(7, 5, 20, fading=True)
    rng = np.random.default_rng(1)
    first, second = bcd(problem, work_by_cut, rng), bcd(problem, work_by_cut, np.random.default_rng(2))
    np.testing.assert_array_equal(first.client_of, second.client_of)
    assert first.history_s == second.history_s
    assert np.random.default_rng(1).random() == rng.random()


def test_more_clients_than_subchannels_are_refused(instance: Callable[..., Any]) -> None:
    """The error names both numbers, as for the other methods."""
    problem, work_by_cut = instance(0, 5, 4)
    with pytest.raises(PlanningError, match=r"5 clients .* there are 4"):
        bcd(problem, work_by_cut, RNG)
