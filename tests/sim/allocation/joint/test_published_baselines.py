"""Laws of the baselines: what each of them leaves out, and what they have in common."""

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
DRAWN = [
    (baselines.baseline_a, strongest_signal, uniform),
    (baselines.baseline_b, greedy, optimal),
]
CHOSEN = [
    (baselines.baseline_c, strongest_signal, optimal),
    (baselines.baseline_d, greedy, uniform),
    (baselines.round_robin, round_robin, uniform),
]
IDLE = RoundWork(np.zeros(3), 0.0, 0.0, 0.0, 0.0, np.zeros(3))


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
@pytest.mark.parametrize(("baseline", "subchannels", "power"), CHOSEN)
def test_baselines_with_an_optimal_cut(
    instance: Callable[..., Any], baseline: Any, subchannels: Any, power: Any, seed: int
) -> None:
    """They are no worse than their subchannels and powers at any cut, and as good as at their own."""
    problem, works = instance(seed, 4, 9, fading=bool(seed % 2))
    found = baseline(problem, works, np.random.default_rng(seed))
    for cut in works:
        fixed = plan(problem, works, subchannels, power, cut=cut, rng=RNG)
        assert found.predicted_s <= fixed.predicted_s


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
@pytest.mark.parametrize(("baseline", "subchannels", "power"), DRAWN)
def test_baselines_with_a_random_cut(
    instance: Callable[..., Any], baseline: Any, subchannels: Any, power: Any, seed: int
) -> None:
    """They are their subchannels and powers at the cut that they drew."""
    problem, works = instance(seed, 4, 9, fading=bool(seed % 2))
    found = baseline(problem, works, np.random.default_rng(seed))
    fixed = plan(problem, works, subchannels, power, cut=found.cut, rng=RNG)
    assert fixed.predicted_s == found.predicted_s
    np.testing.assert_array_equal(fixed.owner, found.owner)


def test_random_cuts_are_drawn_alike(instance: Callable[..., Any]) -> None:
    """Baselines a and b have the same cut for the same generator, which is left as it is; all cuts occur."""
    problem, works = instance(0, 3, 6)
    seen = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        cuts = {baseline(problem, works, rng).cut for baseline, _, _ in DRAWN}
        assert 1 == len(cuts)
        assert np.random.default_rng(seed).random() == rng.random()
        seen |= cuts
    assert set(works) == seen


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
    """Every client has one, every subchannel is used, and at most C are not with their strongest client."""
    problem, works = instance(seed, clients, clients + more, fading=True)
    owner = strongest_signal(problem, works[1], RNG)
    np.testing.assert_array_equal(np.arange(clients), np.unique(owner))
    signal_w = problem.gains * uniform_power_w(problem)[:, np.newaxis]
    assert (owner != signal_w.argmax(axis=0)).sum() <= clients


def test_every_plan_method_refuses_more_clients_than_subchannels(instance: Callable[..., Any]) -> None:
    """The error names both numbers, whatever the method."""
    problem, works = instance(0, 4, 3)
    for spec in specs("plan"):
        with pytest.raises(PlanningError, match="4 clients need at least one subchannel each; there are 3"):
            spec.load()(problem, works, RNG)


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda found: None, "must return a Plan; it returned NoneType"),
        (lambda found: replace(found, cut=99), "planned for cut 99"),
        (lambda found: replace(found, owner=np.where(found.owner == 0, 1, found.owner)), "leaves client 0"),
        (lambda found: replace(found, psd_w_per_hz=100 * found.psd_w_per_hz), "its limit is"),
    ],
)
def test_a_plan_that_breaks_a_rule_is_refused(
    instance: Callable[..., Any], spoil: Callable[[Plan], Any], rule: str
) -> None:
    """What a method returns is held to the limits that it was given, whoever wrote it."""
    problem, works = instance(0, 3, 8)
    found = lookup("plan", "baseline_d").load()(problem, works, np.random.default_rng(0))
    with pytest.raises(PlanningError, match=rule):
        checked_plan("mine", spoil(found), problem, works)


def test_a_plans_own_prediction_is_not_believed(instance: Callable[..., Any]) -> None:
    """The round time is that of the rates that the plan gives."""
    problem, works = instance(0, 3, 8)
    found = lookup("plan", "baseline_d").load()(problem, works, np.random.default_rng(0))
    boasting = replace(found, predicted_s=0.001)
    assert found.predicted_s == pytest.approx(checked_plan("mine", boasting, problem, works).predicted_s)
