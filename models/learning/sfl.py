"""The learners of SplitFed learning (SFL) V1 and V2: parallel split learning with averaged client parts.

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
from .epsl import ParallelSplitLearner
from .evaluation import Composite
from .parts.part import Part, mean_loss

__all__ = ["PrivateServerLearner", "SharedServerLearner"]


class _SplitFedLearner(ParallelSplitLearner):
    """Client parts that are averaged. Each client's smashed data cause a separate update at the server.

    Optimiser states are neither averaged nor sent; only parameters and buffers are.
    """

    def __init__(self, config: LearnerConfig) -> None:
        super().__init__(config)
        self._all_equal = True

    def server_step(self, merged: int, number: int) -> None:
        """Train a server part on each member's smashed data; no slots are aggregated."""
        received = [
            self.send_smashed(smashed, i, number).requires_grad_()
            for i, smashed in zip(self.members, self.smashed, strict=True)
        ]
        self._train_loss = self.weights(self.members) @ self.train_servers(received, number)
        for i, smashed in zip(self.members, received, strict=True):
            assert smashed.grad is not None
            self.cut_gradients.append(self.send_gradient(smashed.grad, i, number))
        self._all_equal = False

    @abstractmethod
    def train_servers(self, received: Sequence[Tensor], number: int) -> Tensor:
        """Train on each member's smashed data, and return the losses, ``[num_members]``.

        Parameters
        ----------
        received : sequence of Tensor, [num_members] of [b, ...]
            The smashed data. The call sets the gradient of each.
        """

    def average(self, clients: tuple[int, ...]) -> None:
        """Give every client the λ-weighted average of these clients' parts; average the server parts."""
        self.average_clients(self.clients, clients)
        self.average_servers(clients)
        self._all_equal = True

    @abstractmethod
    def server_for(self, client: int) -> Part:
        """Return the server part that trains with this client."""

    def average_servers(self, clients: tuple[int, ...]) -> None:
        """Average the server parts if there are several."""

    def composites_of(self, clients: Sequence[int]) -> list[Composite]:
        """Return each client's part with its server part; a single one right after averaging."""
        distinct = clients[:1] if self._all_equal else clients
        return [(self.clients[i].module, self.server_for(i).module) for i in distinct]

    def averaged_over(self, clients: Sequence[int]) -> Composite:
        """Return the λ-weighted averages of the client parts and of the server parts."""
        servers = {i: self.server_for(i) for i in clients}
        return (
            self.average_of(self.clients, clients, into=self.average_client),
            self.average_of(servers, clients, into=self.new_server),
        )


class PrivateServerLearner(_SplitFedLearner):
    """SplitFed V1: one server part per client, averaged whenever the client parts are."""

    def __init__(self, config: LearnerConfig) -> None:
        super().__init__(config)
        self._servers = self.server_parts(self.new_server)
        self._server_passes = self.pass_choice("server part")
        self._server_updates = self.updates()

    def server_for(self, client: int) -> Part:
        """Return the server part of this client."""
        return self._servers[client]

    def train_servers(self, received: Sequence[Tensor], number: int) -> Tensor:
        """Train the members' server parts in parallel, and return the losses, ``[num_members]``."""
        parts, members = [self._servers[i] for i in self.members], self.members
        losses = self._server_passes.choose(parts, received).losses(
            parts,
            received,
            self.labels,
            lambda index: self.dropout_stream("server dropout", members[index], number),
        )
        self._server_updates.step(parts)
        return losses

    def average_servers(self, clients: tuple[int, ...]) -> None:
        """Give every client's server part the λ-weighted average of these clients' server parts."""
        self._servers.average(clients, self.weights(clients))


class SharedServerLearner(_SplitFedLearner):
    """SplitFed V2: one server part, which trains on one member's batch after another in random order."""

    def __init__(self, config: LearnerConfig) -> None:
        super().__init__(config)
        self._server = self.server_part(copy.deepcopy(self.new_server))

    def server_for(self, client: int) -> Part:
        """Return the one server part."""
        return self._server

    def order(self, number: int) -> tuple[int, ...]:
        """Return the random order of the members in round ``number``."""
        shuffled = stream(self.seed, "server order", number).permutation(self.members)
        return tuple(int(i) for i in shuffled)

    def train_servers(self, received: Sequence[Tensor], number: int) -> Tensor:
        """Train the server part on one member's smashed data after another, and return the losses."""
        losses: dict[int, Tensor] = {}
        for client in self.order(number):
            index = self.members.index(client)
            self._server.zero_grad()
            with self.dropout_stream("server dropout", client, number):
                logits = self._server(received[index])
            loss = mean_loss(logits, self.labels[index])
            loss.backward()
            self._server.step()
            losses[index] = loss.detach()
        return torch.stack([losses[index] for index in range(len(received))])
