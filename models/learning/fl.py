"""The learner of federated averaging: a whole model on every client.

McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from .base import Learner, LearnerConfig
from .evaluation import Composite
from .parts.part import Part

__all__ = ["FedAvgLearner"]


class FedAvgLearner(Learner):
    """Whole models trained at the clients' learning rate, and averaged every round.

    Parameters
    ----------
    local_steps : int
        Mini-batches that a client trains on in a round, E; the next round goes on behind them.
    """

    def __init__(self, setup: LearnerConfig, *, local_steps: int = 1) -> None:
        super().__init__(setup)
        self.clients = self.client_parts(self.new_model())
        self._steps = local_steps
        self._passes = self.passes("model")
        self._updates = self.updates()

    def local_steps(self, clients: tuple[int, ...], number: int) -> None:
        """Train each of these clients' whole models on its own mini-batches."""
        parts = [self.clients[i] for i in clients]
        losses = self.data.shares.new_zeros(len(clients))
        for step in range(self._steps):
            batch = (number - 1) * self._steps + step + 1
            losses += self._gone_through(parts, clients, batch) / self._steps
            self._updates.step(parts)
        self._train_loss = self.weights(clients) @ losses

    def _gone_through(self, parts: Sequence[Part], clients: tuple[int, ...], batch: int) -> Tensor:
        """Give the parts their gradients on the clients' next mini-batches; return the losses."""
        images, labels = self.data.batches(clients, batch)
        passing = self._passes.through(parts, images)
        return passing.losses(
            parts, images, labels, lambda place: self.draws("client dropout", clients[place], batch)
        )

    def average(self, clients: tuple[int, ...]) -> None:
        """Give every client the weighted average of these clients' models."""
        self.average_clients(self.clients, clients)

    def composites_of(self, clients: Sequence[int]) -> list[Composite]:
        """Return the one model that all clients have after averaging."""
        return [(self.clients[clients[0]].module, nn.Identity())]

    def averaged_over(self, clients: Sequence[int]) -> Composite:
        """Return the one model."""
        return self.composites_of(clients)[0]
