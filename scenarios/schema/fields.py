"""Types of scenario values: strict numbers in bounds, one value or a distribution for the devices, paths.

Each number has a largest and a smallest value, so that no sum or product of them leaves the range of
floating-point numbers. Quantities with a unit have bounds far beyond anything that can be built.
"""

from __future__ import annotations

import math
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
from ..text import control_character

__all__ = [
    "COUNT_MAX",
    "DISTANCE_MAX_M",
    "DURATION_RANGE_S",
    "FACTOR_RANGE",
    "NAME_OR_LIST",
    "SEED_MAX",
    "WHOLE_NUMBER",
    "AnyPerDevice",
    "BitRate",
    "BitRatePerDevice",
    "Clock",
    "ClockPerDevice",
    "CyclesPerFlop",
    "CyclesPerFlopPerDevice",
    "Distribution",
    "Duration",
    "DurationOrNever",
    "DurationPerDevice",
    "FactorPerDevice",
    "FiniteDurationPerDevice",
    "Frequency",
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
    "Seed",
    "SpeedPerDevice",
    "Steps",
    "draw",
    "value_bounds",
]

MAGNITUDE_MAX = 1e30
"""Largest magnitude of a number. The largest default is 2.8e10, and the smallest is 1e-28."""
MAGNITUDE_MIN = 1e-30
"""Smallest number that must be greater than 0."""
COUNT_MAX = 10**9
"""Largest count of anything; keys whose values need memory or time have smaller bounds."""
SEED_MAX = 2**63 - 1
"""Largest seed, so that a seed fits into a 64-bit column of a table."""
STEPS_MAX = 100_000
"""Largest number of steps inside one round."""
CLOCK_RANGE_HZ = (1e-3, 1e18)
CYCLES_PER_FLOP_MIN = 1e-9
"""Far below every processor. Shorter computations would vanish in the rounding of the simulated time."""
BIT_RATE_RANGE_BPS = (1e-3, 1e18)
FREQUENCY_RANGE_HZ = (1e-3, 1e15)
DURATION_RANGE_S = (1e-9, 1e12)
FACTOR_RANGE = (1.0, 1e6)
"""Range of the factor by which a slow-down makes computations longer."""
DISTANCE_MAX_M = 1e9
SPEED_RANGE_MPS = (1e-6, 1e5)
LEVEL_MAX_DB = 300
"""Largest level, [dB]. Products of larger linear values could exceed the range of floating-point numbers."""


def _number(value: Any) -> Any:
    """Refuse booleans and quoted text, which pydantic would convert to numbers."""
    if isinstance(value, bool | str):
        raise ValueError("must be a number")
    return value


def _at_least(lowest: float) -> AfterValidator:
    """Return the check of a positive number against its lower bound; 0 has a message of its own."""

    def check(value: float) -> float:
        if value < lowest:
            raise ValueError(f"must be {lowest:g} or more")
        return value

    return AfterValidator(check)


Number = Annotated[float, Field(strict=True, ge=-MAGNITUDE_MAX, le=MAGNITUDE_MAX)]
_AboveZero = Annotated[float, Field(strict=True, gt=0)]
Positive = Annotated[_AboveZero, Field(le=MAGNITUDE_MAX), _at_least(MAGNITUDE_MIN)]
NonNegative = Annotated[float, Field(strict=True, ge=0, le=MAGNITUDE_MAX)]
Clock = Annotated[_AboveZero, Field(le=CLOCK_RANGE_HZ[1]), _at_least(CLOCK_RANGE_HZ[0])]
CyclesPerFlop = Annotated[_AboveZero, Field(le=MAGNITUDE_MAX), _at_least(CYCLES_PER_FLOP_MIN)]
BitRate = Annotated[_AboveZero, Field(le=BIT_RATE_RANGE_BPS[1]), _at_least(BIT_RATE_RANGE_BPS[0])]
Frequency = Annotated[_AboveZero, Field(le=FREQUENCY_RANGE_HZ[1]), _at_least(FREQUENCY_RANGE_HZ[0])]
Duration = Annotated[_AboveZero, Field(le=DURATION_RANGE_S[1]), _at_least(DURATION_RANGE_S[0])]


def _finite_in_range(value: float) -> float:
    """Check a duration against its bounds; infinity stands for a duration that never ends."""
    if not (DURATION_RANGE_S[0] <= value <= DURATION_RANGE_S[1] or value == math.inf):
        lowest, largest = DURATION_RANGE_S
        raise ValueError(f"must be from {lowest:g} to {largest:g}, or .inf")
    return value


DurationOrNever = Annotated[float, Field(strict=True, allow_inf_nan=True), AfterValidator(_finite_in_range)]
"""A duration, or ``.inf`` for one that never ends."""
WHOLE_NUMBER = BeforeValidator(_number)
"""Annotation of a whole number with bounds: ``Annotated[int, Field(ge=1, le=64), WHOLE_NUMBER]``."""
# The bounds must precede the validator; otherwise the JSON Schema does not state them.
PositiveInt = Annotated[int, Field(ge=1, le=COUNT_MAX), WHOLE_NUMBER]
Steps = Annotated[int, Field(ge=1, le=STEPS_MAX), WHOLE_NUMBER]
Index = Annotated[int, Field(ge=0, le=COUNT_MAX), WHOLE_NUMBER]
Seed = Annotated[int, Field(ge=0, le=SEED_MAX), WHOLE_NUMBER]
Level = Annotated[Number, Field(ge=-LEVEL_MAX_DB, le=LEVEL_MAX_DB)]
"""A level in dB or dBm."""


PATH_LENGTH_MAX = 4000
FILE_NAME_LENGTH_MAX = 255


def _readable_path(value: Any) -> Any:
    """Refuse paths that no file can have; the operating system would raise an error for each use."""
    text = str(value)
    if not isinstance(value, str | Path):
        raise ValueError("must be a path")
    if (escape := control_character(text)) is not None:
        raise ValueError(f"must be a path without control characters; it has {escape}")
    if len(text) > PATH_LENGTH_MAX or any(
        len(part.encode()) > FILE_NAME_LENGTH_MAX for part in Path(text).parts
    ):
        raise ValueError(
            f"must be a path of at most {PATH_LENGTH_MAX} characters, with names of at most"
            f" {FILE_NAME_LENGTH_MAX} bytes; it has {len(text)} characters"
        )
    return value


def _from_scenario_folder(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder")
    if folder is None:
        return path
    try:
        return (Path(folder) / path.expanduser()).resolve()
    except (OSError, RuntimeError) as error:  # an unknown user's home folder, or a circle of links
        raise ValueError(f"cannot be a path: {error}") from None


ScenarioPath = Annotated[Path, BeforeValidator(_readable_path), AfterValidator(_from_scenario_folder)]
"""A path. A relative path starts at the folder of the scenario's file."""


class Lognormal(Section):
    """A log-normal distribution, which is heavy-tailed: ``exp(N(ln median, sigma))``."""

    median: Positive = Field(description="median of the values, in the unit of the key")
    sigma: Annotated[float, Field(strict=True, ge=0, le=10)] = Field(
        description="standard deviation of the natural logarithm of the values"
    )


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

    uniform_disc: Annotated[_AboveZero, Field(le=DISTANCE_MAX_M), _at_least(MAGNITUDE_MIN)] | None = Field(
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

_DurationPerDevice = Annotated[
    Annotated[DurationOrNever, Tag("number")]
    | Annotated[tuple[DurationOrNever, ...], Field(min_length=1), Tag("list")]
    | Annotated[Distribution, Tag("distribution")],
    Discriminator(_form),
]

PlacementPerDevice = Annotated[
    Annotated[Number, Tag("number")]
    | Annotated[_Numbers, Tag("list")]
    | Annotated[Placement, Tag("distribution")],
    Discriminator(_form),
]

AnyPerDevice: TypeAlias = float | tuple[float, ...] | Distribution


def value_bounds(value: AnyPerDevice | None) -> tuple[float, ...]:
    """Return the values of a key that decide whether every device's value is in a range; none for None."""
    if value is None:
        return ()
    if isinstance(value, Distribution):
        return value.bounds()
    return value if isinstance(value, tuple) else (value,)


def _refused(rule: str, value: AnyPerDevice, extreme: float) -> ValueError:
    """Return the error; it names the value that breaks the rule if there are several values."""
    return ValueError(f"must be {rule}" + ("" if extreme == value else f"; it has {extreme:g}"))


def _positive(value: AnyPerDevice) -> AnyPerDevice:
    bounds = value_bounds(value)
    if isinstance(value, Distribution) and value.uniform is not None and min(bounds) == 0 < max(bounds):
        return value  # a sample equals the bound with probability zero
    if bounds and min(bounds) <= 0:
        raise _refused("greater than 0 for every device", value, min(bounds))
    return value


def _distance(value: AnyPerDevice) -> AnyPerDevice:
    bounds = value_bounds(value)
    if bounds and min(bounds) < 0:
        raise _refused("0 or more for every device", value, min(bounds))
    if bounds and max(bounds) > DISTANCE_MAX_M:
        raise _refused(f"at most {DISTANCE_MAX_M:g} for every device", value, max(bounds))
    return value


def _within(lowest: float, largest: float) -> AfterValidator:
    """Return the check that a positive value lies in a range for every device."""

    def check(value: AnyPerDevice) -> AnyPerDevice:
        bounds = [
            bound for bound in value_bounds(value) if bound
        ]  # 0 is a uniform distribution's lower bound
        for bound in (min(bounds, default=lowest), max(bounds, default=largest)):
            if not lowest <= bound <= largest:
                raise _refused(f"from {lowest:g} to {largest:g} for every device", value, bound)
        return value

    return AfterValidator(check)


def _not_negative(value: AnyPerDevice) -> AnyPerDevice:
    for bound in value_bounds(value):
        if not 0 <= bound <= MAGNITUDE_MAX:
            raise _refused(f"from 0 to {MAGNITUDE_MAX:g} for every device", value, bound)
    return value


def _level(value: AnyPerDevice) -> AnyPerDevice:
    for level in value_bounds(value):
        if abs(level) > LEVEL_MAX_DB:
            raise _refused(f"from {-LEVEL_MAX_DB} to {LEVEL_MAX_DB} for every device", value, level)
    return value


def _duration_or_never(value: AnyPerDevice) -> AnyPerDevice:
    """Check the bounds of a distribution of durations; numbers have been checked one by one."""
    if isinstance(value, Distribution):
        bounds = value_bounds(_positive(value))
        lowest, largest = DURATION_RANGE_S
        for bound in bounds:
            if bound and not lowest <= bound <= largest:
                raise _refused(f"from {lowest:g} to {largest:g} for every device", value, bound)
    return value


_PositivePerDevice = Annotated[PerDevice, AfterValidator(_positive)]
PositivePerDevice = Annotated[_PositivePerDevice, _within(MAGNITUDE_MIN, MAGNITUDE_MAX)]
ClockPerDevice = Annotated[_PositivePerDevice, _within(*CLOCK_RANGE_HZ)]
CyclesPerFlopPerDevice = Annotated[_PositivePerDevice, _within(CYCLES_PER_FLOP_MIN, MAGNITUDE_MAX)]
BitRatePerDevice = Annotated[_PositivePerDevice, _within(*BIT_RATE_RANGE_BPS)]
NonNegativePerDevice = Annotated[PerDevice, AfterValidator(_not_negative)]
LevelPerDevice = Annotated[PerDevice, AfterValidator(_level)]
SpeedPerDevice = Annotated[NonNegativePerDevice, _within(*SPEED_RANGE_MPS)]
FactorPerDevice = Annotated[_PositivePerDevice, _within(*FACTOR_RANGE)]
DurationPerDevice = Annotated[_DurationPerDevice, AfterValidator(_duration_or_never)]
"""A duration for all devices, a list with one for each device, or a distribution; ``.inf`` is allowed."""
FiniteDurationPerDevice = Annotated[_PositivePerDevice, _within(*DURATION_RANGE_S)]
Distances = Annotated[PlacementPerDevice, AfterValidator(_distance)]


def draw(
    value: AnyPerDevice,
    count: int,
    rng: np.random.Generator,
    *,
    largest: float = MAGNITUDE_MAX,
    smallest: float = -math.inf,
) -> NDArray[np.float64]:
    """Return the values of a numeric device attribute, [count].

    Parameters
    ----------
    value : float, tuple of float or Distribution
        One value for all devices, one for each device, or a distribution.
    count : int
        Number of devices.
    rng : numpy.random.Generator
        The generator of this attribute's stream. Only a distribution uses it.
    largest : float
        The largest magnitude of a value.
    smallest : float
        The smallest value.

    Raises
    ------
    ValueError
        If a distribution gives a device a larger or a smaller value.
    """
    if isinstance(value, Distribution):
        sampled = value.sample(count, rng)
        if (most := float(np.abs(sampled).max(initial=0.0))) > largest:
            raise ValueError(f"its distribution gives a device {most:g}; the largest is {largest:g}")
        if (least := float(sampled.min(initial=math.inf))) < smallest:
            raise ValueError(f"its distribution gives a device {least:g}; the smallest is {smallest:g}")
        return sampled
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (count,)).copy()
