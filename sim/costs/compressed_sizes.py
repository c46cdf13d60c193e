"""What compression leaves of a split round's FLOPs and bits (docs/model.md section 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from ...scenarios.schema.compression import FLOAT_BITS, Compression, PartSizes, TensorKind
from .stages import Stages

__all__ = ["CompressedSizes"]


class CompressedSizes:
    """Counts what a scheme's clients compute and send when they compress.

    Parameters
    ----------
    section : what of the scenario's compression applies to the scheme
    sizes : of a client's part of so many units, pruned or whole

    Attributes
    ----------
    section : Compression
    """

    def __init__(self, section: Compression, sizes: Callable[[int, bool], PartSizes]) -> None:
        self.section = section
        self.part = lru_cache(maxsize=None)(sizes)

    @property
    def renew_every(self) -> int | None:
        """Return τ, the rounds between two renewals of the masks; None without pruning."""
        return self.section.pruning.renew_every if self.section.pruning else None

    def compressed(self, stages: Stages, cut: int, batch_size: int, merged: int, *, pruned: bool) -> Stages:
        """Return the stages of a round with what the clients compute and send as it is left.

        Parameters
        ----------
        stages : without compression
        cut, batch_size, merged : that they are for
        pruned : bool
            Whether masks hold in the round; it is renewed in the others.
        """
        part = self.part(cut, pruned)
        return replace(
            stages,
            client_forward_flops=batch_size * part.forward_flops,
            uplink_bits=self._rows_bits("activations", batch_size, part.activation_bits),
            broadcast_bits=self._rows_bits("gradients", merged, part.gradient_bits),
            downlink_bits=self._rows_bits("gradients", batch_size - merged, part.gradient_bits),
            client_backward_flops=batch_size * part.backward_flops,
            model_bits=self._upload_bits(cut, pruned=pruned),
            model_download_bits=part.parameter_bits + part.buffer_bits,
        )

    def _upload_bits(self, cut: int, *, pruned: bool) -> float:
        """Return the bits of a client model on its way up, quantised where that is asked for."""
        part = self.part(cut, pruned)
        quantisation = self.section.quantisation
        if quantisation is None or not self.section.quantises("models"):
            return part.parameter_bits + part.buffer_bits
        return quantisation.message_bits(_values(part.parameter_bits)) + part.buffer_bits

    def _rows_bits(self, kind: TensorKind, rows: int, sample_bits: float) -> float:
        """Return the bits of one message: what is left of so many samples' values at the cut."""
        dropout, quantisation = self.section.dropout, self.section.quantisation
        if dropout is not None:
            sample_bits = FLOAT_BITS * dropout.num_kept(_values(sample_bits))
        if quantisation is None or not self.section.quantises(kind):
            return rows * sample_bits
        return quantisation.message_bits(rows * _values(sample_bits))


def _values(bits: float) -> int:
    """Return the fp32 values that so many bits hold."""
    return round(bits / FLOAT_BITS)
