"""Counts the FLOPs and bits of a split round whose clients compress (docs/model.md section 5).

Nothing is compressed here. The counts follow from the scenario alone, so that a timeline without learning
equals that of a trained run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from ...scenarios.schema.compression import FLOAT_BITS, Compression, PartSizes, TensorKind
from .stages import Stages

__all__ = ["CompressedSizes"]


class CompressedSizes:
    """Counts the FLOPs and bits of a scheme's clients when they compress.

    Parameters
    ----------
    section : Compression
        The settings of the scenario's compression that apply to the scheme.
    sizes : Callable[[int, bool], PartSizes]
        Returns the sizes of a client part from its number of units and whether it is pruned.

    Attributes
    ----------
    section : Compression
        As the parameter.
    part : Callable[[int, bool], PartSizes]
        As ``sizes``, with its results cached.
    """

    def __init__(self, section: Compression, sizes: Callable[[int, bool], PartSizes]) -> None:
        self.section = section
        self.part = lru_cache(maxsize=None)(sizes)

    @property
    def renew_every(self) -> int | None:
        """Return τ, the number of rounds between two renewals of the masks; None without pruning."""
        return self.section.pruning.renew_every if self.section.pruning else None

    def compressed(self, stages: Stages, cut: int, batch_size: int, merged: int, *, pruned: bool) -> Stages:
        """Return the stages of a round with the FLOPs and bits that remain after compression.

        Parameters
        ----------
        stages : Stages
            Stages of the round without compression.
        cut : int
            Units on the client, j.
        batch_size : int
            Samples of each client, b.
        merged : int
            Merged slots of the mini-batch, n_a.
        pruned : bool
            Whether the masks apply in this round. They do not in rounds that renew them.
        """
        part = self.part(cut, pruned)
        return replace(
            stages,
            client_forward_flops=batch_size * part.forward_flops,
            uplink_bits=self._cut_layer_bits("activations", batch_size, part.activation_bits),
            broadcast_bits=self._cut_layer_bits("gradients", merged, part.gradient_bits),
            downlink_bits=self._cut_layer_bits("gradients", batch_size - merged, part.gradient_bits),
            client_backward_flops=batch_size * part.backward_flops,
            model_bits=self._upload_bits(cut, pruned=pruned),
            model_download_bits=part.parameter_bits + part.buffer_bits,
        )

    def _upload_bits(self, cut: int, *, pruned: bool) -> float:
        """Return the bits of an uploaded client part; buffers are never quantised."""
        part = self.part(cut, pruned)
        quantisation = self.section.quantisation
        if quantisation is None or not self.section.quantises("models"):
            return part.parameter_bits + part.buffer_bits
        return quantisation.message_bits(_num_values(part.parameter_bits)) + part.buffer_bits

    def _cut_layer_bits(self, kind: TensorKind, rows: int, sample_bits: float) -> float:
        """Return the bits of one message of cut-layer values, after dropout and quantisation.

        Parameters
        ----------
        kind : TensorKind
            Activations or gradients: each kind is quantised or not.
        rows : int
            Samples in the message.
        sample_bits : float
            Bits of one sample without compression.
        """
        dropout, quantisation = self.section.dropout, self.section.quantisation
        if dropout is not None:
            sample_bits = FLOAT_BITS * dropout.num_kept(_num_values(sample_bits))
        if quantisation is None or not self.section.quantises(kind):
            return rows * sample_bits
        return quantisation.message_bits(rows * _num_values(sample_bits))


def _num_values(bits: float) -> int:
    """Return the number of fp32 values that these bits hold."""
    return round(bits / FLOAT_BITS)
