"""The cut layer's values on their way: what of them is sent, and how it arrives (docs/model.md section 5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...scenarios.random_streams import stream_seed
from ...scenarios.schema.compression import Compression, TensorKind
from .quantiser import Quantiser

__all__ = ["ChannelGate", "CutLayerCodec"]


class ChannelGate(nn.Module):
    """The end of a client's part: channels that are pruned there leave it as zeros.

    All clients have the same masks, so copies of a model share one gate.

    Attributes
    ----------
    kept : [num_channels], bool, or None
        None: all channels pass.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept: Tensor | None = None

    def __deepcopy__(self, memo: object) -> ChannelGate:
        """Return the gate itself."""
        return self

    def forward(self, values: Tensor) -> Tensor:
        """Return ``[num_rows, num_channels · k, ...]`` with zeros in the pruned channels."""
        if self.kept is None:
            return values
        # [num_channels · k, 1, ...]: behind a Flatten each channel is k values
        kept = self.kept.repeat_interleave(values.shape[1] // len(self.kept))
        return values.masked_fill(~kept.view(-1, *(1,) * (values.dim() - 2)), 0.0)


class CutLayerCodec:
    """Sends smashed data and their gradients: of kept channels what dropout leaves, quantised.

    Parameters
    ----------
    section : what is on
    seed : int
        Of the scenario.
    gate : at the end of the clients' part
    """

    def __init__(self, section: Compression, seed: int, gate: ChannelGate) -> None:
        self._section = section
        self._seed = seed
        self._gate = gate
        self._quantiser = Quantiser(section.quantisation) if section.quantisation else None
        self._drawn: tuple[int, dict[int, Tensor]] = (0, {})  # by the values of a row: cuts may differ

    def smashed(self, values: Tensor, client: int, number: int) -> Tensor:
        """Return a client's smashed data ``[num_rows, ...]`` of a round as the server gets them."""
        positions = self._positions(values)
        if self._section.dropout is not None:
            positions = self._dropout(positions, values, number)
        return self._through(values, positions, "activations", client, number)

    def gradient(self, values: Tensor, client: int, number: int, first_slot: int) -> Tensor:
        """Return the cut layer's gradients ``[num_rows, ...]`` as a client, or for -1 all, get them.

        Rows are those of the mini-batch from ``first_slot`` on; their smashed data have been sent before.
        """
        if not len(values):
            return values
        positions = self._positions(values)
        if self._section.dropout is not None:
            drawn_for, drawn = self._drawn
            assert drawn_for == number, f"no smashed data of round {number} were sent"
            positions = drawn[values[0].numel()][first_slot : first_slot + len(values)]
        return self._through(values, positions, "gradients", client, number)

    def transmit(self, message: Tensor, kind: TensorKind, client: int, number: int) -> Tensor:
        """Return a message as it arrives: each passes here once, with nothing in it but what is sent."""
        if self._quantiser is None or not self._section.quantises(kind):
            return message
        generator = self._generator(message.device, f"quantised {kind}", client + 1, number)
        return self._quantiser.quantise(message, generator)

    def _through(
        self, values: Tensor, positions: Tensor | None, kind: TensorKind, client: int, number: int
    ) -> Tensor:
        """Send the values at these positions of each row; the others arrive as zeros."""
        values = values.detach()
        if positions is None:
            return self.transmit(values, kind, client, number)
        rows = values.flatten(1)
        # [num_rows, num_sent]
        arrived = self.transmit(rows.gather(1, positions), kind, client, number)
        if self._section.dropout is not None:
            arrived = arrived * (self._num_alive(rows.shape[1]) / positions.shape[1])
        return torch.zeros_like(rows).scatter_(1, positions, arrived).view_as(values)

    def _num_alive(self, count: int) -> int:
        """Return how many of a sample's values are in kept channels."""
        kept = self._gate.kept
        return count if kept is None else count * int(kept.sum()) // len(kept)

    def _positions(self, values: Tensor) -> Tensor | None:
        """Return where a row's values of kept channels are, ``[num_rows, num_alive]``; None: everywhere."""
        kept = self._gate.kept
        if kept is None:
            return None
        alive = kept.repeat_interleave(values[0].numel() // len(kept)).nonzero().flatten()
        return alive.expand(len(values), -1)

    def _dropout(self, positions: Tensor | None, values: Tensor, number: int) -> Tensor:
        """Return which of these positions are left, in each row uniformly among all subsets of their number.

        They are drawn for each round and slot of the mini-batch, the same for all clients: so merged slots
        lack the same values in every client, and so do their gradients.
        """
        if self._drawn[0] != number:
            self._drawn = (number, {})
        drawn, size = self._drawn[1], values[0].numel()
        if size not in drawn:
            assert self._section.dropout is not None
            slots, count = len(values), self._num_alive(size)
            generator = self._generator(values.device, "activation dropout", number)
            draws = torch.rand((slots, count), generator=generator, dtype=torch.float64, device=values.device)
            left = draws.topk(self._section.dropout.num_kept(count), dim=1).indices.sort(dim=1).values
            drawn[size] = left if positions is None else positions.gather(1, left)
        return drawn[size]

    def _generator(self, device: torch.device, purpose: str, *keys: int) -> torch.Generator:
        return torch.Generator(device).manual_seed(stream_seed(self._seed, purpose, *keys))
