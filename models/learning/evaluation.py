"""What a learner's models are worth: their accuracy, and a hash of their weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import nn

from .samples.client_data import Samples

__all__ = ["Composite", "Evaluation", "accuracy", "weights_hash"]

Composite: TypeAlias = tuple[nn.Module, nn.Module]
"""A client's part and the server's part that completes it."""

_ROWS = 1024  # samples in one pass: bounds memory, and changes no result


@dataclass(frozen=True)
class Evaluation:
    """Accuracy on the global test set, and on the validation set where there is one; from 0 to 1.

    Attributes
    ----------
    per_client : of each client's composite model, on the test set
    averaged : of the composite with the averaged client part, on the test set
    validation : mean over the clients' composites on the validation set; None without one
    """

    per_client: tuple[float, ...]
    averaged: float
    validation: float | None = None

    @property
    def mean(self) -> float:
        """Return the mean over the clients: the accuracy that results report."""
        return sum(self.per_client) / len(self.per_client)


@torch.no_grad()
def accuracy(composite: Composite, samples: Samples) -> float:
    """Return the share of samples that the model labels rightly; it is left in training mode."""
    images, labels = samples
    for module in composite:
        module.eval()
    correct = torch.zeros((), dtype=torch.int64, device=labels.device)
    for first in range(0, len(labels), _ROWS):
        rows = slice(first, first + _ROWS)
        logits = composite[1](composite[0](images[rows]))
        correct += (logits.argmax(dim=1) == labels[rows]).sum()
    for module in composite:
        module.train()
    return int(correct) / len(labels)


def weights_hash(composites: Iterable[Composite]) -> str:
    """Return a hash of all weights and buffers, unit by unit, whatever part a unit is in."""
    digest = hashlib.sha256()
    for composite in composites:
        for module in composite:
            for value in module.state_dict().values():
                digest.update(str(tuple(value.shape)).encode())
                digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
