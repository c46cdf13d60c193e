"""Training on the server alone, on the union of the clients' mini-batches: the accuracy reference."""

from __future__ import annotations

from typing import Protocol

from ..allocation.problem import Rates
from ..timeline.phases import SERVER_BACKWARD, SERVER_FORWARD
from ..world.world import World
from .base import ComputeTimes, Round, RoundOutcome, Scheme

__all__ = ["Centralised"]


class CentralisedLearner(Protocol):
    """The step that the centralised learner offers."""

    def step(self, clients: tuple[int, ...], number: int) -> None:
        """Train the one model on the union of these clients' mini-batches."""


class Centralised(Scheme):
    """All data are at the server; nothing is sent, so no client can be late."""

    band = "none"
    has_cut = False
    learner = "cutlayer.models.learning.centralised:CentralisedLearner"

    def server_bits(self) -> float:
        """Return what the whole model needs for the union batch, [bit]."""
        return self.job.units.memory_bits(0, len(self.job.units), self.job.clients * self.job.batch_size)

    def round_time_s(self, cut: int, speeds: ComputeTimes, rates: Rates) -> float:
        """Return C·b·κ_s(ρ_L+ϖ_L)/f_s, [s]."""
        units = self.job.units
        flops = units.forward_flops_to(len(units)) + units.backward_flops_to(len(units))
        return self.job.clients * self.job.batch_size * flops * speeds.server_s_per_flop

    def round(self, world: World, learner: CentralisedLearner | None, number: int) -> Round:
        """Run one round: one update on the union batch."""
        units = self.job.units
        samples = len(world.clients) * self.job.batch_size
        yield world.server.compute(SERVER_FORWARD, samples * units.forward_flops_to(len(units)))
        yield world.server.compute(SERVER_BACKWARD, samples * units.backward_flops_to(len(units)))
        if learner:
            learner.step(world.clients, number)
        return RoundOutcome(world.clients, 1, samples)
