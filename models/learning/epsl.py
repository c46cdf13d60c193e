"""The learner of PSL and EPSL: clients' own parts, one server part, aggregated last-layer gradients.

Lin et al., "Efficient Parallel Split Learning over Resource-constrained Wireless Edge Networks";
which row carries which gradient is in docs/model.md section 3.3.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from .base import LearnerConfig
from .evaluation import Composite
from .parallel_base import ParallelSplitLearner
from .parts.loss import objective

__all__ = ["EpslLearner"]


class EpslLearner(ParallelSplitLearner):
    """Parallel split learning with n_a aggregated slots; n_a = 0 is PSL.

    Parameters
    ----------
    exact : bool
        Back-propagate every row and average the merged slots' cut-layer gradients afterwards: the
        reference for ``virtual``, which back-propagates one row for each merged slot.
    """

    def __init__(self, setup: LearnerConfig, *, exact: bool = False) -> None:
        super().__init__(setup)
        self.server = self.server_part(self.new_server)
        self._exact = exact

    def server_step(self, merged: int, number: int) -> None:
        """Train the server's part on the smashed data, with ``merged`` aggregated slots."""
        share = self.weights(self.members)
        # [num_members * b, ...]
        states = torch.cat(
            [self.sent_smashed(own, i, number) for i, own in zip(self.members, self.smashed, strict=True)]
        )
        self.server.zero_grad()
        with self.draws("server dropout", number):
            if merged == 0 or self._exact:
                self.cut_gradients = list(self._all_rows(states, share, merged))
            else:
                self.cut_gradients = self._merged_rows(states, share, merged)
        if self.compression is not None:
            self.cut_gradients = self._sent(self.cut_gradients, merged, number)
        self.server.step()

    def _sent(self, gradients: list[Tensor], merged: int, number: int) -> list[Tensor]:
        """Return each member's cut-layer gradients as they arrive: merged rows by broadcast, then its own."""
        averaged = self.sent_gradient(gradients[0][:merged], -1, number)
        return [
            torch.cat([averaged, self.sent_gradient(own[merged:], i, number, first_slot=merged)])
            for i, own in zip(self.members, gradients, strict=True)
        ]

    def _all_rows(self, states: Tensor, share: Tensor, merged: int) -> Tensor:
        """Back-propagate every row, and return the cut-layer gradients ``[num_members, b, ...]``."""
        members, size = len(self.members), len(states) // len(self.members)
        states.requires_grad_()
        logits = self.server(states)
        row_weights = (share / size).repeat_interleave(size)
        loss = objective(logits, self.labels.flatten(), row_weights)
        self._train_loss = loss.detach()
        if merged == 0:
            loss.backward()  # type: ignore[no-untyped-call]
        else:
            (weighted,) = torch.autograd.grad(loss, logits, retain_graph=True)
            rows = weighted.view(members, size, -1)
            mean = rows[:, :merged].sum(dim=0)  # z̄_j/b, as the rows carry λ_i/b already
            rows[:, :merged] = share.view(-1, 1, 1) * mean
            logits.backward(rows.view_as(logits))  # type: ignore[no-untyped-call]
        assert states.grad is not None
        # [num_members, b, ...]; a client's gradient is that of its own mean loss
        gradients = states.grad.view(members, size, *states.shape[1:])
        scale = share.view(-1, *(1,) * (gradients.dim() - 1))
        if merged == 0:
            return gradients / scale
        averaged = (
            gradients[:, :merged].sum(dim=0, keepdim=True).expand(members, *(-1,) * (gradients.dim() - 1))
        )
        return torch.cat([averaged, gradients[:, merged:] / scale], dim=1)

    def _merged_rows(self, states: Tensor, share: Tensor, merged: int) -> list[Tensor]:
        """Back-propagate n_a + C(b−n_a) rows; return each member's cut-layer gradients ``[b, ...]``."""
        members, size = len(self.members), len(states) // len(self.members)
        with torch.no_grad():  # this pass gives z, and updates running statistics
            logits = self.server(states)
        logits = logits.detach().clone().requires_grad_()  # of its own, also behind a server of identities
        loss = objective(logits, self.labels.flatten(), (share / size).repeat_interleave(size))
        self._train_loss = loss.detach()
        (weighted,) = torch.autograd.grad(loss, logits)
        # [num_members, b, num_classes], each row λ_i z_ij/b
        row_gradients = weighted.view(members, size, -1)
        by_slot = states.view(members, size, *states.shape[1:])
        # [n_a, ...] s̄_j and z̄_j/b, then [num_members * (b − n_a), ...]
        rows = torch.cat(
            [torch.tensordot(share, by_slot[:, :merged], dims=1), by_slot[:, merged:].flatten(0, 1)]
        )
        gradients = torch.cat([row_gradients[:, :merged].sum(dim=0), row_gradients[:, merged:].flatten(0, 1)])
        rows.requires_grad_()
        with frozen_statistics(self.server.module):
            self.server(rows).backward(gradients)  # type: ignore[no-untyped-call]
        assert rows.grad is not None
        if merged == size:
            return [rows.grad] * members
        averaged, own = rows.grad[:merged], rows.grad[merged:].chunk(members)
        return [torch.cat([averaged, mine / weight]) for mine, weight in zip(own, share, strict=True)]

    def composites_of(self, clients: Sequence[int]) -> list[Composite]:
        """Return each client's part with the common server part."""
        return [(self.clients[i].module, self.server.module) for i in clients]

    def averaged_over(self, clients: Sequence[int]) -> Composite:
        """Return the λ-weighted average of the client parts with the server part."""
        return self.average_of(self.clients, clients, into=self.average_client), self.server.module


@contextlib.contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Let batch norms use the batch's own statistics and leave their running ones alone."""
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    tracking = [norm.track_running_stats for norm in norms]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm, tracked in zip(norms, tracking, strict=True):
            norm.track_running_stats = tracked
