"""Scenario section ``faults``: devices, links and the server that fail, and messages that are lost."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..section import Section
from .fields import Duration, DurationOrNever, Positive, PositiveInt, ScenarioPath
from .stragglers import ServerSlowdown

__all__ = ["Availability", "FaultSections", "Outage", "PacketLoss", "ServerFaults"]

Probability = Annotated[float, Field(strict=True, ge=0, lt=1)]
_PacketLossRate = Annotated[float, Field(strict=True, ge=0, le=0.999)]
_PacketSize = Annotated[Positive, Field(ge=1)]


def _one_form(section: Section, *forms: tuple[str, ...]) -> None:
    """Check that a section has all keys of exactly one form.

    Raises
    ------
    ValueError
        If it has not.
    """
    given = [[getattr(section, key) is not None for key in form] for form in forms]
    if sum(map(any, given)) != 1 or not any(map(all, given)):
        raise ValueError(f"give either {' or '.join(' and '.join(form) for form in forms)}")


class Availability(Section):
    """Devices that are offline at times; one that goes offline in a round loses its current activity."""

    mean_on_s: DurationOrNever | None = Field(
        default=None, description="mean time that a device is online, s; .inf: it never goes offline"
    )
    mean_off_s: DurationOrNever | None = Field(
        default=None, description="mean time that a device is offline, s"
    )
    file: ScenarioPath | None = Field(
        default=None,
        description="CSV file with the columns device, time_s and online (0 or 1), instead of the means",
    )

    @model_validator(mode="after")
    def _one(self) -> Availability:
        _one_form(self, ("mean_on_s", "mean_off_s"), ("file",))
        return self


class Outage(Section):
    """Links of a device that are interrupted at times, in both directions together."""

    mean_up_s: DurationOrNever | None = Field(
        default=None, description="mean time between two outages of a device's links, s; .inf: no outage"
    )
    mean_down_s: DurationOrNever | None = Field(default=None, description="mean duration of an outage, s")
    file: ScenarioPath | None = Field(
        default=None,
        description="CSV file with the columns device, time_s and up (0 or 1), instead of the means",
    )
    restart: bool = Field(
        default=False,
        description="whether a transfer begins again after an outage; else it continues where it stopped",
    )

    @model_validator(mode="after")
    def _one(self) -> Outage:
        _one_form(self, ("mean_up_s", "mean_down_s"), ("file",))
        if self.mean_down_s == math.inf and self.mean_up_s != math.inf:
            raise ValueError("mean_down_s must be finite: no transfer ends after an outage that never ends")
        return self


class PacketLoss(Section):
    """Packets that are lost with a probability, and are sent until they arrive."""

    packet_bits: _PacketSize = Field(default=12000.0, description="size of a packet, bit")
    rate: _PacketLossRate | None = Field(
        default=None, description="probability that a packet is lost, from 0 to 0.999"
    )
    by: Literal["snr"] | None = Field(
        default=None, description="snr: the probability follows from the signal-to-noise ratio by file"
    )
    file: ScenarioPath | None = Field(
        default=None,
        description="CSV file with the columns snr_db and bler: the block error rate, interpolated linearly",
    )
    max_tries: PositiveInt | None = Field(
        default=None,
        description="number of times that a packet is sent before its message is lost; absent: no limit",
    )

    @model_validator(mode="after")
    def _one(self) -> PacketLoss:
        _one_form(self, ("rate",), ("by", "file"))
        return self


class ServerFaults(Section):
    """A server that is slower at times, or stops at times; its work then continues where it stopped."""

    slowdown: ServerSlowdown | None = Field(default=None, description="slow-downs; absent: none")
    mean_up_s: DurationOrNever | None = Field(
        default=None, description="mean time between two failures, s; .inf: none; absent: none"
    )
    mean_down_s: Duration | None = Field(default=None, description="mean duration of a failure, s")

    @model_validator(mode="after")
    def _something(self) -> ServerFaults:
        if (self.mean_up_s is None) != (self.mean_down_s is None):
            raise ValueError("give both mean_up_s and mean_down_s, or neither")
        if self.slowdown is None and self.mean_up_s is None:
            raise ValueError("give slowdown, or mean_up_s and mean_down_s")
        return self


class FaultSections(Section):
    """Failures of devices, links and the server, and lost messages."""

    availability: Availability | None = Field(
        default=None, description="times in which devices are offline, also in the middle of a round;"
        " absent: always online",
    )  # fmt: skip
    outage: Outage | None = Field(default=None, description="interruptions of links; absent: none")
    packet_loss: PacketLoss | None = Field(default=None, description="lost packets; absent: none")
    server: ServerFaults | None = Field(
        default=None, description="slow-downs and failures of the server; absent: none"
    )
    lost_update: Probability | None = Field(
        default=None,
        description="probability that an upload never arrives, although it is sent; absent: 0",
    )
