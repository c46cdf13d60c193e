"""All compression of one learner's clients: messages at the cut layer, masks and uploads."""

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
    """Pruning, quantisation and activation dropout of one learner, each if the scenario's section has it.

    Parameters
    ----------
    section : Compression
        The part of the scenario's compression section that applies to the scheme.
    seed : int
        Seed of the scenario.
    ends_model : bool
        Whether the clients' part ends with the last layer of the model.

    Attributes
    ----------
    gate : ChannelGate
        The last module of every client's part of a split model.
    codec : CutLayerCodec
        Compresses smashed data and their gradients.
    """

    def __init__(self, section: Compression, seed: int, *, ends_model: bool) -> None:
        self.gate = ChannelGate()
        self.codec = CutLayerCodec(section, seed, self.gate)
        self._pruner: Pruner | None = None
        if section.pruning is not None:
            self._pruner = Pruner(section.pruning, self.gate, ends_model=ends_model)
        self._uploads: QuantisedUploads | None = None
        if section.quantises("models"):
            self._uploads = QuantisedUploads(self.codec, self._pruner)
        self._num_parts = 0

    def add_client_part(self, part: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
        """Compress the next client's part too. The client has just received it from the server."""
        if self._pruner is not None:
            self._pruner.add_client_part(part, optimizer)
        self.record_download(self._num_parts, part)
        self._num_parts += 1

    def restore_pruned(self) -> None:
        """Restore the weights that masks removed from the clients' parts."""
        if self._pruner is not None:
            self._pruner.restore_pruned()

    def renew_masks(self, clients: Sequence[int], weights: Tensor) -> None:
        """Prune again by the importances of these clients, summed with ``weights``, ``[num_clients]``."""
        if self._pruner is not None:
            self._pruner.renew_masks(clients, weights)

    def record_download(self, client: int, part: nn.Module) -> None:
        """Record that the client has just received its part, with its present weights, from the server."""
        if self._uploads is not None:
            self._uploads.record_download(client, part)

    def uploaded_tensors(self, client: int, part: nn.Module) -> Sequence[Tensor]:
        """Return the parameters and buffers of a client's part as the server receives them."""
        if self._uploads is not None:
            return self._uploads.uploaded_tensors(client, part)
        return [*part.parameters(), *part.buffers()]

    @torch.no_grad()
    def upload_in_place(self, client: int, part: nn.Module) -> None:
        """Replace the parameters of a part that the clients share by those that the server receives."""
        if self._uploads is not None:
            received = self._uploads.uploaded_tensors(client, part)
            for parameter, value in zip(part.parameters(), received, strict=False):
                parameter.copy_(value)
