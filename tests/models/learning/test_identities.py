"""The identities of docs/model.md section 3.3, checked against the plain PyTorch loops of this module."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from cutlayer.models.learning.centralised import CentralisedLearner
from cutlayer.models.learning.client_data import ClientData
from cutlayer.models.learning.epsl import EpslLearner, frozen_statistics
from cutlayer.models.learning.fl import FedAvgLearner
from cutlayer.models.learning.sfl import PrivateServerLearner, SharedServerLearner
from cutlayer.models.learning.sl import SequentialSplitLearner
from cutlayer.scenarios.schema.scenario import Optimizer
from tests.support.learners import (
    adam,
    client_data,
    composites,
    gap,
    linear_server,
    make,
    mean_loss,
    normed,
    sgd,
    smooth,
    state,
)

TOLERANCE = 1e-12
UNEQUAL = (30, 18, 12)
EQUAL = (20, 20, 20)
B = 5
ROUNDS = 6


def split_rounds(
    learner: EpslLearner, merged: int, rounds: int = ROUNDS, members: tuple[int, ...] = ()
) -> None:
    """Run rounds of a parallel split learner."""
    everyone = members or tuple(range(learner.data.clients))
    for number in range(1, rounds + 1):
        learner.client_forward(everyone, number)
        learner.server_step(merged, number)
        learner.client_step()


def splitfed_rounds(
    learner: PrivateServerLearner | SharedServerLearner, rounds: int = ROUNDS, every: int = 1
) -> None:
    """Run rounds of SplitFed, with an average after every ``every`` rounds."""
    everyone = tuple(range(learner.data.clients))
    for number in range(1, rounds + 1):
        learner.client_forward(everyone, number)
        learner.server_step(0, number)
        learner.client_step()
        if number % every == 0:
            learner.average(everyone)


def everything(learner: EpslLearner) -> list[Tensor]:
    """Return the state of all client parts and of the server part."""
    return state(*(part.module for part in learner.clients), learner.server.module)


def plain_psl(data: ClientData, whole: Callable[[], nn.Sequential], cut: int, rate: float) -> list[Tensor]:
    """Train by PSL's definition, with autograd through whole models and gradients combined by hand.

    The server's gradient is that of Σ λ_i (1/b) Σ ℓ_ij, and client i's is that of its mean loss.
    """
    composites = [whole() for _ in range(data.clients)]
    server = composites[0][cut:]
    for number in range(1, ROUNDS + 1):
        server_gradients = [torch.zeros_like(p) for p in server.parameters()]
        client_gradients = []
        for i, composite in enumerate(composites):
            images, labels = data.batch(i, number)
            part = composite[:cut]
            loss = mean_loss(server(part(images)), labels)
            wanted = [*part.parameters(), *server.parameters()]
            gradients = torch.autograd.grad(loss, wanted)
            count = len(list(part.parameters()))
            client_gradients.append(gradients[:count])
            for total, g in zip(server_gradients, gradients[count:], strict=True):
                total += data.shares[i] * g
        with torch.no_grad():
            for p, g in zip(server.parameters(), server_gradients, strict=True):
                p.sub_(rate * g)
            for composite, gradients in zip(composites, client_gradients, strict=True):
                for p, g in zip(composite[:cut].parameters(), gradients, strict=True):
                    p.sub_(rate * g)
    return state(*(composite[:cut] for composite in composites), server)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_psl_equals_a_plain_loop(cut: int) -> None:
    """EPSL with φ = 0 is PSL: mean loss per client, λ-weighted loss at the server."""
    data = client_data(UNEQUAL, B)
    learner = make(EpslLearner, smooth, data, cut=cut)
    expected = plain_psl(data, learner.new_model, cut, 0.1)
    split_rounds(learner, merged=0)
    assert gap(expected, everything(learner)) <= TOLERANCE


def test_exact_form_without_merged_slots_is_psl_to_the_bit() -> None:
    """With φ = 0 no slot is aggregated, and both forms of aggregation are equal."""
    data = client_data(UNEQUAL, B)
    one, other = (make(EpslLearner, smooth, data, exact=exact) for exact in (False, True))
    split_rounds(one, merged=0)
    split_rounds(other, merged=0)
    assert all(torch.equal(a, b) for a, b in zip(everything(one), everything(other), strict=True))


@pytest.mark.parametrize("build", [smooth, normed])
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("merged", [1, 3, B])
def test_one_client_gives_psl_for_every_share(
    build: Callable[[], nn.Sequential], exact: bool, merged: int
) -> None:
    """A mean over one client changes nothing, also with batch norm."""
    data = client_data((20,), B)
    psl = make(EpslLearner, build, data)
    epsl = make(EpslLearner, build, data, exact=exact)
    split_rounds(psl, merged=0)
    split_rounds(epsl, merged=merged)
    assert gap(everything(psl), everything(epsl)) <= TOLERANCE


def plain_epsl_round(
    parts: list[nn.Module], server: nn.Module, data: ClientData, merged: int, *, exact: bool
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the server's and the cut-layer gradients of one round, row by row from the definition."""
    shares, clients = data.shares, range(data.clients)
    smashed, z = [], []
    for i in clients:
        images, labels = data.batch(i, 1)
        smashed.append([s.detach() for s in parts[i](images)])
        logits = server(torch.stack(smashed[i])).detach()
        z.append(torch.softmax(logits, 1) - nn.functional.one_hot(labels, logits.shape[1]))
    total = [torch.zeros_like(p) for p in server.parameters()]
    cut = [[torch.zeros_like(s) for s in row] for row in smashed]

    def back(row: Tensor, gradient: Tensor) -> Tensor:
        """Add one row's gradient to the server's total, and return that of its input."""
        row = row.clone().requires_grad_()
        out = torch.autograd.grad(server(row[None]), [row, *server.parameters()], gradient[None] / B)
        for t, g in zip(total, out[1:], strict=True):
            t += g
        return out[0]

    for j in range(B):
        mean_z = torch.stack([shares[i] * z[i][j] for i in clients]).sum(0)
        if j < merged and not exact:
            gradient = back(torch.stack([shares[i] * smashed[i][j] for i in clients]).sum(0), mean_z)
            for i in clients:
                cut[i][j] = gradient
        elif j < merged:
            gradients = [back(smashed[i][j], shares[i] * mean_z) / shares[i] for i in clients]
            for i in clients:
                cut[i][j] = torch.stack([shares[k] * gradients[k] for k in clients]).sum(0)
        else:
            for i in clients:
                cut[i][j] = back(smashed[i][j], shares[i] * z[i][j]) / shares[i]
    return total, [torch.stack(rows) for rows in cut]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("merged", [0, 1, 3, B])
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_aggregation_equals_its_definition(cut: int, merged: int, exact: bool) -> None:
    """Server and client updates follow from rows that are merged, weighted and back-propagated one by one."""
    data = client_data(UNEQUAL, B)
    learner = make(EpslLearner, smooth, data, cut=cut, exact=exact)
    reference = [learner.new_model() for _ in range(3)]
    server = reference[0][cut:]
    total, gradients = plain_epsl_round([m[:cut] for m in reference], server, data, merged, exact=exact)
    with torch.no_grad():
        for p, g in zip(server.parameters(), total, strict=True):
            p -= 0.1 * g
    for i, model in enumerate(reference):
        part = model[:cut]
        images, _ = data.batch(i, 1)
        steps = torch.autograd.grad(part(images), list(part.parameters()), gradients[i])
        with torch.no_grad():
            for p, g in zip(part.parameters(), steps, strict=True):
                p -= 0.1 * g
    split_rounds(learner, merged, rounds=1)
    expected = state(*(m[:cut] for m in reference), server)
    assert gap(expected, everything(learner)) <= TOLERANCE


@pytest.mark.parametrize("merged", [1, 3, B])
def test_virtual_equals_exact_with_a_linear_server(merged: int) -> None:
    """For a linear server the gradient at the mean state is the mean of the gradients."""
    data = client_data(UNEQUAL, B)
    virtual, exact = (make(EpslLearner, linear_server, data, cut=1, exact=e) for e in (False, True))
    split_rounds(virtual, merged)
    split_rounds(exact, merged)
    assert gap(everything(virtual), everything(exact)) <= TOLERANCE


def test_virtual_differs_from_exact_with_a_curved_server() -> None:
    """With a server that is not linear, the two forms of aggregation differ."""
    data = client_data(UNEQUAL, B)
    virtual, exact = (make(EpslLearner, smooth, data, exact=e) for e in (False, True))
    split_rounds(virtual, B)
    split_rounds(exact, B)
    assert gap(everything(virtual), everything(exact)) > 1e-6


@pytest.mark.parametrize("merged", [0, 2, B])
def test_virtual_back_propagates_the_rows_it_is_charged_for(merged: int) -> None:
    """n_a + C(b−n_a) rows pass backwards through every layer of the server, counted by hooks."""
    data = client_data(UNEQUAL, B)
    learner = make(EpslLearner, smooth, data, cut=1)
    rows: list[int] = []
    for layer in learner.server.module:
        layer.register_full_backward_hook(lambda module, into, out: rows.append(len(out[0])))
    split_rounds(learner, merged, rounds=1)
    assert [merged + 3 * (B - merged)] * 3 == rows


@pytest.mark.parametrize("merged", [2, B])
def test_running_statistics_come_from_the_pass_over_all_rows(merged: int) -> None:
    """A batch norm's running mean moves by the statistics of all C·b rows, once a round."""
    data = client_data(UNEQUAL, B)
    learner = make(EpslLearner, normed, data, cut=1)
    parts = [learner.new_model()[:1] for _ in range(3)]
    flat = torch.cat([part(data.batch(i, 1)[0]) for i, part in enumerate(parts)])
    linear = learner.server.module[0][:2]
    expected = 0.1 * linear(flat).mean(dim=0).detach()
    split_rounds(learner, merged, rounds=1)
    norm = learner.server.module[0][2]
    assert 1 == int(norm.num_batches_tracked)
    assert gap([expected], [norm.running_mean]) <= TOLERANCE


@pytest.mark.parametrize("optimizer", [sgd(), sgd(momentum=0.9), adam()])
@pytest.mark.parametrize("build", [smooth, normed])
def test_sl_with_one_device_is_centralised_training_to_the_bit(
    optimizer: Optimizer, build: Callable[[], nn.Sequential]
) -> None:
    """SL with one client trains like the unsplit model, also with Adam and batch norm."""
    data = client_data((30,), B)
    relay = make(SequentialSplitLearner, build, data, optimizer=optimizer)
    union = make(CentralisedLearner, build, data, optimizer=optimizer)
    for number in range(1, ROUNDS + 1):
        relay.turn(0, number)
        union.step((0,), number)
    expected, actual = state(*composites(union)[0]), state(*composites(relay)[0])
    assert all(torch.equal(a, b) for a, b in zip(expected, actual, strict=True))


def plain_weighted_sgd(data: ClientData, model: nn.Module, momentum: float = 0.0) -> list[Tensor]:
    """Train one model on Σ λ_i (1/b) Σ ℓ_ij with torch's own SGD."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=momentum)
    for number in range(1, ROUNDS + 1):
        optimizer.zero_grad()
        for i in range(data.clients):
            images, labels = data.batch(i, number)
            (data.shares[i] * mean_loss(model(images), labels)).backward()
        optimizer.step()
    return state(model)


@pytest.mark.parametrize("sizes", [EQUAL, UNEQUAL])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_splitfed_fl_and_centralised_are_one_with_sgd(sizes: tuple[int, ...], momentum: float) -> None:
    """With I = 1 and E = 1 all three descend the λ-weighted loss, also with momentum."""
    data, optimizer = client_data(sizes, B), sgd(momentum=momentum)
    sfl = make(PrivateServerLearner, smooth, data, optimizer=optimizer)
    fl = make(FedAvgLearner, smooth, data, optimizer=optimizer)
    union = make(CentralisedLearner, smooth, data, optimizer=optimizer)
    expected = plain_weighted_sgd(data, union.new_model(), momentum)
    splitfed_rounds(sfl)
    for number in range(1, ROUNDS + 1):
        fl.local_steps((0, 1, 2), number)
        fl.average((0, 1, 2))
        union.step((0, 1, 2), number)
    for learner in (sfl, fl, union):
        assert gap(expected, state(*composites(learner)[0])) <= TOLERANCE


def test_adam_breaks_that_identity() -> None:
    """Adam per client differs from Adam on the mean gradient, so the test above can fail."""
    data, optimizer = client_data(UNEQUAL, B), adam()
    sfl = make(PrivateServerLearner, smooth, data, optimizer=optimizer)
    union = make(CentralisedLearner, smooth, data, optimizer=optimizer)
    splitfed_rounds(sfl)
    for number in range(1, ROUNDS + 1):
        union.step((0, 1, 2), number)
    assert gap(state(*composites(sfl)[0]), state(*composites(union)[0])) > 1e-6


def test_splitfed_averages_when_due_alone() -> None:
    """With I = 2 client models differ after round 1; averaged, each is the weighted mean of them."""
    data = client_data(UNEQUAL, B)
    learner = make(PrivateServerLearner, smooth, data)
    splitfed_rounds(learner, rounds=1, every=2)
    assert 3 == len(composites(learner))
    assert gap(state(*composites(learner)[0]), state(*composites(learner)[1])) > 1e-6
    apart = [state(*composite) for composite in composites(learner)]
    learner.average((0, 1, 2))
    mean = [
        sum(w * v for w, v in zip(data.shares, values, strict=True)) for values in zip(*apart, strict=True)
    ]
    assert 1 == len(composites(learner))
    assert gap(mean, state(*composites(learner)[0])) <= TOLERANCE


def test_splitfed_v2_trains_one_server_client_after_client() -> None:
    """V2 equals a loop over the clients in random order that updates the server part after each."""
    data = client_data(UNEQUAL, B)
    learner = make(SharedServerLearner, smooth, data)
    order = None
    models = [learner.new_model() for _ in range(3)]
    server = models[0][2:]
    learner.client_forward((0, 1, 2), 1)
    order = learner.order(1)
    learner.server_step(0, 1)
    learner.client_step()
    assert [0, 1, 2] == sorted(order)
    for i in order:
        part = models[i][:2]
        images, labels = data.batch(i, 1)
        both = [*part.parameters(), *server.parameters()]
        gradients = torch.autograd.grad(mean_loss(server(part(images)), labels), both)
        with torch.no_grad():
            for p, g in zip(both, gradients, strict=True):
                p -= 0.1 * g
    actual = state(*(part.module for part in learner.clients), learner.server_for(0).module)
    assert gap(state(*(m[:2] for m in models), server), actual) <= TOLERANCE


def test_left_out_clients_do_not_move_and_weights_are_shared_anew() -> None:
    """With clients 0 and 2 in time, the round equals one of a fleet that has only these two."""
    data = client_data(UNEQUAL, B)
    learner = make(EpslLearner, smooth, data)
    before = state(learner.clients[1].module)
    split_rounds(learner, merged=2, rounds=1, members=(0, 2))
    assert gap(before, state(learner.clients[1].module)) == 0
    assert float(learner.weights((0, 2)).sum()) == pytest.approx(1.0)
    assert 30 / 42 == pytest.approx(float(learner.weights((0, 2))[0]))


def test_all_schemes_start_from_the_same_weights() -> None:
    """Every learner's first model is the same, to the bit, whatever the global random state."""
    data = client_data(EQUAL, B)
    states: list[list[Tensor]] = []
    for learner in (
        EpslLearner,
        PrivateServerLearner,
        SharedServerLearner,
        SequentialSplitLearner,
        FedAvgLearner,
        CentralisedLearner,
    ):
        torch.manual_seed(len(states))
        states.append(state(*composites(make(learner, smooth, data))[0]))
    assert all(torch.equal(a, b) for s in states[1:] for a, b in zip(states[0], s, strict=True))


def test_dropout_draws_from_its_own_stream() -> None:
    """Two learners with dropout are bit-identical, and do not change the global generator."""

    def build() -> nn.Sequential:
        return nn.Sequential(
            nn.Sequential(nn.Flatten(), nn.Linear(16, 9), nn.Dropout(0.5)),
            nn.Sequential(nn.Dropout(0.5), nn.Linear(9, 3)),
        )

    data = client_data(EQUAL, B)
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        untouched = torch.get_rng_state()
        learner = make(EpslLearner, build, data, cut=1)
        split_rounds(learner, merged=2)
        assert torch.equal(untouched, torch.get_rng_state())
        results.append(everything(learner))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_frozen_statistics_are_as_before_afterwards() -> None:
    """Each batch norm tracks statistics afterwards if, and only if, it did before."""
    norms = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm1d(2, track_running_stats=False))
    with frozen_statistics(norms):
        assert [False, False] == [norm.track_running_stats for norm in norms]
    assert [True, False] == [norm.track_running_stats for norm in norms]
