"""Weighted averages of modules, parameters and buffers alike."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["average_into", "copy_into"]


@torch.no_grad()
def average_into(target: nn.Module, modules: Sequence[nn.Module], weights: Tensor) -> None:
    """Write ``Σ_i weights_i · module_i`` into the target's parameters and buffers.

    Counters (buffers of integers, such as a batch norm's number of batches) are taken from the first
    module: they have no average. Sums run in the modules' order.

    Parameters
    ----------
    target : may be one of the modules
    modules : of one architecture
    weights : [num_modules], float
        They sum to one.
    """
    states = [module.state_dict() for module in modules]
    for name, value in target.state_dict().items():
        if value.is_floating_point():
            # [num_modules, ...]
            stacked = torch.stack([state[name] for state in states])
            value.copy_(torch.tensordot(weights.to(stacked.dtype), stacked, dims=1))
        else:
            value.copy_(states[0][name])


@torch.no_grad()
def copy_into(target: nn.Module, source: nn.Module) -> None:
    """Write the source's parameters and buffers into the target."""
    state = source.state_dict()
    for name, value in target.state_dict().items():
        value.copy_(state[name])
