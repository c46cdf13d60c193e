"""Scenario section ``round_policy``: the clients that a round waits for."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ..section import Section
from .fields import Duration, DurationOrNever, Index, Number, PositiveInt

__all__ = ["RoundPolicy"]

_MULTIPLE = r"^[0-9]+(\.[0-9]+)?x$"


class RoundPolicy(Section):
    """The clients that a round waits for: all, those that meet a deadline, or the first ones.

    A round goes on without the other clients, which stop their activities.
    """

    wait: Literal["all"] | None = Field(default=None, description="wait for all clients; the default")
    deadline_s: DurationOrNever | None = Field(
        default=None,
        description="time from the start of the round, s; the round continues without clients that are later",
    )
    deadline: Annotated[str, Field(pattern=_MULTIPLE)] | None = Field(
        default=None, description="a deadline as a multiple of the planned time of a round, for example 1.5x"
    )
    first: PositiveInt | None = Field(
        default=None,
        description="number of clients; the round continues when so many have delivered their data",
    )
    over_select: PositiveInt | None = Field(
        default=None,
        description="number of clients that a round selects; with first, the number that it waits for",
    )
    quorum: Annotated[Number, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="share of the round's clients that must be on time before a deadline takes effect",
    )
    max_wait_s: DurationOrNever | None = Field(
        default=None,
        description="with quorum: time from the start of the round, s; a round that is below the quorum then"
        " trains nothing; absent: no limit",
    )
    timeout_s: Duration | None = Field(
        default=None,
        description="time after the end of an upload, s; an upload that is lost is sent again after it",
    )
    retries: Index | None = Field(
        default=None, description="with timeout_s: number of times that a lost upload is sent again"
    )

    @model_validator(mode="before")
    @classmethod
    def _wait_for_all(cls, data: Any) -> Any:
        return {"wait": "all"} if data == {} else data

    @model_validator(mode="after")
    def _consistent(self) -> RoundPolicy:
        rules = ("wait", "deadline_s", "deadline", "first")
        given = [key for key in rules if getattr(self, key) is not None]
        if len(given) > 1 or not (given or self.timeout_s is not None):
            raise ValueError(f"give one of wait: all, {', '.join(rules[1:])}, or timeout_s and retries")
        if (self.timeout_s is None) != (self.retries is None):
            raise ValueError("give both timeout_s and retries, or neither")
        if self.over_select is not None and self.first is None:
            raise ValueError("over_select needs first: the number of clients that the round waits for")
        if self.over_select is not None and self.first is not None and self.first > self.over_select:
            raise ValueError(f"first is {self.first}; over_select selects only {self.over_select}")
        if self.quorum is not None and self.deadline_s is None and self.deadline is None:
            raise ValueError("quorum needs deadline_s or deadline")
        if self.max_wait_s is not None and self.quorum is None:
            raise ValueError("max_wait_s needs quorum")
        return self

    @property
    def deadline_multiple(self) -> float | None:
        """Return the factor of ``deadline``: the deadline over the planned time of a round."""
        return None if self.deadline is None else float(re.sub("x$", "", self.deadline))
