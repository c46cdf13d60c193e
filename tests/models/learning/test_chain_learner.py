"""Models in a chain of parts train like unsplit models in the plain PyTorch loops of this module."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cutlayer.models.learning.chain import ChainLearner
from cutlayer.models.learning.client_data import ClientData
from cutlayer.models.learning.fl import FedAvgLearner
from cutlayer.models.learning.sfl import PrivateServerLearner
from cutlayer.scenarios.schema.scenario import Optimizer
from tests.support.learners import (
    adam,
    client_data,
    composites,
    counting,
    gap,
    make,
    mean_loss,
    normed,
    sgd,
    smooth,
    state,
)

TOLERANCE = 1e-12
SIZES = (30, 18, 12)
WEIGHTS = (0.5, 0.3, 0.2)
B = 5
ROUNDS = 4
EVERYONE = (0, 1, 2)

OWN_CUTS: dict[str, Any] = {"bounds": {0: (0, 1, 4), 1: (0, 2, 4), 2: (0, 3, 4)}, "at_client": (True, False)}
ONE_HOP: dict[str, Any] = {"bounds": dict.fromkeys(range(3), (0, 1, 3, 4)), "at_client": (True, False, True)}
TWO_NODES: dict[str, Any] = {
    "bounds": dict.fromkeys(range(3), (0, 1, 2, 3, 4)),
    "at_client": (True, False, False, True),
}
LAYOUTS = [OWN_CUTS, ONE_HOP, TWO_NODES]
LAYOUT_NAMES = ["a cut of each device's own", "one hop", "two nodes"]


def chain_rounds(learner: ChainLearner, rounds: int = ROUNDS, members: tuple[int, ...] = EVERYONE) -> None:
    """Train and average for a number of rounds."""
    for number in range(1, rounds + 1):
        learner.local_steps(members, number)
        learner.average(members)


def whole_model(learner: Any) -> list[Tensor]:
    """Return the state of the one model that all clients have after a round."""
    (composite,) = composites(learner)
    return state(*composite)


def plain_rounds(
    data: ClientData,
    whole: Callable[[], nn.Sequential],
    optimizer: Callable[[nn.Sequential], torch.optim.Optimizer],
    *,
    batches: int = 1,
    repeats: int = 1,
    rounds: int = ROUNDS,
) -> tuple[list[Tensor], float]:
    """Train a whole model per client on its mini-batches, B of them r times, and average with λ.

    Return the average after the last round, and the λ-weighted mean loss of that round.
    """
    models = [whole() for _ in SIZES]
    optimizers = [optimizer(model) for model in models]
    for number in range(rounds):
        mean = 0.0
        for i, (model, steps) in enumerate(zip(models, optimizers, strict=True)):
            for _ in range(repeats):
                for batch in range(1, batches + 1):
                    images, labels = data.batch(i, number * batches + batch)
                    loss = mean_loss(model(images), labels)
                    steps.zero_grad()
                    loss.backward()
                    steps.step()
                    mean += WEIGHTS[i] * float(loss.detach()) / (batches * repeats)
        with torch.no_grad():
            for tensors in zip(*(_tensors(model) for model in models), strict=True):
                average = sum(weight * tensor for weight, tensor in zip(WEIGHTS, tensors, strict=True))
                for tensor in tensors:
                    tensor.copy_(average)
    return state(models[0]), mean


def _tensors(model: nn.Module) -> list[Tensor]:
    return [value for value in model.state_dict().values() if value.is_floating_point()]


@pytest.mark.parametrize("layout", LAYOUTS, ids=LAYOUT_NAMES)
@pytest.mark.parametrize("build", [smooth, normed])
@pytest.mark.parametrize(
    ("settings", "optimizer"),
    [
        (sgd(0.1), lambda model: torch.optim.SGD(model.parameters(), lr=0.1)),
        (sgd(0.1, 0.9), lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)),
        (adam(0.01), lambda model: torch.optim.Adam(model.parameters(), lr=0.01)),
    ],
    ids=["sgd", "momentum", "adam"],
)
def test_parts_learn_what_the_unsplit_model_learns(
    layout: dict[str, Any],
    build: Callable[[], nn.Sequential],
    settings: Optimizer,
    optimizer: Callable[[nn.Sequential], torch.optim.Optimizer],
) -> None:
    """At any cut and with any optimiser, a chain with equal learning rates trains like the whole model."""
    data = client_data(SIZES, B)
    learner = make(ChainLearner, build, data, optimizer=settings, **layout)
    expected, loss = plain_rounds(data, learner.new_model, optimizer)
    chain_rounds(learner)
    assert gap(expected, whole_model(learner)) <= TOLERANCE
    assert pytest.approx(loss, abs=TOLERANCE) == float(learner.train_loss)


@pytest.mark.parametrize("layout", LAYOUTS, ids=LAYOUT_NAMES)
@pytest.mark.parametrize(("batches", "repeats"), [(3, 1), (1, 3), (2, 2)])
def test_a_round_of_several_batches(layout: dict[str, Any], batches: int, repeats: int) -> None:
    """B = r = 2 gives mini-batches 1, 2, 1, 2; the next round continues with mini-batch 3."""
    data = client_data(SIZES, B)
    learner = make(ChainLearner, smooth, data, batches=batches, repeats=repeats, **layout)
    expected, loss = plain_rounds(
        data,
        learner.new_model,
        lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
        batches=batches,
        repeats=repeats,
    )
    chain_rounds(learner)
    assert gap(expected, whole_model(learner)) <= TOLERANCE
    assert pytest.approx(loss, abs=TOLERANCE) == float(learner.train_loss)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_all_layouts_are_federated_averaging(steps: int, momentum: float) -> None:
    """EdgeSplit with any cuts ≡ one hop ≡ MP-SL ≡ FL with E steps, and with E = 1 ≡ SplitFed."""
    data, settings = client_data(SIZES, B), sgd(0.1, momentum)
    chains = [
        make(ChainLearner, smooth, data, optimizer=settings, batches=steps, **layout) for layout in LAYOUTS
    ]
    for learner in chains:
        chain_rounds(learner)
    federated = make(FedAvgLearner, smooth, data, optimizer=settings, local_steps=steps)
    for number in range(1, ROUNDS + 1):
        federated.local_steps(EVERYONE, number)
        federated.average(EVERYONE)
    for learner in chains:
        assert gap(whole_model(federated), whole_model(learner)) <= TOLERANCE
    if steps == 1:
        splitfed = make(PrivateServerLearner, smooth, data, optimizer=settings)
        for number in range(1, ROUNDS + 1):
            splitfed.client_forward(EVERYONE, number)
            splitfed.server_step(0, number)
            splitfed.client_step()
            splitfed.average(EVERYONE)
        assert gap(state(*composites(splitfed)[0]), whole_model(chains[0])) <= TOLERANCE


def test_units_that_are_on_both_sides_are_averaged_by_weight() -> None:
    """With cuts 1, 2 and 3, units 2 and 3 train on both sides; all are averaged with λ = 1/2, 3/10, 1/5.

    Client and server have different learning rates. The expected step of each client is computed by hand.
    """
    client_lr, server_lr = 0.3, 0.02
    data = client_data(SIZES, B)
    assert pytest.approx(WEIGHTS) == data.shares.tolist()
    settings = Optimizer(name="sgd", client_lr=client_lr, server_lr=server_lr)
    learner = make(ChainLearner, smooth, data, optimizer=settings, **OWN_CUTS)
    model = learner.new_model()
    total = [torch.zeros_like(value) for value in model.parameters()]
    for i, cut in enumerate((1, 2, 3)):
        images, labels = data.batch(i, 1)
        stepped = copy.deepcopy(model)
        gradients = torch.autograd.grad(mean_loss(stepped(images), labels), list(stepped.parameters()))
        rates = [
            client_lr if unit < cut else server_lr
            for unit, part in enumerate(stepped)
            for _ in part.parameters()
        ]
        for sums, value, gradient, rate in zip(total, stepped.parameters(), gradients, rates, strict=True):
            sums += WEIGHTS[i] * (value.detach() - rate * gradient)
    chain_rounds(learner, rounds=1)
    assert gap(total, whole_model(learner)) <= TOLERANCE


@pytest.mark.parametrize("layout", LAYOUTS, ids=LAYOUT_NAMES)
def test_each_side_trains_at_its_own_rate(layout: dict[str, Any]) -> None:
    """With a tiny learning rate on the clients only other units change, and vice versa."""
    still = 1e-30
    mine: set[int] = set()
    for ends in layout["bounds"].values():
        for place, at_client in enumerate(layout["at_client"]):
            mine |= set(range(ends[place], ends[place + 1])) if at_client else set()
    others: set[int] = set()
    for ends in layout["bounds"].values():
        for place, at_client in enumerate(layout["at_client"]):
            others |= set() if at_client else set(range(ends[place], ends[place + 1]))
    for client_lr, server_lr, moving in ((0.1, still, mine), (still, 0.1, others)):
        settings = Optimizer(name="sgd", client_lr=client_lr, server_lr=server_lr)
        learner = make(ChainLearner, smooth, client_data(SIZES, B), optimizer=settings, **layout)
        before = learner.new_model()
        chain_rounds(learner, rounds=1)
        first, rest = composites(learner)[0]
        after = [*first.children(), *(unit for part in rest.children() for unit in part.children())]
        moved = {n for n in range(4) if gap(state(before[n]), state(after[n])) > 1e-9}
        assert moving == moved


def test_the_late_get_the_average_of_those_in_time() -> None:
    """A late client does not train, has no weight, and receives the average of the others."""
    data = client_data(SIZES, B)
    learner = make(ChainLearner, smooth, data, **OWN_CUTS)
    chain_rounds(learner, rounds=1, members=(0, 2))
    models = []
    for i in (0, 2):
        alone = make(ChainLearner, smooth, data, **OWN_CUTS)
        chain_rounds(alone, rounds=1, members=(i,))
        models.append(whole_model(alone))
    expected = [(30 * a + 12 * b) / 42 for a, b in zip(*models, strict=True)]
    assert gap(expected, whole_model(learner)) <= TOLERANCE
    learner.local_steps((1,), 2)
    learner.average((1,))
    images, labels = data.batch(1, 2)
    model = learner.new_model()
    with torch.no_grad():
        for value, average in zip(model.parameters(), expected, strict=True):
            value.copy_(average)
    gradients = torch.autograd.grad(mean_loss(model(images), labels), list(model.parameters()))
    stepped = [value - 0.1 * gradient for value, gradient in zip(expected, gradients, strict=True)]
    assert gap(stepped, whole_model(learner)) <= TOLERANCE


def test_all_clients_have_one_model_after_a_round() -> None:
    """All clients have the accuracy of the averaged model, which is evaluated once."""
    data = client_data(SIZES, B)
    learner = make(ChainLearner, smooth, data, **TWO_NODES)
    chain_rounds(learner)
    found = learner.evaluate()
    model = nn.Sequential(*composites(learner)[0]).eval()
    correct = (model(data.test[0]).argmax(dim=1) == data.test[1]).double().mean()
    assert [float(correct)] * 3 == list(found.per_client)
    assert float(correct) == found.averaged


def with_dropout() -> nn.Sequential:
    """Return a model with dropout in every unit."""
    return nn.Sequential(
        nn.Sequential(nn.Flatten(), nn.Linear(16, 9), nn.Dropout(0.5)),
        nn.Sequential(nn.Linear(9, 9), nn.Dropout(0.5)),
        nn.Sequential(nn.Linear(9, 9), nn.Dropout(0.5)),
        nn.Linear(9, 3),
    )


def test_dropout_draws_from_streams_of_its_own() -> None:
    """Dropout is reproducible, does not use the global generator, and differs between parts."""
    data = client_data(SIZES, B)
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        untouched = torch.get_rng_state()
        learner = make(ChainLearner, with_dropout, data, **TWO_NODES)
        chain_rounds(learner)
        assert torch.equal(untouched, torch.get_rng_state())
        results.append(whole_model(learner))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    masks: list[Tensor] = []
    learner = make(ChainLearner, with_dropout, data, batches=2, **TWO_NODES)
    for parts in map(learner._parts_of, EVERYONE):
        for part in parts:
            for module in part.module.modules():
                if isinstance(module, nn.Dropout):
                    module.register_forward_hook(lambda _, inputs, out: masks.append(out.detach() == 0))
    learner.local_steps(EVERYONE, 1)
    assert 3 * 2 * 3 == len(masks)
    assert all(not torch.equal(one, other) for n, one in enumerate(masks) for other in masks[:n])


def test_buffers_that_a_unit_assigns_are_averaged() -> None:
    """With one learning rate a chain has the buffers of federated averaging, also reassigned ones."""
    data = client_data((12, 9, 6), 4)
    chain = make(
        ChainLearner, counting, data, bounds=dict.fromkeys(range(3), (0, 2, 5)), at_client=(True, False)
    )
    whole = make(FedAvgLearner, counting, data, cut=0)
    for learner in (chain, whole):
        for number in (1, 2):
            learner.local_steps((0, 1, 2), number)
            learner.average((0, 1, 2))
    assert gap(whole_model(chain), whole_model(whole)) <= 1e-12
