"""The overhead of the simulator in training: its time divided by the time of a plain PyTorch loop.

Both train the quickstart's model on its data with its optimisers, in one thread. The simulator runs the event
loop, the record and the learner; the plain loops are those of ``plain_loops.py``. Neither evaluates or writes
anything. As in a run, older objects are excluded from Python's garbage collection. There are many short
repeats, because the speed of a shared machine changes within seconds.

Both must end with the same weights; otherwise the benchmark stops with an error.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import torch
from measuring import Figure, interleaved, ratios, show, timed
from plain_loops import LOOPS, PlainLoop, Task
from torch import Tensor

from cutlayer.experiments.execution.scheme_run import make_world, scheme_learner
from cutlayer.experiments.experiment import Experiment
from cutlayer.experiments.preparation import prepare
from cutlayer.experiments.processes.process_guards import frozen_gc
from cutlayer.models.data.partition import split
from cutlayer.models.learning.base import Learner
from cutlayer.models.learning.client_data import BatchSampler
from cutlayer.models.learning.factory import load_dataset
from cutlayer.scenarios.loading.loader import load_scenario
from cutlayer.scenarios.random_streams import stream
from cutlayer.scenarios.schema.scenario import Stop
from cutlayer.sim.schemes.base import Scheme
from cutlayer.sim.schemes.planning.plan import SchemePlan
from cutlayer.sim.schemes.round_loop import run_rounds
from cutlayer.sim.schemes.round_planners.fixed_plan import FixedPlan
from cutlayer.sim.world.world import World

__all__ = ["figures"]

SCHEMES = ("psl", "epsl φ=1", "sfl", "sl")
ROUNDS = 25
REPEATS = 41
TOLERANCE = 1e-5


def task_of(experiment: Experiment, learner: Learner) -> Task:
    """Return the learner's training for a plain loop: the same weights, mini-batches and learning rates."""
    scenario = experiment.loaded.scenario
    learning = scenario.learning
    assert learning is not None
    dataset = load_dataset(learning, scenario.model)
    clients = scenario.devices.count
    parts = split(learning.partition, dataset.train_labels, clients, stream(scenario.seed, "partition"))
    sampler = BatchSampler(parts, scenario.batch_size, scenario.seed)
    return Task(
        learner.new_model,
        learner.cut,
        torch.as_tensor(dataset.train_images),
        torch.as_tensor(dataset.train_labels),
        [[sampler.indices(i, number) for i in range(clients)] for number in range(1, ROUNDS + 1)],
        learner.data.shares,
        learning.optimizer.client_lr,
        learning.optimizer.server_lr,
    )


def train_in_simulator(world: World, planner: FixedPlan, scheme: Scheme, learner: Learner) -> None:
    """Train in the simulator. The run is stopped before its last round, which would be evaluated."""
    results = run_rounds(scheme, world, learner, planner, Stop(rounds=ROUNDS + 1), ROUNDS + 1)
    for _ in islice(results, ROUNDS):
        pass


def weights(learner: Any) -> list[Tensor]:
    """Return all parameters of a learner in the order of a plain loop: client parts, then server parts."""
    has_server_copies = hasattr(learner, "server_for")
    clients = range(learner.data.clients)
    servers = [learner.server_for(i) for i in clients] if has_server_copies else [learner.server]
    return [p.detach() for part in (*learner.clients, *servers) for p in part.module.parameters()]


def check_same(learner: Learner, plain: PlainLoop, label: str) -> None:
    """Raise a RuntimeError if the learner's weights differ from the plain loop's."""
    pairs = zip(weights(learner), plain.weights(), strict=True)
    gap = max(float((learnt - reference).abs().max()) for learnt, reference in pairs)
    if not gap <= TOLERANCE:
        raise RuntimeError(
            f"{label}: the weights differ by {gap:.2g} from the plain loop's; {TOLERANCE:g} is allowed"
        )


def overhead(experiment: Experiment, scheme: Scheme, plan: SchemePlan) -> Figure:
    """Return the simulator's time divided by the plain loop's time, for one scheme."""
    task = task_of(experiment, scheme_learner(experiment, scheme, plan))
    label = str(scheme.parameters.label)
    last: dict[str, Any] = {}

    def simulator_s() -> float:
        learner = last["learner"] = scheme_learner(experiment, scheme, plan)
        world, planner = make_world(experiment, scheme, plan)
        with frozen_gc():
            return timed(lambda: train_in_simulator(world, planner, scheme, learner))

    def plain_s() -> float:
        loop = last["plain"] = LOOPS[scheme.parameters.name](task)
        with frozen_gc():
            return timed(loop.train)

    in_simulator_s, in_loop_s = interleaved(REPEATS, simulator_s, plain_s)
    check_same(last["learner"], last["plain"], label)
    return Figure(
        f"training: {label}, simulator / plain PyTorch", ratios(in_simulator_s, in_loop_s), "×", "≤ 1.05"
    )


def figures() -> list[Figure]:
    """Return the overhead of each scheme."""
    experiment = prepare(load_scenario("quickstart", schemes=SCHEMES))
    return [overhead(experiment, scheme, plan) for scheme, plan in experiment.schemes]


if __name__ == "__main__":
    show(figures())
