"""The interface of a training scheme: the plan it makes, and the round that the event loop runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
from simpy import Event

from ...scenarios.model_costs.training_memory import NO_MEMORY, PartMemory
from ...scenarios.model_costs.unit_table import UnitTable
from ...scenarios.schema.compression import Compressible
from ...scenarios.schema.registered import SchemeParameters
from ..allocation.problem import Rates, RoundWork, round_time_s
from ..costs.compressed_sizes import CompressedSizes
from ..costs.stages import Stages, split_stages
from ..planning_error import PlanningError
from ..radio.units import mib_text
from ..world.world import World
from .deployment import Deployment, MemoryDemand
from .planning.plan import Cuts, RadioPlan, SchemePlan
from .planning.radio_planner import RadioPlanner

__all__ = ["Round", "RoundContext", "RoundOutcome", "Scheme", "TrainingTask"]


@dataclass(frozen=True)
class TrainingTask:
    """The model that is trained, the size of its mini-batches, and the memory of its optimiser.

    Attributes
    ----------
    units : UnitTable
        FLOPs, activations and parameters of each unit of the model.
    batch_size : int
        Samples of each client in a mini-batch, b.
    compression : CompressedSizes or None
        The sizes of parts and messages after compression; None without compression.
    optimizer_copies : int
        Values that the optimiser keeps for each parameter: two with Adam, one with momentum.
    """

    units: UnitTable
    batch_size: int
    compression: CompressedSizes | None = None
    optimizer_copies: int = 2

    def part_memory(self, first: int, end: int, rows: int | None = None) -> PartMemory:
        """Return the memory for training units ``first`` to ``end - 1``, counted from 0.

        Parameters
        ----------
        rows : int, optional
            Samples that are in the part at once; by default a client's mini-batch.
        """
        rows = self.batch_size if rows is None else rows
        return self.units.part_memory(first, end, rows, self.optimizer_copies)

    @property
    def model_memory(self) -> PartMemory:
        """Return the memory of the whole model's parameters and buffers, which are not trained."""
        return self.averaged_memory(len(self.units))

    def averaged_memory(self, end: int) -> PartMemory:
        """Return the memory of an average of units 1 to ``end``: their parameters and buffers."""
        return PartMemory(self.units.parameter_bits_to(end))

    def stages(
        self,
        cut: int,
        clients: int = 1,
        *,
        merged: int = 0,
        backward_all_rows: bool = False,
        forward_twice: bool = False,
        masks_on: bool = True,
    ) -> Stages:
        """Return FLOPs and bits of a split round after compression; see :func:`split_stages`.

        Parameters
        ----------
        masks_on : bool
            Whether pruned client parts run with their masks: in all rounds except those that renew the masks.
        """
        batch = self.batch_size
        stages = split_stages(
            self.units,
            cut,
            batch,
            clients,
            merged=merged,
            backward_all_rows=backward_all_rows,
            forward_twice=forward_twice,
        )
        if self.compression is None:
            return stages
        return self.compression.compressed(stages, cut, batch, merged, pruned=masks_on)


@dataclass(frozen=True)
class RoundContext:
    """The objects and values that one round uses.

    Attributes
    ----------
    world : World
        The nodes and links of this run. ``world.clients`` are the clients of this round, and
        ``world.device(client)`` is the device of one of them.
    learner : Any
        An instance of the scheme's learner; None if the run computes only the timeline.
    plan : SchemePlan
        The plan of this round.
    number : int
        The round's number, from 1.
    masks_on : bool
        Whether pruned client parts run with their masks in this round.
    """

    world: World
    learner: Any
    plan: SchemePlan
    number: int
    masks_on: bool = True


@dataclass(frozen=True)
class RoundOutcome:
    """The result of one round.

    Attributes
    ----------
    participants : tuple of int
        The clients whose mini-batches were trained on.
    updates : int
        Optimiser steps of the server's model (for FL: of a client's model) in this round.
    samples : int
        Samples trained on, over all participants.
    """

    participants: tuple[int, ...]
    updates: int
    samples: int


Round: TypeAlias = Generator[Event, Any, RoundOutcome]
"""A round as a SimPy process: it yields events and returns its outcome."""


class Scheme(ABC):
    """A training scheme: how its rounds are planned, and how one round runs.

    Subclasses override :meth:`round`, and :meth:`work` or :meth:`round_time_s`. Schemes that decide more than
    one common cut also override :meth:`plan`. A scheme object never changes after its construction. All
    decisions for a set of devices are in a :class:`SchemePlan`.

    Attributes
    ----------
    uses_subchannels : bool
        Whether clients send in parallel, so that subchannels and powers are planned for them by :meth:`work`.
    has_cut : bool
        Whether the model is split.
    has_model_per_client : bool
        Whether each client keeps a whole model of its own.
    chooses_cut : bool
        Whether the scheme chooses the cut itself, instead of the scenario's ``allocation.cut``.
    uses_devices : bool
        Whether the devices take part; otherwise they spend no energy, not even while they are idle.
    prediction_is_bound : bool
        Whether the prediction is a lower bound of a round's time, instead of the time itself.
    takes_turns : bool
        Whether the clients of a round train one after the other, each in a step of its own.
    selects_participants : bool
        Whether a round may leave out clients that are on time.
    measurable : bool
        Whether the scheme can use measured layer times, ``model.profile``.
    compresses : frozenset of str
        The parts and messages of the scheme that ``compression`` can compress.
    learner : str
        ``"module:Class"`` of the learner whose steps :meth:`round` calls.
    first_planned_round : int
        The first round whose time :meth:`round_time_s` gives.
    sampling_period : int
        Number of consecutive rounds that have the same sampled clients; at the end of each such block the
        scheme averages their models.
    """

    uses_subchannels: ClassVar[bool] = True
    has_cut: ClassVar[bool] = True
    has_model_per_client: ClassVar[bool] = False
    chooses_cut: ClassVar[bool] = False
    uses_devices: ClassVar[bool] = True
    prediction_is_bound: ClassVar[bool] = False
    takes_turns: ClassVar[bool] = False
    selects_participants: ClassVar[bool] = False
    measurable: ClassVar[bool] = False
    compresses: ClassVar[frozenset[Compressible]] = frozenset()
    learner: ClassVar[str]

    def __init__(self, parameters: SchemeParameters, task: TrainingTask) -> None:
        self.parameters = parameters
        self.task = task
        self.first_planned_round = 1
        self.sampling_period = 1

    # Planning

    def plan(self, deployment: Deployment, planner: RadioPlanner) -> SchemePlan:
        """Return the plan for these devices.

        Raises
        ------
        PlanningError
            If the resources or memories do not allow a plan.
        """
        return self.plan_from_radio(planner.for_parallel_clients(self, deployment), deployment)

    def plan_from_radio(self, radio: RadioPlan, deployment: Deployment) -> SchemePlan:
        """Return the plan of a scheme whose only decisions are the radio's resources and a common cut."""
        return SchemePlan(
            cuts=Cuts((radio.cut,) * deployment.num_clients),
            resources=deployment.resources,
            access=radio.access,
            predicted_s=radio.predicted_s,
            memory=self.memory(radio.cut, deployment.num_clients),
            prediction_is_bound=self.prediction_is_bound,
        )

    def cuts(self, least_memory_bits: float = np.inf) -> Sequence[int]:
        """Return the cuts whose client part fits into the memory of every device.

        A scheme that does not split the model has the one cut 0.

        Parameters
        ----------
        least_memory_bits : float
            Memory of the smallest device, [bit].

        Raises
        ------
        PlanningError
            If no cut fits.
        """
        count = len(self.task.units)
        cuts = range(1, count) if self.has_cut else range(1)
        needed = {cut: self.device_bits(cut) for cut in cuts}
        fitting = [cut for cut in cuts if needed[cut] <= least_memory_bits]
        if cuts and not fitting:
            raise PlanningError(
                f"{self.parameters.name} needs {mib_text(min(needed.values()))} on every device at the least;"
                f" the smallest has {mib_text(least_memory_bits)}",
                ("devices", "memory_mib"),
            )
        return fitting

    def work(self, cut: int, deployment: Deployment) -> RoundWork:
        """Return a round's work, which schemes with ``uses_subchannels`` give to the planner."""
        raise NotImplementedError(f"{type(self).__name__} sends in parallel on subchannels and needs work()")

    def round_time_s(self, cut: int, deployment: Deployment, rates: Rates) -> float:
        """Return the closed form of a round's time without stragglers, [s]."""
        return round_time_s(self.work(cut, deployment), rates)

    def device_bits(self, cut: int) -> float:
        """Return the memory that a device needs at a common cut, [bit]."""
        return self.device_memory(cut).total_bits

    def device_memory(self, cut: int) -> PartMemory:
        """Return the memory of a device's part of the model at a common cut."""
        return self.task.part_memory(0, cut) if cut else NO_MEMORY

    def server_memory(self, cut: int, clients: int) -> PartMemory:
        """Return the memory of the server's parts, by default for one client's mini-batch at a time."""
        return self.task.part_memory(cut, len(self.task.units))

    def memory(self, cut: int, clients: int) -> MemoryDemand:
        """Return the memory that all parts of the model need at a common cut."""
        return MemoryDemand((self.device_memory(cut),) * clients, self.server_memory(cut, clients))

    def sampling_unsupported(self) -> str | None:
        """Return the reason why rounds cannot sample their clients; None if they can."""
        return None

    def planned_step_s(self, plan: SchemePlan) -> float:
        """Return the planned time of a step that the round policy limits, [s]: of a round, by default."""
        return plan.predicted_s

    # Learning

    def learner_options(self, plan: SchemePlan) -> Mapping[str, Any]:
        """Return the keyword arguments of the learner's constructor."""
        return {}

    def update_learner(self, learner: Any, plan: SchemePlan) -> None:  # noqa: B027 - most learners need none
        """Apply the plan of the next round to the learner, before every round."""

    # Running

    @abstractmethod
    def round(self, context: RoundContext) -> Round:
        """Run one round: yield events that take time, and call the learner's steps when their tensors exist.

        Returns
        -------
        RoundOutcome
        """
