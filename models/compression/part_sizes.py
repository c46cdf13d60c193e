"""What a client's part comes to, whole and pruned, without any values: for the timeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn

from ...scenarios.model_costs.unit_table import UnitTable
from ...scenarios.registry import Parameters, lookup
from ...scenarios.schema.compression import FLOAT_BITS, PartSizes, Pruning
from ..networks.parameters import ImageModelParameters
from ..profile import profile
from .filter_removal import shrink
from .filters import filter_layers, weight_names

__all__ = ["part_sizes"]


def part_sizes(
    model: Parameters, units: UnitTable, pruning: Pruning | None
) -> Callable[[int, bool], PartSizes]:
    """Return the sizes of a client's part of the scenario's model: ``(units of the part, pruned)`` to sizes.

    How many filters are kept is known without values, and so is all that follows from it.

    Parameters
    ----------
    model : the scenario's model section, of a model that can be built
    units : its unit table
    pruning : None: no part is ever pruned
    """
    assert isinstance(model, ImageModelParameters)
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        whole: nn.Sequential = lookup("model", model.name).load()(model)
    whole = whole.to("meta")

    def sizes(count: int, pruned: bool) -> PartSizes:
        part, rest = nn.Sequential(*list(whole)[:count]), nn.Sequential(*list(whole)[count:])
        found = PartSizes(
            units.forward_flops_to(count),
            units.backward_flops_to(count),
            units.activation_bits_at(count),
            units.gradient_bits_at(count),
            units.parameter_bits_to(count) - _buffer_bits(part),
            _buffer_bits(part),
        )
        if pruning is None or not pruned:
            return found
        if pruning.kind == "unstructured":
            return _without_weights(part, found, pruning)
        ends_model = not any(True for _ in rest.parameters())
        return _without_filters(part, model.input_shape, pruning, ends_model=ends_model)

    return sizes


def _buffer_bits(part: nn.Module) -> float:
    return float(sum(buffer.numel() * buffer.element_size() * 8 for buffer in part.buffers()))


def _without_weights(part: nn.Module, whole: PartSizes, pruning: Pruning) -> PartSizes:
    """Return what single weights that are left out leave: fewer bits alone."""
    weights = dict(part.named_parameters())
    counts = [weights[name].numel() for name in weight_names(part)]
    left_out = sum(count - pruning.num_kept(count) for count in counts)
    bits = whole.parameter_bits - FLOAT_BITS * left_out
    return replace(whole, parameter_bits=bits, maskable=sum(counts))


def _without_filters(
    part: nn.Module, input_shape: Sequence[int], pruning: Pruning, *, ends_model: bool
) -> PartSizes:
    """Return the profile of the smaller part; which filters are left out makes no difference to it."""
    layers = filter_layers(part, ends_model=ends_model)
    masks = {layer.path: torch.arange(layer.outputs) < pruning.num_kept(layer.outputs) for layer in layers}
    small = shrink(part, layers, masks)
    assert isinstance(small, nn.Sequential)
    units, count = profile(small, input_shape), len(small)
    return PartSizes(
        units.forward_flops_to(count),
        units.backward_flops_to(count),
        units.activation_bits_at(count),
        units.gradient_bits_at(count),
        units.parameter_bits_to(count) - _buffer_bits(small),
        _buffer_bits(small),
        sum(layer.outputs for layer in layers),
    )
