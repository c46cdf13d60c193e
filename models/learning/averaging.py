"""Weighted averages of modules, parameters and buffers alike."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["average_into"]


@torch.no_grad()
def average_into(targets: Sequence[nn.Module], modules: Sequence[nn.Module], weights: Tensor) -> None:
    """Write ``Σ_i weights_i · module_i`` into each target's parameters and buffers.

    Counters (buffers of integers, such as a batch norm's number of batches) are taken from the first
    module: they have no average. Sums run in the modules' order.

    Parameters
    ----------
    targets : may be among the modules
    modules : of one architecture, the targets' too
    weights : [num_modules], float
        They sum to one.
    """
    sources = zip(*(_tensors(module) for module in modules), strict=True)
    places = zip(*(_tensors(target) for target in targets), strict=True)
    for values, copies in zip(sources, places, strict=True):
        average = values[0]
        if average.is_floating_point():
            # [num_modules, ...]
            stacked = torch.stack(values)
            average = torch.tensordot(weights.to(stacked.dtype), stacked, dims=1)
        for copy in copies:
            copy.copy_(average)


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
