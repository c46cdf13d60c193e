"""The kinds of value that scenario keys take: strict sections, numbers per device, paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    model_validator,
)

from ..section import Section

__all__ = [
    "NAME_OR_LIST",
    "AnyPerDevice",
    "Distribution",
    "Index",
    "Level",
    "LevelPerDevice",
    "NonNegative",
    "Number",
    "PerDevice",
    "Placement",
    "Positive",
    "PositiveInt",
    "PositivePerDevice",
    "ScenarioPath",
    "draw",
]


LEVEL_MAX_DB = 300
"""Beyond it, products of the linear values could leave the range of floating-point numbers."""


def _number(value: Any) -> Any:
    """Refuse what would quietly become a number: booleans and quoted text."""
    if isinstance(value, bool | str):
        raise ValueError("must be a number")
    return value


Number = Annotated[float, Field(strict=True)]
Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
# The bound stands before the validator, or else the JSON Schema would not state it.
PositiveInt = Annotated[int, Field(ge=1), BeforeValidator(_number)]
Index = Annotated[int, Field(ge=0), BeforeValidator(_number)]
Level = Annotated[Number, Field(ge=-LEVEL_MAX_DB, le=LEVEL_MAX_DB)]
"""A level in dB or dBm."""


def _from_scenario_folder(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder")
    return path if folder is None else (Path(folder) / path.expanduser()).resolve()


ScenarioPath = Annotated[Path, AfterValidator(_from_scenario_folder)]
"""A path; a relative one is taken from the scenario's folder."""


class Lognormal(Section):
    """A heavy-tailed spread: ``exp(N(ln median, sigma))``."""

    median: Positive = Field(description="half of the values are below")
    sigma: NonNegative = Field(description="standard deviation of the logarithm")


class Distribution(Section):
    """A distribution that each device's value is drawn from: exactly one of the keys."""

    uniform: tuple[Number, Number] | None = Field(default=None, description="lower and upper bound")
    lognormal: Lognormal | None = None
    choice: Annotated[tuple[Number, ...], Field(min_length=1)] | None = Field(
        default=None, description="one of these, each as likely"
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Distribution:
        keys = type(self).model_fields
        given = [key for key in keys if getattr(self, key) is not None]
        if len(given) != 1:
            allowed = ", ".join(keys)
            raise ValueError(f"give exactly one of {allowed}; {len(given)} are given")
        if self.uniform is not None and self.uniform[0] > self.uniform[1]:
            raise ValueError(f"uniform: the lower bound {self.uniform[0]:g} is above {self.uniform[1]:g}")
        return self

    def given(self) -> tuple[float, ...]:
        """Return the values that the distribution is described by."""
        if self.lognormal is not None:
            return (self.lognormal.median,)
        return self.uniform or self.choice or ()

    def sample(self, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return ``[count]`` values."""
        if self.uniform is not None:
            return rng.uniform(*self.uniform, count)
        if self.choice is not None:
            return rng.choice(np.asarray(self.choice, dtype=np.float64), count)
        assert self.lognormal is not None
        values: NDArray[np.float64] = self.lognormal.median * np.exp(
            self.lognormal.sigma * rng.standard_normal(count)
        )
        return values


class Placement(Distribution):
    """A distribution of distances; ``uniform_disc`` is uniform over the area of a disc of that radius."""

    uniform_disc: Positive | None = Field(default=None, description="radius of the disc, m")

    def sample(self, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return ``[count]`` distances, [m]."""
        if self.uniform_disc is None:
            return super().sample(count, rng)
        values: NDArray[np.float64] = self.uniform_disc * np.sqrt(rng.uniform(size=count))
        return values


def _form(value: Any) -> Literal["number", "list", "distribution"]:
    if isinstance(value, Mapping | Distribution):
        return "distribution"
    return "list" if isinstance(value, Sequence) and not isinstance(value, str) else "number"


NAME_OR_LIST = Discriminator(lambda value: "list" if _form(value) == "list" else "name")
"""Tells a method's name from a list of values, tagged so, and with it which of the two rules is broken."""

_Numbers = Annotated[tuple[Number, ...], Field(min_length=1)]
PerDevice = Annotated[
    Annotated[Number, Tag("number")]
    | Annotated[_Numbers, Tag("list")]
    | Annotated[Distribution, Tag("distribution")],
    Discriminator(_form),
]
"""A number for all devices, a list with one value a device, or a distribution."""

PlacementPerDevice = Annotated[
    Annotated[Number, Tag("number")]
    | Annotated[_Numbers, Tag("list")]
    | Annotated[Placement, Tag("distribution")],
    Discriminator(_form),
]

AnyPerDevice: TypeAlias = float | tuple[float, ...] | Distribution


def _given(value: AnyPerDevice) -> tuple[float, ...]:
    if isinstance(value, Distribution):
        return value.given()
    return value if isinstance(value, tuple) else (value,)


def _refused(rule: str, value: AnyPerDevice, extreme: float) -> ValueError:
    """Return the error, with the value that breaks the rule where there are several."""
    return ValueError(f"must be {rule}" + ("" if extreme == value else f"; it has {extreme:g}"))


def _positive(value: AnyPerDevice) -> AnyPerDevice:
    given = _given(value)
    if isinstance(value, Distribution) and value.uniform is not None and min(given) == 0 < max(given):
        return value  # the bound itself has probability zero
    if given and min(given) <= 0:
        raise _refused("greater than 0 for every device", value, min(given))
    return value


def _not_negative(value: AnyPerDevice) -> AnyPerDevice:
    given = _given(value)
    if given and min(given) < 0:
        raise _refused("0 or more for every device", value, min(given))
    return value


def _level(value: AnyPerDevice) -> AnyPerDevice:
    for level in _given(value):
        if abs(level) > LEVEL_MAX_DB:
            raise _refused(f"from {-LEVEL_MAX_DB} to {LEVEL_MAX_DB} for every device", value, level)
    return value


PositivePerDevice = Annotated[PerDevice, AfterValidator(_positive)]
LevelPerDevice = Annotated[PerDevice, AfterValidator(_level)]
Distances = Annotated[PlacementPerDevice, AfterValidator(_not_negative)]


def draw(value: AnyPerDevice, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the ``[count]`` values of a numeric device attribute.

    Parameters
    ----------
    value : a number for all devices, one value a device, or a distribution
    count : int
        Number of devices.
    rng : generator of this attribute's stream
    """
    if isinstance(value, Distribution):
        return value.sample(count, rng)
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (count,)).copy()
