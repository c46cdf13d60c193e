"""How training samples are dealt out to the clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from ..section import Section
from .fields import Positive, PositiveInt

__all__ = ["Partition"]


class Partition(Section):
    """The partition of the training set: equal and alike, by class shards, or by Dirichlet shares."""

    kind: Literal["iid", "shards", "dirichlet"] = Field(default="iid", description="how unlike clients are")
    classes_per_client: PositiveInt | None = Field(default=None, description="of shards; 2 by default")
    alpha: Positive | None = Field(default=None, description="concentration, of dirichlet; 0.5 by default")

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_key_of_the_kind(cls, data: Any) -> Any:
        """Give the kind's own key its default, so that a resolved scenario states it."""
        if not isinstance(data, Mapping):
            return data
        filled = dict(data)
        for kind, key, default in (("shards", "classes_per_client", 2), ("dirichlet", "alpha", 0.5)):
            if filled.get("kind") == kind and filled.get(key) is None:
                filled[key] = default
        return filled

    @model_validator(mode="after")
    def _keys_belong_to_the_kind(self) -> Partition:
        owners = {"classes_per_client": "shards", "alpha": "dirichlet"}
        for key, kind in owners.items():
            if getattr(self, key) is not None and self.kind != kind:
                raise ValueError(f"{key} is a key of kind {kind}, not of {self.kind}")
        return self
