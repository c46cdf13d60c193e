"""Partitions over clients: each sample once, with the requested sizes, classes and shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from cutlayer.models.data.dataset import DatasetError
from cutlayer.models.data.partition import split
from cutlayer.scenarios.random_streams import stream
from cutlayer.scenarios.schema.partition import Partition


def dealt(
    partition: Partition, labels: NDArray[np.int64], clients: int, seed: int = 0
) -> list[NDArray[np.int64]]:
    return split(partition, labels, clients, stream(seed, "partition"))


def balanced(classes: int, samples: int) -> NDArray[np.int64]:
    return np.repeat(np.arange(classes), samples)


KINDS = st.one_of(
    st.just(Partition()),
    st.builds(lambda n: Partition(kind="shards", classes_per_client=n), st.integers(1, 4)),
    st.builds(lambda alpha: Partition(kind="dirichlet", alpha=alpha), st.floats(1e-3, 1e3)),
)


@given(
    partition=KINDS,
    labels=st.lists(st.integers(0, 4), min_size=30, max_size=120),
    clients=st.integers(1, 8),
    seed=st.integers(0, 99),
)
def test_every_sample_goes_to_exactly_one_client(
    partition: Partition, labels: list[int], clients: int, seed: int
) -> None:
    """For each kind, the clients' sets are disjoint, not empty, and cover all samples."""
    try:
        parts = dealt(partition, np.array(labels), clients, seed)
    except DatasetError:
        assume(False)
    assert clients == len(parts)
    assert all(len(part) for part in parts)
    assert {np.dtype(np.int64)} == {part.dtype for part in parts}
    assert list(range(len(labels))) == sorted(np.concatenate(parts).tolist())


@given(samples=st.integers(8, 200), clients=st.integers(1, 8))
def test_iid_sizes_differ_by_at_most_one(samples: int, clients: int) -> None:
    """The sizes of the clients' sets differ by at most one sample."""
    sizes = [len(part) for part in dealt(Partition(), np.zeros(samples, np.int64), clients)]
    assert max(sizes) - min(sizes) <= 1


def test_iid_clients_have_the_classes_of_the_whole() -> None:
    """Each client's share of a class is that of the training set, within six standard deviations."""
    labels = np.repeat([0, 1], [6000, 2000])
    for part in dealt(Partition(), labels, 4):
        deviation = np.sqrt(2000 * 0.25 * 0.75)
        assert abs(np.count_nonzero(labels[part] == 1) - 500) < 6 * deviation


@given(clients=st.integers(1, 12), classes=st.integers(2, 8), held=st.integers(1, 8), seed=st.integers(0, 99))
def test_shards_give_each_client_its_number_of_classes(
    clients: int, classes: int, held: int, seed: int
) -> None:
    """Each client has exactly ``classes_per_client`` classes.

    The number of clients per class, and their numbers of samples of this class, differ by at most 1.
    """
    assume(held <= classes <= clients * held)
    labels = balanced(classes, 30)
    parts = dealt(Partition(kind="shards", classes_per_client=held), labels, clients, seed)
    counts = np.array([np.bincount(labels[part], minlength=classes) for part in parts])
    assert [held] * clients == np.count_nonzero(counts, axis=1).tolist()
    holders = np.count_nonzero(counts, axis=0)
    assert holders.max() - holders.min() <= 1
    for label in range(classes):
        shares = counts[counts[:, label] > 0, label]
        assert shares.max() - shares.min() <= 1


def test_dirichlet_shares_have_the_mean_and_variance_of_the_distribution() -> None:
    """A client's share of a class has mean 1/C and variance (1/C)(1 − 1/C)/(Cα + 1)."""
    clients, classes, alpha = 4, 400, 0.5
    labels = balanced(classes, 500)
    parts = dealt(Partition(kind="dirichlet", alpha=alpha), labels, clients)
    shares = np.array([np.bincount(labels[part], minlength=classes) for part in parts]) / 500
    expected = (1 / clients) * (1 - 1 / clients) / (clients * alpha + 1)
    assert shares.mean() == pytest.approx(1 / clients)
    np.testing.assert_allclose(1 / clients, shares.mean(axis=1), atol=5 * np.sqrt(expected / classes))
    assert shares.var() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(("alpha", "largest"), [(1e-3, 0.95), (1e6, 0.26)])
def test_dirichlet_limits(alpha: float, largest: float) -> None:
    """A small concentration gives almost every class to one client; a large one divides it equally."""
    labels = balanced(50, 200)
    parts = dealt(Partition(kind="dirichlet", alpha=alpha), labels, 4)
    counts = np.array([np.bincount(labels[part], minlength=50) for part in parts])
    share = (counts.max(axis=0) / 200).mean()
    assert share > largest if alpha < 1 else 0.25 <= share < largest


@pytest.mark.parametrize("keys", [{}, {"kind": "shards", "classes_per_client": 1}, {"kind": "dirichlet"}])
def test_samples_are_not_dealt_in_the_order_of_the_file(keys: dict[str, object]) -> None:
    """For every kind, the choice of a client's samples within a class is random."""
    first, second = dealt(Partition.model_validate(keys), np.zeros(100, np.int64), 2)
    assert first.max() > second.min()
    assert second.max() > first.min()


@pytest.mark.parametrize("kind", ["iid", "shards", "dirichlet"])
def test_the_deal_depends_on_the_generator_alone(kind: str) -> None:
    """Equal streams give equal partitions; another seed gives another partition."""
    labels, partition = balanced(10, 20), Partition.model_validate({"kind": kind})
    first, again, other = (dealt(partition, labels, 5, seed) for seed in (0, 0, 1))
    assert [part.tolist() for part in first] == [part.tolist() for part in again]
    assert [part.tolist() for part in first] != [part.tolist() for part in other]


@pytest.mark.parametrize(
    ("partition", "clients", "message"),
    [
        ({}, 4, r"iid .* N = 3 training samples over 4 clients leaves client 3"),
        ({"kind": "dirichlet", "alpha": 1e-6}, 9, r"dirichlet .* N = 3 .* over 9 clients leaves client \d"),
        (
            {"kind": "shards", "classes_per_client": 1},
            7,
            r"shards .* N = 3 .* over 7 clients leaves client \d",
        ),
        ({"kind": "shards", "classes_per_client": 4}, 2, r"at most 3, .*; it is 4"),
        ({"kind": "shards", "classes_per_client": 1}, 2, "2 clients with 1 classes each can't hold all 3"),
    ],
)
def test_a_partition_that_cannot_be_is_refused(
    partition: dict[str, object], clients: int, message: str
) -> None:
    """A client without samples, or an impossible number of classes, is an error with the numbers."""
    with pytest.raises(DatasetError, match=message):
        dealt(Partition.model_validate(partition), np.arange(3), clients)


def test_the_kind_fills_in_its_own_key() -> None:
    """The defaults are two classes per client for shards, and the concentration 0.5 for Dirichlet."""
    keys = ("classes_per_client", "alpha")
    for kind, expected in (("iid", (None, None)), ("shards", (2, None)), ("dirichlet", (None, 0.5))):
        section = Partition.model_validate({"kind": kind})
        assert expected == tuple(getattr(section, key) for key in keys)
        assert section == Partition.model_validate(section.model_dump())
    assert Partition(kind="shards", classes_per_client=3).classes_per_client == 3
    assert Partition() == Partition.model_validate({})


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"alpha": 0.5}, "alpha is a key of kind dirichlet, not of iid"),
        ({"kind": "dirichlet", "classes_per_client": 2}, "classes_per_client is a key of kind shards"),
        ({"kind": "shards", "classes_per_client": 0}, "greater than or equal to 1"),
        ({"kind": "dirichlet", "alpha": 0}, "greater than 0"),
        ({"kind": "uneven"}, "'iid', 'shards' or 'dirichlet'"),
        ({"kind": ["iid"]}, "'iid', 'shards' or 'dirichlet'"),
        ("iid", "dictionary"),
    ],
)
def test_a_key_of_another_kind_is_refused(keys: object, message: str) -> None:
    """A key that does not belong to the kind is an error, and so is a value out of range."""
    with pytest.raises(ValidationError, match=message):
        Partition.model_validate(keys)


@pytest.mark.parametrize("alpha", [1e-30, 1e-3, 0.1, 1e30])
@pytest.mark.parametrize("clients", [50, 100])
def test_every_client_of_a_dirichlet_partition_has_a_sample(alpha: float, clients: int) -> None:
    """Every seed has a partition of all samples, even if there are only as many samples as clients."""
    partition, labels = Partition(kind="dirichlet", alpha=alpha), balanced(10, 10)
    for seed in range(5):
        parts = dealt(partition, labels, clients, seed)
        assert all(len(part) for part in parts)
        assert list(range(100)) == sorted(np.concatenate(parts).tolist())


def test_fewer_samples_than_clients_are_refused() -> None:
    """No redraw can give every one of 11 clients one of 10 samples."""
    with pytest.raises(DatasetError, match="every client needs at least one"):
        dealt(Partition(kind="dirichlet", alpha=0.5), balanced(10, 1), 11)


def test_shards_are_drawn_again_until_every_client_has_a_sample() -> None:
    """Of 4 clients with one class each, two may share a class of one sample; no seed fails for that."""
    labels = np.repeat(np.arange(3), [1, 20, 20])
    partition = Partition(kind="shards", classes_per_client=1)
    for seed in range(30):
        assert {1} < {len(part) for part in dealt(partition, labels, 4, seed)}


def test_shards_that_always_leave_a_client_empty_are_refused() -> None:
    """With 6 clients of one class each, two clients share the class of one sample in every draw."""
    labels = np.repeat(np.arange(3), [1, 20, 20])
    with pytest.raises(DatasetError, match=r"shards .* without any.*; raise classes_per_client"):
        dealt(Partition(kind="shards", classes_per_client=1), labels, 6)
