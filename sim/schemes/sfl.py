"""SplitFed learning, V1 and V2: parallel split learning whose client models are averaged.

Thapa et al., "SplitFed: When Federated Learning Meets Split Learning", AAAI 2022.
"""

from __future__ import annotations

from typing import Protocol

from ...scenarios.schema.fields import PositiveInt
from ...scenarios.schema.registered import SchemeParameters
from ..allocation.problem import RoundWork
from ..timeline.phases import MODEL_DOWNLOAD
from ..world.world import World
from .base import ComputeTimes, Round, RoundOutcome, TrainingTask
from .parallel_round import ParallelSplit, SplitLearner

__all__ = ["SFL", "SFLV2", "SflParameters"]


class AveragingLearner(SplitLearner, Protocol):
    """A split learner whose client models can be averaged."""

    def average(self, clients: tuple[int, ...]) -> None:
        """Give every client the weighted average of these clients' models."""


class SflParameters(SchemeParameters):
    """SplitFed averages the client models every ``aggregate_every`` rounds."""

    aggregate_every: PositiveInt = 1

    def default_label(self) -> str:
        """Return for example ``sfl I=5``."""
        return self.name if self.aggregate_every == 1 else f"{self.name} I={self.aggregate_every}"


class SFL(ParallelSplit):
    """SplitFed V1: one server copy per client, averaged alike at no air time."""

    learner = "cutlayer.models.learning.sfl:PrivateServerLearner"
    compresses = ParallelSplit.compresses | {"models"}

    def __init__(self, parameters: SflParameters, job: TrainingTask) -> None:
        super().__init__(parameters, job)
        self._every = parameters.aggregate_every

    def work(self, cut: int, speeds: ComputeTimes) -> RoundWork:
        """Return a round's work, the averaging's share of it once in ``aggregate_every`` rounds."""
        job = self.job
        stages = job.stages(cut, job.clients)
        return RoundWork(
            before_uplink_s=stages.client_forward_flops * speeds.device_s_per_flop,
            uplink_bits=stages.uplink_bits,
            server_s=stages.server_flops * speeds.server_s_per_flop,
            broadcast_bits=0.0,
            downlink_bits=stages.downlink_bits,
            after_downlink_s=stages.client_backward_flops * speeds.device_s_per_flop,
            model_upload_bits=stages.model_bits,
            model_broadcast_bits=stages.model_download_bits,
            averaging_share=1.0 / self._every,
        )

    def server_bits(self) -> float:
        """Return what the server's copies need, one a client, [bit]."""
        return self.job.clients * super().server_bits()

    def updates(self, participants: int) -> int:
        """Return the steps of a server model in a round: its own copy's one."""
        return int(participants > 0)

    def round(self, world: World, learner: AveragingLearner | None, number: int) -> Round:
        """Run one round, and average the client models when it is due."""
        averaging = number % self._every == 0
        on_time = yield from self.split_round(world, learner, number, 0, upload_model=averaging)
        uploaded = tuple(client for client in on_time if client not in world.departed_at_s)
        if averaging and uploaded:
            if learner:
                learner.average(uploaded)
            yield world.server.broadcast(MODEL_DOWNLOAD, self.stages(1).model_download_bits, world.clients)
        return RoundOutcome(on_time, self.updates(len(on_time)), len(on_time) * self.job.batch_size)


class SFLV2(SFL):
    """SplitFed V2: one server model, trained on one client's batch after the other in random order."""

    learner = "cutlayer.models.learning.sfl:SharedServerLearner"

    def server_bits(self) -> float:
        """Return what the one server model needs for one client's rows at a time, [bit]."""
        return super().server_bits() / self.job.clients

    def updates(self, participants: int) -> int:
        """Return the steps of the one server model: one for each participant."""
        return participants
