"""Scenario section ``compression``: pruning, quantisation, activation dropout (docs/model.md section 5).

The timeline and the training both take the number of remaining values and their bits from this section.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import Field, field_validator

from ..section import Section
from .fields import Number, PositiveInt

__all__ = [
    "FLOAT_BITS",
    "Compressible",
    "Compression",
    "Dropout",
    "PartSizes",
    "Pruning",
    "Quantisation",
    "TensorKind",
]

TensorKind: TypeAlias = Literal["activations", "gradients", "models"]
Compressible: TypeAlias = Literal["pruning", "dropout", "activations", "gradients", "models"]
"""A compressible part of a scheme: ``pruning`` applies to the clients' part of the model, ``dropout`` to the
values at the cut layer, the others to a kind of message."""

FLOAT_BITS = 32
"""Bits of an uncompressed value in a message: fp32, regardless of the precision of training."""

OpenShare = Annotated[Number, Field(gt=0, lt=1)]


class Pruning(Section):
    """Remove the least important filters or weights of the clients' part until the masks are renewed."""

    kind: Literal["structured", "unstructured"] = Field(
        default="structured",
        description="structured: remove whole filters; unstructured: remove single weights",
    )
    share: OpenShare = Field(
        description="share of the filters or weights of each prunable layer that is removed"
    )
    renew_every: Annotated[PositiveInt, Field(ge=2)] = Field(
        default=20,
        description="τ: number of rounds between two renewals of the masks; a round that renews them uses"
        " the unpruned model",
    )

    def num_kept(self, count: int) -> int:
        """Return the number of a layer's filters or weights that remain: ⌈(1 − share)·count⌉.

        The product is first rounded to nine decimals, against floating-point errors just above an integer.
        """
        return math.ceil(round((1 - self.share) * count, 9))


class Quantisation(Section):
    """Round each value of a message to a few bits, at random, unbiased, and relative to its bucket's norm."""

    bits: Annotated[PositiveInt, Field(ge=2, le=16)] = Field(
        default=8, description="q: bits of one value, with its sign"
    )
    bucket: PositiveInt = Field(
        default=512, description="d: number of consecutive values that share one fp32 norm"
    )
    tensors: Annotated[tuple[TensorKind, ...], Field(min_length=1)] = Field(
        default=("gradients",),
        description="kinds of messages to quantise: activations and gradients of the cut layer, and uploads"
        " of client models",
    )

    @field_validator("tensors")
    @classmethod
    def _each_once(cls, tensors: tuple[TensorKind, ...]) -> tuple[TensorKind, ...]:
        if len(set(tensors)) < len(tensors):
            raise ValueError(f"lists a kind twice: {', '.join(tensors)}")
        return tensors

    @property
    def levels(self) -> int:
        """Return s = 2^(q−1) − 1, the number of quantisation levels of a magnitude above 0."""
        return (1 << (self.bits - 1)) - 1

    def message_bits(self, values: int) -> int:
        """Return the bits of a message: q for each value, and one norm for each bucket."""
        return self.bits * values + FLOAT_BITS * math.ceil(values / self.bucket)


class Dropout(Section):
    """Omit a random share of the cut layer's values from the smashed data and the activation gradients."""

    share: OpenShare = Field(description="δ: share of each sample's values that is not sent")

    def num_kept(self, count: int) -> int:
        """Return the number of a sample's values that are sent: (1 − share)·count, rounded, at least one."""
        return max(1, round((1 - self.share) * count))


class Compression(Section):
    """The compression methods of a scheme; a method that is absent is off."""

    pruning: Pruning | None = Field(default=None, description="pruning of the clients' part; absent: off")
    quantisation: Quantisation | None = Field(
        default=None, description="quantisation of messages; absent: off"
    )
    dropout: Dropout | None = Field(
        default=None, description="activation dropout at the cut layer; absent: off"
    )

    def quantises(self, kind: TensorKind) -> bool:
        """Return whether messages of this kind are quantised."""
        return self.quantisation is not None and kind in self.quantisation.tensors

    def only(self, parts: Collection[Compressible]) -> Compression | None:
        """Return the methods that apply to the given parts of a scheme, or None if none of them applies."""
        tensors = tuple(kind for kind in get_args(TensorKind) if kind in parts and self.quantises(kind))
        quantisation = None
        if self.quantisation is not None and tensors:
            quantisation = self.quantisation.model_copy(update={"tensors": tensors})
        applicable = Compression(
            pruning=self.pruning if "pruning" in parts else None,
            quantisation=quantisation,
            dropout=self.dropout if "dropout" in parts else None,
        )
        return None if applicable == Compression() else applicable

    @property
    def label(self) -> str:
        """Return a short text, for example ``pruned 0.5, 8 bit, δ=0.2``."""
        methods = []
        if self.pruning is not None:
            kind = " unstructured" if self.pruning.kind == "unstructured" else ""
            methods.append(f"pruned {self.pruning.share:g}{kind}")
        if self.quantisation is not None:
            tensors = self.quantisation.tensors
            kinds = "" if tensors == ("gradients",) else " " + "+".join(tensors)
            methods.append(f"{self.quantisation.bits} bit{kinds}")
        if self.dropout is not None:
            methods.append(f"δ={self.dropout.share:g}")
        return ", ".join(methods) or "uncompressed"


@dataclass(frozen=True)
class PartSizes:
    """The costs of a client's part of the model, whole or pruned.

    Attributes
    ----------
    forward_flops, backward_flops : float
        For one sample, [FLOP].
    activation_bits, gradient_bits : float
        Smashed data and activation gradients of one sample, [bit]; 0 if the model is not split.
    parameter_bits : float
        Parameters in a message that holds the part, [bit].
    buffer_bits : float
        Buffers in such a message, which are statistics and counters of batch normalisation, [bit].
    maskable : int
        Number of filters or weights that pruning can remove; 0 if there are none.
    """

    forward_flops: float
    backward_flops: float
    activation_bits: float
    gradient_bits: float
    parameter_bits: float
    buffer_bits: float = 0.0
    maskable: int = 0
