"""Scenario section ``participation``: the sampling of clients from all devices in each round."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ..section import Section
from .fields import Duration, PositiveInt

__all__ = ["Participation"]

_KEYS = {"uniform": (), "available": ("mean_on_s", "mean_off_s"), "deadline": ("deadline_s",)}


class Participation(Section):
    """Client sampling: each round selects its clients from the devices."""

    per_round: PositiveInt = Field(
        description="number of devices that a round selects; fewer if fewer are eligible"
    )
    selection: Literal["uniform", "available", "deadline"] = Field(
        default="uniform",
        description="eligible devices; uniform: all; available: devices that are online at the start of the"
        " round; deadline: devices whose predicted time is at most deadline_s",
    )
    mean_on_s: Duration | None = Field(
        default=None, description="for selection available: mean time that a device is online, s"
    )
    mean_off_s: Duration | None = Field(
        default=None, description="for selection available: mean time that a device is offline, s"
    )
    deadline_s: Duration | None = Field(
        default=None,
        description="for selection deadline: largest predicted time of a device's part of a round, s",
    )

    @model_validator(mode="after")
    def _keys_of_the_selection(self) -> Participation:
        for selection, keys in _KEYS.items():
            for key in keys:
                if (getattr(self, key) is None) == (selection == self.selection):
                    rule = "needs" if selection == self.selection else "takes no"
                    raise ValueError(f"selection {self.selection} {rule} {key}")
        return self
