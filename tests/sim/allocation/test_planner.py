"""Laws of the plan: its prediction is exact, its incumbents never get worse, and no fixed cut is better."""

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cutlayer.sim.allocation.planner import plan, random_cut
from cutlayer.sim.allocation.power.methods import optimal, uniform
from cutlayer.sim.allocation.problem import RoundWork, link_rates, round_time_s
from cutlayer.sim.allocation.subchannels.baselines import random, round_robin
from cutlayer.sim.allocation.subchannels.greedy import greedy, marginal_greedy
from cutlayer.sim.planning_error import PlanningError
from cutlayer.sim.radio.rates import Band
from cutlayer.sim.radio.resources import RadioResources

SEEDS = st.integers(0, 2**32 - 1)
SUBCHANNELS = st.sampled_from([greedy, marginal_greedy, round_robin, random])
POWERS = st.sampled_from([uniform, optimal])
SHARES = st.sampled_from([0.0, 0.5, 1.0])


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, subchannels=SUBCHANNELS, power=POWERS, averaging=SHARES)
def test_a_plan_is_never_worse_than_any_fixed_cut(
    instance: Callable[..., Any], seed: int, subchannels: Any, power: Any, averaging: float
) -> None:
    """The descent starts from the solution of every cut and keeps the best one."""
    problem, work_by_cut = instance(seed, 4, 10, averaging_share=averaging, fading=bool(seed % 2))
    found = plan(problem, work_by_cut, subchannels, power, cut=None, rng=np.random.default_rng(seed))
    for cut in work_by_cut:
        fixed = plan(problem, work_by_cut, subchannels, power, cut=cut, rng=np.random.default_rng(seed))
        assert cut == fixed.cut
        assert found.predicted_s <= fixed.predicted_s


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, subchannels=SUBCHANNELS, power=POWERS, averaging=SHARES)
def test_the_prediction_is_the_round_time_of_the_plan(
    instance: Callable[..., Any], seed: int, subchannels: Any, power: Any, averaging: float
) -> None:
    """The time computed from the cut, the assignment and the powers equals the prediction to the bit."""
    problem, work_by_cut = instance(seed, 4, 10, averaging_share=averaging)
    found = plan(problem, work_by_cut, subchannels, power, cut=None, rng=np.random.default_rng(seed))
    rates = link_rates(problem, found.client_of, found.psd_w_per_hz)
    assert round_time_s(work_by_cut[found.cut], rates) == found.predicted_s


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, subchannels=SUBCHANNELS, power=POWERS)
def test_the_incumbent_never_rises(
    instance: Callable[..., Any], seed: int, subchannels: Any, power: Any
) -> None:
    """The incumbent's time falls from that of the first cut's solution to that of the plan."""
    problem, work_by_cut = instance(seed, 4, 10, fading=True)
    found = plan(problem, work_by_cut, subchannels, power, cut=None, rng=np.random.default_rng(seed))
    first = plan(problem, work_by_cut, subchannels, power, cut=1, rng=np.random.default_rng(seed))
    assert (np.diff(found.history_s) < 0).all()
    assert first.predicted_s == found.history_s[0]
    assert found.predicted_s == found.history_s[-1]


# Two clients on four subchannels of 1 Hz: three of them carry 3 log2(4/3) = 1.245 bit/s, one carries 1 bit/s.
EQUAL = RadioResources(Band(1.0, np.arange(4.0), 1.0, 1.0, 1.0), np.ones((2, 4)), np.ones(2), 2.0)
EQUAL_WORK_BY_CUT = {
    1: RoundWork(np.array([0.0, 8.0]), 10.0, 0.0, 0.0, 0.0, np.zeros(2)),
    2: RoundWork(np.array([7.0, 0.0]), 10.0, 0.0, 0.0, 0.0, np.zeros(2)),
}
MORE_FOR = {0: np.array([0, 0, 0, 1]), 1: np.array([0, 1, 1, 1])}
THREE_S = 10 / (3 * math.log2(4 / 3))  # 8.03 s


@pytest.mark.parametrize("favoured", [{1: 1, 2: 0}, {1: 0, 2: 1}])
def test_every_start_and_the_cut_step_count(favoured: dict[int, int]) -> None:
    """The best is cut 2 with three subchannels for client 0, 7 + 8.03 s; cut 1 takes 16.03 s at least.

    Where each cut favours its slower client, each is a fixed point of the descent, so both must be started
    from. Where each favours the other, the best is only found by moving the cut and keeping the assignment.
    """

    def subchannels(problem: RadioResources, work: RoundWork, rng: np.random.Generator) -> np.ndarray:
        return MORE_FOR[favoured[1 if work is EQUAL_WORK_BY_CUT[1] else 2]]

    found = plan(EQUAL, EQUAL_WORK_BY_CUT, subchannels, uniform, cut=None, rng=np.random.default_rng(0))
    assert found.cut == 2
    np.testing.assert_array_equal(MORE_FOR[0], found.client_of)
    assert pytest.approx(7 + THREE_S) == found.predicted_s


@pytest.mark.parametrize("seed", range(4))
def test_brute_force_bounds_the_plan(instance: Callable[..., Any], seed: int) -> None:
    """No plan is shorter than the best of all cuts and assignments with optimal power."""
    problem, work_by_cut = instance(seed, 2, 5)
    assignments = [
        np.array(client_of) for client_of in product(range(2), repeat=5) if len(set(client_of)) == 2
    ]
    best_s = min(
        round_time_s(work, link_rates(problem, client_of, optimal(problem, work, client_of)))
        for client_of in assignments
        for work in work_by_cut.values()
    )
    for subchannels in (greedy, marginal_greedy, round_robin, random):
        found = plan(problem, work_by_cut, subchannels, optimal, cut=None, rng=np.random.default_rng(seed))
        assert best_s <= found.predicted_s * (1 + 1e-12)
    found = plan(problem, work_by_cut, marginal_greedy, optimal, cut=None, rng=np.random.default_rng(seed))
    assert found.predicted_s <= 1.01 * best_s


def test_the_cut_step_alone_can_improve(instance: Callable[..., Any]) -> None:
    """With one assignment for all cuts, the plan has the best cut for that assignment."""
    problem, work_by_cut = instance(3, 4, 10)
    found = plan(problem, work_by_cut, round_robin, uniform, cut=None, rng=np.random.default_rng(0))
    client_of = round_robin(problem, work_by_cut[1], np.random.default_rng(0))
    rates = link_rates(problem, client_of, uniform(problem, work_by_cut[1], client_of))
    assert min(round_time_s(work, rates) for work in work_by_cut.values()) == found.predicted_s


def test_a_scheme_without_a_cut_has_one_work(instance: Callable[..., Any]) -> None:
    """The plan of a scheme without a cut is the solution for its one work."""
    problem, work_by_cut = instance(0, 4, 10)
    found = plan(problem, {0: work_by_cut[3]}, greedy, optimal, cut=None, rng=np.random.default_rng(0))
    fixed = plan(problem, work_by_cut, greedy, optimal, cut=3, rng=np.random.default_rng(0))
    assert found.cut == 0
    assert fixed.predicted_s == found.predicted_s


def test_planning_does_not_change_the_generator(instance: Callable[..., Any]) -> None:
    """The plan works with copies, so equal generators give equal plans and keep their state."""
    problem, work_by_cut = instance(0, 4, 10)
    rng = np.random.default_rng(5)
    first, second = (plan(problem, work_by_cut, random, uniform, cut=None, rng=rng) for _ in range(2))
    np.testing.assert_array_equal(first.client_of, second.client_of)


def test_a_cut_that_is_not_possible_is_refused(instance: Callable[..., Any]) -> None:
    """The error names the cut and the possible ones."""
    problem, work_by_cut = instance(0, 4, 10)
    with pytest.raises(PlanningError, match="cut 6 is not possible; it must be 1 to 5"):
        plan(problem, work_by_cut, greedy, uniform, cut=6, rng=np.random.default_rng(0))


def test_random_cuts_are_even() -> None:
    """The random method draws each cut with equal probability."""
    rng = np.random.default_rng(0)
    draws = [random_cut(range(1, 6), rng) for _ in range(500)]
    assert stats.chisquare(np.bincount(draws, minlength=6)[1:]).pvalue > 0.01
