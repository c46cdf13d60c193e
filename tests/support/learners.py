"""Learners on small random data, and the plain PyTorch loops that they are held against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cutlayer.models.data.dataset import Dataset
from cutlayer.models.learning.base import Learner, LearnerConfig
from cutlayer.models.learning.client_data import BatchSampler, ClientData
from cutlayer.models.learning.evaluation import Composite
from cutlayer.scenarios.schema.compression import Compression
from cutlayer.scenarios.schema.scenario import ClientsPass, Optimizer

torch.set_num_threads(1)  # the tensors are tiny

SHAPE = (1, 4, 4)
CLASSES = 3


def client_data(sizes: Sequence[int], batch_size: int, dtype: torch.dtype = torch.float64) -> ClientData:
    """Return clients with so many random samples each."""
    rng = np.random.default_rng(7)
    total = sum(sizes)
    dataset = Dataset(
        name="random",
        train_images=rng.standard_normal((total, *SHAPE)).astype(np.float32),
        train_labels=rng.integers(0, CLASSES, total),
        test_images=rng.standard_normal((40, *SHAPE)).astype(np.float32),
        test_labels=np.arange(40) % CLASSES,
        classes=CLASSES,
    )
    parts = np.split(np.arange(total), np.cumsum(sizes)[:-1])
    return ClientData(
        dataset, parts, BatchSampler(parts, batch_size, seed=0), device=torch.device("cpu"), dtype=dtype
    )


def smooth() -> nn.Sequential:
    """Return a model of four units without batch norm."""
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Tanh()),
        nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.Tanh()),
        nn.Sequential(nn.Linear(10, 8), nn.Tanh()),
        nn.Linear(8, CLASSES),
    )


def normed() -> nn.Sequential:
    """Return a model of four units with batch norm on both sides of every cut but the last."""
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        nn.Sequential(nn.Flatten(), nn.Linear(64, 10, bias=False), nn.BatchNorm1d(10), nn.ReLU()),
        nn.Sequential(nn.Linear(10, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU()),
        nn.Linear(8, CLASSES),
    )


def linear_server() -> nn.Sequential:
    """Return a model whose units behind the first are linear."""
    return nn.Sequential(
        nn.Sequential(nn.Flatten(), nn.Linear(16, 9), nn.Tanh()), nn.Linear(9, 7), nn.Linear(7, CLASSES)
    )


class Counting(nn.Module):
    """A unit with a parameter that it does not use, whose buffers are assigned rather than written to."""

    mean: Tensor
    passes: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.ones(3))
        self.register_buffer("mean", torch.zeros(SHAPE))
        self.register_buffer("passes", torch.zeros((), dtype=torch.int64))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the inputs less their running mean."""
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * inputs.detach().mean(dim=0)
            self.passes = self.passes + 1
        return inputs - self.mean.detach()


def counting() -> nn.Sequential:
    """Return a model that begins with such a unit."""
    return nn.Sequential(Counting(), *smooth())


def make(
    learner: Callable[..., Learner],
    build: Callable[[], nn.Sequential],
    data: ClientData,
    *,
    cut: int = 2,
    optimizer: Optimizer | None = None,
    compression: Compression | None = None,
    clients_pass: ClientsPass = "looped",
    **options: Any,
) -> Any:
    """Return a learner; plain SGD at one rate unless told otherwise."""
    settings = optimizer or sgd()
    return learner(LearnerConfig(build, cut, data, settings, 3, compression, clients_pass), **options)


def sgd(rate: float = 0.1, momentum: float = 0.0) -> Optimizer:
    """Return SGD with one rate on both sides."""
    return Optimizer(name="sgd", client_lr=rate, server_lr=rate, momentum=momentum)


def adam(rate: float = 0.01) -> Optimizer:
    """Return Adam with one rate on both sides."""
    return Optimizer(name="adam", client_lr=rate, server_lr=rate)


def mean_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the plain mean cross-entropy."""
    return functional.cross_entropy(logits, labels)


def composites(learner: Learner) -> list[Composite]:
    """Return the distinct models of all clients."""
    return learner.composites_of(learner.everyone)


def state(*modules: nn.Module) -> list[Tensor]:
    """Return all floating-point parameters and buffers of the modules, in order."""
    return [v.clone() for m in modules for v in m.state_dict().values() if v.is_floating_point()]


def gap(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    """Return the greatest absolute difference of two states."""
    return max(float((a - b).abs().max()) for a, b in zip(first, second, strict=True))
