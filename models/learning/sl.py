"""The learner of sequential split learning: one model, handed from client to client.

Gupta and Raskar, "Distributed learning of deep neural network over multiple agents", 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from .base import Learner, LearnerConfig
from .evaluation import Composite
from .parts.client_parts import ClientParts
from .parts.loss import mean_loss
from .parts.part import Updates, new_part

__all__ = ["SequentialSplitLearner"]


class SequentialSplitLearner(Learner):
    """One client part that travels, and one server part.

    Weights and buffers travel; a client's optimiser state (Adam's moments, momentum) stays with the
    client, since its bits are not sent.
    """

    def __init__(self, setup: LearnerConfig) -> None:
        super().__init__(setup)
        self._module, server = self.new_parts()
        make = partial(new_part, self._module, self.settings, self.settings.client_lr, self.compression)
        self.clients = self.watched(ClientParts(self.data.clients, make))
        self.server = self.server_part(server)
        self._updates: dict[int, Updates] = {}  # by client, of both parts
        self._round = 0
        self._losses: dict[int, Tensor] = {}  # of this round, by client

    def turn(self, client: int, number: int) -> None:
        """Train the one model on this client's mini-batch."""
        images, labels = self.data.batch(client, number)
        part = self.clients[client]
        self.begin_turn(part, client)
        part.zero_grad()
        self.server.zero_grad()
        with self.draws("client dropout", client, number):
            smashed = part(images)
        states = self.sent_smashed(smashed, client, number).requires_grad_()
        with self.draws("server dropout", client, number):
            logits = self.server(states)
        loss = mean_loss(logits, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        if smashed.requires_grad:
            assert states.grad is not None
            smashed.backward(self.sent_gradient(states.grad, client, number))  # type: ignore[no-untyped-call]
        self._updates.setdefault(client, self.updates()).step((self.server, part))
        self.end_turn(part, client)
        if number != self._round:
            self._round, self._losses = number, {}
        self._losses[client] = loss.detach()

    @property
    def train_loss(self) -> Tensor:
        """Return the mean over the round's clients so far, weighted by λ."""
        return self.weights(tuple(self._losses)) @ torch.stack([*self._losses.values()])

    def composites_of(self, clients: Sequence[int]) -> list[Composite]:
        """Return the one model."""
        return [(self._module, self.server.module)]

    def averaged_over(self, clients: Sequence[int]) -> Composite:
        """Return the one model: there is nothing to average."""
        return self.composites_of(clients)[0]
