"""The schema of a scenario: every key, what it takes, its default. The user's page is docs/scenario.md.

Files hold dB, dBm and the like; everything computed from them is linear and SI.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, SerializeAsAny, field_validator, model_validator

from ..registry import Parameters
from ..section import Section
from .allocation import Allocation, ExplicitPower
from .compression import Compression
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
    ScenarioPath,
)
from .fleets import fleets, named_fleet
from .network import Network
from .participation import Participation
from .partition import Partition
from .registered import FadingParameters, PathLossParameters, Registered, SchemeParameters
from .sweep import Sweep

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
]

NamedModel = Annotated[SerializeAsAny[Parameters], Registered("model")]
NamedDataset = Annotated[SerializeAsAny[Parameters], Registered("dataset")]
NamedPathLoss = Annotated[SerializeAsAny[PathLossParameters], Registered("path_loss", key="model")]
NamedFading = Annotated[SerializeAsAny[FadingParameters], Registered("fading", key="model")]
NamedScheme = Annotated[SerializeAsAny[SchemeParameters], Registered("scheme")]
Fraction = Annotated[Number, Field(gt=0, le=1)]


class Stop(Section):
    """When a scheme's run ends: the first that is reached."""

    rounds: PositiveInt | None = Field(default=None, description="after so many rounds")
    time_s: Positive | None = Field(default=None, description="no round starts at or after this instant")
    accuracy: Fraction | None = Field(default=None, description="test accuracy, from 0 to 1")

    @model_validator(mode="after")
    def _any(self) -> Stop:
        if self.rounds is None and self.time_s is None and self.accuracy is None:
            raise ValueError("give at least one of rounds, time_s, accuracy")
        return self


class Optimizer(Section):
    """The optimiser of every client's and of the server's part, with a learning rate for each side."""

    name: Literal["adam", "sgd"] = Field(default="adam", description="the rule of a step")
    client_lr: Positive = Field(default=1.5e-4, description="learning rate of the clients' part")
    server_lr: Positive = Field(default=1.0e-4, description="learning rate of the server's part")
    momentum: Annotated[Number, Field(ge=0, lt=1)] = Field(default=0.0, description="of sgd")
    weight_decay: NonNegative = Field(default=0.0, description="L2 penalty")

    @model_validator(mode="after")
    def _momentum_is_for_sgd(self) -> Optimizer:
        if self.name == "adam" and self.momentum:
            raise ValueError(f"momentum is a key of sgd; adam takes none, not {self.momentum:g}")
        return self


ClientsPass: TypeAlias = Literal["looped", "batched", "measured"]
"""How the equal parts of several clients are passed through."""


class Learning(Section):
    """Real training in the loop; without this section the run is a timeline only."""

    dataset: NamedDataset = Field(
        default="synthetic", validate_default=True, description="what is learnt from"
    )
    partition: Partition = Partition()
    optimizer: Optimizer = Optimizer()
    evaluate_every: PositiveInt = Field(default=1, description="rounds between two evaluations")
    validation_share: Annotated[Number, Field(ge=0, lt=1)] = Field(
        default=0.0, description="share of the training set that is held out, to choose parameters by"
    )
    device: Literal["cpu", "cuda", "auto"] = Field(
        default="cpu", description="where training runs; auto: cuda where it is there"
    )
    precision: Literal["float32", "float64", "mixed"] = Field(
        default="float32",
        description="of weights and data; mixed: float32, with passes in bfloat16 where that is safe",
    )
    clients_pass: ClientsPass = Field(
        default="looped",
        description="equal parts of clients one after the other, batched, or as measured faster at the start",
    )
    threads: PositiveInt = Field(
        default=1, description="torch's threads; a fixed number keeps results equal on every machine"
    )


class Devices(Section):
    """The fleet. Each attribute is a number, a list with one value a device, or a distribution."""

    count: PositiveInt = Field(default=5, description="number of devices, each a client")
    fleet: str | None = Field(
        default=None, description="a named fleet, which gives attributes that are not given here"
    )
    clock_hz: PositivePerDevice = Field(default=Distribution(uniform=(1.0e9, 1.6e9)), description="cycles/s")
    cycles_per_flop: PositivePerDevice = Field(default=0.0625, description="κ; time = FLOPs·κ/clock")
    distance_m: Distances = Field(default=Placement(uniform_disc=200.0), description="to the access point")
    power_max_dbm: LevelPerDevice = Field(default=31.76, description="uplink power limit of one device")
    switched_capacitance: PositivePerDevice = Field(
        default=1e-28, description="ς, J·s²/cycle³; energy = ς·clock²·κ·FLOPs"
    )
    battery_j: PositivePerDevice | None = Field(
        default=None, description="energy for compute and uplink; a device that has spent it leaves the run"
    )
    positions: ScenarioPath | None = Field(
        default=None,
        description="CSV of x_m, y_m of each device, with time_s where they move; instead of distance_m",
    )
    memory_mib: PositivePerDevice | None = Field(
        default=None, description="for weights and a batch's activations of its part; absent: no limit"
    )
    uplink_bps: PositivePerDevice | None = Field(
        default=None, description="rate of a link of its own, in place of the radio; with downlink_bps"
    )
    downlink_bps: PositivePerDevice | None = Field(default=None, description="the other direction's")
    profile: str | tuple[str, ...] | None = Field(
        default=None, description="device of model.profile whose measured times they have, or one for each"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_the_fleet(cls, data: Any) -> Any:
        name = data.get("fleet") if isinstance(data, Mapping) else None
        if isinstance(name, str) and name in fleets():  # else it is told beside the other faults
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
        return self


class Server(Section):
    """The server behind the access point."""

    clock_hz: Positive = Field(default=5.0e9, description="cycles/s")
    cycles_per_flop: Positive = Field(default=0.03125, description="κ; time = FLOPs·κ/clock")
    switched_capacitance: Positive = Field(default=1e-28, description="ς, J·s²/cycle³")
    service: Literal["barrier", "arrival"] = Field(
        default="barrier",
        description="barrier: start when all data are there; arrival: a queue, first come first served",
    )
    profile: str | None = Field(
        default=None, description="device of model.profile whose measured times the server has"
    )
    memory_mib: Positive | None = Field(default=None, description="absent: no limit")
    price_per_hour: NonNegative = Field(default=0.0, description="in a currency of yours")


class Radio(Section):
    """One access point: OFDMA subchannels shared by the devices."""

    carrier_hz: Positive = Field(default=28.0e9, description="centre of the band")
    subchannels: PositiveInt = Field(default=20, description="number of subchannels")
    subchannel_hz: Positive = Field(default=10.0e6, description="bandwidth of one subchannel")
    antenna_gain: Positive = Field(default=10.0, description="product of both antennas' gains, linear")
    noise_dbm_per_hz: Level = Field(default=-174.0, description="power spectral density of the noise")
    downlink_dbm_per_hz: Level = Field(default=-50.0, description="power spectral density of the downlink")
    uplink_total_power_max_dbm: Level = Field(default=36.99, description="limit of all devices together")
    spectral_efficiency_max: Positive | None = Field(
        default=None, description="cap in bit/s/Hz; real modems stop near 7.4"
    )
    path_loss: NamedPathLoss = Field(
        default="samimi_28ghz", validate_default=True, description="from distances to channel gains"
    )
    fading: NamedFading = Field(default="none", validate_default=True, description="from block to block")
    sharing: Literal["dedicated", "work_conserving", "tdma"] = Field(
        default="dedicated",
        description="dedicated: each client keeps its subchannels for the whole round; work_conserving: those"
        " of clients that are not sending serve the others; tdma: slots of the whole band",
    )
    tdma_slot_s: Positive = Field(default=1.0e-3, description="longest turn of a client with sharing: tdma")

    @model_validator(mode="after")
    def _band_above_zero(self) -> Radio:
        band_hz = self.subchannels * self.subchannel_hz
        if self.carrier_hz <= band_hz / 2:
            raise ValueError(
                f"a band of {self.subchannels} x {self.subchannel_hz:g} Hz around carrier_hz"
                f" {self.carrier_hz:g} reaches below 0 Hz"
            )
        return self


class Slowdown(Section):
    """A device switches between normal and slow; both states last exponentially distributed times."""

    factor: Annotated[Number, Field(ge=1)] = Field(
        default=5.0, description="slow: compute takes so much longer"
    )
    mean_normal_s: Positive = Field(default=60.0, description="mean time in the normal state")
    mean_slow_s: Positive = Field(default=10.0, description="mean time in the slow state")


class Stragglers(Section):
    """What makes devices late beyond their clocks."""

    slowdown: Slowdown | None = None


class RoundPolicy(Section):
    """Whom a round waits for: all, or those in time."""

    wait: Literal["all"] | None = Field(default=None, description="for all; the default")
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


class Scenario(Section):
    """One experiment: devices, a channel, a model, and the training schemes to compare on them."""

    name: Annotated[str, Field(min_length=1, description="of the run's folder and of its tables")]
    seed: Index = Field(default=0, description="of every draw")
    stop: Stop
    target_accuracy: Fraction = Field(
        default=0.755, description="for time and rounds to target; stops nothing"
    )
    schemes: Annotated[
        tuple[NamedScheme, ...], Field(min_length=1, description="run one after the other, on equal terms")
    ]
    batch_size: PositiveInt = Field(default=64, description="samples of each client in a round")
    model: NamedModel = Field(description="what is split")
    learning: Learning | None = None
    devices: Devices = Devices()
    server: Server = Server()
    network: Network | None = Field(default=None, description="compute nodes, for schemes of several hops")
    compression: Compression | None = Field(
        default=None, description="of every scheme that has none of its own; absent: none"
    )
    radio: Radio = Field(default={}, validate_default=True)
    allocation: Allocation = Field(default={}, validate_default=True)
    stragglers: Stragglers | None = None
    participation: Participation | None = Field(
        default=None, description="who takes part in a round; absent: all devices, in every round"
    )
    round_policy: RoundPolicy = RoundPolicy(wait="all")
    sweep: Sweep | None = None
