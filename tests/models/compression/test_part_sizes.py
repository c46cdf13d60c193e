"""Sizes of pruned parts, computed without weights, against modules that are really smaller."""

from __future__ import annotations

from math import ceil
from typing import Any

import pytest

from cutlayer.models.compression.part_sizes import part_sizes
from cutlayer.models.unit_tables import unit_table
from cutlayer.scenarios.registry import lookup
from cutlayer.scenarios.schema.compression import PartSizes, Pruning


def sizes(name: str, count: int, pruned: bool, shape: tuple[int, int, int], **pruning: Any) -> PartSizes:
    """Return the sizes of a part of a built-in model with ten classes."""
    model = lookup("model", name).parameters.model_validate(
        {"name": name, "input_shape": shape, "classes": 10}
    )
    return part_sizes(model, unit_table(model), Pruning(**pruning))(count, pruned)  # type: ignore[arg-type]


def test_lenet_by_hand() -> None:
    """Half of the filters of conv1, pool1, conv2 at 8x8 are 8 of 16 and 16 of 32."""
    found = sizes("lenet", 3, True, (1, 8, 8), share=0.5)
    first, second = 8 * 25 * 64, 16 * 8 * 25 * 16
    assert first + second == found.forward_flops
    assert 2 * (first + second) == found.backward_flops
    assert 32 * 16 * 4 * 4 == found.activation_bits == found.gradient_bits
    assert 32 * (8 * 25 + 8 + 16 * 8 * 25 + 16) == found.parameter_bits
    assert 0 == found.buffer_bits
    assert 16 + 32 == found.maskable


def test_a_block_shrinks_inside() -> None:
    """In a ResNet's first block only the inner channels are pruned, and no activations."""
    whole, pruned = (sizes("resnet18", 3, p, (3, 32, 32), share=0.7) for p in (False, True))
    kept = ceil(0.3 * 64)
    left_out = (64 - kept) * 9 * 64 * 2
    assert 64 == pruned.maskable
    assert whole.activation_bits == pruned.activation_bits
    assert 64 * left_out == whole.forward_flops - pruned.forward_flops  # 8x8 places
    assert 32 * (left_out + 2 * (64 - kept)) == whole.parameter_bits - pruned.parameter_bits
    assert 32 * 2 * (64 - kept) == whole.buffer_bits - pruned.buffer_bits


def test_a_whole_part_is_that_of_the_unit_table() -> None:
    """Without masks FLOPs and bits are those of the table; bits of buffers are listed separately."""
    model = lookup("model", "vgg16").parameters.model_validate(
        {"name": "vgg16", "input_shape": (3, 32, 32), "classes": 10}
    )
    units = unit_table(model)  # type: ignore[arg-type]
    found = part_sizes(model, units, None)(2, True)  # type: ignore[arg-type]
    assert units.forward_flops_to(2) == found.forward_flops
    assert units.parameter_bits_to(2) == found.parameter_bits + found.buffer_bits
    assert 2 * (2 * 64 * 32 + 64) == found.buffer_bits


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_single_weights_save_bits_alone(share: float) -> None:
    """Unstructured pruning does not change FLOPs and activations; every weight is in the mask."""
    whole, pruned = (sizes("lenet", 3, p, (1, 8, 8), share=share, kind="unstructured") for p in (False, True))
    weights = [16 * 25, 32 * 16 * 25]
    left_out = sum(n - ceil(round((1 - share) * n, 9)) for n in weights)
    assert whole.forward_flops == pruned.forward_flops
    assert whole.activation_bits == pruned.activation_bits
    assert 32 * left_out == whole.parameter_bits - pruned.parameter_bits
    assert sum(weights) == pruned.maskable


def test_a_whole_model_keeps_its_classes() -> None:
    """With all units on the client, as in FL, all layers but the last have fewer outputs."""
    found = sizes("mlp", 3, True, (1, 8, 8), share=0.5)
    assert 32 * (64 * 32 + 32 + 32 * 32 + 32 + 32 * 10 + 10) == found.parameter_bits
    assert 64 + 64 == found.maskable
