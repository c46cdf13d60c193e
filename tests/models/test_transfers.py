"""A round copies no tensor between the CPU and the training device, checked on torch's ``meta`` device.

A tensor on ``meta`` has no values, so it can be neither read nor combined with a tensor on the CPU. A round
that runs there would run on a GPU without waiting for it. A dispatch mode records all copies to the device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cutlayer.experiments.execution.scheme_run import make_world, scheme_learner
from cutlayer.experiments.preparation import prepare
from cutlayer.models.learning import factory
from cutlayer.scenarios.loading.loader import load_scenario
from cutlayer.sim.schemes.base import RoundContext

DRAWN = ("sl", "sfl", "sfl_v2", "psl", "epsl", "edgesplit", "esfl", "fl", "centralised")
TOGETHER = ("{name: mpsl, first_units: 2}", "{name: one_hop, first_units: 2}")
FIRST, LATER = 10, 4  # rounds: those that draw clients' shuffles, which go to the device, and those watched


class Crossings(TorchDispatchMode):
    """Records operations on tensors of two devices, except scalars, which a GPU receives as arguments."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no hints here
        self.seen: list[str] = []

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation, and record it if its tensors are on two devices."""
        result = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        if len({tensor.device.type for tensor in tensors if tensor.dim()}) > 1:
            self.seen.append(str(func))
        return result


@pytest.fixture(autouse=True)
def on_meta(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let learners train on the meta device."""
    monkeypatch.setattr(factory, "training_device", lambda name: torch.device("meta"))


def crossings(scheme: str, *changes: str) -> list[str]:
    """Return the operations of later rounds that copy to the device or from it."""
    experiment = prepare(load_scenario("all_schemes", [f"schemes=[{scheme}]", "batch_size=4", *changes]))
    ((made, plan),) = experiment.schemes
    world, planner = make_world(experiment, made, plan)
    learner = scheme_learner(experiment, made, plan)
    met: set[int] = set()

    def rounds(first: int, count: int) -> None:
        for number in range(first, first + count):
            planner.before_round(world, number)
            made.update_learner(learner, planner.plan)
            context = RoundContext(world, learner, planner.plan, number)
            outcome = world.env.run(until=world.env.process(made.round(context)))
            met.update(range(5) if world.sampled_clients is None else world.sampled_clients)
            assert outcome is not None and outcome.participants
            assert learner.train_loss.device.type == "meta"

    rounds(1, FIRST)
    assert met == set(range(5))
    crossings = Crossings()
    with crossings:
        rounds(FIRST + 1, LATER)
    return crossings.seen


@pytest.mark.parametrize("clients_pass", ["looped", "batched"])
@pytest.mark.parametrize("scheme", DRAWN)
def test_a_round_of_some_clients_copies_nothing_to_the_device_or_from_it(
    scheme: str, clients_pass: str
) -> None:
    changes = ["participation={per_round: 3}", f"learning.clients_pass={clients_pass}"]
    assert crossings(scheme, *changes) == []


@pytest.mark.parametrize("scheme", TOGETHER)
def test_a_round_over_several_nodes_copies_nothing_to_the_device_or_from_it(scheme: str) -> None:
    assert crossings(scheme) == []
