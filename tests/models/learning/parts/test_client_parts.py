"""Parts that are created when needed equal parts that exist from the start."""

from __future__ import annotations

from itertools import count

import torch
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.models.learning.chain import ChainLearner
from cutlayer.models.learning.fl import FedAvgLearner
from cutlayer.models.learning.parts.client_parts import ClientParts, average_into
from cutlayer.models.learning.sfl import PrivateServerLearner
from tests.support.learners import adam, client_data, gap, make, normed, smooth, state

CLIENTS = 6


class Vector:
    """A part of one tensor."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensors = [tensor.clone()]


subsets = st.sets(st.integers(0, CLIENTS - 1), min_size=1).map(sorted)


@given(st.lists(st.tuples(subsets, subsets, st.booleans()), max_size=6))
def test_parts_are_what_they_would_be_if_every_average_were_written_to_all(
    rounds: list[tuple[list[int], list[int], bool]],
) -> None:
    """Any order of steps and averages gives each client the same numbers."""
    template = torch.tensor([1.0, -2.0], dtype=torch.float64)
    lazy = ClientParts(CLIENTS, lambda: Vector(template), [template])
    eager = [Vector(template) for _ in range(CLIENTS)]
    step = count(1)
    for trained, averaged, average in rounds:
        for client in trained:
            by = float(next(step))
            lazy[client].tensors[0].mul_(0.5).add_(by)
            eager[client].tensors[0].mul_(0.5).add_(by)
        if average:
            weights = torch.full((len(averaged),), 1 / len(averaged), dtype=torch.float64)
            lazy.average(averaged, weights)
            everyone = [part.tensors for part in eager]
            average_into(everyone, [everyone[i] for i in averaged], weights)
    assert [part.tensors[0].tolist() for part in eager] == [part.tensors[0].tolist() for part in lazy]


def test_only_clients_that_train_cost_a_part() -> None:
    """Only clients that trained have parts, whatever the number of clients."""
    for learner in (FedAvgLearner, PrivateServerLearner):
        trainer = make(learner, smooth, client_data([2] * 50, batch_size=2))
        for number, clients in enumerate([(3, 40), (3, 7)], start=1):
            if learner is FedAvgLearner:
                trainer.local_steps(clients, number)
            else:
                trainer.client_forward(clients, number)
                trainer.server_step(0, number)
                trainer.client_step()
            trainer.average(clients)
        assert {3, 7, 40} == set(trainer.clients._parts)


def test_a_client_that_comes_later_starts_from_the_average() -> None:
    """A part that is created later starts with the last average."""
    trainer = make(FedAvgLearner, normed, client_data([3] * 4, batch_size=3), optimizer=adam())
    trainer.local_steps((0, 1), 1)
    trainer.average((0, 1))
    assert gap(state(trainer.clients[0].module), state(trainer.clients[3].module)) == 0


def test_accuracy_and_fingerprint_are_of_the_clients_that_are_named() -> None:
    """Evaluating some clients gives one accuracy each, and creates no part for others."""
    trainer = make(PrivateServerLearner, smooth, client_data([2] * 30, batch_size=2))
    trainer.client_forward((4, 9), 1)
    trainer.server_step(0, 1)
    trainer.client_step()
    assert 2 == len(trainer.evaluate((4, 9)).per_client)
    assert trainer.fingerprint((4,)) != trainer.fingerprint((9,))
    assert {4, 9} == set(trainer.clients._parts)


def test_a_model_that_is_cut_elsewhere_keeps_its_weights_and_its_optimisers() -> None:
    """New bounds keep the weights, and a return to old bounds continues the old optimiser moments."""
    data = client_data([4], batch_size=2)
    moved = make(ChainLearner, smooth, data, optimizer=adam(), bounds={0: (0, 2, 4)}, at_client=(True, False))
    moved.local_steps((0,), 1)
    parts = moved._parts_of(0)
    before = state(moved._models[0].module)
    moved.set_bounds({0: (0, 3, 4)})
    elsewhere = moved._parts_of(0)
    assert gap(before, state(moved._models[0].module)) == 0
    moved.local_steps((0,), 2)
    assert gap(before, state(moved._models[0].module)) > 0
    moved.set_bounds({0: (0, 2, 4)})
    assert [True, True, False] == [
        moved._parts_of(0) is parts,
        len(elsewhere) == len(parts),
        elsewhere[0] is parts[0],
    ]
