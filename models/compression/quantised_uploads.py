"""Uploads of client models, quantised as differences from the model that the client last received."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor, nn

from .cut_layer_codec import CutLayerCodec
from .pruner import Pruner

__all__ = ["QuantisedUploads"]


class QuantisedUploads:
    """Computes the client models that the server receives.

    Parameters are sent as one message of quantised differences. Buffers are sent as they are, because the
    quantised variance of a batch norm could be negative. Entries that masks remove are not sent.

    Parameters
    ----------
    codec : CutLayerCodec
        Transmits the messages.
    pruner : Pruner or None
        Holds the masks if there are any.
    """

    def __init__(self, codec: CutLayerCodec, pruner: Pruner | None) -> None:
        self._codec = codec
        self._pruner = pruner
        self._received: dict[int, dict[str, Tensor]] = {}
        self._num_uploads: Counter[int] = Counter()

    @torch.no_grad()
    def record_download(self, client: int, part: nn.Module) -> None:
        """Record that the client received this model. Entries that masks remove keep their earlier values."""
        received = self._received.setdefault(client, {})
        for name, parameter in part.named_parameters():
            mask = self._mask(name)
            if mask is None:
                received[name] = parameter.detach().clone()
            else:
                received[name] = torch.where(mask, parameter, received[name])

    @torch.no_grad()
    def uploaded_tensors(self, client: int, part: nn.Module) -> list[Tensor]:
        """Return the client's parameters and buffers as the server receives them, in the part's order."""
        received = self._received[client]
        parameters = dict(part.named_parameters())
        pieces = [self._sent_values(name, value - received[name]) for name, value in parameters.items()]
        self._num_uploads[client] += 1
        message = self._codec.transmit(torch.cat(pieces), "models", client, self._num_uploads[client])
        tensors: list[Tensor] = []
        sizes = [len(piece) for piece in pieces]
        for name, piece in zip(parameters, torch.split(message, sizes), strict=True):
            mask = self._mask(name)
            if mask is None:
                tensors.append(received[name] + piece.view_as(received[name]))
            else:
                tensor = torch.zeros_like(received[name])
                tensor[mask] = received[name][mask] + piece
                tensors.append(tensor)
        return [*tensors, *part.buffers()]

    def _sent_values(self, name: str, difference: Tensor) -> Tensor:
        mask = self._mask(name)
        return difference.flatten() if mask is None else difference[mask]

    def _mask(self, name: str) -> Tensor | None:
        return self._pruner.masks.get(name) if self._pruner is not None else None
