"""Centralised training on the union of the clients' mini-batches, as a reference for the accuracy."""

from __future__ import annotations

from typing import Protocol

from ...scenarios.model_costs.training_memory import PartMemory
from ..allocation.problem import Rates
from ..timeline.phases import SERVER_BACKWARD, SERVER_FORWARD
from .base import Round, RoundContext, RoundOutcome, Scheme
from .deployment import Deployment
from .planning.plan import SchemePlan
from .planning.radio_planner import RadioPlanner

__all__ = ["Centralised"]


class CentralisedLearner(Protocol):
    """The step that the centralised learner offers."""

    def step(self, clients: tuple[int, ...], number: int) -> None:
        """Train the one model on the union of these clients' mini-batches."""


class Centralised(Scheme):
    """Centralised training: all data are on the server, so that nothing is sent and no client is late."""

    uses_subchannels = False
    has_cut = False
    uses_devices = False
    learner = "cutlayer.models.learning.centralised:CentralisedLearner"

    def plan(self, deployment: Deployment, planner: RadioPlanner) -> SchemePlan:
        """Return the plan without a cut and without transfers."""
        return self.plan_from_radio(planner.without_radio(self, deployment), deployment)

    def server_memory(self, cut: int, clients: int) -> PartMemory:
        """Return the memory of the whole model for the union batch."""
        return self.task.part_memory(0, len(self.task.units), clients * self.task.batch_size)

    def round_time_s(self, cut: int, deployment: Deployment, rates: Rates) -> float:
        """Return C·b·κ_s(ρ_L+ϖ_L)/f_s, [s]."""
        units = self.task.units
        flops = units.forward_flops_to(len(units)) + units.backward_flops_to(len(units))
        return deployment.num_clients * self.task.batch_size * flops * deployment.server_s_per_flop

    def round(self, context: RoundContext) -> Round:
        """Run one round: one update on the union batch."""
        world, units = context.world, self.task.units
        learner: CentralisedLearner | None = context.learner
        samples = len(world.clients) * self.task.batch_size
        yield world.server.compute(SERVER_FORWARD, samples * units.forward_flops_to(len(units)))
        yield world.server.compute(SERVER_BACKWARD, samples * units.backward_flops_to(len(units)))
        if learner:
            learner.step(world.clients, context.number)
        return RoundOutcome(world.clients, 1, samples)
