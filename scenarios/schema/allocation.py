"""The section ``allocation``: who gets which subchannels, at what power, and where the model is cut."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from ..section import Section
from .fields import Index, Level, NonNegative, Positive, PositiveInt
from .registered import MethodOrValue, RegisteredName

__all__ = ["Allocation", "ChannelKnowledge", "ExplicitPower", "Replan"]


class ExplicitPower(Section):
    """Uplink power spectral densities given by hand, one a device."""

    dbm_per_hz: Annotated[tuple[Level, ...], Field(min_length=1, description="on each of its subchannels")]


Assignment = tuple[tuple[Index, ...], ...]
"""The subchannels of each device, by index from 0."""


class Replan(Section):
    """When subchannels and power are planned anew: at the start of rounds; the cut stays."""

    every_rounds: PositiveInt | None = Field(default=None, description="1: at the start of every round")
    change_db: Positive | None = Field(
        default=None,
        description="when a client's mean gain over its own subchannels, as known, has changed by so much",
    )

    @model_validator(mode="after")
    def _one(self) -> Replan:
        if (self.every_rounds is None) == (self.change_db is None):
            raise ValueError("give either every_rounds or change_db")
        return self


class ChannelKnowledge(Section):
    """What re-planning knows of the channel."""

    age_s: NonNegative = Field(default=0.0, description="gains are known as they were so long ago")
    error_db: NonNegative = Field(
        default=0.0, description="standard deviation of the estimation error of each gain"
    )


class Allocation(Section):
    """Who gets which subchannels, at what power, and where the model is cut: a method or a value each.

    Or one ``method`` that chooses all three together.
    """

    method: Annotated[str, RegisteredName("plan")] | None = Field(
        default=None, description="chooses all three; with it neither subchannels nor power are given"
    )
    subchannels: Annotated[Assignment | str, MethodOrValue("subchannels", Assignment)] = Field(
        default="greedy", description="a method, or each device's subchannels by index from 0"
    )
    power: Annotated[ExplicitPower | str, MethodOrValue("power", ExplicitPower)] = Field(
        default="optimal", description="a method, or each device's uplink power spectral density"
    )
    cut: Annotated[int | str, MethodOrValue("cut", PositiveInt)] = Field(
        default="optimal", description="a method, or the number of units on the client"
    )
    replan: Replan | None = Field(
        default=None, description="absent: planned once, on the gains without fading"
    )
    knowledge: ChannelKnowledge = Field(
        default=ChannelKnowledge(), description="what re-planning knows of the channel"
    )
