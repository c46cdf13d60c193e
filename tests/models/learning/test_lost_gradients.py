"""Clients whose gradients do not arrive: they have trained the server, and keep their own parts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cutlayer.models.learning.epsl import EpslLearner
from cutlayer.models.learning.sfl import PrivateServerLearner, SharedServerLearner
from cutlayer.scenarios.schema.scenario import ClientsPass
from tests.support.learners import adam, client_data, make, smooth, state

FINISHED = [(0, 1, 2), (0, 2), (0, 1, 2), (), (1,), (0, 1, 2)]
"""The clients whose gradients arrive in each round; all three take part."""


def rounds_of(learner: Any, step: Callable[[tuple[int, ...]], None]) -> list[Tensor]:
    """Run rounds in which some gradients are lost, and return all weights."""
    for number, finished in enumerate(FINISHED, start=1):
        learner.client_forward((0, 1, 2), number)
        learner.server_step(2 if isinstance(learner, EpslLearner) else 0, number)
        step(finished)
        if not isinstance(learner, EpslLearner) and number % 3 == 0:
            learner.average(finished)
    return state(*(module for composite in learner.composites_of((0, 1, 2)) for module in composite))


@pytest.mark.parametrize("clients_pass", ["looped", "batched"])
@pytest.mark.parametrize("build", [smooth])
@pytest.mark.parametrize("kind", [EpslLearner, PrivateServerLearner, SharedServerLearner])
def test_a_part_whose_gradient_is_lost_stays_as_it_was(
    kind: Any, build: Callable[[], nn.Sequential], clients_pass: ClientsPass
) -> None:
    """Weights and optimiser equal those of steps of all clients, of which the lost ones are taken back."""

    def learner() -> Any:
        return make(kind, build, client_data((12, 9, 6), 3), optimizer=adam(), clients_pass=clients_pass)

    losing, restoring = learner(), learner()

    def step_and_restore(finished: tuple[int, ...]) -> None:
        lost = [restoring.clients[i] for i in (0, 1, 2) if i not in finished]
        before = [
            (copy.deepcopy(p.module.state_dict()), copy.deepcopy(p.optimizer.state_dict())) for p in lost
        ]
        restoring.client_step((0, 1, 2))
        for part, (weights, moments) in zip(lost, before, strict=True):
            part.module.load_state_dict(weights)
            part.optimizer.load_state_dict(moments)
        restoring._updates = restoring.updates()  # the optimisers have other states now

    expected = rounds_of(restoring, step_and_restore)
    assert all(map(torch.equal, expected, rounds_of(losing, losing.client_step)))
