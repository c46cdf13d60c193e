"""Scenario section ``devices``: the clients' processors, places, powers, memories and links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from ..section import Section
from ..text import Text
from .fields import (
    DISTANCE_MAX_M,
    NAME_OR_LIST,
    WHOLE_NUMBER,
    BitRate,
    BitRatePerDevice,
    Clock,
    ClockPerDevice,
    CyclesPerFlop,
    CyclesPerFlopPerDevice,
    Distances,
    Distribution,
    Index,
    Level,
    LevelPerDevice,
    NonNegative,
    NonNegativePerDevice,
    Placement,
    Positive,
    PositivePerDevice,
    ScenarioPath,
)
from .fleets import fleets, named_fleet

__all__ = ["DeviceOverrides", "Devices", "LinkTraceFiles"]

DEVICES_MAX = 1_000_000
DeviceNumber = Annotated[int, Field(ge=0, lt=DEVICES_MAX)]
"""The number of a device as the key of a mapping, where it may be text."""


class DeviceOverrides(Section):
    """Attributes of a single device, instead of the random ones; absent: the random ones."""

    clock_hz: Clock | None = Field(default=None, description="clock, cycles/s")
    cycles_per_flop: CyclesPerFlop | None = Field(default=None, description="κ: cycles per FLOP")
    distance_m: Annotated[NonNegative, Field(le=DISTANCE_MAX_M)] | None = Field(
        default=None, description="distance to the access point, m"
    )
    power_max_dbm: Level | None = Field(default=None, description="largest uplink power, dBm")
    switched_capacitance: Positive | None = Field(
        default=None, description="ς: effective switched capacitance, J·s²/cycle³"
    )
    power_idle_w: NonNegative | None = Field(default=None, description="power while it is idle, W")
    power_receive_w: NonNegative | None = Field(default=None, description="power of the receiver, W")
    power_circuit_w: NonNegative | None = Field(default=None, description="power of the circuits, W")
    battery_j: Positive | None = Field(default=None, description="energy of the battery, J")
    memory_mib: Positive | None = Field(default=None, description="memory, MiB")
    uplink_bps: BitRate | None = Field(
        default=None, description="uplink rate, bit/s; only where devices.uplink_bps is given"
    )
    downlink_bps: BitRate | None = Field(
        default=None, description="downlink rate, bit/s; only where devices.downlink_bps is given"
    )


_FileOrFiles = Annotated[
    Annotated[ScenarioPath, Tag("name")]
    | Annotated[Annotated[tuple[ScenarioPath, ...], Field(min_length=1)], Tag("list")],
    NAME_OR_LIST,
]
"""One file for all devices, or a list with one for each device."""


class LinkTraceFiles(Section):
    """Rates of links in mahimahi's format: each line is a time in ms, at which 1500 bytes can pass."""

    uplink: _FileOrFiles = Field(
        description="file of the uplinks, or a list with one for each device; it begins again after its end"
    )
    downlink: _FileOrFiles = Field(
        description="file of the downlinks, or a list with one for each device; it begins again after its end"
    )


_LinkTrace = Annotated[
    Annotated[ScenarioPath, Tag("file")] | Annotated[LinkTraceFiles, Tag("files")],
    Discriminator(lambda value: "files" if isinstance(value, Mapping | LinkTraceFiles) else "file"),
]


class Devices(Section):
    """The devices. Each attribute is a number, a list with one value for each device, or a distribution."""

    count: Annotated[int, Field(ge=1, le=DEVICES_MAX), WHOLE_NUMBER] = Field(
        default=5, description="number of devices; each is a client"
    )
    fleet: Text | None = Field(
        default=None,
        description="named fleet, which sets the attributes that the scenario does not give; absent: the"
        " defaults below",
    )
    clock_hz: ClockPerDevice = Field(
        default=Distribution(uniform=(1.0e9, 1.6e9)), description="clock of each device, cycles/s"
    )
    cycles_per_flop: CyclesPerFlopPerDevice = Field(
        default=0.0625, description="κ: cycles per FLOP; time = FLOPs·κ/clock"
    )
    distance_m: Distances = Field(
        default=Placement(uniform_disc=200.0), description="distance to the access point, m"
    )
    power_max_dbm: LevelPerDevice = Field(
        default=31.76, description="largest uplink power of one device, dBm"
    )
    switched_capacitance: PositivePerDevice = Field(
        default=1e-28,
        description="ς: effective switched capacitance, J·s²/cycle³; energy = ς·clock²·κ·FLOPs",
    )
    power_idle_w: NonNegativePerDevice = Field(
        default=0.0,
        description="power of a device in a round while it neither computes, sends nor receives, W",
    )
    power_receive_w: NonNegativePerDevice = Field(
        default=0.0, description="power of the receiver while a transfer or a broadcast arrives, W"
    )
    power_circuit_w: NonNegativePerDevice = Field(
        default=0.0,
        description="power of the circuits while the device sends, in addition to the radiated power, W",
    )
    battery_j: PositivePerDevice | None = Field(
        default=None,
        description="energy of the battery, J; a device with an empty battery leaves the run;"
        " absent: no limit",
    )
    positions: ScenarioPath | None = Field(
        default=None,
        description="CSV file with the columns x_m and y_m of each device, and time_s if devices move,"
        " instead of distance_m; absent: use distance_m",
    )
    memory_mib: PositivePerDevice | None = Field(
        default=None,
        description="memory for the weights and the mini-batch's activations of the device's part, MiB;"
        " absent: no limit",
    )
    uplink_bps: BitRatePerDevice | None = Field(
        default=None,
        description="constant uplink rate of the device, bit/s, instead of the radio; give downlink_bps too;"
        " absent: use the radio",
    )
    downlink_bps: BitRatePerDevice | None = Field(
        default=None,
        description="constant downlink rate of the device, bit/s, instead of the radio; give uplink_bps too;"
        " absent: use the radio",
    )
    link_trace: _LinkTrace | None = Field(
        default=None,
        description="rates of the devices' own links over time, instead of the radio: a CSV file with the"
        " columns device, time_s, uplink_bps and downlink_bps, or files in mahimahi's format; absent: none",
    )
    profile: Text | tuple[Text, ...] | None = Field(
        default=None,
        description="device of model.profile whose measured times apply to all devices, or one for each",
    )

    overrides: dict[DeviceNumber, DeviceOverrides] = Field(
        default={},
        description="attributes of single devices by number, instead of the random ones; those of other"
        " devices do not change",
    )
    exclude: tuple[Index, ...] = Field(
        default=(),
        description="numbers of devices that do not take part; the other devices keep their numbers,"
        " attributes and data",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_the_fleet(cls, data: Any) -> Any:
        name = data.get("fleet") if isinstance(data, Mapping) else None
        if isinstance(name, str) and name in fleets():  # an unknown name is an issue of its own
            return {**named_fleet(name).devices, **data}
        return data

    @field_validator("fleet")
    @classmethod
    def _fleet_exists(cls, name: str | None) -> str | None:
        if name is not None:
            named_fleet(name)
        return name

    @model_validator(mode="after")
    def _both_directions(self) -> Devices:
        if (self.uplink_bps is None) != (self.downlink_bps is None):
            raise ValueError("give both uplink_bps and downlink_bps, or neither")
        if self.uplink_bps is not None and self.link_trace is not None:
            raise ValueError("link_trace gives the rates already; leave out uplink_bps and downlink_bps")
        return self

    @cached_property
    def included(self) -> Sequence[int]:
        """Return the numbers of the devices that are not excluded, in rising order."""
        excluded = set(self.exclude)
        if not excluded:
            return range(self.count)
        return tuple(device for device in range(self.count) if device not in excluded)

    @property
    def has_fixed_links(self) -> bool:
        """Return whether the devices have links of their own instead of the radio."""
        return self.uplink_bps is not None or self.link_trace is not None
