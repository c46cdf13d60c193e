"""What is minimised: the cross-entropy of rows, each with a weight."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

__all__ = ["mean_loss", "mean_losses", "objective"]


def objective(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return ``Σ weights·ℓ``, the cross-entropy summed with one weight a row, as a scalar.

    Parameters
    ----------
    logits : [num_rows, num_classes], float
    labels : [num_rows], int64
    weights : [num_rows], float
    """
    return functional.cross_entropy(logits, labels, reduction="none") @ weights


def mean_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the objective of one client's rows, which weigh the same, as a scalar."""
    return functional.cross_entropy(logits, labels)


def mean_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean loss of each client's rows, ``[num_clients]``.

    Parameters
    ----------
    logits : [num_clients, num_rows, num_classes], float
    labels : [num_clients, num_rows], int64
    """
    rows = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return rows.view(labels.shape).mean(dim=1)
