"""The schema of a scenario: every key, what it takes, its default. The user's page is docs/scenario.md.

Files hold dB, dBm and the like; everything computed from them is linear and SI.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, model_validator

from .fields import (
    Distances,
    Distribution,
    Index,
    Level,
    LevelPerDevice,
    NonNegative,
    Number,
    Placement,
    Positive,
    PositiveInt,
    PositivePerDevice,
)
from .named import MethodOr, PathLossParameters, Registered, SchemeParameters
from .partition import Partition
from .registry import Parameters
from .section import Section

__all__ = [
    "Allocation",
    "Devices",
    "ExplicitPower",
    "Learning",
    "Optimizer",
    "Radio",
    "RoundPolicy",
    "Scenario",
    "Server",
    "Slowdown",
    "Stop",
    "Stragglers",
    "Sweep",
]

NamedModel = Annotated[SerializeAsAny[Parameters], Registered("model")]
NamedDataset = Annotated[SerializeAsAny[Parameters], Registered("dataset")]
NamedPathLoss = Annotated[SerializeAsAny[PathLossParameters], Registered("path_loss", key="model")]
NamedScheme = Annotated[SerializeAsAny[SchemeParameters], Registered("scheme")]
Fraction = Annotated[Number, Field(gt=0, le=1)]


class Stop(Section):
    """When a scheme's run ends: the first that is reached."""

    rounds: PositiveInt | None = None
    time_s: Positive | None = Field(default=None, description="no round starts at or after this instant")
    accuracy: Fraction | None = Field(default=None, description="test accuracy, from 0 to 1")

    @model_validator(mode="after")
    def _any(self) -> Stop:
        if self.rounds is None and self.time_s is None and self.accuracy is None:
            raise ValueError("give at least one of rounds, time_s, accuracy")
        return self


class Optimizer(Section):
    """The optimiser of every client's and of the server's part, with a learning rate for each side."""

    name: Literal["adam", "sgd"] = "adam"
    client_lr: Positive = 1.5e-4
    server_lr: Positive = 1.0e-4
    momentum: Annotated[Number, Field(ge=0, lt=1)] = Field(default=0.0, description="of sgd")
    weight_decay: NonNegative = 0.0

    @model_validator(mode="after")
    def _momentum_is_for_sgd(self) -> Optimizer:
        if self.name == "adam" and self.momentum:
            raise ValueError(f"momentum is a key of sgd; adam takes none, not {self.momentum:g}")
        return self


class Learning(Section):
    """Real training in the loop; without this section the run is a timeline only."""

    dataset: NamedDataset = Field(default="synthetic", validate_default=True)
    partition: Partition = Partition()
    optimizer: Optimizer = Optimizer()
    evaluate_every: PositiveInt = Field(default=1, description="rounds between two evaluations")
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    precision: Literal["float32", "float64"] = "float32"
    threads: PositiveInt = Field(
        default=1, description="torch's threads; a fixed number keeps results equal on every machine"
    )


class Devices(Section):
    """The fleet. Each attribute is a number, a list with one value a device, or a distribution."""

    count: PositiveInt = 5
    clock_hz: PositivePerDevice = Field(default=Distribution(uniform=(1.0e9, 1.6e9)), description="cycles/s")
    cycles_per_flop: PositivePerDevice = Field(default=0.0625, description="κ; time = FLOPs·κ/clock")
    distance_m: Distances = Field(default=Placement(uniform_disc=200.0), description="to the access point")
    power_max_dbm: LevelPerDevice = Field(default=31.76, description="uplink power limit of one device")
    switched_capacitance: PositivePerDevice = Field(
        default=1e-28, description="ς, J·s²/cycle³; energy = ς·clock²·κ·FLOPs"
    )


class Server(Section):
    """The server behind the access point."""

    clock_hz: Positive = 5.0e9
    cycles_per_flop: Positive = 0.03125
    switched_capacitance: Positive = 1e-28
    service: Literal["barrier", "arrival"] = Field(
        default="barrier",
        description="barrier: start when all data are there; arrival: a queue, first come first served",
    )


class Fading(Section):
    """How gains change over time; not at all."""

    model: Literal["none"] = "none"


class Radio(Section):
    """One access point: OFDMA subchannels shared by the devices."""

    carrier_hz: Positive = 28.0e9
    subchannels: PositiveInt = 20
    subchannel_hz: Positive = 10.0e6
    antenna_gain: Positive = Field(default=10.0, description="product of both antennas' gains, linear")
    noise_dbm_per_hz: Level = -174.0
    downlink_dbm_per_hz: Level = -50.0
    uplink_total_power_max_dbm: Level = Field(default=36.99, description="limit of all devices together")
    spectral_efficiency_max: Positive | None = Field(
        default=None, description="cap in bit/s/Hz; real modems stop near 7.4"
    )
    path_loss: NamedPathLoss = Field(default="samimi_28ghz", validate_default=True)
    fading: Fading = Fading()
    sharing: Literal["dedicated"] = "dedicated"

    @model_validator(mode="after")
    def _band_above_zero(self) -> Radio:
        band_hz = self.subchannels * self.subchannel_hz
        if self.carrier_hz <= band_hz / 2:
            raise ValueError(
                f"a band of {self.subchannels} x {self.subchannel_hz:g} Hz around carrier_hz"
                f" {self.carrier_hz:g} reaches below 0 Hz"
            )
        return self


class ExplicitPower(Section):
    """Uplink power spectral densities given by hand, one a device."""

    dbm_per_hz: Annotated[tuple[Level, ...], Field(min_length=1)]


Assignment = tuple[tuple[Index, ...], ...]
"""The subchannels of each device, by index from 0."""


class Allocation(Section):
    """Who gets which subchannels, at what power, and where the model is cut: a method or a value each."""

    subchannels: Annotated[Assignment | str, MethodOr("subchannels", Assignment)] = "greedy"
    power: Annotated[ExplicitPower | str, MethodOr("power", ExplicitPower)] = "optimal"
    cut: Annotated[int | str, MethodOr("cut", PositiveInt)] = "optimal"


class Slowdown(Section):
    """A device switches between normal and slow; both states last exponentially distributed times."""

    factor: Annotated[Number, Field(ge=1)] = Field(
        default=5.0, description="slow: compute takes so much longer"
    )
    mean_normal_s: Positive = 60.0
    mean_slow_s: Positive = 10.0


class Stragglers(Section):
    """What makes devices late beyond their clocks."""

    slowdown: Slowdown | None = None


class RoundPolicy(Section):
    """Whom a round waits for: all, or those in time."""

    wait: Literal["all"] | None = None
    deadline_s: Positive | None = Field(
        default=None, description="from the round's start; a client that is later is left out of the round"
    )

    @model_validator(mode="before")
    @classmethod
    def _wait_for_all(cls, data: Any) -> Any:
        return {"wait": "all"} if data == {} else data

    @model_validator(mode="after")
    def _one(self) -> RoundPolicy:
        if (self.wait is None) == (self.deadline_s is None):
            raise ValueError("give either wait: all or deadline_s")
        return self


Values = dict[str, list[Any]]
Overrides = tuple[dict[str, Any], ...]


class Sweep(Section):
    """Points of a study: overrides of the scenario by dotted keys."""

    grid: Values = Field(default={}, description="every combination of the values")
    zip: Values = Field(default={}, description="the values side by side")
    list: Overrides = Field(default=(), description="points written out")
    seeds: PositiveInt | tuple[Index, ...] | None = None


class Scenario(Section):
    """One experiment: devices, a channel, a model, and the training schemes to compare on them."""

    name: Annotated[str, Field(min_length=1)]
    seed: Index = 0
    stop: Stop
    target_accuracy: Fraction = Field(
        default=0.755, description="for time and rounds to target; stops nothing"
    )
    schemes: Annotated[tuple[NamedScheme, ...], Field(min_length=1)]
    batch_size: PositiveInt = 64
    model: NamedModel
    learning: Learning | None = None
    devices: Devices = Devices()
    server: Server = Server()
    radio: Radio = Field(default={}, validate_default=True)
    allocation: Allocation = Field(default={}, validate_default=True)
    stragglers: Stragglers | None = None
    round_policy: RoundPolicy = RoundPolicy(wait="all")
    sweep: Sweep | None = None
