"""The learner of sequential split learning (SL): the clients train one model one after another.

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
from .parts.part import Updates, mean_loss, new_part

__all__ = ["SequentialSplitLearner"]


class SequentialSplitLearner(Learner):
    """One client part, which passes from client to client, and one server part.

    Weights and buffers are handed over. A client's optimiser state (Adam's moments, momentum) stays with the
    client, because it is not transmitted.
    """

    def __init__(self, config: LearnerConfig) -> None:
        super().__init__(config)
        self._module, server = self.new_parts()
        make = partial(new_part, self._module, self.optimizer, self.optimizer.client_lr, self.compression)
        self.clients = self.registered_for_compression(ClientParts(self.data.clients, make))
        self.server = self.server_part(server)
        self._updates: dict[int, Updates] = {}  # by client; each updates both parts
        self._round = 0
        self._losses: dict[int, Tensor] = {}  # of this round, by client

    def turn(self, client: int, number: int) -> None:
        """Train the model on this client's mini-batch of round ``number``."""
        images, labels = self.data.batch(client, number)
        part = self.clients[client]
        if self.compression is not None:
            self.compression.record_download(client, part.module)
        part.zero_grad()
        self.server.zero_grad()
        with self.dropout_stream("client dropout", client, number):
            smashed = part(images)
        received = self.send_smashed(smashed, client, number).requires_grad_()
        with self.dropout_stream("server dropout", client, number):
            logits = self.server(received)
        loss = mean_loss(logits, labels)
        loss.backward()
        if smashed.requires_grad:
            assert received.grad is not None
            gradient = self.send_gradient(received.grad, client, number)
            smashed.backward(gradient)
        self._updates.setdefault(client, self.updates()).step((self.server, part))
        if self.compression is not None:
            self.compression.upload_in_place(client, part.module)
        if number != self._round:
            self._round, self._losses = number, {}
        self._losses[client] = loss.detach()

    @property
    def train_loss(self) -> Tensor:
        """Return the λ-weighted mean loss over the clients that have trained in this round so far."""
        return self.weights(tuple(self._losses)) @ torch.stack([*self._losses.values()])

    def composites_of(self, clients: Sequence[int]) -> list[Composite]:
        """Return the one model."""
        return [(self._module, self.server.module)]

    def averaged_over(self, clients: Sequence[int]) -> Composite:
        """Return the one model, since there is only one."""
        return self.composites_of(clients)[0]
