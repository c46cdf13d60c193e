"""The cost of the simulator around training: its time over that of a plain PyTorch loop.

The quickstart's model, data and optimisers; the event loop, the record and the learner on one side, the
loops of ``plain_loops.py`` on the other, both with one thread. Neither evaluates nor writes anything, and
both leave what was there before out of the search for garbage, as a run does. Many short repeats, since the
speed of a shared machine changes within seconds.
Both must end with the same weights, or the comparison is refused.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import torch
from measuring import Figure, interleaved, ratios, show, timed
from plain_loops import LOOPS, PlainLoop, Task
from torch import Tensor

from cutlayer.experiments.preparation import Experiment, prepare
from cutlayer.experiments.process_guards import frozen_gc
from cutlayer.experiments.scheme_run import make_world, scheme_learner
from cutlayer.models.data.partition import split
from cutlayer.models.learning.base import Learner
from cutlayer.models.learning.client_data import BatchSampler
from cutlayer.models.learning.factory import load_dataset
from cutlayer.scenarios.loading.loader import load_scenario
from cutlayer.scenarios.random_streams import stream
from cutlayer.scenarios.schema.scenario import Stop
from cutlayer.sim.schemes.base import Scheme
from cutlayer.sim.schemes.planning.plan import SchemePlan
from cutlayer.sim.schemes.round_loop import rounds
from cutlayer.sim.world.world import World

__all__ = ["figures"]

SCHEMES = ("psl", "epsl φ=1", "sfl", "sl")
ROUNDS = 25
REPEATS = 41
TOLERANCE = 1e-5


def task_of(experiment: Experiment, learner: Learner) -> Task:
    """Return the same training for a plain loop: same weights, same batches, same rates."""
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


def simulated(world: World, scheme: Scheme, learner: Learner) -> None:
    """Train inside the simulator; the run is left before its last round, which would be evaluated."""
    endless = rounds(scheme, world, learner, Stop(rounds=ROUNDS + 1), ROUNDS + 1)
    for _ in islice(endless, ROUNDS):
        pass


def weights(learner: Any) -> list[Tensor]:
    """Return all parameters of a learner in a plain loop's order: client parts, then server parts."""
    everyone = range(learner.data.clients)
    private = hasattr(learner, "server_for")
    servers = [learner.server_for(i) for i in everyone] if private else [learner.server]
    return [p.detach() for part in (*learner.clients, *servers) for p in part.module.parameters()]


def check_same(learner: Learner, plain: PlainLoop, label: str) -> None:
    """Raise a RuntimeError where the two have not learnt the same."""
    pairs = zip(weights(learner), plain.weights(), strict=True)
    gap = max(float((one - other).abs().max()) for one, other in pairs)
    if not gap <= TOLERANCE:
        raise RuntimeError(
            f"{label}: the weights differ by {gap:.2g} from the plain loop's; {TOLERANCE:g} is allowed"
        )


def overhead(experiment: Experiment, scheme: Scheme, plan: SchemePlan) -> Figure:
    """Return the time in the simulator over the time of the plain loop, for one scheme."""
    task = task_of(experiment, scheme_learner(experiment, scheme))
    label = str(scheme.parameters.label)
    last: dict[str, Any] = {}

    def inside() -> float:
        learner = last["learner"] = scheme_learner(experiment, scheme)
        world, _ = make_world(experiment, scheme, plan)
        with frozen_gc():
            return timed(lambda: simulated(world, scheme, learner))

    def plain() -> float:
        loop = last["plain"] = LOOPS[scheme.parameters.name](task)
        with frozen_gc():
            return timed(loop.train)

    simulator_s, plain_s = interleaved(REPEATS, inside, plain)
    check_same(last["learner"], last["plain"], label)
    return Figure(
        f"training: {label}, simulator / plain PyTorch", ratios(simulator_s, plain_s), "×", "≤ 1.05"
    )


def figures() -> list[Figure]:
    """Return one ratio a scheme."""
    experiment = prepare(load_scenario("quickstart", schemes=SCHEMES))
    return [overhead(experiment, scheme, plan) for scheme, plan in experiment.schemes]


if __name__ == "__main__":
    show(figures())
