"""The learner of centralised training: one model trains on the union of the clients' mini-batches."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from .base import Learner, LearnerConfig
from .evaluation import Composite
from .parts.part import weighted_loss

__all__ = ["CentralisedLearner"]


class CentralisedLearner(Learner):
    """One whole model that trains at the server's learning rate on ``Σ_i λ_i (1/b) Σ_j ℓ_ij``."""

    def __init__(self, config: LearnerConfig) -> None:
        super().__init__(config)
        self.server = self.server_part(self.new_model())

    def step(self, clients: tuple[int, ...], number: int) -> None:
        """Train the model on the union of these clients' mini-batches of round ``number``."""
        images, labels = self.data.batches(clients, number)
        size = labels.shape[1]
        self.server.zero_grad()
        with self.dropout_stream("server dropout", number):
            logits = self.server(images.flatten(0, 1))
        row_weights = (self.weights(clients) / size).repeat_interleave(size)
        loss = weighted_loss(logits, labels.flatten(), row_weights)
        loss.backward()
        self.server.step()
        self._train_loss = loss.detach()

    def composites_of(self, clients: Sequence[int]) -> list[Composite]:
        """Return the one model."""
        return [(self.server.module, nn.Identity())]

    def averaged_over(self, clients: Sequence[int]) -> Composite:
        """Return the one model."""
        return self.composites_of(clients)[0]
