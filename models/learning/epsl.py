"""The learner of PSL and EPSL: parallel split learning with one server part and aggregated gradients.

Lin et al., "Efficient Parallel Split Learning over Resource-constrained Wireless Edge Networks". Section 3.3
of docs/model.md says which row carries which gradient.
"""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from .base import Learner, LearnerConfig
from .evaluation import Composite
from .parts.client_batching import Graph
from .parts.client_parts import average_into
from .parts.part import Part, weighted_loss

__all__ = ["EpslLearner", "ParallelSplitLearner"]


class ParallelSplitLearner(Learner):
    """One part per client, all trained in parallel, each on its client's mini-batch.

    A round calls ``client_forward``, ``server_step`` and ``client_step`` in this order. A subclass defines
    the second: it reads ``smashed`` and ``labels`` and sets ``cut_gradients``.

    Attributes
    ----------
    clients : ClientParts
        One part per client.
    members : tuple of int
        The clients of this round.
    labels : Tensor, [num_members, b]
        Labels of the members' mini-batches, int64.
    cut_gradients : list of Tensor, [num_members] of [b, ...]
        Activation gradients as the members receive them.
    average_client, new_server : nn.Sequential
        Units 1..cut and cut+1..L of a new model. The former is overwritten with averages of clients' parts.
    """

    def __init__(self, config: LearnerConfig) -> None:
        super().__init__(config)
        self.average_client, self.new_server = self.new_parts()
        self.clients = self.client_parts(self.average_client)
        self.members: tuple[int, ...] = ()
        self.labels = torch.empty(0)
        self.cut_gradients: list[Tensor] = []
        self._passes = self.pass_choice("client part")
        self._updates = self.updates()
        self._graph: Graph | None = None

    @property
    def smashed(self) -> list[Tensor]:
        """Return the members' smashed data, ``[num_members]`` of ``[b, ...]``."""
        return [] if self._graph is None else list(self._graph.outputs)

    def client_forward(self, clients: tuple[int, ...], number: int) -> None:
        """Run the forward pass of these clients' parts on their mini-batches of round ``number``."""
        self.members = clients
        images, self.labels = self.data.batches(clients, number)
        parts = [self.clients[i] for i in clients]
        self._graph = self._passes.choose(parts, images).forward(
            parts, images, lambda index: self.dropout_stream("client dropout", clients[index], number)
        )

    @abstractmethod
    def server_step(self, merged: int, number: int) -> None:
        """Train the server's side on the smashed data, with ``merged`` aggregated slots per mini-batch."""

    def client_step(self, clients: tuple[int, ...] | None = None) -> None:
        """Back-propagate the activation gradients through the parts of these members, and update the parts.

        By default these are all members. The parts of other members, whose gradients have not arrived, keep
        their weights. Their running statistics are those of the forward pass, which they have run.
        """
        assert self._graph is not None
        finished = self.members if clients is None else clients
        indices = [index for index, client in enumerate(self.members) if client in finished]
        if indices:
            self._graph.backward(self.cut_gradients, indices)
            self._updates.step([self.clients[self.members[index]] for index in indices])
        self._graph, self.cut_gradients = None, []

    def average_of(
        self, parts: Sequence[Part] | Mapping[int, Part], clients: Sequence[int], into: nn.Module
    ) -> nn.Module:
        """Write the λ-weighted average of these clients' parts into a module, and return the module."""
        target = [*into.parameters(), *into.buffers()]
        average_into([target], [parts[i].tensors for i in clients], self.weights(clients))
        return into


class EpslLearner(ParallelSplitLearner):
    """Parallel split learning with n_a aggregated slots per mini-batch; n_a = 0 is PSL.

    Parameters
    ----------
    exact : bool
        Back-propagate every row and average the merged slots' activation gradients afterwards. This is the
        reference for the default ("virtual"), which back-propagates a single row for each merged slot.
    """

    def __init__(self, config: LearnerConfig, *, exact: bool = False) -> None:
        super().__init__(config)
        self.server = self.server_part(self.new_server)
        self._exact = exact

    def server_step(self, merged: int, number: int) -> None:
        """Train the server's part on the smashed data, with ``merged`` aggregated slots."""
        weights = self.weights(self.members)
        # [num_members * b, ...]
        received = torch.cat(
            [
                self.send_smashed(smashed, i, number)
                for i, smashed in zip(self.members, self.smashed, strict=True)
            ]
        )
        self.server.zero_grad()
        with self.dropout_stream("server dropout", number):
            if merged == 0 or self._exact:
                self.cut_gradients = list(self._all_rows(received, weights, merged))
            else:
                self.cut_gradients = self._merged_rows(received, weights, merged)
        if self.compression is not None:
            self.cut_gradients = self._send_gradients(self.cut_gradients, merged, number)
        self.server.step()

    def _send_gradients(self, gradients: list[Tensor], merged: int, number: int) -> list[Tensor]:
        """Return each member's gradients as it receives them: merged rows by broadcast, then its own rows."""
        broadcast = self.send_gradient(gradients[0][:merged], -1, number)
        return [
            torch.cat([broadcast, self.send_gradient(gradient[merged:], i, number, first_slot=merged)])
            for i, gradient in zip(self.members, gradients, strict=True)
        ]

    def _all_rows(self, received: Tensor, weights: Tensor, merged: int) -> Tensor:
        """Back-propagate every row, and return the activation gradients ``[num_members, b, ...]``."""
        members, size = len(self.members), len(received) // len(self.members)
        received.requires_grad_()
        logits = self.server(received)
        row_weights = (weights / size).repeat_interleave(size)
        loss = weighted_loss(logits, self.labels.flatten(), row_weights)
        self._train_loss = loss.detach()
        if merged == 0:
            loss.backward()
        else:
            (logit_gradients,) = torch.autograd.grad(loss, logits, retain_graph=True)
            rows = logit_gradients.view(members, size, -1)
            mean = rows[:, :merged].sum(dim=0)  # z̄_j/b, since the rows are weighted with λ_i/b already
            rows[:, :merged] = weights.view(-1, 1, 1) * mean
            logits.backward(rows.view_as(logits))
        assert received.grad is not None
        # [num_members, b, ...]; a client's gradient is that of its mean loss, without λ_i
        gradients = received.grad.view(members, size, *received.shape[1:])
        scale = weights.view(-1, *(1,) * (gradients.dim() - 1))
        if merged == 0:
            return gradients / scale
        averaged = (
            gradients[:, :merged].sum(dim=0, keepdim=True).expand(members, *(-1,) * (gradients.dim() - 1))
        )
        return torch.cat([averaged, gradients[:, merged:] / scale], dim=1)

    def _merged_rows(self, received: Tensor, weights: Tensor, merged: int) -> list[Tensor]:
        """Back-propagate n_a + C(b−n_a) rows; return each member's activation gradients ``[b, ...]``."""
        members, size = len(self.members), len(received) // len(self.members)
        with torch.no_grad():  # this pass gives z, and updates running statistics
            logits = self.server(received)
        logits = logits.detach().clone().requires_grad_()  # a copy: a server of identities returns its input
        loss = weighted_loss(logits, self.labels.flatten(), (weights / size).repeat_interleave(size))
        self._train_loss = loss.detach()
        (logit_gradients,) = torch.autograd.grad(loss, logits)
        # [num_members, b, num_classes], each row λ_i z_ij/b
        row_gradients = logit_gradients.view(members, size, -1)
        by_slot = received.view(members, size, *received.shape[1:])
        # [n_a, ...] s̄_j and z̄_j/b, then [num_members * (b − n_a), ...]
        rows = torch.cat(
            [torch.tensordot(weights, by_slot[:, :merged], dims=1), by_slot[:, merged:].flatten(0, 1)]
        )
        gradients = torch.cat([row_gradients[:, :merged].sum(dim=0), row_gradients[:, merged:].flatten(0, 1)])
        rows.requires_grad_()
        with frozen_statistics(self.server.module):
            self.server(rows).backward(gradients)
        assert rows.grad is not None
        if merged == size:
            return [rows.grad] * members
        averaged, unmerged = rows.grad[:merged], rows.grad[merged:].chunk(members)
        return [
            torch.cat([averaged, gradient / weight])
            for gradient, weight in zip(unmerged, weights, strict=True)
        ]

    def composites_of(self, clients: Sequence[int]) -> list[Composite]:
        """Return each client's part with the common server part."""
        return [(self.clients[i].module, self.server.module) for i in clients]

    def averaged_over(self, clients: Sequence[int]) -> Composite:
        """Return the λ-weighted average of the client parts with the server part."""
        return self.average_of(self.clients, clients, into=self.average_client), self.server.module


@contextlib.contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Let batch norms use the statistics of the batch, and keep their running statistics unchanged."""
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    tracking = [norm.track_running_stats for norm in norms]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm, tracked in zip(norms, tracking, strict=True):
            norm.track_running_stats = tracked
