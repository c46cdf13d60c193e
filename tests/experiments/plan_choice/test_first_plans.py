"""First plans: their conditions, their cost, and the accuracy of their planned round times."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import cutlayer
from cutlayer.experiments.experiment import Experiment
from cutlayer.experiments.plan_choice.objectives import MeanRound, QuantileRound
from cutlayer.experiments.plan_choice.replications import Replications
from cutlayer.scenarios.errors import ScenarioError
from tests.support.straggler_scenarios import random_straggler_sections
from tests.support.worlds import experiment, trials

SLOWDOWN = {"slowdown": {"factor": 8, "mean_normal_s": 2.0, "mean_slow_s": 0.5}}
OFTEN = {"outage": {"mean_up_s": 1e-5, "mean_down_s": 1e-5}}
FREE = {"subchannels": "marginal_greedy"}
ALL = ["sl", "sfl", "psl", {"name": "epsl", "phi": 0.5}, "fl", "edgesplit", "esfl", "centralised"]
STUDY = ("epsl φ=0.5",)


def plans(ready: Experiment) -> dict[str, Any]:
    """Return the first plan of each scheme by its label."""
    return {str(scheme.parameters.label): plan for scheme, plan in ready.schemes}


def small(**allocation: Any) -> Experiment:
    """Return a scenario in which all schemes are planned under slow-downs."""
    return experiment(schemes=ALL, stragglers=SLOWDOWN, allocation={**FREE, **allocation})


def test_without_variation_every_way_of_planning_is_the_nominal_one() -> None:
    """Without slow-downs, faults and fading, plans for means are nominal plans, as is the default."""
    absent, nominal, mean = (
        plans(experiment(schemes=ALL, allocation={**FREE, **extra}))
        for extra in ({}, {"plan_for": "nominal"}, {"plan_for": "mean"})
    )
    for label, plan in nominal.items():
        assert "nominal" == absent[label].plan_for
        for other in (absent[label], mean[label]):
            assert plan.cuts == other.cuts
            assert plan.predicted_s == other.predicted_s == other.planned_round_s


def test_a_slow_down_that_never_shows_leaves_planning_nominal() -> None:
    """With a normal state that never ends, the default is the nominal plan."""
    inert = {"slowdown": {**SLOWDOWN["slowdown"], "factor": 1}}
    ready = experiment(schemes=["psl"], allocation=FREE, stragglers=inert)
    assert plans(ready)["psl"].planned_round_s == pytest.approx(plans(ready)["psl"].predicted_s)


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"stragglers": SLOWDOWN, "allocation": FREE}, "simulated"),
        ({"radio": {"fading": {"model": "rayleigh", "coherence_s": 0.1}}, "allocation": FREE}, "simulated"),
        ({"stragglers": SLOWDOWN, "allocation": {**FREE, "cut": 2}}, "nominal"),
        ({"stragglers": SLOWDOWN, "allocation": {"method": "bcd"}}, "nominal"),
        ({"stragglers": SLOWDOWN, "allocation": {**FREE, "plan_for": "mean"}}, "mean"),
        ({"stragglers": SLOWDOWN, "allocation": {**FREE, "cut": 2, "plan_for": "simulated"}}, "simulated"),
        ({"stragglers": SLOWDOWN, "allocation": FREE, "radio": {"subchannels": 600}}, "nominal"),
        ({"allocation": FREE}, "nominal"),
        ({"faults": OFTEN, "allocation": FREE}, "nominal"),
    ],
)
def test_the_default_is_to_simulate_where_there_is_something_to_choose(
    sections: dict[str, Any], expected: str
) -> None:
    """Plans are simulated if rounds vary, the cut is free and the simulation is cheap; a given value wins."""
    assert expected == plans(experiment(**sections))["psl"].plan_for


def test_planning_by_simulation_is_refused_for_rounds_of_very_many_changes() -> None:
    """The message names the fault that changes so often, and the other ways of planning."""
    with pytest.raises(ScenarioError, match=r"changes of faults\.outage.*use nominal or mean"):
        experiment(schemes=["psl"], faults=OFTEN, allocation={**FREE, "plan_for": "simulated"})


def test_what_has_no_choice_is_not_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an explicit cut and explicit subchannels and powers, no round is simulated."""
    monkeypatch.setattr(Replications, "simulate", lambda *arguments: pytest.fail("a round was simulated"))
    allocation = {
        "plan_for": "simulated",
        "cut": 2,
        "subchannels": [[0, 1], [2, 3], [4]],
        "power": {"dbm_per_hz": [-60, -60, -60]},
    }
    ready = experiment(schemes=["sl", "psl", "centralised"], stragglers=SLOWDOWN, allocation=allocation)
    assert plans(ready)["psl"].planned_round_s > plans(ready)["psl"].predicted_s


@pytest.mark.parametrize("plan_for", ["mean", "simulated"])
def test_every_scheme_runs_as_it_is_planned(plan_for: str) -> None:
    """Every scheme can be planned with means and by simulation, and its plan runs."""
    ready = small(plan_for=plan_for)
    for label, trial in trials(ready).items():
        assert len(trial.results) == 3
        assert plans(ready)[label].planned_round_s > 0


def test_a_simulated_plan_does_not_know_the_draws_of_the_run() -> None:
    """The simulated rounds have other slow-downs than the run: no replication repeats its first round."""
    short = {"slowdown": {"factor": 8, "mean_normal_s": 1e-3, "mean_slow_s": 1e-3}}
    ready = experiment(schemes=["psl"], stragglers=short, allocation={**FREE, "cut": 2})
    scheme, plan = ready.schemes[0]
    first_s = trials(ready)["psl"].ends_s[0]
    assert first_s > plan.predicted_s
    simulated = Replications(ready).simulate(scheme, plan, ready.deployment.clients, 0, 20)
    assert not np.isclose(simulated.latency_s, first_s, rtol=1e-9).any()


def test_replications_are_the_same_for_equal_plans() -> None:
    """Two simulations of one plan have the same times, in any order of their replications."""
    ready = small(plan_for="nominal", cut=2)
    scheme, plan = ready.schemes[1]
    replications, clients = Replications(ready), ready.deployment.clients
    whole = replications.simulate(scheme, plan, clients, 0, 8)
    later = replications.simulate(scheme, plan, clients, 4, 8)
    np.testing.assert_array_equal(whole.latency_s[4:], later.latency_s)
    assert len(np.unique(whole.latency_s)) > 2


def test_candidates_that_raise_errors_leave_the_nominal_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no candidate can be simulated, the plan is the nominal one, and the run reports the error."""

    def fail(*arguments: object) -> None:
        raise RuntimeError("a round that fails")

    monkeypatch.setattr(Replications, "simulate", fail)
    simulated, nominal = small(plan_for="simulated"), small(plan_for="nominal")
    assert plans(nominal)["psl"].cuts == plans(simulated)["psl"].cuts


def test_a_cut_that_does_not_fit_is_no_candidate() -> None:
    """Cuts that no device has memory for are left out, as in nominal plans."""
    devices = {"count": 3, "memory_mib": 0.001}
    with pytest.raises(ScenarioError, match="memory_mib"):
        experiment(stragglers=SLOWDOWN, allocation={**FREE, "plan_for": "simulated"}, devices=devices)


def test_the_objective_may_be_a_quantile() -> None:
    """On held-out draws, each objective is best for the plan that it has chosen, and the cuts differ."""
    sections = {"mean": "mean", "quantile": {"quantile": 0.75}}
    ready = {
        name: experiment(
            schemes=["psl"],
            batch_size=64,
            stragglers={"slowdown": {"factor": 8, "mean_normal_s": 20.0, "mean_slow_s": 2.0}},
            devices={"count": 6, "clock_hz": 1.0e8},
            model={"name": "lenet", "input_shape": [1, 8, 8], "classes": 10},
            radio={"subchannels": 10},
            allocation={**FREE, "plan_for": "simulated", "objective": section},
        )
        for name, section in sections.items()
    }
    rounds = {
        name: Replications(each).simulate(*each.schemes[0], range(6), 1000, 1200)
        for name, each in ready.items()
    }
    assert len({each.schemes[0][1].cuts for each in ready.values()}) == 2
    for name, objective in (("mean", MeanRound()), ("quantile", QuantileRound(0.75))):
        values_s = {each: objective.values_s(rounds[each], np.ones((1, 200)))[0] for each in rounds}
        assert name == min(values_s, key=values_s.__getitem__)


def test_planning_by_simulation_predicts_the_round_of_the_study() -> None:
    """Twelve devices with an eight-fold slow-down: the nominal plan predicts a third of the measured round.

    The simulated plan's round is within 10 % of the planned one, and at most 1 % above that of the best cut.
    """
    nominal, simulated = (
        cutlayer.run("planning_by_simulation", overrides=[f"allocation.plan_for={way}"], schemes=STUDY)
        for way in ("nominal", "simulated")
    )
    figures = nominal.summary["schemes"][STUDY[0]]
    assert figures["mean_latency_s"] > 2.5 * figures["planned_latency_s"]
    figures = simulated.summary["schemes"][STUDY[0]]
    assert figures["planned_latency_s"] == pytest.approx(figures["mean_latency_s"], rel=0.1)
    by_cut = [
        cutlayer.run("planning_by_simulation", overrides=[f"allocation.cut={cut}", *NOMINAL], schemes=STUDY)
        for cut in range(1, 6)
    ]
    best_s = min(run.summary["schemes"][STUDY[0]]["mean_latency_s"] for run in by_cut)
    assert figures["mean_latency_s"] <= 1.01 * best_s


NOMINAL = ("allocation.plan_for=nominal",)


@pytest.mark.slow
def test_planning_by_simulation_is_no_worse_on_held_out_draws() -> None:
    """Over 50 random scenarios, the mean change of the round against the nominal plan is below 0.

    The rounds are replications that the choice has not seen, the same for both plans. So is the upper end of
    the 95 % confidence interval of the mean, and no plan is worse by more than 3 %.
    """
    changes = []
    for seed in range(50):
        sections = random_straggler_sections(seed)
        allocation = sections.pop("allocation")
        both = [
            experiment(**sections, allocation={**allocation, "plan_for": way})
            for way in ("nominal", "simulated")
        ]
        values_s = []
        for ready in both:
            scheme, plan = ready.schemes[0]
            rounds = Replications(ready).simulate(scheme, plan, ready.deployment.clients, 10_000, 10_100)
            values_s.append(float(MeanRound().values_s(rounds, np.ones((1, 100)))[0]))
        changes.append(values_s[1] / values_s[0] - 1.0)
    mean, error = float(np.mean(changes)), float(np.std(changes, ddof=1)) / math.sqrt(50)
    assert mean + 1.96 * error < 0
    assert max(changes) < 0.03
