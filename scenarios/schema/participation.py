"""Scenario section ``participation``: who of a population takes part in each round."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ..section import Section
from .fields import Positive, PositiveInt

__all__ = ["Participation"]

_KEYS = {"uniform": (), "available": ("mean_on_s", "mean_off_s"), "deadline": ("deadline_s",)}


class Participation(Section):
    """Each round draws its clients from the devices; without this section all take part in every round."""

    per_round: PositiveInt = Field(description="devices that a round draws; fewer where there are no more")
    selection: Literal["uniform", "available", "deadline"] = Field(
        default="uniform",
        description="uniform: any; available: those that are on as the round begins; deadline: those whose"
        " predicted time is within deadline_s",
    )
    mean_on_s: Positive | None = Field(default=None, description="available: mean time that a device is on")
    mean_off_s: Positive | None = Field(default=None, description="available: mean time that it is off")
    deadline_s: Positive | None = Field(
        default=None, description="deadline: the longest predicted time of a device's own part of a round"
    )

    @model_validator(mode="after")
    def _keys_of_the_selection(self) -> Participation:
        for selection, keys in _KEYS.items():
            for key in keys:
                if (getattr(self, key) is None) == (selection == self.selection):
                    rule = "needs" if selection == self.selection else "takes no"
                    raise ValueError(f"selection {self.selection} {rule} {key}")
        return self
