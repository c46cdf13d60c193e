"""Evaluation of models that are split into a client's part and a server's part: accuracy and weight hash."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import torch
from torch import nn

from ...scenarios.ordered_sum import ordered_sum
from .client_data import ClientData, Samples

__all__ = ["Composite", "EvaluatedModels", "Evaluation", "accuracy", "has_finite_weights", "weights_hash"]

Composite: TypeAlias = tuple[nn.Module, nn.Module]
"""A whole model: a client's part and the server's part that completes it."""


@dataclass(frozen=True)
class Evaluation:
    """Accuracies on the global test set and on the validation set, from 0 to 1.

    A model has no accuracy, NaN, if a weight, a buffer or a logit of it is not finite. A mean over models is
    NaN if one of them has no accuracy.

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

    @property
    def lowest(self) -> float:
        """Return the lowest test accuracy of a client; NaN if a client's model has no accuracy."""
        return math.nan if math.isnan(self.mean) else min(self.per_client)

    @property
    def highest(self) -> float:
        """Return the highest test accuracy of a client; NaN if a client's model has no accuracy."""
        return math.nan if math.isnan(self.mean) else max(self.per_client)

    @property
    def diverged(self) -> bool:
        """Return whether a client's model has no accuracy on one of the sets."""
        return math.isnan(self.mean) or (self.validation is not None and math.isnan(self.validation))


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
        is_finite = lru_cache(maxsize=None)(has_finite_weights)  # the models of several clients share parts

        def evaluated(composite: Composite, samples: Samples) -> float:
            return accuracy(composite, samples) if all(map(is_finite, composite)) else math.nan

        test = [evaluated(composite, data.test) for composite in composites]
        validation = None
        if data.validation is not None:
            validation = _mean([evaluated(composite, data.validation) for composite in composites])
        if len(composites) == 1:
            return Evaluation(tuple(test * len(clients)), test[0], validation)
        return Evaluation(tuple(test), evaluated(self.averaged_over(clients), data.test), validation)

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

    The result is NaN if a logit is not finite. The largest of such logits would be class 0 or an arbitrary
    class, and the share of correct classes would look like an accuracy.

    Parameters
    ----------
    batch_rows : int
        Samples in one forward pass. This bounds memory and does not change the result.
    """
    images, labels = samples
    for module in composite:
        module.eval()
    correct = torch.zeros((), dtype=torch.int64, device=labels.device)
    finite = torch.ones((), dtype=torch.bool, device=labels.device)
    for first in range(0, len(labels), batch_rows):
        rows = slice(first, first + batch_rows)
        logits = composite[1](composite[0](images[rows]))
        correct += (logits.argmax(dim=1) == labels[rows]).sum()
        finite &= logits.isfinite().all()
    for module in composite:
        module.train()
    return int(correct) / len(labels) if finite else math.nan


@torch.no_grad()
def has_finite_weights(module: nn.Module) -> bool:
    """Return whether all parameters and buffers are finite."""
    extremes = [
        extreme.double()
        for values in (*module.parameters(), *module.buffers())
        if values.is_floating_point() and values.numel()
        for extreme in values.aminmax()  # one pass without a copy; both are NaN if a value is NaN
    ]
    return not extremes or bool(torch.stack(extremes).isfinite().all())


def weights_hash(composites: Iterable[Composite]) -> str:
    """Return a SHA-256 hash of all weights and buffers, unit by unit, across both parts of each model."""
    digest = hashlib.sha256()
    for composite in composites:
        for module in composite:
            for value in module.state_dict().values():
                digest.update(str(tuple(value.shape)).encode())
                digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
