"""Builds the smaller module that computes the same outputs as a structurally pruned part."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from torch import Tensor, nn

from .filters import FilterLayer, FilterMasks

__all__ = ["remove_filters"]


def remove_filters(part: nn.Module, layers: Sequence[FilterLayer], masks: FilterMasks) -> nn.Module:
    """Return a copy of a client's part without the filters that the masks remove.

    The copy computes the outputs of the masked part with fewer FLOPs and parameters. If the last layer before
    the cut is prunable, its outputs have fewer channels.

    Parameters
    ----------
    part : nn.Module
        The whole part.
    layers : sequence of FilterLayer
        Its prunable layers.
    masks : mapping of str to Tensor
        True for the filters that stay, by layer.
    """
    small = copy.deepcopy(part)
    for layer in layers:
        kept = masks[layer.path].nonzero().flatten()
        producer = small.get_submodule(layer.path)
        for name in ("weight", "bias"):
            _select(producer, name, kept, 0)
        if isinstance(producer, nn.Conv2d):
            producer.out_channels = len(kept)
        elif isinstance(producer, nn.Linear):
            producer.out_features = len(kept)
        for path in layer.norms:
            norm = small.get_submodule(path)
            assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
            features = _features(kept, norm.num_features // layer.outputs)
            for name in ("weight", "bias", "running_mean", "running_var"):
                _select(norm, name, features, 0)
            norm.num_features = len(features)
        if layer.consumer is not None:
            consumer = small.get_submodule(layer.consumer)
            if isinstance(consumer, nn.Conv2d):
                _select(consumer, "weight", kept, 1)
                consumer.in_channels = len(kept)
            else:
                assert isinstance(consumer, nn.Linear)
                features = _features(kept, consumer.in_features // layer.outputs)
                _select(consumer, "weight", features, 1)
                consumer.in_features = len(features)
    return small


def _features(channels: Tensor, each: int) -> Tensor:
    """Return the features of these channels after a Flatten, which makes ``each`` of one channel."""
    return (channels[:, None] * each + channels.new_tensor(range(each))).flatten()


def _select(module: nn.Module, name: str, kept: Tensor, dimension: int) -> None:
    tensor = getattr(module, name)
    if tensor is None:
        return
    selected = tensor.detach().index_select(dimension, kept.to(tensor.device))
    setattr(module, name, nn.Parameter(selected) if isinstance(tensor, nn.Parameter) else selected)
