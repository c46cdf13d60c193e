"""The schema of a scenario: type, default and description of each key. The user's page is docs/scenario.md.

Scenario files use dB and dBm; all computed quantities are linear and in SI units.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, SerializeAsAny, model_validator

from ..registry import Parameters
from ..section import Section
from ..text import Label, Text
from .allocation import Allocation, ExplicitPower
from .compression import Compression
from .devices import Devices
from .faults import FaultSections
from .fields import (
    WHOLE_NUMBER,
    Clock,
    CyclesPerFlop,
    Duration,
    Frequency,
    Level,
    NonNegative,
    Number,
    Positive,
    PositiveInt,
    Seed,
)
from .network import Network
from .participation import Participation
from .partition import Partition
from .registered import FadingParameters, PathLossParameters, Registered, SchemeParameters
from .round_policy import RoundPolicy
from .stragglers import Stragglers
from .sweep import Sweep

__all__ = [
    "Allocation",
    "Devices",
    "ExplicitPower",
    "Learning",
    "Optimizer",
    "Radio",
    "Scenario",
    "Server",
    "Stop",
]

NamedModel = Annotated[SerializeAsAny[Parameters], Registered("model")]
NamedDataset = Annotated[SerializeAsAny[Parameters], Registered("dataset")]
NamedPathLoss = Annotated[SerializeAsAny[PathLossParameters], Registered("path_loss", key="model")]
NamedFading = Annotated[SerializeAsAny[FadingParameters], Registered("fading", key="model")]
NamedScheme = Annotated[SerializeAsAny[SchemeParameters], Registered("scheme")]
Fraction = Annotated[Number, Field(gt=0, le=1)]
LearningRate = Annotated[Positive, Field(le=1e30)]
"""A learning rate. PyTorch raises an error for values that are not in the range of float32."""


class Stop(Section):
    """The end of a scheme's run: the first limit that is reached; give at least one."""

    rounds: PositiveInt | None = Field(default=None, description="number of rounds; absent: no limit")
    time_s: Duration | None = Field(
        default=None,
        description="simulated time, s; no round starts at or after this time; absent: no limit",
    )
    accuracy: Fraction | None = Field(
        default=None, description="test accuracy, from 0 to 1; needs a learning section; absent: no limit"
    )

    @model_validator(mode="after")
    def _any(self) -> Stop:
        if self.rounds is None and self.time_s is None and self.accuracy is None:
            raise ValueError("give at least one of rounds, time_s, accuracy")
        return self


class Optimizer(Section):
    """The optimiser of all model parts, with one learning rate for the clients and one for the server."""

    name: Literal["adam", "sgd"] = Field(default="adam", description="update rule of the weights")
    client_lr: LearningRate = Field(
        default=1.5e-4, description="learning rate of the clients' part of the model"
    )
    server_lr: LearningRate = Field(
        default=1.0e-4, description="learning rate of the server's part of the model"
    )
    momentum: Annotated[Number, Field(ge=0, lt=1)] = Field(default=0.0, description="momentum; only for sgd")
    weight_decay: Annotated[NonNegative, Field(le=1e30)] = Field(
        default=0.0, description="weight of the L2 penalty"
    )

    @model_validator(mode="after")
    def _momentum_is_for_sgd(self) -> Optimizer:
        if self.name == "adam" and self.momentum:
            raise ValueError(f"momentum belongs to sgd; leave it out with adam; it is {self.momentum:g}")
        return self

    @property
    def state_copies(self) -> int:
        """Return the number of values that the optimiser keeps for each parameter."""
        return 2 if self.name == "adam" else int(self.momentum > 0)


SUBCHANNELS_MAX = 100_000
BATCH_SIZE_MAX = 10_000_000
SCHEMES_MAX = 1000
THREADS_MAX = 256

ClientsPass: TypeAlias = Literal["looped", "batched", "measured"]
"""The computation of the equal model parts of several clients: one by one, in one batch, or the faster."""


class Learning(Section):
    """Real training of the model; without this section a run computes only the timeline."""

    dataset: NamedDataset = Field(
        default="synthetic", validate_default=True, description="data set for training and test"
    )
    partition: Partition = Field(
        default=Partition(), description="division of the training samples among the clients"
    )
    optimizer: Optimizer = Field(default=Optimizer(), description="optimiser and its learning rates")
    evaluate_every: PositiveInt = Field(
        default=1, description="number of rounds between two evaluations of the test accuracy"
    )
    on_divergence: Literal["stop", "continue"] = Field(
        default="stop",
        description="action if the training loss or a model is not finite; stop: the scheme ends with this"
        " round; continue: the scheme continues, which needs stop.rounds or stop.time_s",
    )
    validation_share: Annotated[Number, Field(ge=0, lt=1)] = Field(
        default=0.0, description="share of the training set that is held out for validation; 0: none"
    )
    device: Literal["cpu", "cuda", "auto"] = Field(
        default="cpu", description="device of torch that trains; auto: cuda if the machine has it, else cpu"
    )
    precision: Literal["float32", "float64", "mixed"] = Field(
        default="float32",
        description="precision of weights and data; mixed: float32, with forward and backward passes in"
        " bfloat16 where that is safe",
    )
    clients_pass: ClientsPass = Field(
        default="looped",
        description="computation of the equal model parts of several clients; looped: one after the other;"
        " batched: in one batch; measured: the faster of both, measured at the start",
    )
    threads: Annotated[int, Field(ge=1, le=THREADS_MAX), WHOLE_NUMBER] = Field(
        default=1,
        description="number of torch's threads; a fixed number gives equal results on every machine",
    )


class Server(Section):
    """The server, which is connected to the access point."""

    clock_hz: Clock = Field(default=5.0e9, description="clock of the server, cycles/s")
    cycles_per_flop: CyclesPerFlop = Field(
        default=0.03125, description="κ: cycles per FLOP; time = FLOPs·κ/clock"
    )
    switched_capacitance: Positive = Field(
        default=1e-28,
        description="ς: effective switched capacitance, J·s²/cycle³; energy = ς·clock²·κ·FLOPs",
    )
    service: Literal["barrier", "arrival"] = Field(
        default="barrier",
        description="barrier: computation starts when the data of all clients have arrived; arrival: a queue,"
        " first come, first served",
    )
    profile: Text | None = Field(
        default=None,
        description="device of model.profile whose measured times apply to the server; absent: times follow"
        " from FLOPs",
    )
    memory_mib: Positive | None = Field(
        default=None, description="memory of the server, MiB; absent: no limit"
    )
    price_per_hour: NonNegative = Field(
        default=0.0, description="price of one hour of the server, in any currency"
    )


class Radio(Section):
    """The radio between the devices and one access point: OFDMA subchannels that the devices share."""

    carrier_hz: Frequency = Field(default=28.0e9, description="centre frequency of the band, Hz")
    subchannels: Annotated[int, Field(ge=1, le=SUBCHANNELS_MAX), WHOLE_NUMBER] = Field(
        default=20, description="number of subchannels"
    )
    subchannel_hz: Frequency = Field(default=10.0e6, description="bandwidth of one subchannel, Hz")
    antenna_gain: Positive = Field(default=10.0, description="product of the gains of both antennas, linear")
    noise_dbm_per_hz: Level = Field(default=-174.0, description="power spectral density of the noise, dBm/Hz")
    downlink_dbm_per_hz: Level = Field(
        default=-50.0, description="power spectral density of the downlink, dBm/Hz"
    )
    uplink_total_power_max_dbm: Level = Field(
        default=36.99, description="largest sum of the uplink powers of all devices, dBm"
    )
    spectral_efficiency_max: Positive | None = Field(
        default=None,
        description="largest spectral efficiency, bit/s/Hz, about 7.4 for real modems; absent: no limit",
    )
    path_loss: NamedPathLoss = Field(
        default="samimi_28ghz", validate_default=True, description="model of channel gains from distances"
    )
    fading: NamedFading = Field(
        default="none",
        validate_default=True,
        description="model of channel gains that change from one coherence block to the next",
    )
    sharing: Literal["dedicated", "work_conserving", "tdma"] = Field(
        default="dedicated",
        description="medium access; dedicated: each client has its subchannels for the whole round;"
        " work_conserving: idle clients' subchannels serve the others; tdma: clients take turns on the whole"
        " band",
    )
    tdma_slot_s: Duration = Field(
        default=1.0e-3, description="for sharing tdma: longest slot of one client, s"
    )

    @model_validator(mode="after")
    def _band_above_zero(self) -> Radio:
        band_hz = self.subchannels * self.subchannel_hz
        if self.carrier_hz <= band_hz / 2:
            raise ValueError(
                f"a band of {self.subchannels} x {self.subchannel_hz:g} Hz around carrier_hz"
                f" {self.carrier_hz:g} reaches below 0 Hz"
            )
        return self


class Scenario(Section):
    """One experiment: devices, a channel, a model, and the training schemes to compare on them."""

    name: Label = Field(description="name of the run in folders and tables")
    seed: Seed = Field(default=0, description="seed of all random numbers")
    stop: Stop = Field(description="end of a scheme's run")
    target_accuracy: Fraction | None = Field(
        default=None,
        description="test accuracy for the results time_to_target_s and rounds_to_target, from 0 to 1; it"
        " does not end a run; absent: no target",
    )
    schemes: Annotated[
        tuple[NamedScheme, ...],
        Field(
            min_length=1,
            max_length=SCHEMES_MAX,
            description="training schemes; each runs alone, on the same devices and channel",
        ),
    ]
    batch_size: Annotated[int, Field(ge=1, le=BATCH_SIZE_MAX), WHOLE_NUMBER] = Field(
        default=64, description="number of samples in a mini-batch of one client"
    )
    model: NamedModel = Field(description="model that the schemes split and train")
    learning: Learning | None = Field(
        default=None, description="real training; absent: the run computes only the timeline"
    )
    devices: Devices = Field(default=Devices(), description="the devices, which are the clients")
    server: Server = Field(default=Server(), description="the server")
    network: Network | None = Field(
        default=None, description="compute nodes for multi-hop schemes; absent: no compute nodes"
    )
    compression: Compression | None = Field(
        default=None,
        description="compression of all schemes that do not give their own; absent: no compression",
    )
    radio: Radio = Field(
        default={}, validate_default=True, description="the radio between devices and access point"
    )
    allocation: Allocation = Field(
        default={}, validate_default=True, description="subchannels, transmit power and cut layer"
    )
    stragglers: Stragglers | None = Field(
        default=None, description="causes of slow computations besides slow clocks; absent: none"
    )
    faults: FaultSections | None = Field(
        default=None,
        description="failures of devices, links and the server, and lost messages; absent: none",
    )
    participation: Participation | None = Field(
        default=None, description="client sampling; absent: all devices take part in every round"
    )
    round_policy: RoundPolicy = Field(
        default=RoundPolicy(wait="all"), description="the clients that a round waits for; default: all"
    )
    sweep: Sweep | None = Field(default=None, description="points and figures of a sweep; absent: no sweep")

    @property
    def clients_per_round(self) -> int:
        """Return the largest number of clients that take part in a round of any scheme."""
        return max(self._clients_of(scheme) for scheme in self.schemes)

    def _clients_of(self, scheme: SchemeParameters) -> int:
        participation, count = self.participation_of(scheme), len(self.devices.included)
        return min(participation.per_round, count) if participation else count

    def round_policy_of(self, scheme: SchemeParameters) -> RoundPolicy:
        """Return the round policy of a scheme: its own, or else the scenario's."""
        return scheme.round_policy or self.round_policy

    def participation_of(self, scheme: SchemeParameters) -> Participation | None:
        """Return the client sampling of a scheme; None if all devices take part in its rounds.

        The number of clients that its round policy selects replaces ``participation.per_round``.
        """
        over_select = self.round_policy_of(scheme).over_select
        if over_select is None:
            return self.participation
        if self.participation is not None:
            return self.participation.model_copy(update={"per_round": over_select})
        return Participation(per_round=over_select) if over_select < len(self.devices.included) else None
