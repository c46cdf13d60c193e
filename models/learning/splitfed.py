"""The learners of SplitFed V1 and V2: client parts that are averaged.

Thapa et al., "SplitFed: When Federated Learning Meets Split Learning", AAAI 2022.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from ...scenarios.random_streams import stream
from .base import LearnerConfig
from .evaluation import Composite
from .parallel_base import ParallelSplitLearner
from .parts.loss import mean_loss
from .parts.part import Part

__all__ = ["PrivateServerLearner", "SharedServerLearner"]


class _SplitFedLearner(ParallelSplitLearner):
    """Client parts that are averaged; each client's smashed data make a step of their own at the server.

    Optimiser states stay where they are: only parameters and buffers are averaged and sent.
    """

    def __init__(self, setup: LearnerConfig) -> None:
        super().__init__(setup)
        self._alike = True

    def server_step(self, merged: int, number: int) -> None:
        """Train a server part on each client's smashed data; nothing is aggregated."""
        states = [
            self.sent_smashed(own, i, number).requires_grad_()
            for i, own in zip(self.members, self.smashed, strict=True)
        ]
        self._train_loss = self.weights(self.members) @ self.train_servers(states, number)
        for i, own in zip(self.members, states, strict=True):
            assert own.grad is not None
            self.cut_gradients.append(self.sent_gradient(own.grad, i, number))
        self._alike = False

    @abstractmethod
    def train_servers(self, states: Sequence[Tensor], number: int) -> Tensor:
        """Train on each member's smashed data, and return the losses, ``[num_members]``.

        Parameters
        ----------
        states : [num_members] of [b, ...], float
            Each is given its gradient.
        """

    def average(self, clients: tuple[int, ...]) -> None:
        """Give every client the weighted average of these clients' models."""
        self.average_clients(self.clients, clients)
        self.average_servers(clients)
        self._alike = True

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
        return (
            self.average_of(self.clients, clients, into=self.average_client),
            self.average_of(servers, clients, into=self.new_server),
        )


class PrivateServerLearner(_SplitFedLearner):
    """SplitFed V1: a server copy for each client, averaged whenever the client models are."""

    def __init__(self, setup: LearnerConfig) -> None:
        super().__init__(setup)
        self._servers = self.server_parts(self.new_server)
        self._server_passes = self.passes("server part")
        self._server_updates = self.updates()

    def server_for(self, client: int) -> Part:
        """Return the client's own server copy."""
        return self._servers[client]

    def train_servers(self, states: Sequence[Tensor], number: int) -> Tensor:
        """Train the members' server copies side by side."""
        parts, members = [self._servers[i] for i in self.members], self.members
        losses = self._server_passes.through(parts, states).losses(
            parts, states, self.labels, lambda place: self.draws("server dropout", members[place], number)
        )
        self._server_updates.step(parts)
        return losses

    def average_servers(self, clients: tuple[int, ...]) -> None:
        """Give every server copy the weighted average of these clients' copies."""
        self._servers.average(clients, self.weights(clients))


class SharedServerLearner(_SplitFedLearner):
    """SplitFed V2: one server part, trained on one client's batch after the other in random order."""

    def __init__(self, setup: LearnerConfig) -> None:
        super().__init__(setup)
        self._server = self.server_part(copy.deepcopy(self.new_server))

    def server_for(self, client: int) -> Part:
        """Return the one server part."""
        return self._server

    def order(self, number: int) -> tuple[int, ...]:
        """Return this round's random order of the participants."""
        shuffled = stream(self.seed, "server order", number).permutation(self.members)
        return tuple(int(i) for i in shuffled)

    def train_servers(self, states: Sequence[Tensor], number: int) -> Tensor:
        """Train the one part on one member's smashed data after the other."""
        losses: dict[int, Tensor] = {}
        for client in self.order(number):
            place = self.members.index(client)
            self._server.zero_grad()
            with self.draws("server dropout", client, number):
                logits = self._server(states[place])
            loss = mean_loss(logits, self.labels[place])
            loss.backward()  # type: ignore[no-untyped-call]
            self._server.step()
            losses[place] = loss.detach()
        return torch.stack([losses[place] for place in range(len(states))])
