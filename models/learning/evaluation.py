"""Evaluation of models that are split into a client's part and a server's part: accuracy and weight hash."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import nn

from ...scenarios.ordered_sum import ordered_sum
from .client_data import ClientData, Samples

__all__ = ["Composite", "EvaluatedModels", "Evaluation", "accuracy", "weights_hash"]

Composite: TypeAlias = tuple[nn.Module, nn.Module]
"""A whole model: a client's part and the server's part that completes it."""


@dataclass(frozen=True)
class Evaluation:
    """Accuracies on the global test set and on the validation set, from 0 to 1.

    Attributes
    ----------
    per_client : tuple of float
        Accuracy of each client's composite model on the test set.
    averaged : float
        Accuracy of the composite with the averaged client part on the test set.
    validation : float or None
        Mean accuracy of the clients' composites on the validation set. None if no samples are held out.
    """

    per_client: tuple[float, ...]
    averaged: float
    validation: float | None = None

    @property
    def mean(self) -> float:
        """Return the mean test accuracy over the clients, which the results report."""
        return _mean(self.per_client)


class EvaluatedModels(ABC):
    """The clients' models, which can be evaluated and hashed at any time between two rounds.

    A subclass says which models the clients have. Everything else about evaluation is here.

    Attributes
    ----------
    data : ClientData
        Holds the test set and the validation set.
    """

    data: ClientData

    @abstractmethod
    def composites_of(self, clients: Sequence[int]) -> list[Composite]:
        """Return the distinct models that these clients would use now: one if all of them are equal."""

    @abstractmethod
    def averaged_over(self, clients: Sequence[int]) -> Composite:
        """Return the model with the λ-weighted average of these clients' parts."""

    @property
    def everyone(self) -> Sequence[int]:
        """Return the numbers of all clients."""
        return range(self.data.clients)

    @torch.no_grad()
    def evaluate(self, clients: Sequence[int] | None = None) -> Evaluation:
        """Return the accuracies of these clients' models; of all clients by default."""
        clients = self.everyone if clients is None else clients
        data, composites = self.data, self.composites_of(clients)
        test = [accuracy(composite, data.test) for composite in composites]
        validation = None
        if data.validation is not None:
            validation = _mean([accuracy(composite, data.validation) for composite in composites])
        if len(composites) == 1:
            return Evaluation(tuple(test * len(clients)), test[0], validation)
        return Evaluation(tuple(test), accuracy(self.averaged_over(clients), data.test), validation)

    def fingerprint(self, clients: Sequence[int] | None = None) -> str:
        """Return a hash of all weights and buffers of these clients' models; of all clients by default.

        Two runs with equal fingerprints learnt the same weights. The hash takes the weights unit by unit, so
        it does not depend on the cut layer.
        """
        return weights_hash(self.composites_of(self.everyone if clients is None else clients))


def _mean(accuracies: Sequence[float]) -> float:
    return ordered_sum(accuracies) / len(accuracies)


@torch.no_grad()
def accuracy(composite: Composite, samples: Samples, *, batch_rows: int = 1024) -> float:
    """Return the fraction of correctly classified samples. The model is in training mode afterwards.

    Parameters
    ----------
    batch_rows : int
        Samples in one forward pass. This bounds memory and does not change the result.
    """
    images, labels = samples
    for module in composite:
        module.eval()
    correct = torch.zeros((), dtype=torch.int64, device=labels.device)
    for first in range(0, len(labels), batch_rows):
        rows = slice(first, first + batch_rows)
        logits = composite[1](composite[0](images[rows]))
        correct += (logits.argmax(dim=1) == labels[rows]).sum()
    for module in composite:
        module.train()
    return int(correct) / len(labels)


def weights_hash(composites: Iterable[Composite]) -> str:
    """Return a SHA-256 hash of all weights and buffers, unit by unit, across both parts of each model."""
    digest = hashlib.sha256()
    for composite in composites:
        for module in composite:
            for value in module.state_dict().values():
                digest.update(str(tuple(value.shape)).encode())
                digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
