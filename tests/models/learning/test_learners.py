"""Learning rates, optimiser states, losses, late clients, buffers and random draws of learners."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cutlayer.models.learning.base import Learner, LearnerConfig
from cutlayer.models.learning.centralised import CentralisedLearner
from cutlayer.models.learning.client_data import ClientData
from cutlayer.models.learning.epsl import EpslLearner
from cutlayer.models.learning.fl import FedAvgLearner
from cutlayer.models.learning.sfl import PrivateServerLearner, SharedServerLearner
from cutlayer.models.learning.sl import SequentialSplitLearner
from cutlayer.scenarios.schema.scenario import Optimizer
from tests.support.learners import (
    CLASSES,
    adam,
    client_data,
    composites,
    gap,
    make,
    mean_loss,
    normed,
    sgd,
    smooth,
    state,
)

TOLERANCE = 1e-12
UNEQUAL = (30, 18, 12)
EVERYONE = (0, 1, 2)
B = 5
CUT = 2
ROUNDS = 4
SPLITFED = [PrivateServerLearner, SharedServerLearner]
UNEQUAL_RATES = [
    Optimizer(name="adam", client_lr=0.02, server_lr=0.005, weight_decay=0.1),
    Optimizer(name="sgd", client_lr=0.2, server_lr=0.05, momentum=0.5, weight_decay=0.1),
]
Result = tuple[list[Tensor], list[float]]
"""The final state, and each round's λ-weighted mean loss."""


def split_round(learner: Any, number: int, members: Sequence[int] = EVERYONE, merged: int = 0) -> None:
    """Run one round of a parallel learner or of SplitFed, without averaging."""
    learner.client_forward(tuple(members), number)
    learner.server_step(merged, number)
    learner.client_step()


def run_round(learner: Any, number: int, members: tuple[int, ...] = EVERYONE) -> None:
    """Run one round of any learner, with its average if it has one."""
    if isinstance(learner, SequentialSplitLearner):
        for i in members:
            learner.turn(i, number)
    elif isinstance(learner, CentralisedLearner):
        learner.step(members, number)
    elif isinstance(learner, FedAvgLearner):
        learner.local_steps(members, number)
        learner.average(members)
    else:
        split_round(learner, number, members)
        if not isinstance(learner, EpslLearner):
            learner.average(members)


def everything(learner: Any) -> list[Tensor]:
    """Return the state of all clients' models."""
    if isinstance(learner, EpslLearner):
        return state(*(part.module for part in learner.clients), learner.server.module)
    if isinstance(learner, FedAvgLearner):
        return state(*(part.module for part in learner.clients))
    if isinstance(learner, PrivateServerLearner | SharedServerLearner):
        servers = (learner.server_for(i).module for i in range(len(learner.clients)))
        return state(*(part.module for part in learner.clients), *servers)
    return state(*composites(learner)[0])


# --- plain loops ---


def rule(parameters: Iterable[nn.Parameter], settings: Optimizer, rate: float) -> torch.optim.Optimizer:
    """Return torch's own optimiser."""
    if settings.name == "adam":
        return torch.optim.Adam(parameters, lr=rate, weight_decay=settings.weight_decay)
    return torch.optim.SGD(
        parameters, lr=rate, momentum=settings.momentum, weight_decay=settings.weight_decay
    )


def shares_of(data: ClientData, members: Sequence[int]) -> list[float]:
    """Return λ of the members alone, from their numbers of samples."""
    total = sum(data.samples[i] for i in members)
    return [data.samples[i] / total for i in members]


@torch.no_grad()
def average(models: Sequence[nn.Module], weights: Sequence[float], members: Sequence[int]) -> None:
    """Give all models the weighted mean of the members' parameters."""
    for values in zip(*(model.parameters() for model in models), strict=True):
        mean = sum(w * values[i].clone() for w, i in zip(weights, members, strict=True))
        for value in values:
            value.copy_(mean)


def plain_psl(data: ClientData, learner: Learner, members: Sequence[int] = EVERYONE) -> Result:
    """PSL: λ-weighted loss at the server, mean loss per client."""
    models = [learner.new_model() for _ in range(data.clients)]
    server, settings, losses = models[0][CUT:], learner.optimizer, []
    rules = [rule(model[:CUT].parameters(), settings, settings.client_lr) for model in models]
    server_rule = rule(server.parameters(), settings, settings.server_lr)
    shares = shares_of(data, members)
    for number in range(1, ROUNDS + 1):
        total, own = torch.zeros(()), {}
        for share, i in zip(shares, members, strict=True):
            images, labels = data.batch(i, number)
            part = models[i][:CUT]
            loss = mean_loss(server(part(images)), labels)
            own[i] = torch.autograd.grad(loss, list(part.parameters()), retain_graph=True)
            total = total + share * loss
        server_rule.zero_grad()
        total.backward()
        for i in members:
            for p, g in zip(models[i][:CUT].parameters(), own[i], strict=True):
                p.grad = g
            rules[i].step()
        server_rule.step()
        losses.append(float(total.detach()))
    return state(*(model[:CUT] for model in models), server), losses


def plain_splitfed(
    data: ClientData,
    learner: Learner,
    orders: Sequence[Sequence[int]],
    *,
    shared: bool,
    members: Sequence[int] = EVERYONE,
) -> Result:
    """SplitFed: mean loss per client, on a private or on the shared server part; then an average."""
    models, settings, losses = [learner.new_model() for _ in range(data.clients)], learner.optimizer, []
    clients, servers = [model[:CUT] for model in models], [model[CUT:] for model in models]
    server_rules = [rule(server.parameters(), settings, settings.server_lr) for server in servers]
    if shared:
        servers, server_rules = [servers[0]] * len(models), [server_rules[0]] * len(models)
    rules = [rule(client.parameters(), settings, settings.client_lr) for client in clients]
    shares = shares_of(data, members)
    for number, order in enumerate(orders, 1):
        found = {}
        for i in order:
            images, labels = data.batch(i, number)
            loss = mean_loss(servers[i](clients[i](images)), labels)
            rules[i].zero_grad()
            server_rules[i].zero_grad()
            loss.backward()
            server_rules[i].step()
            rules[i].step()
            found[i] = float(loss.detach())
        average(clients, shares, members)
        if not shared:
            average(servers, shares, members)
        losses.append(sum(share * found[i] for share, i in zip(shares, members, strict=True)))
    return state(*clients, *servers), losses


def plain_sl(data: ClientData, learner: Learner) -> Result:
    """SL: one model, one client after another, and an optimiser of the client part per client."""
    model, settings, losses = learner.new_model(), learner.optimizer, []
    server_rule = rule(model[CUT:].parameters(), settings, settings.server_lr)
    rules = [rule(model[:CUT].parameters(), settings, settings.client_lr) for _ in range(data.clients)]
    everyone = range(data.clients)
    for number in range(1, ROUNDS + 1):
        found = []
        for i in everyone:
            images, labels = data.batch(i, number)
            loss = mean_loss(model(images), labels)
            model.zero_grad()
            loss.backward()
            rules[i].step()
            server_rule.step()
            found.append(float(loss.detach()))
        losses.append(sum(s * f for s, f in zip(shares_of(data, everyone), found, strict=True)))
    return state(model), losses


def plain_fl(
    data: ClientData, learner: Learner, *, steps: int = 1, members: Sequence[int] = EVERYONE
) -> Result:
    """FL: local steps of each whole model at the clients' rate, then the λ-weighted average."""
    models, settings, losses = [learner.new_model() for _ in range(data.clients)], learner.optimizer, []
    rules = [rule(model.parameters(), settings, settings.client_lr) for model in models]
    shares = shares_of(data, members)
    for number in range(1, ROUNDS + 1):
        weighted = 0.0
        for share, i in zip(shares, members, strict=True):
            for step in range(steps):
                images, labels = data.batch(i, (number - 1) * steps + step + 1)
                loss = mean_loss(models[i](images), labels)
                rules[i].zero_grad()
                loss.backward()
                rules[i].step()
                weighted += share * float(loss.detach()) / steps
        average(models, shares, members)
        losses.append(weighted)
    return state(*models), losses


def plain_union(data: ClientData, learner: Learner, members: Sequence[int] = EVERYONE) -> Result:
    """Centralised training: one model on the λ-weighted loss, at the server's rate."""
    model, settings, losses = learner.new_model(), learner.optimizer, []
    one_rule = rule(model.parameters(), settings, settings.server_lr)
    for number in range(1, ROUNDS + 1):
        total = torch.zeros(())
        for share, i in zip(shares_of(data, members), members, strict=True):
            images, labels = data.batch(i, number)
            total = total + share * mean_loss(model(images), labels)
        one_rule.zero_grad()
        total.backward()
        one_rule.step()
        losses.append(float(total.detach()))
    return state(model), losses


def held(learner: Any, data: ClientData, members: tuple[int, ...] = EVERYONE) -> tuple[Result, Result]:
    """Run a learner and its plain loop, and return the results of both."""
    losses, orders = [], []
    for number in range(1, ROUNDS + 1):
        run_round(learner, number, members)
        losses.append(float(learner.train_loss))
        if isinstance(learner, PrivateServerLearner | SharedServerLearner):
            orders.append(learner.order(number) if isinstance(learner, SharedServerLearner) else members)
    if isinstance(learner, EpslLearner):
        expected = plain_psl(data, learner, members)
    elif isinstance(learner, SequentialSplitLearner):
        expected = plain_sl(data, learner)
    elif isinstance(learner, CentralisedLearner):
        expected = plain_union(data, learner, members)
    elif isinstance(learner, FedAvgLearner):
        expected = plain_fl(data, learner, members=members)
    else:
        shared = isinstance(learner, SharedServerLearner)
        expected = plain_splitfed(data, learner, orders, shared=shared, members=members)
    return expected, (everything(learner), losses)


# --- rates and optimiser states ---

LEARNERS = [EpslLearner, *SPLITFED, SequentialSplitLearner, FedAvgLearner, CentralisedLearner]


@pytest.mark.parametrize("settings", UNEQUAL_RATES, ids=lambda settings: settings.name)
@pytest.mark.parametrize("kind", LEARNERS)
def test_each_side_has_its_own_rate_and_its_decay(kind: type[Learner], settings: Optimizer) -> None:
    """Client parts (and FL) step at the clients' rate, server parts (and centralised) at the server's."""
    data = client_data(UNEQUAL, B)
    expected, actual = held(make(kind, smooth, data, optimizer=settings), data)
    assert gap(expected[0], actual[0]) <= TOLERANCE


def test_sl_keeps_one_optimiser_state_per_client() -> None:
    """Adam's moments stay with each client; a common state would give other weights."""
    data = client_data((20, 12), B)
    learner = make(SequentialSplitLearner, smooth, data, optimizer=adam())
    expected, _ = plain_sl(data, learner)
    common, losses = learner.new_model(), []
    one_rule = rule(common.parameters(), learner.optimizer, 0.01)
    for number in range(1, ROUNDS + 1):
        for i in (0, 1):
            learner.turn(i, number)
            images, labels = data.batch(i, number)
            one_rule.zero_grad()
            losses.append(mean_loss(common(images), labels))
            losses[-1].backward()
            one_rule.step()
    assert gap(expected, everything(learner)) <= TOLERANCE
    assert gap(state(common), everything(learner)) > 1e-6


@pytest.mark.parametrize("settings", [sgd(), adam()], ids=["sgd", "adam"])
def test_fl_goes_on_to_a_fresh_batch_each_step(settings: Optimizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With E = 2 round r trains on batches 2r−1 and 2r."""
    data = client_data(UNEQUAL, B)
    learner = make(FedAvgLearner, smooth, data, optimizer=settings, local_steps=2)
    expected, _ = plain_fl(data, learner, steps=2)
    drawn: list[tuple[tuple[int, ...], int]] = []
    original = data.batches

    def noted(clients: Sequence[int], number: int) -> tuple[Tensor, Tensor]:
        drawn.append((tuple(clients), number))
        return original(clients, number)

    monkeypatch.setattr(data, "batches", noted)
    for number in range(1, ROUNDS + 1):
        run_round(learner, number)
    assert gap(expected, everything(learner)) <= TOLERANCE
    assert [(EVERYONE, batch) for batch in range(1, 2 * ROUNDS + 1)] == drawn
    assert not torch.equal(original((0,), 1)[0], original((0,), 2)[0])


# --- the training loss ---


@pytest.mark.parametrize("kind", LEARNERS)
def test_train_loss_is_the_weighted_mean(kind: type[Learner]) -> None:
    """The round's loss is Σ λ_i (1/b) Σ_j ℓ_ij, with each ℓ_ij taken before its update."""
    data = client_data(UNEQUAL, B)
    expected, actual = held(make(kind, smooth, data), data)
    assert pytest.approx(expected[1], abs=TOLERANCE) == actual[1]


@pytest.mark.parametrize("members", [EVERYONE, (0, 2)])
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("merged", [0, 1, 3, B])
def test_aggregation_leaves_the_loss_that_is_reported(
    merged: int, exact: bool, members: tuple[int, ...]
) -> None:
    """Merged slots change gradients. The reported loss is still the λ-weighted loss of all samples."""
    data = client_data(UNEQUAL, B)
    learner = make(EpslLearner, smooth, data, exact=exact)
    for number in range(1, ROUNDS + 1):
        expected = 0.0
        for share, i in zip(shares_of(data, members), members, strict=True):
            images, labels = data.batch(i, number)
            client, server = composites(learner)[i]
            expected += share * float(mean_loss(server(client(images)), labels).detach())
        split_round(learner, number, members, merged)
        assert pytest.approx(expected, abs=TOLERANCE) == float(learner.train_loss)


@pytest.mark.parametrize("steps", [2, 3])
def test_fl_reports_the_mean_loss_of_all_local_steps(steps: int) -> None:
    """With E > 1 a client's loss is the mean over its E steps; clients are weighted with λ."""
    data = client_data(UNEQUAL, B)
    learner = make(FedAvgLearner, smooth, data, local_steps=steps)
    _, expected = plain_fl(data, learner, steps=steps)
    actual = []
    for number in range(1, ROUNDS + 1):
        run_round(learner, number)
        actual.append(float(learner.train_loss))
    assert pytest.approx(expected, abs=TOLERANCE) == actual


# --- late clients ---


@pytest.mark.parametrize("members", [(0, 2), (1, 2), (1,)])
@pytest.mark.parametrize("kind", [EpslLearner, *SPLITFED, FedAvgLearner, CentralisedLearner])
def test_rounds_without_late_clients_share_lambda_anew(kind: type[Learner], members: tuple[int, ...]) -> None:
    """λ is scaled to the participants. Late clients receive the average if the scheme averages."""
    data = client_data(UNEQUAL, B)
    learner = make(kind, smooth, data)
    expected, actual = held(learner, data, members)
    assert gap(expected[0], actual[0]) <= TOLERANCE
    assert pytest.approx(expected[1], abs=TOLERANCE) == actual[1]


@pytest.mark.parametrize("kind", [*SPLITFED, FedAvgLearner])
def test_late_clients_receive_the_average(kind: type[Learner]) -> None:
    """After averaging, a late client has the same model as the others."""
    data = client_data(UNEQUAL, B)
    learner = make(kind, normed, data)
    before = state(learner.clients[1].module)
    run_round(learner, 1, (0, 2))
    late, other = state(learner.clients[1].module), state(learner.clients[0].module)
    assert gap(before, late) > 1e-6
    assert all(torch.equal(a, b) for a, b in zip(other, late, strict=True))


# --- buffers ---


@pytest.mark.parametrize("kind", [*SPLITFED, FedAvgLearner])
def test_averages_include_running_statistics(kind: type[Learner]) -> None:
    """Running means and variances are averaged with λ; counters are copied from the first client."""
    data = client_data(UNEQUAL, B)
    learner = make(kind, normed, data)
    for number, members in enumerate([EVERYONE, (1, 2)], 1):
        if isinstance(learner, FedAvgLearner):
            learner.local_steps(members, number)
        else:
            split_round(learner, number, members)

    def groups() -> list[list[nn.Module]]:
        clients = [part.module for part in learner.clients]
        if isinstance(learner, PrivateServerLearner):
            return [clients, [learner.server_for(i).module for i in EVERYONE]]
        return [clients]

    before = [[{k: v.clone() for k, v in m.state_dict().items()} for m in group] for group in groups()]
    learner.average(EVERYONE)
    for group, states in zip(groups(), before, strict=True):
        statistics = [name for name in states[0] if "running" in name]
        counters = [name for name in states[0] if "num_batches" in name]
        assert statistics
        assert counters
        for module in group:
            actual = module.state_dict()
            for name in statistics:
                assert gap([states[0][name]], [states[1][name]]) > 1e-6
                mean = sum(s * one[name] for s, one in zip((0.5, 0.3, 0.2), states, strict=True))
                assert gap([mean], [actual[name]]) <= TOLERANCE
            assert [1] * len(counters) == [int(states[0][name]) for name in counters]
            assert [2] * len(counters) == [int(states[1][name]) for name in counters]
            assert [1] * len(counters) == [int(actual[name]) for name in counters]


# --- draws ---


def orders(seed: int) -> list[tuple[int, ...]]:
    """Return the orders of V2's first rounds."""
    learner = SharedServerLearner(LearnerConfig(smooth, CUT, client_data((9, 8, 7, 6), B), sgd(), seed))
    drawn = []
    for number in range(1, 9):
        split_round(learner, number, range(4))
        drawn.append(learner.order(number))
    return drawn


def test_splitfed_v2_draws_its_order_each_round() -> None:
    """Every order is a permutation; they vary over rounds and with the seed, and with nothing else."""
    one, again, other = orders(3), orders(3), orders(4)
    assert all(sorted(order) == [0, 1, 2, 3] for order in one)
    assert len(set(one)) > 1
    assert one == again
    assert one != other


def dropping() -> nn.Sequential:
    """Return a model with dropout on both sides of the cut."""
    return nn.Sequential(
        nn.Sequential(nn.Flatten(), nn.Linear(16, 32)),
        nn.Dropout(0.5),
        nn.Sequential(nn.Linear(32, 32), nn.Dropout(0.5)),
        nn.Linear(32, CLASSES),
    )


def watch(module: nn.Module, masks: list[Tensor]) -> None:
    """Record the mask of each dropout layer."""
    for layer in module.modules():
        if isinstance(layer, nn.Dropout):
            layer.register_forward_hook(lambda layer, into, out: masks.append(out == 0))


def all_differ(masks: Sequence[Tensor]) -> bool:
    """Return whether all masks differ. Each must drop some values, but not all."""
    assert all(0 < int(mask.sum()) < mask.numel() for mask in masks)
    return not any(torch.equal(a, b) for k, a in enumerate(masks) for b in masks[:k])


@pytest.mark.parametrize("kind", [EpslLearner, *SPLITFED, SequentialSplitLearner, FedAvgLearner])
def test_client_dropout_differs_between_clients_and_rounds(kind: type[Learner]) -> None:
    """Every client draws a different mask in every round."""
    learner = make(kind, dropping, client_data(UNEQUAL, B))
    masks: list[Tensor] = []
    for module in {id(part.module): part.module for part in learner.clients}.values():
        watch(module[:CUT], masks)
    for number in (1, 2):
        run_round(learner, number)
    assert len(masks) == 6
    assert all_differ(masks)


@pytest.mark.parametrize("kind", [*SPLITFED, SequentialSplitLearner])
def test_server_dropout_differs_between_clients_and_rounds(kind: type[Learner]) -> None:
    """A server part that takes one client at a time draws a mask for each."""
    learner = make(kind, dropping, client_data(UNEQUAL, B))
    masks: list[Tensor] = []
    servers = (
        [learner.server] if kind is SequentialSplitLearner else [learner.server_for(i) for i in EVERYONE]
    )
    for module in {id(part.module): part.module for part in servers}.values():
        watch(module, masks)
    for number in (1, 2):
        run_round(learner, number)
    assert len(masks) == 6
    assert all_differ(masks)


def test_local_steps_draw_dropout_anew() -> None:
    """With E = 2 a client's two steps drop different values."""
    learner = make(FedAvgLearner, dropping, client_data(UNEQUAL, B), local_steps=2)
    masks: list[Tensor] = []
    for part in learner.clients:
        watch(part.module[:CUT], masks)
    for number in (1, 2):
        run_round(learner, number)
    assert len(masks) == 12
    assert all_differ(masks)


# --- the fingerprint ---


@pytest.mark.parametrize("kind", LEARNERS)
def test_equal_learners_have_equal_fingerprints(kind: type[Learner]) -> None:
    """The same rounds give the same fingerprint; another round gives another."""
    data = client_data(UNEQUAL, B)
    one, other = make(kind, normed, data), make(kind, normed, data)
    run_round(one, 1)
    assert one.fingerprint() != other.fingerprint()
    run_round(other, 1)
    assert one.fingerprint() == other.fingerprint()
    run_round(other, 2)
    assert one.fingerprint() != other.fingerprint()


@pytest.mark.parametrize("kind", [EpslLearner, *SPLITFED])
def test_fingerprint_sees_the_last_client(kind: type[Learner]) -> None:
    """A change of one weight or running mean of the last client changes the fingerprint."""
    learner = make(kind, normed, client_data(UNEQUAL, B))
    split_round(learner, 1)
    seen = {learner.fingerprint()}
    module = learner.clients[-1].module
    with torch.no_grad():
        next(module.parameters()).view(-1)[-1] += 1e-9
        seen.add(learner.fingerprint())
        module[0][1].running_mean[-1] += 1e-9
        seen.add(learner.fingerprint())
    assert len(seen) == 3


def test_fingerprint_sees_the_last_server_copy() -> None:
    """Between averages, the fingerprint contains V1's server part of the last client."""
    learner = make(PrivateServerLearner, smooth, client_data(UNEQUAL, B))
    split_round(learner, 1)
    before = learner.fingerprint()
    with torch.no_grad():
        list(learner.server_for(2).module.parameters())[-1][-1] += 1e-9
    assert before != learner.fingerprint()


# --- layers that work in place ---


def activated(inplace: bool) -> Callable[[], nn.Sequential]:
    """Return a builder of a model with an activation first behind every cut."""

    def build() -> nn.Sequential:
        return nn.Sequential(
            nn.Sequential(nn.Flatten(), nn.Linear(16, 12)),
            nn.Sequential(nn.ReLU(inplace=inplace), nn.Linear(12, 10)),
            nn.Sequential(nn.ReLU(inplace=inplace), nn.Linear(10, 8)),
            nn.Sequential(nn.ReLU(inplace=inplace), nn.Linear(8, CLASSES)),
        )

    return build


@pytest.mark.parametrize("cut", [1, 2, 3])
@pytest.mark.parametrize(
    ("kind", "options", "merged"),
    [
        (EpslLearner, {"exact": False}, 0),
        (EpslLearner, {"exact": False}, 2),
        (EpslLearner, {"exact": False}, B),
        (EpslLearner, {"exact": True}, 0),
        (EpslLearner, {"exact": True}, 2),
        (EpslLearner, {"exact": True}, B),
        (PrivateServerLearner, {}, 0),
        (SharedServerLearner, {}, 0),
        (SequentialSplitLearner, {}, 0),
    ],
)
def test_layers_in_place_behind_the_cut(
    kind: type[Learner], options: dict[str, Any], merged: int, cut: int
) -> None:
    """A first layer that works in place trains bit-identically to one that does not."""
    data = client_data(UNEQUAL, B)
    results = []
    for inplace in (False, True):
        learner = make(kind, activated(inplace), data, cut=cut, **options)
        for number in range(1, ROUNDS + 1):
            if merged:
                split_round(learner, number, merged=merged)
            else:
                run_round(learner, number)
        results.append(everything(learner))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
