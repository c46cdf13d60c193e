"""The learner of federated averaging: a whole model on every client.

McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .base import Composite, Learner, Setup, objective

__all__ = ["LocalLearner"]


class LocalLearner(Learner):
    """Whole models trained at the clients' learning rate, and averaged every round.

    Parameters
    ----------
    local_steps : int
        Mini-batches that a client trains on in a round, E; the next round goes on behind them.
    """

    def __init__(self, setup: Setup, *, local_steps: int = 1) -> None:
        super().__init__(setup)
        self.clients = self.client_parts(self.new_model())
        self._steps = local_steps

    def local_steps(self, clients: tuple[int, ...], number: int) -> None:
        """Train each of these clients' whole models on its own mini-batches."""
        losses = []
        for i in clients:
            part, mean = self.clients[i], self.data.shares.new_zeros(())
            for step in range(self._steps):
                batch = (number - 1) * self._steps + step + 1
                images, labels = self.data.batch(i, batch)
                part.zero_grad()
                with self.draws("client dropout", i, batch):
                    logits = part(images)
                loss = objective(logits, labels, logits.new_full((len(logits),), 1.0 / len(logits)))
                loss.backward()  # type: ignore[no-untyped-call]
                part.step()
                mean += loss.detach() / self._steps
            losses.append(mean)
        self.train_loss = self.weights(clients) @ torch.stack(losses)

    def average(self, clients: tuple[int, ...]) -> None:
        """Give every client the weighted average of these clients' models."""
        self.average_clients(self.clients, clients)

    def composites_of(self, clients: Sequence[int]) -> list[Composite]:
        """Return the one model that all clients have after averaging."""
        return [(self.clients[clients[0]].module, nn.Identity())]

    def averaged_over(self, clients: Sequence[int]) -> Composite:
        """Return the one model."""
        return self.composites_of(clients)[0]
