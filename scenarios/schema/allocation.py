"""Scenario section ``allocation``: the subchannels of each client, its transmit power, and the cut layer."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from ..section import Section
from .fields import Index, Level, NonNegative, Number, Positive, PositiveInt
from .registered import MethodOrValue, RegisteredName

__all__ = ["FULL_POWER", "Allocation", "ChannelKnowledge", "ExplicitPower", "PlanFor", "Quantile", "Replan"]


FULL_POWER = "full"
"""The method of ``power`` that raises the powers of any other choice to the limits."""


class ExplicitPower(Section):
    """Explicit uplink power spectral densities, one for each device."""

    dbm_per_hz: Annotated[
        tuple[Level, ...],
        Field(
            min_length=1,
            description="uplink power spectral density of each device on each of its subchannels, dBm/Hz",
        ),
    ]


Assignment = tuple[tuple[Index, ...], ...]
"""The subchannels of each device, by index from 0."""


class Replan(Section):
    """When to plan subchannels and power again at the start of a round; the cut layer does not change."""

    every_rounds: PositiveInt | None = Field(
        default=None,
        description="plan again after this number of rounds; 1: at the start of every round",
    )
    change_db: Positive | None = Field(
        default=None,
        description="plan again when the estimated mean gain of a client over its subchannels has changed by"
        " this many dB",
    )

    @model_validator(mode="after")
    def _one(self) -> Replan:
        if (self.every_rounds is None) == (self.change_db is None):
            raise ValueError("give either every_rounds or change_db")
        return self


class ChannelKnowledge(Section):
    """The channel estimates that re-planning uses: their age and their error."""

    age_s: NonNegative = Field(default=0.0, description="age of the estimated gains, s; 0: current gains")
    error_db: NonNegative = Field(
        default=0.0,
        description="standard deviation of the estimation error of each gain, dB; 0: no error",
    )


PlanFor: TypeAlias = Literal["nominal", "mean", "simulated"]
"""The conditions for which plans are made."""


class Quantile(Section):
    """A quantile of the round times as the objective of planning by simulation."""

    quantile: Annotated[Number, Field(gt=0, lt=1)] = Field(
        description="share of the rounds, between 0 and 1; 0.95: the time that 95 % of rounds do not exceed"
    )


class Allocation(Section):
    """Subchannels, transmit power and cut layer: a method or an explicit value for each.

    Alternatively, one ``method`` chooses all three together.
    """

    method: Annotated[str, RegisteredName("plan")] | None = Field(
        default=None,
        description="method that chooses subchannels, power and cut layer together; leave out subchannels and"
        " power then; absent: a method for each",
    )
    subchannels: Annotated[Assignment | str, MethodOrValue("subchannels", Assignment)] = Field(
        default="exchange",
        description="a method, or a list with the subchannels of each device, by index from 0; exchange: near"
        " the optimum; greedy: the rule of Lin et al.",
    )
    power: Annotated[ExplicitPower | str, MethodOrValue("power", ExplicitPower)] = Field(
        default="optimal",
        description="a method, or the uplink power spectral density of each device",
    )
    cut: Annotated[int | str, MethodOrValue("cut", PositiveInt)] = Field(
        default="optimal",
        description="a method, or the number of units of the model on the client",
    )
    plan_for: PlanFor | None = Field(
        default=None,
        description="nominal: rounds without slow-downs, faults and fading; mean: their stationary means;"
        " simulated: candidates are compared by simulated rounds; absent: simulated if there are slow-downs,"
        " faults or fading, the planner chooses the cut, and the simulation is cheap, else nominal",
    )
    objective: Literal["mean"] | Quantile = Field(
        default="mean",
        description="objective of plan_for: simulated: the mean round, or a quantile of the rounds",
    )
    replan: Replan | None = Field(
        default=None,
        description="when to plan again; absent: plan once before the run, for the gains without fading",
    )
    knowledge: ChannelKnowledge = Field(
        default=ChannelKnowledge(), description="age and error of the channel estimates for re-planning"
    )
