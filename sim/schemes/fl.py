"""Federated averaging: the whole model on every client.

McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", 2017;
docs/model.md section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from pydantic import Field

from ...scenarios.model_costs.training_memory import PartMemory
from ...scenarios.schema.fields import Steps
from ...scenarios.schema.registered import SchemeParameters
from ..allocation.problem import RoundWork
from ..costs.stages import Stages
from ..timeline.phases import CLIENT_BACKWARD, CLIENT_FORWARD, MODEL_DOWNLOAD, MODEL_UPLOAD
from .base import Round, RoundContext, RoundOutcome, Scheme, TrainingTask
from .deployment import Deployment
from .planning.plan import SchemePlan

__all__ = ["FL", "FlParameters"]


class FedAvgLearner(Protocol):
    """The steps that the learner of federated averaging offers."""

    def local_steps(self, clients: tuple[int, ...], number: int) -> None:
        """Train each of these clients' whole models on its own mini-batches."""

    def average(self, clients: tuple[int, ...]) -> None:
        """Give every client the weighted average of these clients' models."""


class FlParameters(SchemeParameters):
    """The parameters of FedAvg: each client trains on E = ``local_steps`` mini-batches in a round."""

    local_steps: Steps = Field(default=1, description="number of mini-batches of each client in a round")

    def label_details(self) -> tuple[str, ...]:
        """Return for example ``("E=5",)``."""
        return () if self.local_steps == 1 else (f"E={self.local_steps}",)

    @property
    def mini_batches_per_client(self) -> int:
        """Return E."""
        return self.local_steps


class FL(Scheme):
    """FedAvg: clients train the whole model and upload it; the server broadcasts the average."""

    has_cut = False
    has_model_per_client = True
    learner = "cutlayer.models.learning.fl:FedAvgLearner"
    compresses = frozenset({"pruning", "models"})

    def __init__(self, parameters: FlParameters, task: TrainingTask) -> None:
        super().__init__(parameters, task)
        self._steps = parameters.local_steps
        whole = len(task.units)  # all units are on the client
        self._stages = lru_cache(maxsize=None)(lambda masks_on: task.stages(whole, masks_on=masks_on))

    def learner_options(self, plan: SchemePlan) -> Mapping[str, Any]:
        """Return the number of local steps."""
        return {"local_steps": self._steps}

    def device_memory(self, cut: int) -> PartMemory:
        """Return the memory of the whole model on a device."""
        return self.task.part_memory(0, len(self.task.units))

    def server_memory(self, cut: int, clients: int) -> PartMemory:
        """Return the memory of the averaged model."""
        return self.task.model_memory

    def work(self, cut: int, deployment: Deployment) -> RoundWork:
        """Return a round's work: local training, model upload, model broadcast."""
        stages: Stages = self._stages(True)
        flops = self._steps * (stages.client_forward_flops + stages.client_backward_flops)
        compute_s = deployment.compute_s(flops, computations=2 * self._steps)
        return RoundWork(
            before_uplink_s=compute_s,
            uplink_bits=stages.model_bits,
            server_s=0.0,
            broadcast_bits=stages.model_download_bits,
            downlink_bits=0.0,
            after_downlink_s=np.zeros_like(compute_s),
        )

    def round(self, context: RoundContext) -> Round:
        """Run one round: the models that arrive on time are averaged, and all clients get the average."""
        world = context.world
        learner: FedAvgLearner | None = context.learner
        stages: Stages = self._stages(context.masks_on)
        forward = (CLIENT_FORWARD, stages.client_forward_flops)
        backward = (CLIENT_BACKWARD, stages.client_backward_flops)
        train = (*(forward, backward) * self._steps, (MODEL_UPLOAD, stages.model_bits))
        on_time: tuple[int, ...] = yield world.start(train, world.clients).on_time
        if not on_time:
            return RoundOutcome((), 0, 0)
        if learner:
            learner.local_steps(on_time, context.number)
            learner.average(on_time)
        yield world.server.broadcast(MODEL_DOWNLOAD, stages.model_download_bits, world.clients)
        return RoundOutcome(on_time, self._steps, len(on_time) * self._steps * self.task.batch_size)
