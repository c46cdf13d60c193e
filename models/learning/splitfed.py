"""The learners of SplitFed V1 and V2: client parts that are averaged.

Thapa et al., "SplitFed: When Federated Learning Meets Split Learning", AAAI 2022.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from ...scenarios.streams import stream
from .base import Composite, Learner, Part, Setup, objective

__all__ = ["PrivateServerLearner", "SharedServerLearner"]


class _SplitFedLearner(Learner):
    """Client parts that are averaged; the server trains on one client's smashed data at a time.

    Optimiser states stay where they are: only parameters and buffers are averaged and sent.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        client, server = self.new_parts()
        self.clients = self.client_parts(client)
        self._average = (client, server)
        self._alike = True
        self._members: tuple[int, ...] = ()
        self._smashed: dict[int, Tensor] = {}
        self._labels: dict[int, Tensor] = {}
        self._cut_gradients: dict[int, Tensor] = {}

    def client_forward(self, clients: tuple[int, ...], number: int) -> None:
        """Run the forward pass of these clients' parts on their mini-batches of this round."""
        self._members = clients
        for i in clients:
            images, self._labels[i] = self.data.batch(i, number)
            with self.draws("client dropout", i, number):
                self._smashed[i] = self.clients[i](images)

    def server_step(self, merged: int, number: int) -> None:
        """Train a server part on each client's smashed data; nothing is aggregated."""
        losses: dict[int, Tensor] = {}
        for i in self.order(number):
            part = self.server_for(i)
            states = self.sent_smashed(self._smashed[i], i, number).requires_grad_()
            part.zero_grad()
            with self.draws("server dropout", i, number):
                logits = part(states)
            loss = objective(logits, self._labels[i], logits.new_full((len(logits),), 1.0 / len(logits)))
            loss.backward()  # type: ignore[no-untyped-call]
            part.step()
            assert states.grad is not None
            losses[i], self._cut_gradients[i] = loss.detach(), self.sent_gradient(states.grad, i, number)
        self.train_loss = self.weights(self._members) @ torch.stack([losses[i] for i in self._members])
        self._alike = False

    def client_step(self) -> None:
        """Back-propagate the cut layer's gradients through the clients' parts, and update them."""
        for i in self._members:
            part, smashed = self.clients[i], self._smashed.pop(i)
            part.zero_grad()
            if smashed.requires_grad:
                smashed.backward(self._cut_gradients.pop(i))  # type: ignore[no-untyped-call]
            part.step()

    def average(self, clients: tuple[int, ...]) -> None:
        """Give every client the weighted average of these clients' models."""
        self.average_clients(self.clients, clients)
        self.average_servers(clients)
        self._alike = True

    def order(self, number: int) -> tuple[int, ...]:
        """Return the order in which the server takes the clients."""
        return self._members

    @abstractmethod
    def server_for(self, client: int) -> Part:
        """Return the server part that trains with this client."""

    def average_servers(self, clients: tuple[int, ...]) -> None:
        """Average the server parts, where there are several."""

    def composites_of(self, clients: Sequence[int]) -> list[Composite]:
        """Return each client's part with its server part; one where all are alike."""
        distinct = clients[:1] if self._alike else clients
        return [(self.clients[i].module, self.server_for(i).module) for i in distinct]

    def averaged_over(self, clients: Sequence[int]) -> Composite:
        """Return the λ-weighted averages of the client parts and of the server parts."""
        servers = {i: self.server_for(i) for i in clients}
        client, server = self._average
        return (
            self.average_of(self.clients, clients, into=client),
            self.average_of(servers, clients, into=server),
        )


class PrivateServerLearner(_SplitFedLearner):
    """SplitFed V1: a server copy for each client, averaged whenever the client models are."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._servers = self.server_parts(self._average[1])

    def server_for(self, client: int) -> Part:
        """Return the client's own server copy."""
        return self._servers[client]

    def average_servers(self, clients: tuple[int, ...]) -> None:
        """Give every server copy the weighted average of these clients' copies."""
        self._servers.average(clients, self.weights(clients))


class SharedServerLearner(_SplitFedLearner):
    """SplitFed V2: one server part, trained on one client's batch after the other in random order."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._server = self.server_part(copy.deepcopy(self._average[1]))

    def server_for(self, client: int) -> Part:
        """Return the one server part."""
        return self._server

    def order(self, number: int) -> tuple[int, ...]:
        """Return this round's random order of the participants."""
        shuffled = stream(self.seed, "server order", number).permutation(self._members)
        return tuple(int(i) for i in shuffled)
