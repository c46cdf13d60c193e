"""EPSL: parallel split learning with last-layer gradient aggregation; PSL is its case φ = 0.

Lin et al., "Efficient Parallel Split Learning over Resource-constrained Wireless Edge Networks";
docs/model.md section 3 has the times and the learning of a round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from ...scenarios.model_costs.training_memory import LOSS_BITS_PER_ROW, PartMemory
from ...scenarios.schema.fields import Number, PositiveInt
from ...scenarios.schema.registered import SchemeParameters
from ...scenarios.section import Section
from ..allocation.problem import RoundWork
from ..costs.stages import merged_slots
from .base import Round, RoundContext, RoundOutcome, TrainingTask
from .deployment import Deployment
from .parallel_round import ParallelSplit
from .planning.plan import SchemePlan

__all__ = ["EPSL", "EpslParameters", "EpslPtParameters", "PslParameters", "TrainingPhase"]

AggregationShare = Annotated[Number, Field(ge=0, le=1)]
Aggregation = Literal["virtual", "exact"]
SecondForward = Annotated[
    bool,
    Field(
        description="whether the server's second forward pass costs time, which virtual aggregation needs for"
        " the rows that it back-propagates; false: the paper's times, without that pass"
    ),
]


class TrainingPhase(Section):
    """A phase of training with its own aggregation share; the last phase has no ``rounds``."""

    rounds: PositiveInt | None = Field(
        default=None, description="number of rounds of this phase; absent in the last phase"
    )
    phi: AggregationShare = Field(description="share φ of a mini-batch's slots that is aggregated, 0 to 1")


class PslParameters(SchemeParameters):
    """The parameters of PSL: only those of all schemes."""

    @property
    def phases(self) -> tuple[TrainingPhase, ...]:
        """Return one phase without aggregation."""
        return (TrainingPhase(phi=0.0),)

    @property
    def plan_phi(self) -> float:
        """Return the aggregation share φ that plans are made for."""
        return 0.0

    @property
    def aggregation(self) -> Aggregation:
        """Return a form of aggregation, which has no effect for φ = 0."""
        return "virtual"

    @property
    def charge_second_forward(self) -> bool:
        """Return False: without aggregation there is one forward pass."""
        return False


class EpslParameters(SchemeParameters):
    """The parameters of EPSL(φ): the last-layer gradients of a share φ of the slots are aggregated."""

    phi: AggregationShare = Field(
        default=0.5,
        description="share φ of a mini-batch's slots whose last-layer gradients are aggregated over the"
        " clients, 0 to 1",
    )
    aggregation: Aggregation = Field(
        default="virtual",
        description="virtual: the server back-propagates one averaged row for each aggregated slot; exact: it"
        " back-propagates all rows and averages afterwards, which saves no computation",
    )
    charge_second_forward: SecondForward = True

    @property
    def phases(self) -> tuple[TrainingPhase, ...]:
        """Return the one phase."""
        return (TrainingPhase(phi=self.phi),)

    @property
    def plan_phi(self) -> float:
        """Return the aggregation share φ that plans are made for."""
        return self.phi

    def label_details(self) -> tuple[str, ...]:
        """Return for example ``("φ=0.5",)``."""
        return (f"φ={self.phi:g}", *_variant(self))


class EpslPtParameters(SchemeParameters):
    """The parameters of EPSL-PT: each phase of training has its own φ.

    Plans are made for the φ of phase ``plan_phase``, by default for that of the last phase.
    """

    phases: Annotated[tuple[TrainingPhase, ...], Field(min_length=1)] = Field(
        default=(TrainingPhase(rounds=50, phi=1.0), TrainingPhase(phi=0.0)),
        description="phases of training, each with an aggregation share φ",
    )
    plan_phase: PositiveInt | None = Field(
        default=None,
        description="number of the phase, from 1, whose φ the allocation assumes; absent: the last phase",
    )
    aggregation: Aggregation = Field(
        default="virtual",
        description="virtual: the server back-propagates one averaged row for each aggregated slot; exact: it"
        " back-propagates all rows and averages afterwards, which saves no computation",
    )
    charge_second_forward: SecondForward = True

    @model_validator(mode="after")
    def _phases_follow(self) -> EpslPtParameters:
        for number, phase in enumerate(self.phases, start=1):
            if (phase.rounds is None) != (number == len(self.phases)):
                raise ValueError("every phase but the last needs rounds, and the last has none")
        if self.plan_phase is not None and self.plan_phase > len(self.phases):
            raise ValueError(f"plan_phase is {self.plan_phase}; there are {len(self.phases)} phases")
        return self

    @property
    def plan_phi(self) -> float:
        """Return the aggregation share φ that plans are made for."""
        return self.phases[self._planned].phi

    @property
    def planned_from(self) -> int:
        """Return the first round of the phase that plans are made for, from 1."""
        return 1 + sum(phase.rounds or 0 for phase in self.phases[: self._planned])

    @property
    def _planned(self) -> int:
        return (self.plan_phase or len(self.phases)) - 1

    def label_details(self) -> tuple[str, ...]:
        """Return for example ``("φ=1→0",)``."""
        return ("φ=" + "→".join(f"{phase.phi:g}" for phase in self.phases), *_variant(self))


def _variant(parameters: EpslParameters | EpslPtParameters) -> tuple[str, ...]:
    """Return the detail of a label for exact aggregation, or for times without the second forward pass."""
    if parameters.aggregation == "exact":
        return ("exact",)
    return () if parameters.charge_second_forward else ("one forward pass",)


class EPSL(ParallelSplit):
    """EPSL, EPSL-PT and PSL: client parts are not averaged, and a round has two barriers."""

    learner = "cutlayer.models.learning.epsl:EpslLearner"

    def __init__(
        self, parameters: PslParameters | EpslParameters | EpslPtParameters, task: TrainingTask
    ) -> None:
        super().__init__(parameters, task)
        self._phases = parameters.phases
        self._planned_phi = parameters.plan_phi
        if isinstance(parameters, EpslPtParameters):
            self.first_planned_round = parameters.planned_from
        self.backward_all_rows = parameters.aggregation == "exact"
        # exact aggregation back-propagates through the first forward pass
        self.forward_twice = parameters.charge_second_forward and not self.backward_all_rows

    def learner_options(self, plan: SchemePlan) -> Mapping[str, Any]:
        """Return whether the aggregation of gradients is exact."""
        return {"exact": self.backward_all_rows}

    def merged(self, number: int) -> int:
        """Return n_a, the number of aggregated slots in a round."""
        for phase in self._phases:
            if phase.rounds is None or number <= phase.rounds:
                break
            number -= phase.rounds
        return merged_slots(phase.phi, self.task.batch_size)

    def server_memory(self, cut: int, clients: int) -> PartMemory:
        """Return the memory of the server's part in the phase of training that needs most."""
        merged = {merged_slots(phase.phi, self.task.batch_size) for phase in self._phases}
        demands = [self._server_memory(cut, clients, slots) for slots in sorted(merged)]
        return max(demands, key=lambda demand: demand.total_bits)

    def _server_memory(self, cut: int, clients: int, merged: int) -> PartMemory:
        """Return the memory for all rows of the clients, of which ``merged`` slots are aggregated.

        With aggregation the server first runs all received rows forward, and keeps the input and the output
        of one unit at a time. Then it computes the loss, and runs the aggregated and the other rows forward
        and backward. The memory is that of the step that needs more.
        """
        task, units = self.task, self.task.units
        count, rows = len(units), clients * task.batch_size
        backward_rows = rows if self.backward_all_rows else rows - (clients - 1) * merged
        part = task.part_memory(cut, count, backward_rows)
        if merged == 0 or self.backward_all_rows or units.autograd is None:
            return part
        received_bits = rows * units.activation_bits_at(cut)
        loss_bits = rows * (2 * units.activation_bits_at(count) + LOSS_BITS_PER_ROW)  # logits, log-softmax
        outputs_bits = units.activation_bits[cut:]
        inputs_bits = np.append(0.0, outputs_bits[:-1])  # the first input is the received rows
        first_pass = rows * float((inputs_bits + outputs_bits).max())
        return max(
            replace(part, activation_bits=received_bits + first_pass, cut_bits=0.0),
            replace(part, activation_bits=received_bits + loss_bits + part.activation_bits),
            key=lambda demand: demand.total_bits,
        )

    def work(self, cut: int, deployment: Deployment) -> RoundWork:
        """Return a round's work at the aggregation share φ that plans are made for."""
        merged = merged_slots(self._planned_phi, self.task.batch_size)
        stages = self.task.stages(
            cut,
            deployment.num_clients,
            merged=merged,
            backward_all_rows=self.backward_all_rows,
            forward_twice=self.forward_twice,
        )
        return RoundWork(
            before_uplink_s=deployment.compute_s(stages.client_forward_flops),
            uplink_bits=stages.uplink_bits,
            server_s=stages.server_flops * deployment.server_s_per_flop,
            broadcast_bits=stages.broadcast_bits,
            downlink_bits=stages.downlink_bits,
            after_downlink_s=deployment.compute_s(stages.client_backward_flops),
        )

    def round(self, context: RoundContext) -> Round:
        """Run one round: one update of the server's part and of each participant's client part."""
        on_time, _ = yield from self.split_round(context, self.merged(context.number), upload_model=False)
        return RoundOutcome(on_time, int(bool(on_time)), len(on_time) * self.task.batch_size)
