"""The clients' samples as tensors on the device that trains, copied there once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.batches import BatchSampler
from ..data.dataset import Dataset

__all__ = ["ClientData"]


class ClientData:
    """Training samples by client, and the test set.

    Parameters
    ----------
    dataset : the images and labels
    partition : the sample indices of each client
    batches : which samples a client draws in a round
    device, dtype : where and how images are kept

    Attributes
    ----------
    shares : [num_clients], float
        λ_i = |D_i|/Σ|D_i|.
    samples, classes_held : lists of int
        Of each client: how many samples it has, of how many classes.
    """

    def __init__(
        self,
        dataset: Dataset,
        partition: Sequence[NDArray[np.int64]],
        batches: BatchSampler,
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        def images(values: NDArray[np.float32]) -> Tensor:
            return torch.as_tensor(values).to(device=device, dtype=dtype)

        self.device = device
        self.dtype = dtype
        self.clients = len(partition)
        self.classes = dataset.classes
        sizes = torch.tensor([len(samples) for samples in partition], dtype=dtype, device=device)
        self.shares = sizes / sizes.sum()
        self.samples = [len(rows) for rows in partition]
        self.classes_held = [len(np.unique(dataset.train_labels[rows])) for rows in partition]
        self.test_images = images(dataset.test_images)
        self.test_labels = torch.as_tensor(dataset.test_labels).to(device)
        self._images = images(dataset.train_images)
        self._labels = torch.as_tensor(dataset.train_labels).to(device)
        self._batches = batches

    def batch(self, client: int, number: int) -> tuple[Tensor, Tensor]:
        """Return a client's mini-batch of round ``number``: ``[b, channels, height, width]`` and ``[b]``."""
        rows = torch.as_tensor(self._batches.indices(client, number)).to(self.device)
        return self._images[rows], self._labels[rows]
