"""Types of scenario values: strict numbers, one value or a distribution for the devices, paths."""

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
    "NonNegativePerDevice",
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
"""Largest level, [dB]. Products of larger linear values could exceed the range of floating-point numbers."""


def _number(value: Any) -> Any:
    """Refuse booleans and quoted text, which pydantic would convert to numbers."""
    if isinstance(value, bool | str):
        raise ValueError("must be a number")
    return value


Number = Annotated[float, Field(strict=True)]
Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
# The bound must precede the validator; otherwise the JSON Schema does not state it.
PositiveInt = Annotated[int, Field(ge=1), BeforeValidator(_number)]
Index = Annotated[int, Field(ge=0), BeforeValidator(_number)]
Level = Annotated[Number, Field(ge=-LEVEL_MAX_DB, le=LEVEL_MAX_DB)]
"""A level in dB or dBm."""


def _from_scenario_folder(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder")
    return path if folder is None else (Path(folder) / path.expanduser()).resolve()


ScenarioPath = Annotated[Path, AfterValidator(_from_scenario_folder)]
"""A path. A relative path starts at the folder of the scenario's file."""


class Lognormal(Section):
    """A log-normal distribution, which is heavy-tailed: ``exp(N(ln median, sigma))``."""

    median: Positive = Field(description="median of the values, in the unit of the key")
    sigma: NonNegative = Field(description="standard deviation of the natural logarithm of the values")


class Distribution(Section):
    """The distribution of a value over the devices; give exactly one of its keys."""

    uniform: tuple[Number, Number] | None = Field(
        default=None, description="uniform distribution: its lower and upper bound"
    )
    lognormal: Lognormal | None = Field(
        default=None, description="log-normal distribution: its median and sigma"
    )
    choice: Annotated[tuple[Number, ...], Field(min_length=1)] | None = Field(
        default=None, description="list of values, which are equally likely"
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Distribution:
        keys = type(self).model_fields
        present = [key for key in keys if getattr(self, key) is not None]
        if len(present) != 1:
            allowed = ", ".join(keys)
            raise ValueError(f"give exactly one of {allowed}; {len(present)} are given")
        if self.uniform is not None and self.uniform[0] > self.uniform[1]:
            raise ValueError(f"uniform: the lower bound {self.uniform[0]:g} is above {self.uniform[1]:g}")
        return self

    def bounds(self) -> tuple[float, ...]:
        """Return the values of the key that decide whether all samples are in a range."""
        if self.lognormal is not None:
            return (self.lognormal.median,)
        return self.uniform or self.choice or ()

    def sample(self, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return random values, [count]."""
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
    """The distribution of the distances from the devices to the access point."""

    uniform_disc: Positive | None = Field(
        default=None,
        description="positions uniform over the area of a disc around the access point: its radius, m",
    )

    def sample(self, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return random distances, [count], [m]."""
        if self.uniform_disc is None:
            return super().sample(count, rng)
        values: NDArray[np.float64] = self.uniform_disc * np.sqrt(rng.uniform(size=count))
        return values


def _form(value: Any) -> Literal["number", "list", "distribution"]:
    if isinstance(value, Mapping | Distribution):
        return "distribution"
    return "list" if isinstance(value, Sequence) and not isinstance(value, str) else "number"


NAME_OR_LIST = Discriminator(lambda value: "list" if _form(value) == "list" else "name")
"""Distinguishes the name of a method from a list of values, so that a message is about one of them only."""

_Numbers = Annotated[tuple[Number, ...], Field(min_length=1)]
PerDevice = Annotated[
    Annotated[Number, Tag("number")]
    | Annotated[_Numbers, Tag("list")]
    | Annotated[Distribution, Tag("distribution")],
    Discriminator(_form),
]
"""A number for all devices, a list with one value for each device, or a distribution."""

PlacementPerDevice = Annotated[
    Annotated[Number, Tag("number")]
    | Annotated[_Numbers, Tag("list")]
    | Annotated[Placement, Tag("distribution")],
    Discriminator(_form),
]

AnyPerDevice: TypeAlias = float | tuple[float, ...] | Distribution


def _bounds(value: AnyPerDevice) -> tuple[float, ...]:
    if isinstance(value, Distribution):
        return value.bounds()
    return value if isinstance(value, tuple) else (value,)


def _refused(rule: str, value: AnyPerDevice, extreme: float) -> ValueError:
    """Return the error; it names the value that breaks the rule if there are several values."""
    return ValueError(f"must be {rule}" + ("" if extreme == value else f"; it has {extreme:g}"))


def _positive(value: AnyPerDevice) -> AnyPerDevice:
    bounds = _bounds(value)
    if isinstance(value, Distribution) and value.uniform is not None and min(bounds) == 0 < max(bounds):
        return value  # a sample equals the bound with probability zero
    if bounds and min(bounds) <= 0:
        raise _refused("greater than 0 for every device", value, min(bounds))
    return value


def _not_negative(value: AnyPerDevice) -> AnyPerDevice:
    bounds = _bounds(value)
    if bounds and min(bounds) < 0:
        raise _refused("0 or more for every device", value, min(bounds))
    return value


def _level(value: AnyPerDevice) -> AnyPerDevice:
    for level in _bounds(value):
        if abs(level) > LEVEL_MAX_DB:
            raise _refused(f"from {-LEVEL_MAX_DB} to {LEVEL_MAX_DB} for every device", value, level)
    return value


PositivePerDevice = Annotated[PerDevice, AfterValidator(_positive)]
NonNegativePerDevice = Annotated[PerDevice, AfterValidator(_not_negative)]
LevelPerDevice = Annotated[PerDevice, AfterValidator(_level)]
Distances = Annotated[PlacementPerDevice, AfterValidator(_not_negative)]


def draw(value: AnyPerDevice, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the values of a numeric device attribute, [count].

    Parameters
    ----------
    value : float, tuple of float or Distribution
        One value for all devices, one for each device, or a distribution.
    count : int
        Number of devices.
    rng : numpy.random.Generator
        The generator of this attribute's stream. Only a distribution uses it.
    """
    if isinstance(value, Distribution):
        return value.sample(count, rng)
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (count,)).copy()
