"""The clients' samples as tensors on the device that trains, copied there once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...data.dataset import Dataset
from .batch_sampler import BatchSampler

__all__ = ["ClientData", "Samples"]

Samples: TypeAlias = tuple[Tensor, Tensor]
"""Images and their labels."""


class ClientData:
    """Training samples by client, the test set, and the validation set where there is one.

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
    samples : list of int
        How many samples each client has.
    test, validation : pair of [num_samples, channels, height, width], float, and [num_samples], int64
        Images and labels; ``validation`` is None where nothing is held out.
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
        def samples(images: NDArray[np.float32], labels: NDArray[np.int64]) -> Samples:
            return torch.as_tensor(images).to(device=device, dtype=dtype), torch.as_tensor(labels).to(device)

        self.device = device
        self.dtype = dtype
        self.clients = len(partition)
        self.classes = dataset.classes
        sizes = torch.tensor([len(samples) for samples in partition], dtype=dtype, device=device)
        self.shares = sizes / sizes.sum()
        self.samples = [len(rows) for rows in partition]
        self._partition, self._train_labels = partition, dataset.train_labels
        self.test = samples(dataset.test_images, dataset.test_labels)
        self.validation = samples(*dataset.validation) if dataset.validation else None
        self._images, self._labels = samples(dataset.train_images, dataset.train_labels)
        self._batches = batches
        self.weights = lru_cache(maxsize=8)(self._weights)

    def classes_held(self, client: int) -> int:
        """Return how many classes a client's samples are of."""
        return len(np.unique(self._train_labels[self._partition[client]]))

    def fingerprint(self) -> str:
        """Return a hash of all samples: of training, test and validation."""
        digest = hashlib.sha256()
        for pair in ((self._images, self._labels), self.test, self.validation or ()):
            for tensor in pair:
                digest.update(str(tuple(tensor.shape)).encode())
                digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def batch(self, client: int, number: int) -> Samples:
        """Return a client's mini-batch of round ``number``: ``[b, channels, height, width]`` and ``[b]``."""
        rows = self._batches.indices(client, number)
        return self._images.index_select(0, rows), self._labels.index_select(0, rows)

    def batches(self, clients: Sequence[int], number: int) -> Samples:
        """Return these clients' mini-batches of round ``number``.

        Nothing is copied to the device for it, but a client's next shuffle when it has used one up.

        Returns
        -------
        images : [num_clients, b, channels, height, width], float
        labels : [num_clients, b], int64
        """
        rows = torch.cat([self._batches.indices(i, number) for i in clients])
        images, labels = self._images.index_select(0, rows), self._labels.index_select(0, rows)
        return images.view(len(clients), -1, *images.shape[1:]), labels.view(len(clients), -1)

    def _weights(self, clients: tuple[int, ...]) -> Tensor:
        """Return λ of these clients, re-weighted to sum to one: ``[num_clients]``; not to be written to."""
        shares = torch.stack([self.shares[i] for i in clients])  # an index of them would be copied there
        return shares / shares.sum()
