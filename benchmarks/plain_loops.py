"""Split learning in plain PyTorch, as one writes it without a simulator. It is the reference for speed.

Each loop does only the tensor operations of a scheme's learner. The indices of all mini-batches are drawn in
advance, and there is no clock, no client sampling and no evaluation. Sections are those of docs/model.md.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["LOOPS", "PlainLoop", "Task"]


@dataclass(frozen=True)
class Task:
    """The training that a loop does: model, data, mini-batches and learning rates.

    Attributes
    ----------
    new_model : callable
        Builds the model with its initial weights.
    cut : int
        Number of units on the client.
    images : Tensor, [num_samples, channels, height, width]
        All training samples.
    labels : Tensor, [num_samples]
        Their classes, int64.
    rows : sequence of sequences of Tensor, [num_rounds][num_clients] of [b]
        Indices of the samples in each mini-batch, int64.
    shares : Tensor, [num_clients]
        The weights λ_i.
    client_lr, server_lr : float
        Adam's learning rates.
    """

    new_model: Callable[[], nn.Sequential]
    cut: int
    images: Tensor
    labels: Tensor
    rows: Sequence[Sequence[Tensor]]
    shares: Tensor
    client_lr: float
    server_lr: float


class PlainLoop(ABC):
    """A training loop. The constructor builds everything, so that :meth:`train` does nothing but train."""

    def __init__(self, task: Task) -> None:
        self.task = task
        count = len(task.shares)
        self.clients: list[nn.Module] = [task.new_model()[: task.cut] for _ in range(count)]
        self.servers: list[nn.Module] = [task.new_model()[task.cut :]]
        self._make_optimizers()

    def _make_optimizers(self) -> None:
        self.client_steps = [torch.optim.Adam(m.parameters(), self.task.client_lr) for m in self.clients]
        self.server_steps = [torch.optim.Adam(m.parameters(), self.task.server_lr) for m in self.servers]

    def train(self) -> list[float]:
        """Train for all rounds, and return the loss of each."""
        return [float(self.round(rows)) for rows in self.task.rows]

    def weights(self) -> list[Tensor]:
        """Return all parameters, client parts first."""
        return [p.detach() for module in (*self.clients, *self.servers) for p in module.parameters()]

    @abstractmethod
    def round(self, rows: Sequence[Tensor]) -> Tensor:
        """Train on one mini-batch a client, and return the loss before the update."""


class PSL(PlainLoop):
    """Parallel split learning (PSL): one step of the server on all rows, and one step of each client."""

    def round(self, rows: Sequence[Tensor]) -> Tensor:
        """Train on one mini-batch a client, and return the loss before the update."""
        task = self.task
        smashed = [client(task.images[r]) for client, r in zip(self.clients, rows, strict=True)]
        labels = task.labels[torch.cat(list(rows))]
        states = torch.cat(smashed).detach().requires_grad_()
        loss, gradients = self._server_pass(states, labels, len(rows[0]))
        self.server_steps[0].step()
        for step, output, gradient in zip(self.client_steps, smashed, gradients, strict=True):
            step.zero_grad()
            output.backward(gradient)
            step.step()
        return loss

    def _loss(self, logits: Tensor, labels: Tensor, size: int) -> Tensor:
        """Return Σ λ_i (1/b) Σ ℓ_ij."""
        losses = functional.cross_entropy(logits, labels, reduction="none")
        return (losses * (self.task.shares / size).repeat_interleave(size)).sum()

    def _server_pass(self, states: Tensor, labels: Tensor, size: int) -> tuple[Tensor, Sequence[Tensor]]:
        """Return the loss, and each client's activation gradients, ``[b, ...]``."""
        self.server_steps[0].zero_grad()
        loss = self._loss(self.servers[0](states), labels, size)
        loss.backward()
        assert states.grad is not None
        parts = states.grad.split(size)
        return loss.detach(), [g / share for g, share in zip(parts, self.task.shares, strict=True)]


class EPSL(PSL):
    """EPSL with φ = 1, ``virtual``: all slots are merged, and b rows are back-propagated (section 3.3)."""

    def _server_pass(self, states: Tensor, labels: Tensor, size: int) -> tuple[Tensor, Sequence[Tensor]]:
        """Return the loss, and the activation gradients, ``[b, ...]``, which are the same for all clients."""
        server, shares = self.servers[0], self.task.shares
        count = len(shares)
        with torch.no_grad():
            logits = server(states)
        loss = self._loss(logits.requires_grad_(), labels, size)
        (z,) = torch.autograd.grad(loss, logits)
        by_client = states.detach().view(count, size, *states.shape[1:])
        mean_states = torch.tensordot(shares, by_client, dims=1).requires_grad_()
        self.server_steps[0].zero_grad()
        server(mean_states).backward(z.view(count, size, -1).sum(dim=0))
        assert mean_states.grad is not None
        return loss.detach(), [mean_states.grad] * count


def split_pass(client: nn.Module, server: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Run a forward and a backward pass through both parts, detached at the cut, and return the loss."""
    smashed = client(images)
    states = smashed.detach().requires_grad_()
    loss = functional.cross_entropy(server(states), labels)
    loss.backward()
    smashed.backward(states.grad)
    return loss.detach()


class SFL(PlainLoop):
    """SplitFed V1: each client trains with its own copy of the server part; both are averaged every round."""

    def _make_optimizers(self) -> None:
        self.servers = [copy.deepcopy(self.servers[0]) for _ in self.clients]
        super()._make_optimizers()

    def round(self, rows: Sequence[Tensor]) -> Tensor:
        """Train on one mini-batch a client, and return the loss before the update."""
        task = self.task
        losses = []
        for i, r in enumerate(rows):
            self.client_steps[i].zero_grad()
            self.server_steps[i].zero_grad()
            losses.append(split_pass(self.clients[i], self.servers[i], task.images[r], task.labels[r]))
            self.client_steps[i].step()
            self.server_steps[i].step()
        self._average(self.clients)
        self._average(self.servers)
        return task.shares @ torch.stack(losses)

    @torch.no_grad()
    def _average(self, modules: Sequence[nn.Module]) -> None:
        for copies in zip(*(module.parameters() for module in modules), strict=True):
            mean = torch.tensordot(self.task.shares, torch.stack(copies), dims=1)
            for parameter in copies:
                parameter.copy_(mean)


class SL(PlainLoop):
    """Sequential split learning: clients hand on one client part, and keep their own optimiser states."""

    def _make_optimizers(self) -> None:
        self.clients = [self.clients[0]] * len(self.clients)
        super()._make_optimizers()

    def round(self, rows: Sequence[Tensor]) -> Tensor:
        """Train on one mini-batch a client, and return the loss before the updates."""
        task = self.task
        client, server, server_step = self.clients[0], self.servers[0], self.server_steps[0]
        losses = []
        for step, r in zip(self.client_steps, rows, strict=True):
            step.zero_grad()
            server_step.zero_grad()
            losses.append(split_pass(client, server, task.images[r], task.labels[r]))
            server_step.step()
            step.step()
        return task.shares @ torch.stack(losses)


LOOPS: dict[str, type[PlainLoop]] = {"psl": PSL, "epsl": EPSL, "sfl": SFL, "sl": SL}
"""The loop of each scheme, by the scheme's name."""
