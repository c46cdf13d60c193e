"""The clients' samples as tensors on the training device, and the mini-batches drawn from them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...scenarios.random_streams import stream
from ..data.dataset import Dataset, DatasetError

__all__ = ["BatchSampler", "ClientData", "Samples"]

Samples: TypeAlias = tuple[Tensor, Tensor]
"""Images and their labels."""


class BatchSampler:
    """Draws the mini-batches of all clients, which depend on seed, client and round alone.

    A client goes through its samples in a random order, then through all of them in another order, and so on.
    In round r it takes positions (r−1)b to rb−1 of this endless sequence. So each mini-batch has exactly b
    samples, may extend over two shuffles, and repeats samples if the client has fewer than b (docs/model.md
    section 3). Every scheme trains on the same mini-batches.

    Parameters
    ----------
    partition : sequence of ndarray, [num_clients] of [num_samples_i], int64
        The sample indices of each client.
    batch_size : int
        Samples per mini-batch, b.
    seed : int
        Seed of the scenario.
    device : torch.device or None
        The device of the indices. A shuffle is copied there once, when its first mini-batch is drawn.

    Raises
    ------
    DatasetError
        If a client has no samples or the batch size is below 1.
    """

    def __init__(
        self,
        partition: Sequence[NDArray[np.int64]],
        batch_size: int,
        seed: int,
        device: torch.device | None = None,
    ) -> None:
        if batch_size < 1:
            raise DatasetError(f"the batch size must be 1 or more; it is {batch_size}")
        for client, samples in enumerate(partition):
            if len(samples) == 0:
                raise DatasetError(f"client {client} of {len(partition)} has no samples to draw batches from")
        self._partition = partition
        self._batch_size = batch_size
        self._seed = seed
        self._device = device
        # two per client: the present shuffle and the next one, if a mini-batch extends over both
        self._shuffle = lru_cache(maxsize=2 * len(partition))(self._draw_shuffle)

    def indices(self, client: int, round_index: int) -> Tensor:
        """Return the indices of a client's mini-batch in the training set: ``[batch_size]``, int64.

        Parameters
        ----------
        client : int
            Number of the client, from 0.
        round_index : int
            Number of the round, from 1.

        Raises
        ------
        ValueError
            If the number of the round is below 1.
        """
        if round_index < 1:
            raise ValueError(f"rounds count from 1; batches of round {round_index} are asked for")
        position = (round_index - 1) * self._batch_size
        end = position + self._batch_size
        pieces = []
        while position < end:
            epoch, offset = divmod(position, len(self._partition[client]))
            pieces.append(self._shuffle(client, epoch)[offset : offset + end - position])
            position += len(pieces[-1])
        return torch.cat(pieces)

    def _draw_shuffle(self, client: int, epoch: int) -> Tensor:
        shuffle = stream(self._seed, "batches", client, epoch).permutation(self._partition[client])
        return torch.as_tensor(shuffle, device=self._device)


class ClientData:
    """Training samples by client, the test set and, if samples are held out, the validation set.

    Parameters
    ----------
    dataset : Dataset
        Images and labels.
    partition : sequence of ndarray, [num_clients] of [num_samples_i], int64
        The sample indices of each client.
    batches : BatchSampler
        Selects the samples of a client's mini-batch.
    device, dtype : torch.device, torch.dtype
        Device and type of the images.

    Attributes
    ----------
    shares : Tensor, [num_clients]
        The weights λ_i = |D_i|/Σ_i|D_i|.
    samples : list of int, [num_clients]
        Number of samples of each client.
    test, validation : pairs of Tensor, [num_samples, channels, height, width] and [num_samples]
        Images and int64 labels. ``validation`` is None if no samples are held out.
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
        """Return the number of distinct classes among a client's samples."""
        return len(np.unique(self._train_labels[self._partition[client]]))

    def fingerprint(self) -> str:
        """Return a SHA-256 hash of all training, test and validation samples."""
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

        All samples are on the training device already. The only copy to it is a client's next shuffle.

        Returns
        -------
        images : Tensor, [num_clients, b, channels, height, width]
        labels : Tensor, [num_clients, b], int64
        """
        rows = torch.cat([self._batches.indices(i, number) for i in clients])
        images, labels = self._images.index_select(0, rows), self._labels.index_select(0, rows)
        return images.view(len(clients), -1, *images.shape[1:]), labels.view(len(clients), -1)

    def _weights(self, clients: tuple[int, ...]) -> Tensor:
        """Return λ of these clients, scaled to sum to one: ``[num_clients]``. Callers must not modify it."""
        # not by an index tensor, which would have to be copied to the device
        shares = torch.stack([self.shares[i] for i in clients])
        return shares / shares.sum()
