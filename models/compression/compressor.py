"""All that a learner's clients compress, in one object."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...scenarios.schema.compression import Compression
from .cut_layer_codec import ChannelGate, CutLayerCodec
from .pruner import Pruner
from .quantised_uploads import QuantisedUploads

__all__ = ["ClientCompression"]


class ClientCompression:
    """Pruning, quantisation and dropout of one learner, each where the section has it.

    Parameters
    ----------
    section : what of the scenario's compression applies to the scheme
    seed : int
        Of the scenario.
    ends_model : bool
        The clients' part ends with the model's last layer.

    Attributes
    ----------
    gate : the end of every client's part of a split model
    wire : what the cut layer's values pass
    """

    def __init__(self, section: Compression, seed: int, *, ends_model: bool) -> None:
        self.gate = ChannelGate()
        self.wire = CutLayerCodec(section, seed, self.gate)
        self._pruner: Pruner | None = None
        if section.pruning is not None:
            self._pruner = Pruner(section.pruning, self.gate, ends_model=ends_model)
        self._uploads: QuantisedUploads | None = None
        if section.quantises("models"):
            self._uploads = QuantisedUploads(self.wire, self._pruner)
        self._watched = 0

    def watch(self, part: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
        """Compress the next client's part too, which it has from the server as it is."""
        if self._pruner is not None:
            self._pruner.watch(part, optimizer)
        self.receive(self._watched, part)
        self._watched += 1

    def restore_pruned(self) -> None:
        """Give the clients' parts back what masks left out of them."""
        if self._pruner is not None:
            self._pruner.lift()

    def renew_masks(self, clients: Sequence[int], weights: Tensor) -> None:
        """Prune anew by the importances of these clients, summed with one weight each."""
        if self._pruner is not None:
            self._pruner.renew(clients, weights)

    def receive(self, client: int, part: nn.Module) -> None:
        """Note that the client has its part from the server as it is now."""
        if self._uploads is not None:
            self._uploads.receive(client, part)

    def arrived(self, client: int, part: nn.Module) -> Sequence[Tensor]:
        """Return the parameters and buffers of a client's part as the server gets them."""
        if self._uploads is not None:
            return self._uploads.arrived(client, part)
        return [*part.parameters(), *part.buffers()]

    @torch.no_grad()
    def hand_over(self, client: int, part: nn.Module) -> None:
        """Make a part that travels what the server gets of it."""
        if self._uploads is not None:
            for tensor, arrived in zip(part.parameters(), self._uploads.arrived(client, part), strict=False):
                tensor.copy_(arrived)
