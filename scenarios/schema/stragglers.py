"""Scenario section ``stragglers``: causes of slow computations besides slow clocks."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from ..section import Section
from .fields import (
    FACTOR_RANGE,
    Duration,
    DurationOrNever,
    DurationPerDevice,
    FactorPerDevice,
    FiniteDurationPerDevice,
    ScenarioPath,
)

__all__ = ["ComputeNoise", "ServerSlowdown", "Slowdown", "Stragglers"]


class Slowdown(Section):
    """Devices switch between a normal and a slow state; the duration of each is exponentially distributed."""

    factor: FactorPerDevice = Field(
        default=5.0,
        description="factor by which computation takes longer in the slow state; a value that a distribution"
        " gives below 1 counts as 1",
    )
    mean_normal_s: DurationPerDevice = Field(
        default=60.0, description="mean duration of the normal state, s; .inf: it never ends"
    )
    mean_slow_s: FiniteDurationPerDevice = Field(
        default=10.0, description="mean duration of the slow state, s"
    )


class LognormalNoise(Section):
    """Log-normal factors of mean 1."""

    sigma: Annotated[float, Field(strict=True, ge=0, le=3)] = Field(
        description="standard deviation of the natural logarithm of the factor, at most 3; 0: no noise"
    )


class ParetoNoise(Section):
    """Pareto factors of mean 1."""

    shape: Annotated[float, Field(strict=True, gt=1, le=1e6)] = Field(
        description="shape of the distribution; the tail is heavier if it is closer to 1"
    )


class ExponentialNoise(Section):
    """Exponentially distributed delays."""

    mean_s: Annotated[float, Field(strict=True, ge=0, le=1e6)] = Field(
        description="mean delay of a computation, s; 0: no noise"
    )


class ComputeNoise(Section):
    """Random times of single computations; give exactly one distribution."""

    lognormal: LognormalNoise | None = Field(
        default=None, description="the time is multiplied by a log-normal factor of mean 1"
    )
    pareto: ParetoNoise | None = Field(
        default=None, description="the time is multiplied by a Pareto factor of mean 1"
    )
    exponential: ExponentialNoise | None = Field(
        default=None, description="an exponentially distributed delay is added to the time"
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> ComputeNoise:
        keys = type(self).model_fields
        present = [key for key in keys if getattr(self, key) is not None]
        if len(present) != 1:
            raise ValueError(f"give exactly one of {', '.join(keys)}; {len(present)} are given")
        return self


class Stragglers(Section):
    """Causes of slow computations besides slow clocks."""

    slowdown: Slowdown | None = Field(
        default=None, description="temporary slow-downs of the devices; absent: none"
    )
    compute_noise: ComputeNoise | None = Field(
        default=None, description="random time of each computation of a device; absent: none"
    )
    load: ScenarioPath | None = Field(
        default=None,
        description="CSV file with the columns device, time_s and share: the share of the processor that"
        " other programs leave, constant until the device's next row; absent: the whole processor",
    )


class ServerSlowdown(Section):
    """The server switches between a normal and a slow state, whose durations are exponential."""

    factor: Annotated[float, Field(strict=True, ge=FACTOR_RANGE[0], le=FACTOR_RANGE[1])] = Field(
        default=5.0, description="factor by which computation takes longer in the slow state"
    )
    mean_normal_s: DurationOrNever = Field(
        default=60.0, description="mean duration of the normal state, s; .inf: it never ends"
    )
    mean_slow_s: Duration = Field(default=10.0, description="mean duration of the slow state, s")
