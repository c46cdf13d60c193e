"""The centralised learner: one model on the union of the clients' mini-batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .base import Composite, Learner, Setup, objective

__all__ = ["UnionLearner"]


class UnionLearner(Learner):
    """One whole model, trained at the server's learning rate on ``Σ_i λ_i (1/b) Σ_j ℓ_ij``."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.server = self.server_part(self.new_model())

    def step(self, clients: tuple[int, ...], number: int) -> None:
        """Train the one model on the union of these clients' mini-batches."""
        batches = [self.data.batch(i, number) for i in clients]
        images = torch.cat([batch[0] for batch in batches])
        labels = torch.cat([batch[1] for batch in batches])
        size = len(labels) // len(clients)
        self.server.zero_grad()
        with self.draws("server dropout", number):
            logits = self.server(images)
        loss = objective(logits, labels, (self.weights(clients) / size).repeat_interleave(size))
        loss.backward()  # type: ignore[no-untyped-call]
        self.server.step()
        self.train_loss = loss.detach()

    def composites_of(self, clients: Sequence[int]) -> list[Composite]:
        """Return the one model."""
        return [(self.server.module, nn.Identity())]

    def averaged_over(self, clients: Sequence[int]) -> Composite:
        """Return the one model."""
        return self.composites_of(clients)[0]
