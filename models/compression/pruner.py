"""Pruning while training: importances, masks, what they leave out and give back (docs/model.md section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ...scenarios.schema.compression import Pruning
from .cut_layer_codec import ChannelGate
from .filters import FilterLayer, filter_layers, tensor_masks, weight_names

__all__ = ["Pruner", "kept_of"]

Tensors: TypeAlias = dict[str, Tensor]


def kept_of(importance: Tensor, count: int) -> Tensor:
    """Return the mask of the ``count`` most important, of equals those that come first.

    Parameters
    ----------
    importance : any shape, float
    """
    order = importance.flatten().argsort(descending=True, stable=True)
    mask = torch.zeros(importance.numel(), dtype=torch.bool, device=importance.device)
    mask[order[:count]] = True
    return mask.view(importance.shape)


class Pruner:
    """The masks of all clients' parts, which are the same for all, and what they are made from.

    While masks hold, what they leave out is exactly 0, in the gradients too; its values are kept aside, each
    client's own, and come back when the masks are lifted. In rounds without masks each step of a client's
    optimiser adds to its importances, (gradient · weight)², of a filter summed over its weights.

    Parameters
    ----------
    section : what is pruned, and how much of it
    gate : at the end of the clients' part, for channels that are pruned there
    ends_model : bool
        The clients' part ends with the model's last layer.

    Attributes
    ----------
    kept : dict of str to Tensor
        Which entries of a client part's parameters and buffers the masks leave, bool, where not all; empty
        without masks.
    """

    def __init__(self, section: Pruning, gate: ChannelGate, *, ends_model: bool) -> None:
        self._section = section
        self._gate = gate
        self._ends_model = ends_model
        self._structured = section.kind == "structured"
        self._layers: list[FilterLayer] = []
        self._names: list[str] = []  # of the weights that importances are of
        self._parts: dict[nn.Module, Tensors] = {}
        self._aside: dict[nn.Module, Tensors] = {}
        self._importances: list[Tensors] = []
        self._optimizers: list[torch.optim.Optimizer | None] = []  # of each client's part
        self._tensors: list[Tensors] = []
        self.kept: Tensors = {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a saved state; optimisers are saved without what they call before and after a step."""
        vars(self).update(state)
        for watched in zip(self._optimizers, self._tensors, self._importances, strict=True):
            self._hook(*watched)

    def watch(self, part: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
        """Prune this part too: the next client's. A part that travels is watched once for each client."""
        if not self._parts:
            self._layers = filter_layers(part, ends_model=self._ends_model)
            filters = [f"{layer.path}.weight" for layer in self._layers]
            self._names = filters if self._structured else weight_names(part)
        tensors = {**dict(part.named_parameters()), **dict(part.named_buffers())}
        importances: Tensors = {}
        self._parts[part] = tensors
        self._importances.append(importances)
        self._optimizers.append(optimizer)
        self._tensors.append(tensors)
        self._hook(optimizer, tensors, importances)

    def _hook(self, optimizer: torch.optim.Optimizer | None, tensors: Tensors, importances: Tensors) -> None:
        if optimizer is None:
            return

        def before(*_: Any) -> None:
            if self.kept:
                self._without_gradients(tensors)
            else:
                self._add_importances(tensors, importances)

        def after(*_: Any) -> None:
            self._fill_zeros(tensors)  # an optimiser's moments move weights without gradients too

        optimizer.register_step_pre_hook(before)
        optimizer.register_step_post_hook(after)

    @torch.no_grad()
    def lift(self) -> None:
        """Give back what the masks left out, and add up importances anew."""
        for part, aside in self._aside.items():
            for name, values in aside.items():
                tensor = self._parts[part][name]
                tensor.copy_(torch.where(self.kept[name], tensor, values))
        self._aside, self.kept, self._gate.kept = {}, {}, None
        for importances in self._importances:
            importances.clear()

    @torch.no_grad()
    def renew(self, clients: Sequence[int], weights: Tensor) -> None:
        """Make masks of these clients' importances, and leave out what they say.

        Parameters
        ----------
        clients : by number
        weights : [num_clients], float
            Of each in the sums.
        """
        tensors = next(iter(self._parts.values()))
        masks = {name: self._mask(tensors[name], name, clients, weights.tolist()) for name in self._names}
        if self._structured:
            filters = {layer.path: masks[f"{layer.path}.weight"] for layer in self._layers}
            masks = tensor_masks(tensors, self._layers, filters)
            if self._layers and self._layers[-1].consumer is None:
                self._gate.kept = filters[self._layers[-1].path]
        self.kept = masks
        for part, own in self._parts.items():
            self._aside[part] = {name: own[name].clone() for name in masks}
            self._fill_zeros(own)

    def _mask(self, weight: Tensor, name: str, clients: Sequence[int], shares: Sequence[float]) -> Tensor:
        shape = weight.shape[:1] if self._structured else weight.shape
        total = torch.zeros(shape, dtype=torch.float64, device=weight.device)
        for client, share in zip(clients, shares, strict=True):
            if name in self._importances[client]:
                total += share * self._importances[client][name].to(torch.float32)  # as they are sent
        return kept_of(total, self._section.num_kept(total.numel()))

    def _add_importances(self, tensors: Tensors, importances: Tensors) -> None:
        for name in self._names:
            weight = tensors[name]
            if weight.grad is None:
                continue
            importance = (weight.grad * weight.detach()).square()
            if self._structured:
                importance = importance.flatten(1).sum(dim=1)
            importances[name] = importances[name] + importance if name in importances else importance

    def _without_gradients(self, tensors: Tensors) -> None:
        for name, mask in self.kept.items():
            gradient = tensors[name].grad
            if gradient is not None:
                gradient.masked_fill_(~mask, 0.0)

    @torch.no_grad()
    def _fill_zeros(self, tensors: Tensors) -> None:
        for name, mask in self.kept.items():
            tensors[name].masked_fill_(~mask, 0.0)
