"""The compression section: pruning, quantisation, activation dropout (docs/model.md section 5).

What is kept, and what it takes in bits, follows from the section alone: both clocks read it here.
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
"""What of a scheme can be compressed: the clients' part, the cut layer's values, a kind of message."""

FLOAT_BITS = 32
"""Bits of a value as it is sent: fp32, whatever precision is trained in."""

OpenShare = Annotated[Number, Field(gt=0, lt=1)]


class Pruning(Section):
    """The least important filters or weights of the clients' part are left out, until masks are renewed."""

    kind: Literal["structured", "unstructured"] = Field(
        default="structured", description="structured: whole filters; unstructured: single weights"
    )
    share: OpenShare = Field(description="of each prunable layer's filters, or weights, that are left out")
    renew_every: Annotated[PositiveInt, Field(ge=2)] = Field(
        default=20, description="τ: rounds from one renewal of the masks to the next; these run unpruned"
    )

    def kept(self, count: int) -> int:
        """Return how many of a layer's filters or weights are kept: ⌈(1 − share)·count⌉.

        Products that floating point puts a hair above a whole number count as that number.
        """
        return math.ceil(round((1 - self.share) * count, 9))


class Quantisation(Section):
    """Messages are rounded to a few bits a value, at random and without bias, bucket by bucket."""

    bits: Annotated[PositiveInt, Field(ge=2, le=16)] = Field(default=8, description="q, of one value")
    bucket: PositiveInt = Field(default=512, description="d: values that share one norm, fp32")
    tensors: Annotated[tuple[TensorKind, ...], Field(min_length=1)] = Field(
        default=("gradients",),
        description="which messages: the cut layer's activations and gradients, uploads of client models",
    )

    @field_validator("tensors")
    @classmethod
    def _each_once(cls, tensors: tuple[TensorKind, ...]) -> tuple[TensorKind, ...]:
        if len(set(tensors)) < len(tensors):
            raise ValueError(f"lists a kind twice: {', '.join(tensors)}")
        return tensors

    @property
    def levels(self) -> int:
        """Return s = 2^(q−1) − 1, the levels of a magnitude above 0."""
        return (1 << (self.bits - 1)) - 1

    def message_bits(self, values: int) -> int:
        """Return the bits of a message of so many values: q each, and a norm for each bucket."""
        return self.bits * values + FLOAT_BITS * math.ceil(values / self.bucket)


class Dropout(Section):
    """A random share of the cut layer's values is neither sent up nor, of the gradients, sent back."""

    share: OpenShare = Field(description="δ, of each sample's values that are left out")

    def kept(self, count: int) -> int:
        """Return how many of a sample's values are sent: (1 − share)·count to the nearest, at least one."""
        return max(1, round((1 - self.share) * count))


class Compression(Section):
    """What is compressed; a part that is absent is off."""

    pruning: Pruning | None = None
    quantisation: Quantisation | None = None
    dropout: Dropout | None = None

    def quantises(self, kind: TensorKind) -> bool:
        """Return whether messages of this kind are quantised."""
        return self.quantisation is not None and kind in self.quantisation.tensors

    def only(self, parts: Collection[Compressible]) -> Compression | None:
        """Return what of it applies to a scheme in which these can be compressed; None where nothing does."""
        tensors = tuple(kind for kind in get_args(TensorKind) if kind in parts and self.quantises(kind))
        quantisation = None
        if self.quantisation is not None and tensors:
            quantisation = self.quantisation.model_copy(update={"tensors": tensors})
        left = Compression(
            pruning=self.pruning if "pruning" in parts else None,
            quantisation=quantisation,
            dropout=self.dropout if "dropout" in parts else None,
        )
        return None if left == Compression() else left

    @property
    def label(self) -> str:
        """Return it in short, for example ``pruned 0.5, 8 bit, δ=0.2``."""
        said = []
        if self.pruning is not None:
            kind = " unstructured" if self.pruning.kind == "unstructured" else ""
            said.append(f"pruned {self.pruning.share:g}{kind}")
        if self.quantisation is not None:
            tensors = self.quantisation.tensors
            kinds = "" if tensors == ("gradients",) else " " + "+".join(tensors)
            said.append(f"{self.quantisation.bits} bit{kinds}")
        if self.dropout is not None:
            said.append(f"δ={self.dropout.share:g}")
        return ", ".join(said) or "uncompressed"


@dataclass(frozen=True)
class PartSizes:
    """What a client's part computes, for one sample, and sends, whole or pruned.

    Attributes
    ----------
    forward_flops, backward_flops : float
        For one sample, [FLOP].
    activation_bits, gradient_bits : float
        At the cut, of one sample, [bit]; 0 where the model is not split.
    parameter_bits : float
        Of the parameters that a model on the air holds, [bit].
    buffer_bits : float
        Of its buffers: statistics and counters of batch norms, [bit].
    maskable : int
        Filters or weights that a mask decides on; 0 where nothing is prunable.
    """

    forward_flops: float
    backward_flops: float
    activation_bits: float
    gradient_bits: float
    parameter_bits: float
    buffer_bits: float = 0.0
    maskable: int = 0
