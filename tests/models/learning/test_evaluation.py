"""Accuracy on the test set: of every client's model, their mean, and the averaged model's."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from cutlayer.models.learning.epsl import EpslLearner
from cutlayer.models.learning.evaluation import accuracy
from cutlayer.models.learning.sfl import PrivateServerLearner, SharedServerLearner
from tests.support.learners import CLASSES, client_data, composites, make, normed, smooth, state

UNEQUAL = (30, 18, 12)  # λ = 0.5, 0.3, 0.2
B = 5
SPLITFED = [PrivateServerLearner, SharedServerLearner]
# of the 40 test samples 14 are of class 0, and 13 of each of the two others
BIASES = ([0.9, 1.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 2.0])


def constant() -> nn.Sequential:
    """Return a model that can be set to predict the same class for every sample."""
    return nn.Sequential(nn.Sequential(nn.Flatten(), nn.Linear(16, CLASSES)), nn.Linear(CLASSES, CLASSES))


@torch.no_grad()
def name_class(client: nn.Module, server: nn.Module, bias: list[float]) -> None:
    """Make the composite's logits equal to the bias for every sample."""
    (first,), (last,) = ([m for m in part.modules() if isinstance(m, nn.Linear)] for part in (client, server))
    first.weight.zero_()
    first.bias.copy_(torch.tensor(bias))
    last.weight.copy_(torch.eye(CLASSES))
    last.bias.zero_()


def round_of(learner: PrivateServerLearner | SharedServerLearner, number: int) -> None:
    """Run one round of all clients, without averaging."""
    learner.client_forward(tuple(range(learner.data.clients)), number)
    learner.server_step(0, number)
    learner.client_step()


def test_accuracy_of_parallel_clients_by_hand() -> None:
    """Clients predict classes 1, 0 and 2; the λ-weighted bias (0.60, 0.50, 0.40) predicts class 0.

    The plain mean of the biases would predict class 2, and client 0 predicts class 1: 13 of 40 correct.
    """
    learner = make(EpslLearner, constant, client_data(UNEQUAL, B), cut=1)
    for part, bias in zip(learner.clients, BIASES, strict=True):
        name_class(part.module, learner.server.module, bias)
    evaluation = learner.evaluate()
    assert (13 / 40, 14 / 40, 13 / 40) == evaluation.per_client
    assert pytest.approx(1 / 3, abs=1e-12) == evaluation.mean
    assert evaluation.averaged == 14 / 40
    assert evaluation.averaged != evaluation.per_client[0]


@pytest.mark.parametrize("kind", SPLITFED)
def test_accuracy_of_splitfed_between_averages_and_after(kind: type) -> None:
    """Between averages each client has its accuracy; after one all have that of the averaged model."""
    learner = make(kind, constant, client_data(UNEQUAL, B), cut=1)
    round_of(learner, 1)
    for i, bias in enumerate(BIASES):
        name_class(learner.clients[i].module, learner.server_for(i).module, bias)
    between = learner.evaluate()
    learner.average((0, 1, 2))
    after = learner.evaluate()
    assert (13 / 40, 14 / 40, 13 / 40) == between.per_client
    assert between.averaged == 14 / 40
    assert (14 / 40,) * 3 == after.per_client
    assert after.averaged == 14 / 40


def test_averaged_splitfed_v1_averages_the_servers_too() -> None:
    """V1's averaged model has the λ-weighted server parts; here their biases decide the class."""
    learner = make(PrivateServerLearner, constant, client_data(UNEQUAL, B), cut=1)
    round_of(learner, 1)
    for i, bias in enumerate(BIASES):
        server = learner.server_for(i).module
        name_class(learner.clients[i].module, server, [0.0] * CLASSES)
        with torch.no_grad():
            server[0].bias.copy_(torch.tensor(bias))
    evaluation = learner.evaluate()
    assert (13 / 40, 14 / 40, 13 / 40) == evaluation.per_client
    assert evaluation.averaged == 14 / 40


@pytest.mark.parametrize("kind", [EpslLearner, *SPLITFED])
def test_evaluation_changes_nothing(kind: type) -> None:
    """Evaluation changes no parameter, statistic or counter, and ends in training mode."""
    learner = make(kind, normed, client_data(UNEQUAL, B))
    round_of(learner, 1)
    before, fingerprint = state(*(m for c in composites(learner) for m in c)), learner.fingerprint()
    learner.evaluate()
    after = state(*(m for c in composites(learner) for m in c))
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert fingerprint == learner.fingerprint()
    modules = [
        m
        for c in [*composites(learner), learner.averaged_over(learner.everyone)]
        for part in c
        for m in part.modules()
    ]
    assert all(m.training for m in modules)


def test_evaluation_uses_running_statistics() -> None:
    """A low running mean raises class 0 for all samples; statistics of the batch would not."""

    def build() -> nn.Sequential:
        return nn.Sequential(
            nn.Sequential(nn.Flatten(), nn.Linear(16, CLASSES)), nn.BatchNorm1d(CLASSES, affine=False)
        )

    learner = make(EpslLearner, build, client_data(UNEQUAL, B), cut=1)
    learner.server.module[0].running_mean.copy_(torch.tensor([-100.0, 0.0, 0.0]))
    evaluation = learner.evaluate()
    assert (14 / 40,) * 3 == evaluation.per_client
    assert evaluation.averaged == 14 / 40


def test_evaluation_turns_dropout_off() -> None:
    """Dropout is off: every evaluation predicts class 1 for every sample."""

    def build() -> nn.Sequential:
        client, server = constant()
        return nn.Sequential(client, nn.Sequential(server, nn.Dropout(0.5)))

    learner = make(EpslLearner, build, client_data(UNEQUAL, B), cut=1)
    for part in learner.clients:
        name_class(part.module, learner.server.module[0], [0.5, 1.0, 0.0])
    assert (13 / 40,) * 3 == learner.evaluate().per_client
    assert learner.evaluate() == learner.evaluate()


@pytest.mark.parametrize("rows", [1, 7, 20, 40, 41])
def test_every_test_row_counts_once(rows: int) -> None:
    """The number of rows per pass does not change the accuracy, with a short last pass too."""
    learner = make(EpslLearner, smooth, client_data((20,), B))
    client, server = composites(learner)[0]
    with torch.no_grad():
        images, labels = learner.data.test
        named = server(client(images)).argmax(dim=1)
    expected = int((named == labels).sum()) / 40
    passes: list[int] = []
    client.register_forward_hook(lambda module, into, out: passes.append(len(out)))
    assert expected == accuracy((client, server), learner.data.test, batch_rows=rows)
    assert sum(passes) == 40
    assert max(passes) == min(rows, 40)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_model_that_is_not_finite_has_no_accuracy(value: float) -> None:
    """One bad weight of one client makes every mean, the lowest and the highest accuracy NaN."""
    learner = make(EpslLearner, constant, client_data(UNEQUAL, B), cut=1)
    assert not learner.evaluate().diverged
    with torch.no_grad():
        next(learner.clients[1].module.parameters()).view(-1)[0] = value
    evaluation = learner.evaluate()
    assert evaluation.diverged
    assert all(math.isnan(x) for x in (evaluation.mean, evaluation.lowest, evaluation.highest))
    assert [False, True, False] == [math.isnan(x) for x in evaluation.per_client]
