"""Weighted averages of models, parameters and buffers alike."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["average_into"]


@torch.no_grad()
def average_into(
    targets: Sequence[Sequence[Tensor]], models: Sequence[Sequence[Tensor]], weights: Tensor
) -> None:
    """Write ``Σ_i weights_i · model_i`` into each target, tensor by tensor.

    Counters (buffers of integers, such as a batch norm's number of batches) are taken from the first
    model: they have no average. Sums run in the models' order.

    Parameters
    ----------
    targets : may be among the models
    models : each one's parameters and buffers, in one order, the targets' too
    weights : [num_models], float
        They sum to one.
    """
    for values, copies in zip(zip(*models, strict=True), zip(*targets, strict=True), strict=True):
        average = values[0]
        if average.is_floating_point():
            # [num_models, ...]
            stacked = torch.stack(values)
            average = torch.tensordot(weights.to(stacked.dtype), stacked, dims=1)
        for copy in copies:
            copy.copy_(average)
