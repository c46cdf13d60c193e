"""Laws of the baselines: their parts, their common random cut, and the check of every plan."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.scenarios.registry import lookup, specs
from cutlayer.sim.allocation.joint import published_baselines as baselines
from cutlayer.sim.allocation.planner import Plan, checked_plan, plan
from cutlayer.sim.allocation.power.methods import optimal, uniform
from cutlayer.sim.allocation.problem import RoundWork
from cutlayer.sim.allocation.subchannels.baselines import round_robin, strongest_signal
from cutlayer.sim.allocation.subchannels.greedy import greedy
from cutlayer.sim.planning_error import PlanningError
from cutlayer.sim.radio.rates import Band
from cutlayer.sim.radio.resources import RadioResources, uniform_power_w

RNG = np.random.default_rng(0)
SEEDS = st.integers(0, 2**32 - 1)
RANDOM_CUT = [
    (baselines.baseline_a, strongest_signal, uniform),
    (baselines.baseline_b, greedy, optimal),
]
OPTIMAL_CUT = [
    (baselines.baseline_c, strongest_signal, optimal),
    (baselines.baseline_d, greedy, uniform),
    (baselines.round_robin, round_robin, uniform),
]
IDLE = RoundWork(np.zeros(3), 0.0, 0.0, 0.0, 0.0, np.zeros(3))


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
@pytest.mark.parametrize(("baseline", "subchannels", "power"), OPTIMAL_CUT)
def test_baselines_with_an_optimal_cut(
    instance: Callable[..., Any], baseline: Any, subchannels: Any, power: Any, seed: int
) -> None:
    """Such a baseline is no worse than its subchannels and powers at any fixed cut."""
    problem, work_by_cut = instance(seed, 4, 9, fading=bool(seed % 2))
    result = baseline(problem, work_by_cut, np.random.default_rng(seed))
    for cut in work_by_cut:
        fixed = plan(problem, work_by_cut, subchannels, power, cut=cut, rng=RNG)
        assert result.predicted_s <= fixed.predicted_s


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
@pytest.mark.parametrize(("baseline", "subchannels", "power"), RANDOM_CUT)
def test_baselines_with_a_random_cut(
    instance: Callable[..., Any], baseline: Any, subchannels: Any, power: Any, seed: int
) -> None:
    """Such a baseline equals its subchannels and powers at the random cut."""
    problem, work_by_cut = instance(seed, 4, 9, fading=bool(seed % 2))
    result = baseline(problem, work_by_cut, np.random.default_rng(seed))
    fixed = plan(problem, work_by_cut, subchannels, power, cut=result.cut, rng=RNG)
    assert fixed.predicted_s == result.predicted_s
    np.testing.assert_array_equal(fixed.client_of, result.client_of)


def test_equal_generators_give_equal_random_cuts(instance: Callable[..., Any]) -> None:
    """Baselines a and b draw the same cut from equal generators, which keep their state; all cuts occur."""
    problem, work_by_cut = instance(0, 3, 6)
    cuts_of_all_seeds = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        cuts = {baseline(problem, work_by_cut, rng).cut for baseline, _, _ in RANDOM_CUT}
        assert 1 == len(cuts)
        assert np.random.default_rng(seed).random() == rng.random()
        cuts_of_all_seeds |= cuts
    assert set(work_by_cut) == cuts_of_all_seeds


def test_strongest_signal_by_hand() -> None:
    """Limits of 1, 2 and 4 W, and min(p_i, 9/3) = 1, 2 and 3 W: signals are gains times that.

    Gains in the first row 9, 1, 1, 8; second row 4, 3, 1, 4 (8, 6, 2, 8); third row 2, 2, 2, 2 (6, 6, 6, 6).
    One each, in the order of the clients: client 0 gets 0 (9), client 1 gets 3 (8; 0 is taken), client 2
    gets 1 (6; the first of two). Subchannel 2 is left: signals 1, 2, 6, so client 2.
    """
    gains = np.array([[9.0, 1, 1, 8], [4, 3, 1, 4], [2, 2, 2, 2]])
    band = Band(1.0, np.arange(4.0), 1.0, 1.0, 1.0)
    problem = RadioResources(band, gains, np.array([1.0, 2.0, 4.0]), 9.0)
    np.testing.assert_array_equal([0, 2, 2, 1], strongest_signal(problem, IDLE, RNG))


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 6), more=st.integers(0, 9))
def test_all_but_the_first_of_each_goes_to_the_strongest(
    instance: Callable[..., Any], seed: int, clients: int, more: int
) -> None:
    """Every client has a subchannel, and at most C subchannels are not with their strongest client."""
    problem, work_by_cut = instance(seed, clients, clients + more, fading=True)
    client_of = strongest_signal(problem, work_by_cut[1], RNG)
    np.testing.assert_array_equal(np.arange(clients), np.unique(client_of))
    signal_w = problem.gains * uniform_power_w(problem)[:, np.newaxis]
    assert (client_of != signal_w.argmax(axis=0)).sum() <= clients


def test_every_plan_method_refuses_more_clients_than_subchannels(instance: Callable[..., Any]) -> None:
    """The error names both numbers, whatever the method."""
    problem, work_by_cut = instance(0, 4, 3)
    for spec in specs("plan"):
        with pytest.raises(PlanningError, match="4 clients need at least one subchannel each; there are 3"):
            spec.load()(problem, work_by_cut, RNG)


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda result: None, "must return a Plan; it returned NoneType"),
        (lambda result: replace(result, cut=99), "planned for cut 99"),
        (
            lambda result: replace(result, client_of=np.where(result.client_of == 0, 1, result.client_of)),
            "leaves client 0",
        ),
        (lambda result: replace(result, psd_w_per_hz=100 * result.psd_w_per_hz), "its limit is"),
    ],
)
def test_a_plan_that_breaks_a_rule_is_refused(
    instance: Callable[..., Any], spoil: Callable[[Plan], Any], rule: str
) -> None:
    """The result of any method must obey the limits of the resources."""
    problem, work_by_cut = instance(0, 3, 8)
    result = lookup("plan", "baseline_d").load()(problem, work_by_cut, np.random.default_rng(0))
    with pytest.raises(PlanningError, match=rule):
        checked_plan("mine", spoil(result), problem, work_by_cut)


def test_the_prediction_of_a_plan_is_computed_anew(instance: Callable[..., Any]) -> None:
    """The round time follows from the rates, whatever the method predicted."""
    problem, work_by_cut = instance(0, 3, 8)
    result = lookup("plan", "baseline_d").load()(problem, work_by_cut, np.random.default_rng(0))
    optimistic = replace(result, predicted_s=0.001)
    assert result.predicted_s == pytest.approx(
        checked_plan("mine", optimistic, problem, work_by_cut).predicted_s
    )
