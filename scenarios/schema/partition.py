"""Scenario section ``learning.partition``: the division of the training samples among the clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from ..section import Section
from .fields import Positive, PositiveInt

__all__ = ["Partition"]


class Partition(Section):
    """The partition of the training set among the clients."""

    kind: Literal["iid", "shards", "dirichlet"] = Field(
        default="iid",
        description="iid: equal numbers of random samples; shards: a few classes for each client; dirichlet:"
        " class shares from a Dirichlet distribution",
    )
    classes_per_client: PositiveInt | None = Field(
        default=None, description="for kind shards: number of classes of a client; default 2"
    )
    alpha: Positive | None = Field(default=None, description="for kind dirichlet: concentration; default 0.5")

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_key_of_the_kind(cls, data: Any) -> Any:
        """Set the default of the key that belongs to the kind, so that a resolved scenario states it."""
        if not isinstance(data, Mapping):
            return data
        filled = dict(data)
        for kind, key, default in (("shards", "classes_per_client", 2), ("dirichlet", "alpha", 0.5)):
            if filled.get("kind") == kind and filled.get(key) is None:
                filled[key] = default
        return filled

    @model_validator(mode="after")
    def _keys_belong_to_the_kind(self) -> Partition:
        kind_of_key = {"classes_per_client": "shards", "alpha": "dirichlet"}
        for key, kind in kind_of_key.items():
            if getattr(self, key) is not None and self.kind != kind:
                raise ValueError(f"{key} is a key of kind {kind}, not of {self.kind}")
        return self
