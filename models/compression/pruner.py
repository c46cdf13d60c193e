"""Pruning during training: importances, masks and removed weights (docs/model.md section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ...scenarios.schema.compression import Pruning
from .cut_layer_codec import ChannelGate
from .filters import FilterLayer, filter_layers, tensor_masks, weight_names

__all__ = ["Pruner", "mask_of_largest"]

Tensors: TypeAlias = dict[str, Tensor]


def mask_of_largest(importance: Tensor, count: int) -> Tensor:
    """Return the mask, bool, of the ``count`` largest importances; of equal ones the first are taken."""
    order = importance.flatten().argsort(descending=True, stable=True)
    mask = torch.zeros(importance.numel(), dtype=torch.bool, device=importance.device)
    mask[order[:count]] = True
    return mask.view(importance.shape)


class Pruner:
    """The masks of the clients' parts, which are the same for all clients, and their importances.

    While masks apply, the entries that they remove are exactly 0, and so are the gradients. Their values are
    stored per client, and are restored when the masks are lifted. In rounds without masks, each step of a
    client's optimiser adds to its importances (gradient · weight)². The importance of a filter is the sum
    over its weights.

    Parameters
    ----------
    section : Pruning
        The kind of pruning, and the fraction that is pruned.
    gate : ChannelGate
        The last module of the clients' part, for channels that are pruned there.
    ends_model : bool
        Whether the clients' part ends with the last layer of the model.

    Attributes
    ----------
    masks : dict of str to Tensor
        True for the entries of a client part's parameters and buffers that stay, bool. Tensors that stay
        whole are left out, and without pruning the dictionary is empty.
    """

    def __init__(self, section: Pruning, gate: ChannelGate, *, ends_model: bool) -> None:
        self._section = section
        self._gate = gate
        self._ends_model = ends_model
        self._structured = section.kind == "structured"
        self._layers: list[FilterLayer] = []
        self._names: list[str] = []  # of the weights that have importances
        self._parts: dict[nn.Module, Tensors] = {}
        self._removed: dict[nn.Module, Tensors] = {}  # values from before the masks, of masked tensors
        self._importances: list[Tensors] = []
        self._optimizers: list[torch.optim.Optimizer | None] = []  # of each client's part
        self._tensors: list[Tensors] = []
        self.masks: Tensors = {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a saved state, and register the hooks of the optimisers again, which are not saved."""
        vars(self).update(state)
        for hooked in zip(self._optimizers, self._tensors, self._importances, strict=True):
            self._hook(*hooked)

    def add_client_part(self, part: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
        """Prune the next client's part too. A part that all clients share is added once per client."""
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
            if self.masks:
                self._mask_gradients(tensors)
            else:
                self._add_importances(tensors, importances)

        def after(*_: Any) -> None:
            self._fill_zeros(tensors)  # an optimiser's moments move weights without gradients too

        optimizer.register_step_pre_hook(before)
        optimizer.register_step_post_hook(after)

    @torch.no_grad()
    def restore_pruned(self) -> None:
        """Restore the values that the masks removed, and start new sums of importances."""
        for part, removed in self._removed.items():
            for name, values in removed.items():
                tensor = self._parts[part][name]
                tensor.copy_(torch.where(self.masks[name], tensor, values))
        self._removed, self.masks, self._gate.mask = {}, {}, None
        for importances in self._importances:
            importances.clear()

    @torch.no_grad()
    def renew_masks(self, clients: Sequence[int], weights: Tensor) -> None:
        """Compute masks from the weighted importances of these clients, and apply them.

        Parameters
        ----------
        weights : Tensor, [num_clients]
            The weight of each client's importances in the sums.
        """
        tensors = next(iter(self._parts.values()))
        masks = {name: self._mask(tensors[name], name, clients, weights.tolist()) for name in self._names}
        if self._structured:
            filters = {layer.path: masks[f"{layer.path}.weight"] for layer in self._layers}
            masks = tensor_masks(tensors, self._layers, filters)
            if self._layers and self._layers[-1].consumer is None:
                self._gate.mask = filters[self._layers[-1].path]
        self.masks = masks
        for part, part_tensors in self._parts.items():
            self._removed[part] = {name: part_tensors[name].clone() for name in masks}
            self._fill_zeros(part_tensors)

    def _mask(self, weight: Tensor, name: str, clients: Sequence[int], weights: Sequence[float]) -> Tensor:
        shape = weight.shape[:1] if self._structured else weight.shape
        total = torch.zeros(shape, dtype=torch.float64, device=weight.device)
        for client, client_weight in zip(clients, weights, strict=True):
            if name in self._importances[client]:
                importance = self._importances[client][name].to(torch.float32)  # the precision of a message
                total += client_weight * importance
        return mask_of_largest(total, self._section.num_kept(total.numel()))

    def _add_importances(self, tensors: Tensors, importances: Tensors) -> None:
        for name in self._names:
            weight = tensors[name]
            if weight.grad is None:
                continue
            importance = (weight.grad * weight.detach()).square()
            if self._structured:
                importance = importance.flatten(1).sum(dim=1)
            importances[name] = importances[name] + importance if name in importances else importance

    def _mask_gradients(self, tensors: Tensors) -> None:
        for name, mask in self.masks.items():
            gradient = tensors[name].grad
            if gradient is not None:
                gradient.masked_fill_(~mask, 0.0)

    @torch.no_grad()
    def _fill_zeros(self, tensors: Tensors) -> None:
        for name, mask in self.masks.items():
            tensors[name].masked_fill_(~mask, 0.0)
