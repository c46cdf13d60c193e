"""Which samples each client draws in each round."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....scenarios.random_streams import stream
from ...data.dataset import DatasetError

__all__ = ["BatchSampler"]


class BatchSampler:
    """The mini-batches of all clients: a pure function of seed, client and round.

    A client goes through its samples in a random order, then through all of them in another, and so
    on; its round r takes the places (r−1)b to rb−1 of that endless sequence. So each batch has exactly
    b samples, may straddle two shuffles, and repeats samples where the client has fewer than b
    (docs/model.md section 3). Every scheme meets the same batches, whatever it does in between.

    Parameters
    ----------
    partition : sequence of [num_samples_i], int64
        The sample indices of each client.
    batch_size : int
        b, samples a client and round.
    seed : int
        Seed of the scenario.
    device : where the indices are; a shuffle goes there once, when its first batch is drawn

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
        # two a client: the shuffle in use and the one that a batch straddles into
        self._shuffle = lru_cache(maxsize=2 * len(partition))(self._drawn_shuffle)

    def indices(self, client: int, round_index: int) -> Tensor:
        """Return the samples of a client's mini-batch.

        Parameters
        ----------
        client : int
            Counted from 0.
        round_index : int
            Counted from 1.

        Returns
        -------
        indices : [batch_size], int64
            Into the training set.

        Raises
        ------
        ValueError
            If the round's number is below 1.
        """
        if round_index < 1:
            raise ValueError(f"rounds count from 1; batches of round {round_index} are asked for")
        place = (round_index - 1) * self._batch_size
        end = place + self._batch_size
        pieces = []
        while place < end:
            epoch, offset = divmod(place, len(self._partition[client]))
            pieces.append(self._shuffle(client, epoch)[offset : offset + end - place])
            place += len(pieces[-1])
        return torch.cat(pieces)

    def _drawn_shuffle(self, client: int, epoch: int) -> Tensor:
        drawn = stream(self._seed, "batches", client, epoch).permutation(self._partition[client])
        return torch.as_tensor(drawn, device=self._device)
