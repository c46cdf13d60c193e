"""Laws that hold because a plan keeps the best of all its starts: more starts are never worse.

They are tested for the work of every scheme whose clients send in parallel, also with gains that spread over
35 dB, and with limits of which either may bind.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.experiments.preparation import prepare
from cutlayer.scenarios.loading.loader import load_scenario
from cutlayer.scenarios.registry import lookup
from cutlayer.scenarios.schema.scenario import Allocation
from cutlayer.sim.allocation.joint.bcd import bcd
from cutlayer.sim.allocation.planner import Plan, plan
from cutlayer.sim.allocation.power.methods import explicit_power, optimal, uniform
from cutlayer.sim.allocation.problem import RoundWork
from cutlayer.sim.planning_error import PlanningError
from cutlayer.sim.radio.resources import RadioResources

ROUNDING = 1 + 1e-9  # of all laws
RNG = np.random.default_rng(0)
WEAK_DBM_PER_HZ = -80.0  # within every limit of the instances
# EPSL with φ = 0, 0.5 and 1, of which the first is PSL; SplitFed that averages every second and every round.
SCHEMES = [(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.0, 0.5), (0.0, 1.0)]

Instance = tuple[RadioResources, dict[int, RoundWork]]


@st.composite
def instances(draw: st.DrawFn) -> dict[str, Any]:
    """Return the arguments of a random small instance: its size, its gains and the scheme of its work."""
    clients = draw(st.integers(2, 5))
    merged_share, averaging_share = draw(st.sampled_from(SCHEMES))
    return {
        "seed": draw(st.integers(0, 2**32 - 1)),
        "clients": clients,
        "subchannels": clients + draw(st.integers(0, 7)),
        "merged_share": merged_share,
        "averaging_share": averaging_share,
        "fading": draw(st.booleans()),
        "spread_db": draw(st.sampled_from([0.0, 35.0])),
    }


def federated(work_by_cut: dict[int, RoundWork]) -> dict[int, RoundWork]:
    """Return the work of federated averaging: the model is sent, and nothing happens after its broadcast."""
    whole = work_by_cut[5]
    zero_s = np.zeros_like(whole.before_uplink_s)
    bits = whole.model_upload_bits
    return {0: RoundWork(3 * whole.before_uplink_s, bits, 0.0, bits, 0.0, zero_s)}


def planned(instance: Instance, subchannels: str, power: Any, cut: int | None = None) -> Plan:
    """Return the plan of a registered subchannel method with a power method."""
    problem, work_by_cut = instance
    return plan(problem, work_by_cut, lookup("subchannels", subchannels).load(), power, cut=cut, rng=RNG)


def powers(problem: RadioResources) -> list[Any]:
    """Return every kind of power method: optimal, uniform, and densities that a scenario states."""
    weak = [WEAK_DBM_PER_HZ] * problem.num_clients
    return [optimal, uniform, lambda resources, work, client_of: explicit_power(weak, resources, client_of)]


@settings(max_examples=30, deadline=None)
@given(
    arguments=instances(), kind=st.integers(0, 2), cut=st.sampled_from([None, 1, 3, 5]), has_cut=st.booleans()
)
def test_a_method_is_never_worse_than_one_whose_assignments_it_contains(
    instance: Callable[..., Instance], arguments: dict[str, Any], kind: int, cut: int | None, has_cut: bool
) -> None:
    """The order greedy, marginal greedy, exchange holds with any power, at each cut and with a free cut."""
    problem, work_by_cut = instance(**arguments)
    small = (problem, {cut: work_by_cut[cut] for cut in (1, 3, 5)} if has_cut else federated(work_by_cut))
    power = powers(problem)[kind]
    papers_s, marginal_s, exchange_s = (
        planned(small, method, power, cut if has_cut else None).predicted_s
        for method in ("greedy", "marginal_greedy", "exchange")
    )
    assert marginal_s <= papers_s * ROUNDING
    assert exchange_s <= marginal_s * ROUNDING


@settings(max_examples=25, deadline=None)
@given(
    arguments=instances(),
    method=st.sampled_from(["greedy", "marginal_greedy", "exchange", "strongest_signal", "round_robin"]),
)
def test_optimal_power_is_never_worse_than_uniform_power(
    instance: Callable[..., Instance], arguments: dict[str, Any], method: str
) -> None:
    """The law holds with the best cut of each power, too."""
    every = instance(**arguments)
    best_s = planned(every, method, optimal).predicted_s
    assert best_s <= planned(every, method, uniform).predicted_s * ROUNDING


@settings(max_examples=25, deadline=None)
@given(
    arguments=instances(),
    method=st.sampled_from(["greedy", "marginal_greedy", "exchange"]),
    dbm_per_hz=st.sampled_from([-52.0, -49.0, -46.0]),
)
def test_a_free_cut_is_never_worse_with_stated_densities_that_some_assignments_exceed(
    instance: Callable[..., Instance], arguments: dict[str, Any], method: str, dbm_per_hz: float
) -> None:
    """If the densities suit an assignment at any fixed cut, the free cut has a plan, and none is shorter."""
    every = instance(**arguments)
    stated = [dbm_per_hz] * every[0].num_clients

    def power(resources: RadioResources, work: RoundWork, client_of: Any) -> Any:
        return explicit_power(stated, resources, client_of)

    def shortest_s(cut: int | None) -> float:
        try:
            return planned(every, method, power, cut).predicted_s
        except PlanningError:
            return np.inf

    assert shortest_s(None) <= min(shortest_s(cut) for cut in every[1]) * ROUNDING


@settings(max_examples=8, deadline=None)
@given(arguments=instances())
def test_bcd_is_never_worse_than_the_rules_at_any_cut(
    instance: Callable[..., Instance], arguments: dict[str, Any]
) -> None:
    """The law holds with optimal and with uniform power; exchange with a free cut is no worse than bcd."""
    problem, work_by_cut = instance(**arguments)
    best_s = bcd(problem, work_by_cut, RNG).predicted_s
    for method in ("greedy", "marginal_greedy"):
        for power in (optimal, uniform):
            for cut in work_by_cut:
                assert best_s <= planned((problem, work_by_cut), method, power, cut).predicted_s * ROUNDING
    assert planned((problem, work_by_cut), "exchange", optimal).predicted_s <= best_s * ROUNDING


@pytest.mark.parametrize(("scheme", "cut"), [("epsl φ=1", None), ("epsl φ=0.5", 2), ("sfl", 2)])
def test_the_default_is_the_best_plan_of_a_library_scenario(scheme: str, cut: int | None) -> None:
    """The default is no worse than marginal greedy, and that no worse than greedy, for five devices.

    The paper's rule, greedy, loses 1 % at least, with the paper's times of the server. SplitFed loses less.
    """
    once = ", ".join(
        f"{{name: epsl, phi: {phi}, charge_second_forward: false, label: epsl φ={phi:g}}}"
        for phi in (0.5, 1.0)
    )
    overrides = [f"schemes=[sfl, {once}]", *([f"allocation.cut={cut}"] if cut else [])]
    times_s = []
    for method in ("greedy", "marginal_greedy", Allocation().subchannels):
        named = [*overrides, f"allocation.subchannels={method}"]
        experiment = prepare(load_scenario("timeline_only", named, seed=18, schemes=[scheme]))
        times_s.append(experiment.schemes[0][1].predicted_s)
    assert times_s[2] <= times_s[1] * ROUNDING
    assert times_s[1] <= times_s[0] * ROUNDING
    if scheme != "sfl":
        assert times_s[2] < 0.99 * times_s[0]


def returned(client_of: np.ndarray, *arguments: Any) -> np.ndarray:
    """Return the assignment, as a subchannel method that ignores all further arguments."""
    return client_of


def test_an_assignment_that_stated_densities_do_not_fit_is_left_out(
    instance: Callable[..., Instance],
) -> None:
    """The plan is the one candidate that meets the densities; if none does, the error is reported."""
    problem, work_by_cut = instance(0, 2, 6)
    work = {1: work_by_cut[1]}
    few, many = np.array([0, 1, -1, -1, -1, -1]), np.array([0, 0, 0, 0, 0, 1])
    limit_w = min(problem.power_max_w.min(), problem.total_power_max_w / 2)
    dbm_per_hz = [10 * np.log10(limit_w / problem.band.subchannel_hz) + 30 - 1e-6] * 2

    class Candidates:
        def __init__(self, *assignments: np.ndarray) -> None:
            self._assignments = assignments

        def __call__(self, *arguments: Any) -> np.ndarray:
            return self._assignments[0]

        def candidates(self, *arguments: Any) -> dict[int, list[np.ndarray]]:
            return {1: list(self._assignments)}

    def power(resources: RadioResources, work: RoundWork, client_of: np.ndarray) -> np.ndarray:
        return explicit_power(dbm_per_hz, resources, client_of)

    best = plan(problem, work, Candidates(many, few), power, cut=None, rng=RNG)
    np.testing.assert_array_equal(few, best.client_of)
    with pytest.raises(PlanningError, match="its limit is"):
        plan(problem, work, Candidates(many, many), power, cut=None, rng=RNG)


def test_every_assignment_is_tried_at_every_cut(instance: Callable[..., Instance]) -> None:
    """The plan is the shortest round over all pairs of a cut and an assignment that was made for any cut."""
    for seed in range(12):
        problem, work_by_cut = instance(seed, 4, 9, fading=True, spread_db=20.0)
        greedy = lookup("subchannels", "greedy").load()
        assignments = [greedy(problem, work, RNG) for work in work_by_cut.values()]

        expected_s = min(
            plan(problem, work_by_cut, partial(returned, client_of), optimal, cut=cut, rng=RNG).predicted_s
            for client_of in assignments
            for cut in work_by_cut
        )
        actual_s = planned((problem, work_by_cut), "greedy", optimal).predicted_s
        assert pytest.approx(expected_s, rel=1e-12) == actual_s
