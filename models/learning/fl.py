"""The learner of federated learning (FL) by federated averaging: every client trains a whole model.

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
    """Whole models that train at the clients' learning rate and are averaged every round.

    Parameters
    ----------
    local_steps : int
        Number of mini-batches E that a client trains on per round. The next round continues after them.
    """

    def __init__(self, config: LearnerConfig, *, local_steps: int = 1) -> None:
        super().__init__(config)
        self.clients = self.client_parts(self.new_model())
        self._steps = local_steps
        self._passes = self.pass_choice("model")
        self._updates = self.updates()

    def local_steps(self, clients: tuple[int, ...], number: int) -> None:
        """Train each of these clients' models on the client's mini-batches of round ``number``."""
        parts = [self.clients[i] for i in clients]
        losses = self.data.shares.new_zeros(len(clients))
        for step in range(self._steps):
            batch = (number - 1) * self._steps + step + 1
            losses += self._backpropagate(parts, clients, batch) / self._steps
            self._updates.step(parts)
        self._train_loss = self.weights(clients) @ losses

    def _backpropagate(self, parts: Sequence[Part], clients: tuple[int, ...], batch: int) -> Tensor:
        """Compute the parts' gradients on mini-batch ``batch`` of each client, and return the losses."""
        images, labels = self.data.batches(clients, batch)
        chosen = self._passes.choose(parts, images)
        return chosen.losses(
            parts, images, labels, lambda index: self.dropout_stream("client dropout", clients[index], batch)
        )

    def average(self, clients: tuple[int, ...]) -> None:
        """Give every client the λ-weighted average of these clients' models."""
        self.average_clients(self.clients, clients)

    def composites_of(self, clients: Sequence[int]) -> list[Composite]:
        """Return the one model that all clients have after averaging."""
        return [(self.clients[clients[0]].module, nn.Identity())]

    def averaged_over(self, clients: Sequence[int]) -> Composite:
        """Return the one model that all clients have after averaging."""
        return self.composites_of(clients)[0]
