"""The filters of a client's part that can be pruned, and the tensors that depend on them.

Section 5 of docs/model.md defines structured pruning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from ..networks.pooling import HalvingMaxPool
from ..networks.resnet import BasicBlock
from .cut_layer_codec import ChannelGate

__all__ = ["FilterLayer", "FilterMasks", "filter_layers", "tensor_masks", "weight_names"]

FilterMasks: TypeAlias = Mapping[str, Tensor]
"""Maps the path of each layer to its mask, ``[num_outputs]``, bool: true for the filters that stay."""

Layout: TypeAlias = Literal["map", "flat", "unknown"]
"""Layout of activations: feature maps, ``[num_rows, num_features]``, or something else."""

_CHANNEL_WISE = (
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.AvgPool2d,
    nn.MaxPool2d,
    nn.Dropout,
    nn.Dropout2d,
    nn.ELU,
    nn.GELU,
    nn.Hardswish,
    nn.Hardtanh,
    nn.Identity,
    nn.LeakyReLU,
    nn.Mish,
    nn.ReLU,
    nn.ReLU6,
    nn.SELU,
    nn.Sigmoid,
    nn.SiLU,
    nn.Softplus,
    nn.Tanh,
    ChannelGate,
    HalvingMaxPool,
)
"""Modules in which each output channel depends on the same input channel alone."""


@dataclass(frozen=True)
class FilterLayer:
    """A layer whose filters can be pruned one by one.

    Attributes
    ----------
    path : str
        Path of the Conv2d or Linear in the client's part.
    outputs : int
        Number of its filters: channels of a convolution, neurons of a fully connected layer.
    norms : tuple of str
        Paths of the batch norms that its outputs pass.
    consumer : str or None
        Path of the layer that its outputs enter; None if they leave the part at the cut layer.
    """

    path: str
    outputs: int
    norms: tuple[str, ...] = ()
    consumer: str | None = None


def filter_layers(part: nn.Module, *, ends_model: bool) -> list[FilterLayer]:
    """Return the prunable layers of a client's part, in order.

    A layer is prunable if only batch norms and channel-wise modules lie between its outputs and the next
    layer, or the cut. In a basic block only the first convolution is prunable. The inputs and outputs of a
    block stay whole, because the shortcut adds them.

    Parameters
    ----------
    part : nn.Module
        An ``nn.Sequential`` of units whose input is images.
    ends_model : bool
        Whether the part ends with the last layer of the model, which is not prunable.
    """
    chain = list(_chain(part, ""))
    shared = _shared(module for _, module in chain)
    layers: list[FilterLayer] = []
    open_layer: FilterLayer | None = None  # the layer whose outputs enter this module
    layout: Layout = "map"
    for path, module in chain:
        kind = type(module)
        if module in shared:
            open_layer, layout = None, "unknown"
        elif isinstance(module, BasicBlock) and kind is BasicBlock:
            layers.append(_inside(path, module))
            open_layer, layout = None, "map"
        elif kind is nn.Conv2d or (kind is nn.Linear and layout == "flat"):
            assert isinstance(module, nn.Conv2d | nn.Linear)
            whole = isinstance(module, nn.Conv2d) and module.groups != 1
            if open_layer is not None and not whole:
                layers.append(replace(open_layer, consumer=path))
            open_layer = None if whole else FilterLayer(path, module.weight.shape[0])
            layout = "map" if kind is nn.Conv2d else "flat"
        elif kind in (nn.BatchNorm1d, nn.BatchNorm2d):
            if open_layer is not None:
                open_layer = replace(open_layer, norms=(*open_layer.norms, path))
        elif isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) == (1, -1):
            layout = "flat"
        elif kind not in _CHANNEL_WISE:
            open_layer, layout = None, "unknown"
    if open_layer is not None and not ends_model:
        layers.append(open_layer)
    return layers


def _chain(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules that a sample passes, in order, with their paths in the part."""
    if type(module) is not nn.Sequential:
        yield path, module
        return
    for name, child in module._modules.items():  # named_children leaves out a second occurrence
        assert child is not None
        yield from _chain(child, f"{path}.{name}" if path else name)


def _shared(modules: Iterable[nn.Module]) -> set[nn.Module]:
    """Return the modules with a parameter or buffer that occurs more than once in the chain."""
    chain = list(modules)
    counts = Counter(tensor for module in chain for tensor in (*module.parameters(), *module.buffers()))
    return {m for m in chain if any(counts[tensor] > 1 for tensor in (*m.parameters(), *m.buffers()))}


def _inside(path: str, block: BasicBlock) -> FilterLayer:
    """Return the first convolution in the residual branch of a basic block."""
    convolution = block.residual[0]
    assert isinstance(convolution, nn.Conv2d)
    return FilterLayer(
        f"{path}.residual.0", convolution.out_channels, (f"{path}.residual.1",), f"{path}.residual.3"
    )


def weight_names(part: nn.Module) -> list[str]:
    """Return the names of the part's tensors whose weights can be pruned one by one."""
    return [f"{path}.weight" for path, m in part.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def tensor_masks(
    tensors: Mapping[str, Tensor], layers: Sequence[FilterLayer], masks: FilterMasks
) -> dict[str, Tensor]:
    """Return the masks of a part's parameters and buffers, by name; tensors that stay whole have none.

    Without a filter, its weights and bias are removed. So are its entries in the batch norms after it, and
    the weights of the next layer that would multiply its output.
    """
    entry_masks: dict[str, Tensor] = {}

    def keep(name: str, mask: Tensor, dimension: int) -> None:
        tensor = tensors.get(name)
        if tensor is None or tensor.dim() <= dimension:  # no bias; a batch norm's counter
            return
        # a channel is k features after a Flatten
        features = mask.repeat_interleave(tensor.shape[dimension] // len(mask))
        shape = [1] * tensor.dim()
        shape[dimension] = -1
        earlier = entry_masks.get(name, torch.ones_like(tensor, dtype=torch.bool))
        entry_masks[name] = earlier & features.view(shape)

    for layer in layers:
        mask = masks[layer.path]
        for name in ("weight", "bias"):
            keep(f"{layer.path}.{name}", mask, 0)
        for norm in layer.norms:
            for name in ("weight", "bias", "running_mean", "running_var"):
                keep(f"{norm}.{name}", mask, 0)
        if layer.consumer is not None:
            keep(f"{layer.consumer}.weight", mask, 1)
    return entry_masks
