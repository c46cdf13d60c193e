"""What the learners of parallel split schemes share: clients' parts that go forwards and back together."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Learner, LearnerConfig
from .parts.client_batching import Graph

__all__ = ["ParallelSplitLearner"]


class ParallelSplitLearner(Learner):
    """A part for every client, each on its own mini-batch; what the server does is the subclass's.

    A subclass adds ``server_step``, which finds ``smashed`` and ``labels`` and leaves ``cut_gradients``.

    Attributes
    ----------
    clients : one part a client
    members : the round's clients
    smashed : [num_members] of [b, ...], float
        Their smashed data.
    labels : [num_members, b], int64
    cut_gradients : [num_members] of [b, ...], float
        As they arrive at the clients.
    average_client, new_server : units 1..cut and cut+1..L of a new model
        The former takes averages of the clients' parts.
    """

    def __init__(self, setup: LearnerConfig) -> None:
        super().__init__(setup)
        self.average_client, self.new_server = self.new_parts()
        self.clients = self.client_parts(self.average_client)
        self.members: tuple[int, ...] = ()
        self.labels = torch.empty(0)
        self.cut_gradients: list[Tensor] = []
        self._passes = self.passes("client part")
        self._updates = self.updates()
        self._graph: Graph | None = None

    @property
    def smashed(self) -> list[Tensor]:
        """Return the members' smashed data."""
        return [] if self._graph is None else list(self._graph.outputs)

    def client_forward(self, clients: tuple[int, ...], number: int) -> None:
        """Run the forward pass of these clients' parts on their mini-batches of this round."""
        self.members = clients
        images, self.labels = self.data.batches(clients, number)
        parts = [self.clients[i] for i in clients]
        self._graph = self._passes.through(parts, images).forward(
            parts, images, lambda place: self.draws("client dropout", clients[place], number)
        )

    def client_step(self) -> None:
        """Back-propagate the cut layer's gradients through the clients' parts, and update them."""
        assert self._graph is not None
        self._graph.backward(self.cut_gradients)
        self._updates.step([self.clients[i] for i in self.members])
        self._graph, self.cut_gradients = None, []
