"""Identities of learning that hold with compression, because clients drop the same values of a slot."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from cutlayer.models.compression.cut_layer_codec import CutLayerCodec
from cutlayer.models.learning.epsl import EpslLearner
from cutlayer.models.learning.sfl import PrivateServerLearner, SharedServerLearner
from cutlayer.models.learning.sl import SequentialSplitLearner
from cutlayer.scenarios.schema.compression import Compression, Dropout, Pruning, Quantisation
from tests.support.learners import client_data, composites, gap, linear_server, make, smooth, state

TOLERANCE = 1e-12
SIZES = (30, 18, 12)
B = 6
DROPPED = Compression(dropout=Dropout(share=0.4), pruning=Pruning(share=0.4, renew_every=3))


def rounds(learner: EpslLearner, merged: int, members: tuple[int, ...]) -> list[Tensor]:
    """Run four rounds, with new masks after the first, and return all weights."""
    for number in range(1, 5):
        if number == 1:
            learner.restore_pruned()
        learner.client_forward(members, number)
        learner.server_step(merged, number)
        learner.client_step()
        if number == 1:
            learner.renew_masks(members)
    return state(*(part.module for part in learner.clients), learner.server.module)


@pytest.mark.parametrize("merged", [1, 4, B])
def test_virtual_rows_lack_what_their_slots_lack(merged: int) -> None:
    """With a linear server, virtual and exact aggregation are equal, also with dropout and masks."""
    data = client_data(SIZES, B)
    found = [
        rounds(
            make(EpslLearner, linear_server, data, cut=1, compression=DROPPED, exact=exact),
            merged,
            (0, 1, 2),
        )
        for exact in (False, True)
    ]
    assert gap(*found) < TOLERANCE


@pytest.mark.parametrize("merged", [1, 4, B])
def test_one_client_gains_nothing_by_aggregation(merged: int) -> None:
    """With one client every φ gives PSL, and drops the same values."""
    data = client_data((20,), B)
    psl, epsl = (
        rounds(make(EpslLearner, smooth, data, compression=DROPPED), n_a, (0,)) for n_a in (0, merged)
    )
    assert gap(psl, epsl) < TOLERANCE


def test_with_one_client_all_split_schemes_are_one() -> None:
    """With one client SL, SplitFed V1 and V2, and PSL drop and round alike, and train the same model."""
    data = client_data((20,), B)
    section = Compression(
        dropout=Dropout(share=0.4), quantisation=Quantisation(bits=4, tensors=("activations", "gradients"))
    )
    found = []
    for learner_class in (EpslLearner, PrivateServerLearner, SharedServerLearner, SequentialSplitLearner):
        learner: Any = make(learner_class, smooth, data, compression=section)
        for number in (1, 2, 3):
            if learner_class is SequentialSplitLearner:
                learner.turn(0, number)
            else:
                learner.client_forward((0,), number)
                learner.server_step(0, number)
                learner.client_step()
        found.append(state(*composites(learner)[0]))
    assert [0.0] * 3 == [gap(found[0], other) for other in found[1:]]


def test_the_server_trains_on_what_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """If smashed data arrive as zeros, only the bias of the server's first layer changes."""
    monkeypatch.setattr(
        CutLayerCodec, "transmit", lambda self, message, kind, client, number: torch.zeros_like(message)
    )
    section = Compression(quantisation=Quantisation(tensors=("activations",)))
    for learner_class in (EpslLearner, PrivateServerLearner, SharedServerLearner):
        learner = make(learner_class, smooth, client_data(SIZES, B), compression=section)
        before = state(composites(learner)[0][1])
        learner.client_forward((0, 1, 2), 1)
        learner.server_step(0, 1)
        after = state(composites(learner)[0][1])
        assert torch.equal(before[0], after[0])
        assert not torch.equal(before[1], after[1])


def test_clients_train_on_what_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """If gradients arrive as zeros, the clients' parts do not change."""
    original = CutLayerCodec.transmit

    def lose(self: CutLayerCodec, message: Tensor, kind: Any, client: int, number: int) -> Tensor:
        return (
            torch.zeros_like(message)
            if kind == "gradients"
            else original(self, message, kind, client, number)
        )

    monkeypatch.setattr(CutLayerCodec, "transmit", lose)
    for learner_class in (EpslLearner, PrivateServerLearner, SharedServerLearner, SequentialSplitLearner):
        learner = make(learner_class, smooth, client_data(SIZES, B), compression=DROPPED)
        before = state(learner.clients[0].module)
        if learner_class is SequentialSplitLearner:
            learner.turn(0, 1)
        else:
            learner.client_forward((0, 1, 2), 1)
            learner.server_step(2 if learner_class is EpslLearner else 0, 1)
            learner.client_step()
        assert 0 == gap(before, state(learner.clients[0].module))
