"""Quantised uploads of chains equal those of SplitFed, and each has random draws of its own."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from torch import Tensor

from cutlayer.models.compression.cut_layer_codec import CutLayerCodec
from cutlayer.models.learning.chain import ChainLearner
from cutlayer.models.learning.sfl import PrivateServerLearner
from cutlayer.scenarios.schema.compression import Compression, Dropout, Quantisation
from tests.support.learners import client_data, composites, gap, make, smooth, state

SIZES = (30, 18, 12)
B = 6
SECTION = Compression(quantisation=Quantisation(bits=3, bucket=16, tensors=("models",)))
ROUNDS = ((0, 1, 2), (0, 2), (1,), (0, 1, 2))
BOUNDS = dict.fromkeys(range(3), (0, 2, 4))


def chain(section: Compression, **options: Any) -> Any:
    """Return a chain with SplitFed's cut after two units."""
    data = client_data(SIZES, B)
    return make(
        ChainLearner, smooth, data, compression=section, bounds=BOUNDS, at_client=(True, False), **options
    )


def test_the_late_upload_differences_from_the_average_that_they_got() -> None:
    """With any late clients and 3-bit uploads, a chain at SplitFed's cut learns like SplitFed."""
    learner = chain(SECTION)
    splitfed = make(PrivateServerLearner, smooth, client_data(SIZES, B), compression=SECTION)
    for number, members in enumerate(ROUNDS, start=1):
        learner.local_steps(members, number)
        learner.average(members)
        splitfed.client_forward(members, number)
        splitfed.server_step(0, number)
        splitfed.client_step()
        splitfed.average(members)
        assert gap(state(*composites(splitfed)[0]), state(*composites(learner)[0])) <= 1e-12


def test_no_two_uploads_of_a_client_share_their_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each upload has its own number, so that the rounding errors of rounds are independent."""
    seen: dict[int, list[int]] = defaultdict(list)
    original = CutLayerCodec.transmit

    def spy(self: CutLayerCodec, message: Tensor, kind: Any, client: int, number: int) -> Tensor:
        if kind == "models":
            seen[client].append(number)
        return original(self, message, kind, client, number)

    monkeypatch.setattr(CutLayerCodec, "transmit", spy)
    learner = chain(SECTION)
    for number, members in enumerate(ROUNDS, start=1):
        learner.local_steps(members, number)
        learner.average(members)
    assert [3, 3, 3] == [len(seen[i]) for i in range(3)]
    assert all(len(set(numbers)) == len(numbers) for numbers in seen.values())


def test_each_step_of_a_round_drops_values_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mini-batch of a round has a different dropout mask, which is the same for all clients."""
    masks: dict[int, list[Tensor]] = defaultdict(list)
    original = CutLayerCodec.send_smashed

    def spy(self: CutLayerCodec, values: Tensor, client: int, number: int) -> Tensor:
        arrived = original(self, values, client, number)
        masks[client].append(arrived == 0)
        return arrived

    monkeypatch.setattr(CutLayerCodec, "send_smashed", spy)
    learner = chain(Compression(dropout=Dropout(share=0.5)), batches=2)
    for number in (1, 2):
        learner.local_steps((0, 1, 2), number)
    for one, other in ((0, 1), (0, 2)):
        assert all(a.equal(b) for a, b in zip(masks[one], masks[other], strict=True))
    own = masks[0]
    assert 4 == len(own)
    assert all(not a.equal(b) for n, a in enumerate(own) for b in own[:n])
