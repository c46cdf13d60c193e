"""Pruning during training: masks, zeros, restored weights and transmitted values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cutlayer.models.compression.cut_layer_codec import CutLayerCodec
from cutlayer.models.compression.filter_removal import remove_filters
from cutlayer.models.compression.filters import filter_layers
from cutlayer.models.compression.pruner import mask_of_largest
from cutlayer.models.learning.epsl import EpslLearner
from cutlayer.models.learning.fl import FedAvgLearner
from cutlayer.models.learning.sfl import PrivateServerLearner
from cutlayer.models.learning.sl import SequentialSplitLearner
from cutlayer.scenarios.schema.compression import Compression, Pruning, Quantisation
from cutlayer.scenarios.schema.scenario import Optimizer
from tests.support.learners import adam, client_data, gap, make, mean_loss, normed, sgd, smooth, state

SIZES = (30, 18, 12)
B = 5
HALF = Compression(pruning=Pruning(share=0.5))
WEIGHTS = Compression(pruning=Pruning(share=0.5, kind="unstructured"))


def split_round(learner: Any, number: int, members: tuple[int, ...] = (0, 1, 2)) -> None:
    """Run one round of a parallel scheme."""
    learner.client_forward(members, number)
    learner.server_step(0, number)
    learner.client_step()


def parameters(part: nn.Module) -> dict[str, Tensor]:
    """Return copies of a part's parameters and buffers by name."""
    return {name: value.detach().clone() for name, value in part.state_dict().items()}


@pytest.mark.parametrize("members", [(0, 1, 2), (0, 2)])
def test_the_most_important_filters_stay(members: tuple[int, ...]) -> None:
    """Filters with the largest Σ_i λ_i Σ(g·w)² over the participants stay, with g of their mean loss."""
    data = client_data(SIZES, B)
    learner = make(EpslLearner, smooth, data, cut=2, compression=HALF)
    fresh = learner.new_model()
    learner.restore_pruned()
    split_round(learner, 1)
    learner.renew_masks(members)
    for name, layer in (("0.0", fresh[0][0]), ("1.1", fresh[1][1])):
        total = torch.zeros(len(layer.weight), dtype=torch.float64)
        for client in members:
            fresh.zero_grad()
            images, labels = data.batch(client, 1)
            mean_loss(fresh(images), labels).backward()
            scores = (layer.weight.grad * layer.weight).square().flatten(1).sum(dim=1)
            total += SIZES[client] * scores.detach()
        best = total.argsort(descending=True)[: len(total) // 2]
        rows = learner.clients[1].module.get_parameter(f"{name}.weight").flatten(1).abs().sum(dim=1)
        assert set(best.tolist()) == set(rows.nonzero().flatten().tolist())


def test_single_weights_are_pruned_tensor_by_tensor() -> None:
    """Each weight tensor loses its least important share; biases stay."""
    learner = make(EpslLearner, smooth, client_data(SIZES, B), cut=2, compression=WEIGHTS)
    learner.restore_pruned()
    split_round(learner, 1)
    learner.renew_masks((0, 1, 2))
    part = learner.clients[0].module
    assert [18, 320] == [int((part.get_parameter(f"{name}.weight") != 0).sum()) for name in ("0.0", "1.1")]
    assert bool((part.get_parameter("1.1.bias") != 0).all())


@pytest.mark.parametrize("compression", [HALF, WEIGHTS], ids=["structured", "unstructured"])
@pytest.mark.parametrize("optimizer", [sgd(momentum=0.9), adam()], ids=["momentum", "adam"])
@pytest.mark.parametrize("learner_class", [EpslLearner, PrivateServerLearner])
def test_what_is_pruned_is_zero_and_comes_back(
    learner_class: type[EpslLearner], optimizer: Optimizer, compression: Compression
) -> None:
    """Masked entries are exactly 0 in pruned rounds; at the renewal each client's values are restored."""
    learner = make(
        learner_class, normed, client_data(SIZES, B), cut=2, optimizer=optimizer, compression=compression
    )
    learner.restore_pruned()
    split_round(learner, 1)
    before = [parameters(part.module) for part in learner.clients]
    learner.renew_masks((0, 1, 2))
    zero = [{n: v == 0 for n, v in parameters(part.module).items()} for part in learner.clients]
    pruned = {name for name, mask in zero[0].items() if mask.any() and before[0][name].all()}
    assert {"0.0.weight", "1.1.weight"} <= pruned
    for number in (2, 3):
        split_round(learner, number)
        for part, zeros in zip(learner.clients, zero, strict=True):
            now = parameters(part.module)
            assert all(not now[name][zeros[name]].any() for name in pruned)
            gradients = {name: parameter.grad for name, parameter in part.module.named_parameters()}
            assert all(not gradients[name][zeros[name]].any() for name in pruned & gradients.keys())
            assert all(bool((now[name] != before[0][name])[~zeros[name]].any()) for name in pruned)
    learner.restore_pruned()
    for part, values, zeros in zip(learner.clients, before, zero, strict=True):
        now = parameters(part.module)
        for name in pruned:
            assert torch.equal(values[name][zeros[name]], now[name][zeros[name]])


def test_statistics_of_pruned_channels_come_back_too() -> None:
    """A channel's running mean and variance are those of the last unpruned round."""
    learner = make(PrivateServerLearner, normed, client_data(SIZES, B), cut=2, compression=HALF)
    learner.restore_pruned()
    split_round(learner, 1)
    part = learner.clients[0].module
    before = parameters(part)
    learner.renew_masks((0, 1, 2))
    out = part.get_parameter("0.1.weight") == 0
    split_round(learner, 2)
    learner.restore_pruned()
    for name in ("0.1.running_mean", "0.1.running_var"):
        assert torch.equal(before[name][out], part.get_buffer(name)[out])
        assert not torch.equal(before[name][~out], part.get_buffer(name)[~out])


@pytest.mark.parametrize("build", [smooth, normed])
def test_pruned_training_is_training_of_the_smaller_model(build: Callable[[], nn.Sequential]) -> None:
    """After the renewal, weights train like those of the smaller model in a plain loop."""
    data = client_data((40,), B)
    learner = make(FedAvgLearner, build, data, cut=0, compression=HALF)
    learner.restore_pruned()
    learner.local_steps((0,), 1)
    learner.average((0,))
    learner.renew_masks((0,))
    model = learner.clients[0].module
    layers = filter_layers(model, ends_model=True)
    masks = {
        layer.path: model.get_parameter(f"{layer.path}.weight").detach().flatten(1).any(dim=1)
        for layer in layers
    }
    small = remove_filters(model, layers, masks)
    optimizer = torch.optim.SGD(small.parameters(), lr=0.1)
    for number in (2, 3, 4):
        images, labels = data.batch(0, number)
        optimizer.zero_grad()
        mean_loss(small(images), labels).backward()
        optimizer.step()
        learner.local_steps((0,), number)
        learner.average((0,))
    assert gap(state(small), state(remove_filters(model, layers, masks))) < 1e-12


def test_the_last_renewal_counts() -> None:
    """Importances are summed over the round of renewal alone."""

    def masks(rounds: tuple[int, ...]) -> list[bool]:
        learner = make(EpslLearner, smooth, client_data(SIZES, B), cut=1, compression=HALF,
                       optimizer=sgd(rate=1e-12))  # fmt: skip
        for number in rounds:
            learner.restore_pruned()
            split_round(learner, number)
            learner.renew_masks((0, 1, 2))
        return [bool(v) for v in learner.clients[0].module.get_parameter("0.0.bias") != 0]

    found = {number: masks((number,)) for number in range(1, 20)}
    others = [number for number in found if found[number] != found[1]]
    assert len(others) > 3
    assert [found[number] for number in others] == [masks((1, number)) for number in others]


def test_all_clients_of_a_model_that_travels_keep_what_it_was() -> None:
    """In SL the values of the client part are restored, whichever client trained it last."""
    learner = make(SequentialSplitLearner, smooth, client_data(SIZES, B), cut=2, compression=HALF)
    learner.restore_pruned()
    for client in range(3):
        learner.turn(client, 1)
    before = parameters(learner.clients[0].module)
    learner.renew_masks((0, 1, 2))
    out = learner.clients[0].module.get_parameter("1.1.bias") == 0
    for client in range(3):
        learner.turn(client, 2)
    learner.restore_pruned()
    assert torch.equal(before["1.1.bias"][out], learner.clients[0].module.get_parameter("1.1.bias")[out])
    assert bool(before["1.1.bias"][out].all())


@pytest.mark.parametrize("pruning", [None, HALF.pruning], ids=["whole", "pruned"])
def test_quantised_uploads_are_differences_from_what_was_received(pruning: Pruning | None) -> None:
    """With one client the average is the received model: its error is at most a level of the difference."""
    section = Quantisation(bits=8, bucket=100_000, tensors=("models",))
    learner = make(
        FedAvgLearner, smooth, client_data((40,), B), cut=0, optimizer=sgd(rate=1e-4),
        compression=Compression(quantisation=section, pruning=pruning),
    )  # fmt: skip
    for number in (1, 2, 3, 4):
        if number in (1, 4):
            learner.restore_pruned()
        received = state(learner.clients[0].module)
        learner.local_steps((0,), number)
        trained = state(learner.clients[0].module)
        learner.average((0,))
        arrived = state(learner.clients[0].module)
        step = torch.cat([(a - b).flatten() for a, b in zip(trained, received, strict=True)]).norm()
        assert 0 < gap(arrived, trained) <= float(step) / section.levels * (1 + 1e-6)
        if number == 1:
            learner.renew_masks((0,))


def test_a_model_handed_on_is_quantised_too() -> None:
    """In SL the next client continues from the model that the server received."""
    section = Quantisation(bits=2, tensors=("models",))
    data = client_data(SIZES, B)
    exact = make(SequentialSplitLearner, smooth, data, cut=2)
    learner = make(SequentialSplitLearner, smooth, data, cut=2, compression=Compression(quantisation=section))
    for one in (exact, learner):
        one.turn(0, 1)
    part, plain = learner.clients[0].module, exact.clients[0].module
    assert 0 < gap(state(part), state(plain)) < 0.1
    assert 0 == gap(state(learner.server.module), state(exact.server.module))


def test_the_next_client_sends_the_difference_from_what_it_was_handed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In SL a turn's message is the change of the model in this turn alone."""
    messages: list[Tensor] = []

    def spy(self: CutLayerCodec, message: Tensor, kind: Any, client: int, number: int) -> Tensor:
        messages.append(message)
        return message

    monkeypatch.setattr(CutLayerCodec, "transmit", spy)
    section = Compression(quantisation=Quantisation(tensors=("models",)))
    learner = make(SequentialSplitLearner, smooth, client_data(SIZES, B), cut=2, compression=section)
    for number in (1, 2):
        for client in range(3):
            before = state(learner.clients[0].module)
            learner.turn(client, number)
            after = state(learner.clients[0].module)
            changes = [(b - a).flatten() for a, b in zip(before, after, strict=True)]
            assert float((torch.cat(changes) - messages[-1]).abs().max()) < 1e-15


def test_equals_are_kept_in_their_order() -> None:
    """Of equal importances the first ones stay, so that a mask does not depend on the sort algorithm."""
    assert [True, True, False, False, True] == mask_of_largest(
        torch.tensor([1.0, 1.0, 1.0, 0.0, 5.0]), 3
    ).tolist()
