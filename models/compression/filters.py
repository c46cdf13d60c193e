"""Which filters of a client's part can be left out, and where else that shows (docs/model.md section 5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from ..networks.resnet import BasicBlock
from .cut_layer_codec import ChannelGate

__all__ = ["FilterLayer", "FilterMasks", "filter_layers", "tensor_masks", "weight_names"]

FilterMasks: TypeAlias = Mapping[str, Tensor]
"""Of each layer, by its path: the filters that are kept, ``[num_outputs]``, bool."""

Layout: TypeAlias = Literal["map", "flat", "unknown"]
"""What flows: channels with rows and columns, ``[num_rows, num_features]``, or something else."""

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
)
"""What makes each channel of its output from the same channel of its input alone."""


@dataclass(frozen=True)
class FilterLayer:
    """A layer whose outputs can be left out one by one.

    Attributes
    ----------
    path : str
        Of the Conv2d or Linear in the client's part.
    outputs : int
        Its filters: a convolution's channels, a fully connected layer's neurons.
    norms : tuple of str
        The batch norms that its outputs pass.
    consumer : str or None
        The layer that takes them; None: they leave at the cut.
    """

    path: str
    outputs: int
    norms: tuple[str, ...] = ()
    consumer: str | None = None


def filter_layers(part: nn.Module, *, ends_model: bool) -> list[FilterLayer]:
    """Return the prunable layers of a client's part, in order.

    A layer is prunable if known modules alone lie between its outputs and the layer that takes them, or the
    cut. Inside a basic block that is the first convolution; what enters the block or leaves it stays whole,
    since the shortcut adds to it.

    Parameters
    ----------
    part : an ``nn.Sequential`` of units, which takes images
    ends_model : bool
        The model's last layer is in it; that one stays whole.
    """
    chain = list(_chain(part, ""))
    shared = _shared(module for _, module in chain)
    found: list[FilterLayer] = []
    open_layer: FilterLayer | None = None  # the one whose outputs flow here
    layout: Layout = "map"
    for path, module in chain:
        kind = type(module)
        if module in shared:
            open_layer, layout = None, "unknown"
        elif isinstance(module, BasicBlock) and kind is BasicBlock:
            found.append(_inside(path, module))
            open_layer, layout = None, "map"
        elif kind is nn.Conv2d or (kind is nn.Linear and layout == "flat"):
            assert isinstance(module, nn.Conv2d | nn.Linear)
            whole = isinstance(module, nn.Conv2d) and module.groups != 1
            if open_layer is not None and not whole:
                found.append(replace(open_layer, consumer=path))
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
        found.append(open_layer)
    return found


def _chain(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    """Return what a sample passes, one after the other, with its path in the part."""
    if type(module) is not nn.Sequential:
        yield path, module
        return
    for name, child in module._modules.items():  # named_children leaves out a second occurrence
        assert child is not None
        yield from _chain(child, f"{path}.{name}" if path else name)


def _shared(modules: Iterable[nn.Module]) -> set[nn.Module]:
    """Return the modules that share a parameter or buffer with another, or occur twice and have some."""
    chain = list(modules)
    counts = Counter(tensor for module in chain for tensor in (*module.parameters(), *module.buffers()))
    return {m for m in chain if any(counts[tensor] > 1 for tensor in (*m.parameters(), *m.buffers()))}


def _inside(path: str, block: BasicBlock) -> FilterLayer:
    """Return the first convolution of a basic block's residual."""
    convolution = block.residual[0]
    assert isinstance(convolution, nn.Conv2d)
    return FilterLayer(
        f"{path}.residual.0", convolution.out_channels, (f"{path}.residual.1",), f"{path}.residual.3"
    )


def weight_names(part: nn.Module) -> list[str]:
    """Return the names of the part's tensors whose weights can be left out one by one."""
    return [f"{path}.weight" for path, m in part.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def tensor_masks(
    tensors: Mapping[str, Tensor], layers: Sequence[FilterLayer], masks: FilterMasks
) -> dict[str, Tensor]:
    """Return which entries of a part's parameters and buffers are kept, where not all are, by their names.

    A filter that is left out takes its weights along, its bias, its place in the batch norms behind it, and
    the weights of the next layer that would take its output.
    """
    kept: dict[str, Tensor] = {}

    def keep(name: str, mask: Tensor, dimension: int) -> None:
        tensor = tensors.get(name)
        if tensor is None or tensor.dim() <= dimension:  # no bias; a batch norm's counter
            return
        # a channel is k features behind a Flatten
        features = mask.repeat_interleave(tensor.shape[dimension] // len(mask))
        shape = [1] * tensor.dim()
        shape[dimension] = -1
        so_far = kept.get(name, torch.ones_like(tensor, dtype=torch.bool))
        kept[name] = so_far & features.view(shape)

    for layer in layers:
        mask = masks[layer.path]
        for name in ("weight", "bias"):
            keep(f"{layer.path}.{name}", mask, 0)
        for norm in layer.norms:
            for name in ("weight", "bias", "running_mean", "running_var"):
                keep(f"{norm}.{name}", mask, 0)
        if layer.consumer is not None:
            keep(f"{layer.consumer}.weight", mask, 1)
    return kept
