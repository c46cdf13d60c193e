"""Client models on their way up, quantised as differences from what the client last received."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor, nn

from .cut_layer_codec import CutLayerCodec
from .pruner import Pruner

__all__ = ["QuantisedUploads"]


class QuantisedUploads:
    """What the server gets of client models.

    Parameters travel as one message of quantised differences; buffers travel as they are, since a quantised
    variance of a batch norm could come out negative. What masks leave out is not in the message.

    Parameters
    ----------
    wire : what messages pass
    pruner : the masks, where there are some
    """

    def __init__(self, wire: CutLayerCodec, pruner: Pruner | None) -> None:
        self._wire = wire
        self._pruner = pruner
        self._received: dict[int, dict[str, Tensor]] = {}
        self._sent: Counter[int] = Counter()

    @torch.no_grad()
    def receive(self, client: int, part: nn.Module) -> None:
        """Note that the client has this model from the server; what masks leave out, it has from before."""
        known = self._received.setdefault(client, {})
        for name, parameter in part.named_parameters():
            mask = self._kept(name)
            if mask is None:
                known[name] = parameter.detach().clone()
            else:
                known[name] = torch.where(mask, parameter, known[name])

    @torch.no_grad()
    def arrived(self, client: int, part: nn.Module) -> list[Tensor]:
        """Return the client's parameters as the server gets them, and its buffers, in the part's order."""
        known = self._received[client]
        parameters = dict(part.named_parameters())
        pieces = [self._left(name, value - known[name]) for name, value in parameters.items()]
        self._sent[client] += 1
        message = self._wire.transmit(torch.cat(pieces), "models", client, self._sent[client])
        tensors: list[Tensor] = []
        sizes = [len(piece) for piece in pieces]
        for name, piece in zip(parameters, torch.split(message, sizes), strict=True):
            mask = self._kept(name)
            if mask is None:
                tensors.append(known[name] + piece.view_as(known[name]))
            else:
                tensor = torch.zeros_like(known[name])
                tensor[mask] = known[name][mask] + piece
                tensors.append(tensor)
        return [*tensors, *part.buffers()]

    def _left(self, name: str, difference: Tensor) -> Tensor:
        mask = self._kept(name)
        return difference.flatten() if mask is None else difference[mask]

    def _kept(self, name: str) -> Tensor | None:
        return self._pruner.kept.get(name) if self._pruner is not None else None
