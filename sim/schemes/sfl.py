"""SplitFed learning, V1 and V2: parallel split learning whose client models are averaged.

Thapa et al., "SplitFed: When Federated Learning Meets Split Learning", AAAI 2022; docs/model.md section 3.
"""

from __future__ import annotations

from typing import Protocol

from pydantic import Field

from ...scenarios.model_costs.training_memory import PartMemory
from ...scenarios.schema.fields import PositiveInt
from ...scenarios.schema.registered import SchemeParameters
from ..allocation.problem import RoundWork
from ..timeline.phases import MODEL_DOWNLOAD
from .base import Round, RoundContext, RoundOutcome, TrainingTask
from .deployment import Deployment
from .parallel_round import ParallelSplit, SplitLearner

__all__ = ["SFL", "SFLV2", "SflParameters"]


class AveragingLearner(SplitLearner, Protocol):
    """A split learner whose client models can be averaged."""

    def average(self, clients: tuple[int, ...]) -> None:
        """Give every client the weighted average of these clients' models."""


class SflParameters(SchemeParameters):
    """The parameters of SplitFed: the client models are averaged every ``aggregate_every`` rounds."""

    aggregate_every: PositiveInt = Field(
        default=1,
        description="number of rounds between two averages of the client models; with participation, clients"
        " are selected for this many rounds",
    )

    def label_details(self) -> tuple[str, ...]:
        """Return for example ``("I=5",)``."""
        return () if self.aggregate_every == 1 else (f"I={self.aggregate_every}",)


class SFL(ParallelSplit):
    """SplitFed V1: the server has a copy of its part for each client; averaging the copies takes no time."""

    learner = "cutlayer.models.learning.sfl:PrivateServerLearner"
    compresses = ParallelSplit.compresses | {"models"}

    def __init__(self, parameters: SflParameters, task: TrainingTask) -> None:
        super().__init__(parameters, task)
        self._every = self.sampling_period = parameters.aggregate_every

    def work(self, cut: int, deployment: Deployment) -> RoundWork:
        """Return a round's work, with 1 / ``aggregate_every`` of the work of an averaging."""
        stages = self.task.stages(cut, deployment.num_clients)
        return RoundWork(
            before_uplink_s=deployment.compute_s(stages.client_forward_flops),
            uplink_bits=stages.uplink_bits,
            server_s=stages.server_flops * deployment.server_s_per_flop,
            broadcast_bits=0.0,
            downlink_bits=stages.downlink_bits,
            after_downlink_s=deployment.compute_s(stages.client_backward_flops),
            model_upload_bits=stages.model_bits,
            model_broadcast_bits=stages.model_download_bits,
            averaging_share=1.0 / self._every,
        )

    def server_memory(self, cut: int, clients: int) -> PartMemory:
        """Return the memory of the server's copies, one for each client, and of the clients' average."""
        copy = self.task.part_memory(cut, len(self.task.units))
        return copy * clients + self.task.averaged_memory(cut)

    def updates(self, participants: int) -> int:
        """Return the optimiser steps of each server copy in a round."""
        return int(participants > 0)

    def round(self, context: RoundContext) -> Round:
        """Run one round, and average the client models when it is due."""
        world = context.world
        learner: AveragingLearner | None = context.learner
        averaging = context.number % self._every == 0
        on_time, uploaded = yield from self.split_round(context, 0, upload_model=averaging)
        if averaging and uploaded:
            if learner:
                learner.average(uploaded)
            model_bits = self.stages(context, 1).model_download_bits
            yield world.server.broadcast(MODEL_DOWNLOAD, model_bits, world.clients)
        return RoundOutcome(on_time, self.updates(len(on_time)), len(on_time) * self.task.batch_size)


class SFLV2(SFL):
    """SplitFed V2: one server model, trained on the clients' mini-batches one by one in random order."""

    learner = "cutlayer.models.learning.sfl:SharedServerLearner"

    def server_memory(self, cut: int, clients: int) -> PartMemory:
        """Return the memory of the one server part, of the clients' average, and of data that wait.

        The part trains on one client's rows at a time. The smashed data and the gradients of the other
        clients wait.
        """
        task = self.task
        cut_bits = task.units.activation_bits_at(cut) + task.units.gradient_bits_at(cut)
        waiting = PartMemory(cut_bits=(clients - 1) * task.batch_size * cut_bits)
        return task.part_memory(cut, len(task.units)) + task.averaged_memory(cut) + waiting

    def updates(self, participants: int) -> int:
        """Return the optimiser steps of the one server model: one for each participant."""
        return participants
