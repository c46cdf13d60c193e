"""Compression of the tensors that cross the cut layer: smashed data and activation gradients.

Section 5 of docs/model.md defines which values are sent and how they are quantised.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...scenarios.random_streams import stream_seed
from ...scenarios.schema.compression import Compression, TensorKind
from .quantiser import Quantiser

__all__ = ["ChannelGate", "CutLayerCodec"]


class ChannelGate(nn.Module):
    """The last module of a client's part. It outputs zeros in the channels that are pruned there.

    All clients have the same masks, so copies of a model share one gate.

    Attributes
    ----------
    mask : Tensor or None, [num_channels], bool
        True for the channels that pass. None lets all channels pass.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mask: Tensor | None = None

    def __deepcopy__(self, memo: object) -> ChannelGate:
        """Return the gate itself."""
        return self

    def forward(self, values: Tensor) -> Tensor:
        """Return ``[num_rows, num_channels · k, ...]`` with zeros in the pruned channels."""
        if self.mask is None:
            return values
        # [num_channels · k, 1, ...]: after a Flatten each channel is k values
        mask = self.mask.repeat_interleave(values.shape[1] // len(self.mask))
        return values.masked_fill(~mask.view(-1, *(1,) * (values.dim() - 2)), 0.0)


class CutLayerCodec:
    """Encodes and decodes the tensors that cross the cut layer, so that the receiver's values result.

    Values of pruned channels are not sent. Of the others, activation dropout selects a random subset, which
    is quantised.

    Parameters
    ----------
    section : Compression
        Tells which kinds of compression are on.
    seed : int
        Seed of the scenario.
    gate : ChannelGate
        The last module of the clients' part.
    """

    def __init__(self, section: Compression, seed: int, gate: ChannelGate) -> None:
        self._section = section
        self._seed = seed
        self._gate = gate
        self._quantiser = Quantiser(section.quantisation) if section.quantisation else None
        # the round, and the positions that dropout selects, by the size of a row, since cut layers may differ
        self._selected: tuple[int, dict[int, Tensor]] = (0, {})

    def send_smashed(self, values: Tensor, client: int, number: int) -> Tensor:
        """Return a client's smashed data of a round, ``[num_rows, ...]``, as the server receives them."""
        positions = self._unpruned_positions(values)
        if self._section.dropout is not None:
            positions = self._dropout_positions(positions, values, number)
        return self._send(values, positions, "activations", client, number)

    def send_gradient(self, values: Tensor, client: int, number: int, first_slot: int) -> Tensor:
        """Return activation gradients, ``[num_rows, ...]``, as a client receives them.

        Parameters
        ----------
        client : int
            The receiver; -1 for a broadcast to all clients.
        first_slot : int
            The rows are those of the mini-batch from this one on. Their smashed data have been sent before.
        """
        if not len(values):
            return values
        positions = self._unpruned_positions(values)
        if self._section.dropout is not None:
            round_number, selected = self._selected
            assert round_number == number, f"no smashed data of round {number} were sent"
            positions = selected[values[0].numel()][first_slot : first_slot + len(values)]
        return self._send(values, positions, "gradients", client, number)

    def transmit(self, message: Tensor, kind: TensorKind, client: int, number: int) -> Tensor:
        """Return a message as the receiver decodes it. Every compressed message passes here exactly once.

        Parameters
        ----------
        message : Tensor, [num_values]
            The values that are sent, and no others.
        """
        if self._quantiser is None or not self._section.quantises(kind):
            return message
        generator = self._generator(message.device, f"quantised {kind}", client + 1, number)
        return self._quantiser.quantise(message, generator)

    def _send(
        self, values: Tensor, positions: Tensor | None, kind: TensorKind, client: int, number: int
    ) -> Tensor:
        """Send the values at these positions of each row. The receiver takes all others as zeros."""
        values = values.detach()
        if positions is None:
            return self.transmit(values, kind, client, number)
        rows = values.flatten(1)
        # [num_rows, num_sent]
        received = self.transmit(rows.gather(1, positions), kind, client, number)
        if self._section.dropout is not None:
            received = received * (self._num_unpruned(rows.shape[1]) / positions.shape[1])
        return torch.zeros_like(rows).scatter_(1, positions, received).view_as(values)

    def _num_unpruned(self, count: int) -> int:
        """Return the number of values in unpruned channels, of a sample with ``count`` values."""
        mask = self._gate.mask
        return count if mask is None else count * int(mask.sum()) // len(mask)

    def _unpruned_positions(self, values: Tensor) -> Tensor | None:
        """Return the positions of unpruned values in each row, ``[num_rows, num_unpruned]``; None for all."""
        mask = self._gate.mask
        if mask is None:
            return None
        unpruned = mask.repeat_interleave(values[0].numel() // len(mask)).nonzero().flatten()
        return unpruned.expand(len(values), -1)

    def _dropout_positions(self, positions: Tensor | None, values: Tensor, number: int) -> Tensor:
        """Return a random subset of the positions in each row, uniform among all subsets of its size.

        The subsets depend on the round and on the slot in the mini-batch, but not on the client. So the
        merged slots of all clients lack the same values, and so do their gradients.
        """
        if self._selected[0] != number:
            self._selected = (number, {})
        selected, size = self._selected[1], values[0].numel()
        if size not in selected:
            assert self._section.dropout is not None
            slots, count = len(values), self._num_unpruned(size)
            generator = self._generator(values.device, "activation dropout", number)
            draws = torch.rand((slots, count), generator=generator, dtype=torch.float64, device=values.device)
            subset = draws.topk(self._section.dropout.num_kept(count), dim=1).indices.sort(dim=1).values
            selected[size] = subset if positions is None else positions.gather(1, subset)
        return selected[size]

    def _generator(self, device: torch.device, purpose: str, *keys: int) -> torch.Generator:
        return torch.Generator(device).manual_seed(stream_seed(self._seed, purpose, *keys))
