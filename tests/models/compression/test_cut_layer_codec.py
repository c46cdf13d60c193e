"""Compression at the cut layer: dropout selects values, and pruned channels send none."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from cutlayer.models.compression.cut_layer_codec import ChannelGate, CutLayerCodec
from cutlayer.scenarios.schema.compression import Compression, Dropout, Quantisation, TensorKind

FALSE_ALARM = 1e-9
ROWS, COUNT = 20, 10


class RecordingCodec(CutLayerCodec):
    """A codec that records the shape of every message."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.messages: list[tuple[TensorKind, tuple[int, ...]]] = []

    def transmit(self, message: Tensor, kind: TensorKind, client: int, number: int) -> Tensor:
        """Record the kind and the shape of the message."""
        self.messages.append((kind, tuple(message.shape)))
        return super().transmit(message, kind, client, number)


def codec(gate: ChannelGate | None = None, seed: int = 0, **sections: Any) -> RecordingCodec:
    """Return a codec with this compression."""
    return RecordingCodec(Compression(**sections), seed, gate or ChannelGate())


def masks(share: float, rounds: int) -> Tensor:
    """Return the masks of sent values, ``[num_rounds, num_rows, num_values]``, bool."""
    sender = codec(dropout=Dropout(share=share))
    ones = torch.ones(ROWS, COUNT)
    return torch.stack([sender.send_smashed(ones, 0, number) != 0 for number in range(1, rounds + 1)])


@pytest.mark.parametrize(("share", "kept"), [(0.2, 8), (0.5, 5), (0.99, 1)])
def test_each_row_keeps_the_same_number_of_values_scaled(share: float, kept: int) -> None:
    """Of n values k = round((1 − δ)n), at least one, are sent, and arrive scaled by n/k."""
    values = torch.randn(ROWS, 2, 5, dtype=torch.float64) + 10
    sender = codec(dropout=Dropout(share=share))
    arrived = sender.send_smashed(values, 0, 1)
    sent = arrived != 0
    assert [kept] * ROWS == sent.flatten(1).sum(dim=1).tolist()
    assert torch.allclose(arrived[sent], values[sent] * COUNT / kept, rtol=1e-15)
    assert [("activations", (ROWS, kept))] == sender.messages


def test_all_subsets_are_alike() -> None:
    """Each value is sent with probability k/n and each pair with k(k−1)/n(n−1); false alarm 1e-9."""
    rounds = 1000
    sent = masks(0.3, rounds).flatten(0, 1).double()
    pairs = sent.T @ sent / len(sent)
    expected = torch.full((COUNT, COUNT), 7 * 6 / (10 * 9), dtype=torch.float64).fill_diagonal_(0.7)
    margin = math.sqrt(math.log(2 * COUNT**2 / FALSE_ALARM) / (2 * len(sent)))
    assert float((pairs - expected).abs().max()) <= margin


def test_rounds_and_slots_have_masks_of_their_own_and_clients_common_ones() -> None:
    """A mask depends on seed, round and slot, but not on the client."""
    sender, ones = codec(dropout=Dropout(share=0.5)), torch.ones(ROWS, 200)
    first, other = sender.send_smashed(ones, 0, 1), sender.send_smashed(ones, 1, 1)
    assert torch.equal(first, other)
    assert ROWS == len({tuple(row) for row in first.tolist()})
    assert not torch.equal(first, sender.send_smashed(ones, 0, 2))
    assert not torch.equal(first, codec(seed=1, dropout=Dropout(share=0.5)).send_smashed(ones, 0, 1))


@pytest.mark.parametrize("channels", [None, [True, False, True, True]])
def test_gradients_come_back_through_the_same_mask(channels: list[bool] | None) -> None:
    """The client's gradient passes the adjoint of the mask that its smashed data passed, slot by slot."""
    gate = ChannelGate()
    sender = codec(gate, dropout=Dropout(share=0.4))
    gate.mask = None if channels is None else torch.tensor(channels)
    smashed = torch.randn(ROWS, 4, 3, dtype=torch.float64, requires_grad=True)
    mask = sender.send_smashed(torch.ones_like(smashed), 0, 1)
    (mask * smashed).square().sum().backward()
    server_side = (mask * smashed).detach().requires_grad_()
    server_side.square().sum().backward()
    assert smashed.grad is not None
    assert server_side.grad is not None
    merged = 6
    back = [sender.send_gradient(server_side.grad[:merged], -1, 1, 0)]
    back.append(sender.send_gradient(server_side.grad[merged:], 2, 1, merged))
    assert torch.allclose(smashed.grad, torch.cat(back), rtol=1e-14, atol=0)


@pytest.mark.parametrize("flat", [False, True])
def test_pruned_channels_do_not_travel(flat: bool) -> None:
    """Messages contain values of unpruned channels only, and dropout selects among these."""
    gate = ChannelGate()
    gate.mask = torch.tensor([True, False, True, False])
    values = torch.randn(ROWS, 4, 5, dtype=torch.float64)
    values = values.flatten(1) if flat else values
    pruned = gate(values)
    assert torch.equal(values.view(ROWS, 4, 5) * gate.mask.view(4, 1), pruned.view(ROWS, 4, 5))
    whole, dropping = codec(gate), codec(gate, dropout=Dropout(share=0.5))
    assert torch.equal(pruned, whole.send_smashed(pruned, 0, 1))
    assert torch.equal(pruned, whole.send_gradient(values, 0, 1, 0))
    dropped = dropping.send_smashed(pruned, 0, 1)
    assert torch.equal(dropped, torch.where(dropped != 0, 2 * pruned, 0.0))
    assert [("activations", (ROWS, 10)), ("gradients", (ROWS, 10))] == whole.messages
    assert [("activations", (ROWS, 5))] == dropping.messages


def test_messages_of_the_kinds_named_are_quantised() -> None:
    """Messages of all other kinds arrive unchanged."""
    sender = codec(quantisation=Quantisation(bits=2, tensors=("gradients",)))
    values = torch.randn(ROWS, COUNT)
    assert torch.equal(values, sender.send_smashed(values, 0, 1))
    assert not torch.equal(values, sender.send_gradient(values, 0, 1, 0))


def test_every_message_is_rounded_by_draws_of_its_own() -> None:
    """Kind, client, broadcast and round select the random stream; equal messages are rounded alike."""
    sender = codec(quantisation=Quantisation(bits=2, tensors=("activations", "gradients")))
    values = torch.randn(ROWS, COUNT)
    keys: list[tuple[TensorKind, int, int]] = [
        ("activations", 0, 1),
        ("gradients", 0, 1),
        ("gradients", 1, 1),
    ]
    keys += [("gradients", -1, 1), ("gradients", 0, 2), ("activations", 1, 1)]
    found = {tuple(sender.transmit(values, *key).flatten().tolist()) for key in keys}
    assert len(keys) == len(found)
    assert torch.equal(sender.transmit(values, *keys[0]), sender.transmit(values, *keys[0]))


def test_no_rows_are_no_message() -> None:
    """If all slots are merged, no message is sent to a single client."""
    sender = codec(dropout=Dropout(share=0.5))
    empty = torch.ones(0, COUNT)
    assert torch.equal(empty, sender.send_gradient(empty, 0, 1, ROWS))
    assert [] == sender.messages
