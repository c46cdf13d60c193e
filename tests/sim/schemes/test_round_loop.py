"""When a run stops, and when it evaluates."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cutlayer.models.learning.evaluation import Evaluation
from cutlayer.scenarios.schema.scenario import Server, Stop
from cutlayer.sim.schemes.base import TrainingTask
from cutlayer.sim.schemes.round_loop import RoundResult, run_rounds
from cutlayer.sim.schemes.round_planners.fixed_plan import FixedPlan
from cutlayer.sim.world.world import World
from tests.support.worlds import Setting, fleet, links, make_scheme, plan_at, unit_table


class Improving:
    """A learner whose accuracy rises by a tenth with each step."""

    def __init__(self) -> None:
        self.steps = 0
        self.evaluations = 0
        self.train_loss = 1.0

    def step(self, clients: Any, number: int) -> None:
        self.steps += 1

    def evaluate(self, clients: tuple[int, ...] | None = None) -> Any:
        self.evaluations += 1
        accuracy = self.steps / 10
        return Evaluation((accuracy,), accuracy)


class Diverging(Improving):
    """A learner whose loss is infinite from step 3 on, or whose model is not finite, with a finite loss."""

    def __init__(self, *, in_loss: bool) -> None:
        super().__init__()
        self._in_loss = in_loss

    def step(self, clients: Any, number: int) -> None:
        self.steps += 1
        self.train_loss = math.inf if self._in_loss and self.steps >= 3 else 1.0

    def evaluate(self, clients: tuple[int, ...] | None = None) -> Any:
        accuracy = math.nan if self.steps >= 3 else 0.5
        return Evaluation((accuracy, 0.9), accuracy)


def run(
    stop: dict[str, Any], every: int = 1, learner: Any = None, *, stop_on_divergence: bool = True
) -> list[RoundResult]:
    """Run a scheme whose rounds take one second."""
    setting = Setting(
        unit_table([(0.5, 0.0, 1, 1, 1), (0.25, 0.25, 1, 1, 1)]),
        1,
        fleet([1.0], [1.0]),
        Server(clock_hz=1.0, cycles_per_flop=1.0),
        links([1.0], [1.0], [1.0]),
    )
    scheme = make_scheme("centralised", TrainingTask(setting.units, 1))
    world = World(setting.server, setting.fleet, setting.links)
    planner = FixedPlan(plan_at(scheme, 0, 1), range(1))
    limits = Stop.model_validate(stop)
    return list(
        run_rounds(scheme, world, learner, planner, limits, every, stop_on_divergence=stop_on_divergence)
    )


def test_stop_after_rounds() -> None:
    """So many rounds, no more."""
    assert [1, 2, 3] == [r.number for r in run({"rounds": 3})]


def test_no_round_starts_when_the_time_is_up() -> None:
    """A round that runs when the time is up is finished; with time up at a round's end, none follows."""
    assert [1.0, 2.0, 3.0] == [r.end_s for r in run({"time_s": 2.5})]
    assert [1.0, 2.0] == [r.end_s for r in run({"time_s": 2.0})]


def test_stop_at_an_accuracy_that_is_seen() -> None:
    """Accuracy 0.25 is reached in round 3; evaluated every second round it is seen in round 4."""
    assert 3 == run({"accuracy": 0.25}, learner=Improving())[-1].number
    assert 4 == run({"accuracy": 0.25}, every=2, learner=Improving())[-1].number


def test_the_first_limit_ends_the_run() -> None:
    """Of several limits the first that is reached counts."""
    limits = {"rounds": 5, "time_s": 4.0, "accuracy": 0.9}
    assert 4 == run(limits, learner=Improving())[-1].number


@pytest.mark.parametrize(
    ("every", "rounds_run", "expected"), [(1, 3, [1, 2, 3]), (2, 5, [2, 4, 5]), (9, 3, [3])]
)
def test_evaluated_when_due_and_at_the_end(every: int, rounds_run: int, expected: list[int]) -> None:
    """Evaluations are as many as due, and the last round always has one."""
    learner = Improving()
    results = run({"rounds": rounds_run}, every=every, learner=learner)
    assert expected == [r.number for r in results if r.accuracy is not None]
    assert len(expected) == learner.evaluations


@pytest.mark.parametrize("in_loss", [True, False])
def test_a_run_ends_with_the_round_that_diverges(in_loss: bool) -> None:
    """The round whose loss or model is not finite is the last one, and it never reaches an accuracy."""
    results = run({"rounds": 6, "accuracy": 0.8}, learner=Diverging(in_loss=in_loss))
    assert [False, False, True] == [result.diverged for result in results]
    assert results[-1].is_last
    assert results[-1].accuracy is None or math.isnan(results[-1].accuracy.mean)


def test_a_run_may_go_on_after_it_diverged() -> None:
    """Without the stop, all rounds run, and each of them says that it diverged."""
    results = run({"rounds": 5}, learner=Diverging(in_loss=True), stop_on_divergence=False)
    assert [False, False, True, True, True] == [result.diverged for result in results]
