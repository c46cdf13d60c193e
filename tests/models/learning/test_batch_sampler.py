"""Mini-batches have an exact size, use samples evenly, and depend on seed, client and round alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cutlayer.models.data.dataset import DatasetError
from cutlayer.models.learning.client_data import BatchSampler

SIZES = st.lists(st.integers(1, 20), min_size=1, max_size=4)


def parts(sizes: list[int]) -> list[NDArray[np.int64]]:
    """Return disjoint sets of sample indices that are not just 0, 1, 2."""
    bounds = np.cumsum(sizes)[:-1]
    return np.split(7 + 3 * np.arange(sum(sizes)), bounds)


@given(sizes=SIZES, batch_size=st.integers(1, 25), rounds=st.integers(1, 12))
def test_samples_are_used_evenly(sizes: list[int], batch_size: int, rounds: int) -> None:
    """Each mini-batch has exactly b of the client's samples, and draws them equally often.

    After any round, the numbers of draws of two samples differ by at most one.
    """
    partition = parts(sizes)
    sampler = BatchSampler(partition, batch_size, seed=0)
    for client, own in enumerate(partition):
        counts = dict.fromkeys(own.tolist(), 0)
        for number in range(1, rounds + 1):
            batch = sampler.indices(client, number)
            assert ((batch_size,), torch.int64) == (batch.shape, batch.dtype)
            for sample in batch.tolist():
                counts[sample] += 1  # a sample of another client is a KeyError
            assert max(counts.values()) - min(counts.values()) <= 1
        assert rounds * batch_size == sum(counts.values())


@given(sizes=SIZES, batch_size=st.integers(1, 25), order=st.permutations(range(1, 9)))
def test_batches_do_not_depend_on_what_was_asked_before(
    sizes: list[int], batch_size: int, order: list[int]
) -> None:
    """The order of the calls does not change the mini-batch of a client and round."""
    partition = parts(sizes)
    wanted = {
        (client, number): BatchSampler(partition, batch_size, seed=3).indices(client, number).tolist()
        for client in range(len(sizes))
        for number in range(1, 9)
    }
    sampler = BatchSampler(partition, batch_size, seed=3)
    for number in order:
        for client in reversed(range(len(sizes))):
            assert wanted[client, number] == sampler.indices(client, number).tolist()


def test_a_client_does_not_depend_on_the_others() -> None:
    """A client's mini-batches do not depend on the number of other clients, nor on their samples."""
    own = np.arange(10)
    alone = BatchSampler([own], 4, seed=0)
    crowded = BatchSampler([own, np.arange(10, 13), np.arange(13, 90)], 4, seed=0)
    for number in range(1, 6):
        assert alone.indices(0, number).tolist() == crowded.indices(0, number).tolist()


def test_each_pass_is_shuffled_anew() -> None:
    """Passes over the data differ between epochs, clients and seeds, and each sample leads equally often."""
    samples = np.arange(8)
    sampler = BatchSampler([samples, samples], 8, seed=0)
    passes = [sampler.indices(0, number).tolist() for number in range(1, 2001)]
    assert passes[0] != passes[1]
    assert passes[0] != sampler.indices(1, 1).tolist()
    assert passes[0] != BatchSampler([samples], 8, seed=1).indices(0, 1).tolist()
    leads = np.bincount([order[0] for order in passes], minlength=8)
    # χ² of 7 degrees of freedom is above 24.3 with probability 0.001
    assert ((leads - 250) ** 2 / 250).sum() < 24.3


def test_a_batch_may_straddle_two_shuffles() -> None:
    """With 5 samples and b = 3, rounds 1 to 5 are three whole passes, cut where batches end."""
    sampler = BatchSampler([np.arange(5)], 3, seed=0)
    drawn = np.concatenate([sampler.indices(0, number) for number in range(1, 6)])
    for one_pass in drawn.reshape(3, 5):
        assert list(range(5)) == sorted(one_pass.tolist())


@pytest.mark.parametrize(
    ("partition", "batch_size", "message"),
    [
        ([np.arange(3), np.arange(0)], 2, "client 1 of 2 has no samples"),
        ([np.arange(3)], 0, "batch size must be 1 or more; it is 0"),
    ],
)
def test_batches_of_nothing_are_refused(
    partition: list[NDArray[np.int64]], batch_size: int, message: str
) -> None:
    """A client without samples is an error, and so is a batch size below one."""
    with pytest.raises(DatasetError, match=message):
        BatchSampler(partition, batch_size, seed=0)


def test_rounds_count_from_one() -> None:
    """Round 0 is an error, since rounds count from 1."""
    with pytest.raises(ValueError, match="rounds count from 1; batches of round 0"):
        BatchSampler([np.arange(3)], 2, seed=0).indices(0, 0)
