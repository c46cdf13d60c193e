"""Laws of the plans that choose subchannels, power and cut together, and of the bounds of cuts."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.sim.allocation.cut_bounds import cut_bounds
from cutlayer.sim.allocation.joint.bcd import bcd
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
    """Return the shortest round over every cut and assignment with optimal power, [s]."""
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


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 6), more=st.integers(0, 9), averaging=SHARES, cap=CAPS)
def test_the_plan_is_never_worse_than_the_greedy_rules_at_any_cut(
    instance: Callable[..., Any], seed: int, clients: int, more: int, averaging: float, cap: float
) -> None:
    """The law holds at the cuts that their bounds exclude, too; the rules have optimal power."""
    problem, work_by_cut = instance(
        seed,
        clients,
        clients + more,
        averaging_share=averaging,
        cap_bps_per_hz=cap,
        fading=bool(seed % 2),
    )
    best = bcd(problem, work_by_cut, RNG)
    for rule in (greedy, marginal_greedy):
        for cut in work_by_cut:
            fixed = plan(problem, work_by_cut, rule, optimal, cut=cut, rng=RNG)
            assert best.predicted_s <= fixed.predicted_s * (1 + 1e-9)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 6), averaging=SHARES, cap=CAPS)
def test_the_prediction_is_exact_and_limits_hold(
    instance: Callable[..., Any], seed: int, clients: int, averaging: float, cap: float
) -> None:
    """Both power limits hold, every client is served, and the prediction is exact to the bit."""
    problem, work_by_cut = instance(
        seed, clients, 11, averaging_share=averaging, cap_bps_per_hz=cap, fading=True
    )
    best = bcd(problem, work_by_cut, RNG)
    watts = np.bincount(best.client_of, best.psd_w_per_hz * problem.band.subchannel_hz)
    np.testing.assert_array_equal(np.arange(clients), np.unique(best.client_of))
    assert (best.psd_w_per_hz >= 0).all()
    assert (watts <= problem.power_max_w).all()
    assert watts.sum() <= problem.total_power_max_w
    rates = link_rates(problem, best.client_of, best.psd_w_per_hz)
    assert round_time_s(work_by_cut[best.cut], rates) == best.predicted_s
    assert best.history_s[-1] == best.predicted_s
    assert (np.diff(best.history_s) < 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("averaging", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("clients", "subchannels"), [(1, 4), (2, 2), (2, 5)])
def test_the_plan_is_the_optimum_of_the_smallest_instances(
    instance: Callable[..., Any], seed: int, averaging: float, clients: int, subchannels: int
) -> None:
    """The law is tested for one client, and for two clients on two and on five subchannels."""
    problem, work_by_cut = instance(
        seed, clients, subchannels, averaging_share=averaging, fading=bool(seed % 2)
    )
    best_s = shortest_by_brute_force(problem, work_by_cut)
    assert pytest.approx(best_s, rel=1e-9) == bcd(problem, work_by_cut, RNG).predicted_s


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 8), averaging=SHARES, cap=CAPS, fading=st.booleans())
def test_no_plan_is_below_the_bound_of_its_cut(
    instance: Callable[..., Any], seed: int, clients: int, averaging: float, cap: float, fading: bool
) -> None:
    """The law holds for the best plan and for a random assignment with optimal power."""
    problem, work_by_cut = instance(
        seed, clients, 12, averaging_share=averaging, cap_bps_per_hz=cap, fading=fading
    )
    bounds_s = cut_bounds(problem, work_by_cut)
    assert list(work_by_cut) == list(bounds_s)
    for cut, work in work_by_cut.items():
        for best in (
            bcd(problem, {cut: work}, RNG),
            plan(problem, work_by_cut, random, optimal, cut=cut, rng=np.random.default_rng(seed)),
        ):
            assert bounds_s[cut] <= best.predicted_s


def test_bounds_by_hand() -> None:
    """For three equal clients on six equal subchannels, two each are the optimum.

    1 W on two subchannels of 1 Hz gives log2(1 + 6 · 1/2) = 2 bit/s on each; downlinks have log2(1 + 7) = 3.
    So 5 + 12/4 s and 12/6 + 1 s, and 2 s of the server; the broadcast of 36 bit has all six, 18 bit/s.
    """
    band = Band(1.0, np.arange(6.0), 1.0, 1.0, 7.0 / 6.0)
    problem = RadioResources(band, np.full((3, 6), 6.0), np.ones(3), 3.0)
    work = RoundWork(np.full(3, 5.0), 12.0, 2.0, 36.0, 12.0, np.ones(3))
    expected_s = 5 + 3 + 2 + 2 + 2 + 1
    assert pytest.approx(expected_s) == bcd(problem, {4: work}, RNG).predicted_s
    # The price at which the bound is tight lies between two of the tested ones.
    assert pytest.approx(expected_s, rel=0.01) == cut_bounds(problem, {4: work})[4]


def test_the_order_of_cuts_does_not_matter(instance: Callable[..., Any]) -> None:
    """The plan for the cuts in reverse order has the same round time."""
    for seed in range(6):
        problem, work_by_cut = instance(seed, 3, 7, fading=True)
        backwards = dict(reversed(work_by_cut.items()))
        assert bcd(problem, work_by_cut, RNG).predicted_s == bcd(problem, backwards, RNG).predicted_s


def test_equal_problems_have_equal_plans(instance: Callable[..., Any]) -> None:
    """The result does not depend on the generator, whose state does not change."""
    problem, work_by_cut = instance(7, 5, 20, fading=True)
    rng = np.random.default_rng(1)
    first, second = bcd(problem, work_by_cut, rng), bcd(problem, work_by_cut, np.random.default_rng(2))
    np.testing.assert_array_equal(first.client_of, second.client_of)
    assert first.history_s == second.history_s
    assert np.random.default_rng(1).random() == rng.random()


def test_more_clients_than_subchannels_are_refused(instance: Callable[..., Any]) -> None:
    """The error states both numbers, as for the other methods."""
    problem, work_by_cut = instance(0, 5, 4)
    with pytest.raises(PlanningError, match=r"5 clients .* there are 4"):
        bcd(problem, work_by_cut, RNG)
