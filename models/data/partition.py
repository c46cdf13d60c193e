"""Partitions of the training samples over the clients: IID, by classes, or by Dirichlet shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...scenarios.schema.partition import Partition
from .dataset import DatasetError

__all__ = ["split"]

MAX_DRAWS = 100
"""The largest number of draws of a partition. The last one is completed (dirichlet) or refused (shards)."""


def split(
    partition: Partition, labels: NDArray[np.int64], num_clients: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Return each client's samples. The clients' sets are disjoint and cover all samples.

    ``iid``: the samples are split at random into sets whose sizes differ by at most 1.

    ``shards``: each client has ``classes_per_client`` classes. Each class is split equally over its clients,
    whose numbers differ by at most 1 between classes. This follows McMahan et al. 2017,
    "Communication-efficient learning of deep networks from decentralized data", section 3, with shards of a
    single class. A small class may have more clients than samples, so that a client has no samples. The
    partition is then drawn again, because other classes may have the additional client, up to 100 times.

    ``dirichlet``: the clients' shares of each class are drawn from Dir(alpha). The concentration alpha is
    that of Hsu, Qi, Brown 2019, "Measuring the effects of non-identical data distribution for federated
    visual classification". The draw per class, which assigns every sample, is that of Yurochkin et al. 2019.
    The partition is drawn again until every client has a sample, as is common (for example in NIID-Bench, Li
    et al. 2022, with a minimum of 10 samples). After 100 draws, the last one is completed: each empty client
    receives a random sample of the client that then has the most.

    Parameters
    ----------
    partition : Partition
        The kind of partition and its parameter.
    labels : ndarray, [num_samples], int64
        Classes of the training samples.
    num_clients : int
        Number of clients, C.
    rng : numpy.random.Generator
        Generator of the partition's random stream.

    Returns
    -------
    list of ndarray, [num_clients] of [num_samples_i], int64
        Indices into the training set, in rising order.

    Raises
    ------
    DatasetError
        If there are fewer samples than clients, if a client has no samples in every one of 100 shards
        partitions, or if the classes cannot be split over the clients as requested.
    """
    if len(labels) < num_clients:
        raise DatasetError(
            f"the {partition.kind} partition of N = {len(labels)} training samples over {num_clients} clients"
            f" leaves client {num_clients - 1} without any; every client needs at least one"
        )
    if partition.kind == "iid":
        parts = np.array_split(rng.permutation(len(labels)), num_clients)
    elif partition.kind == "shards":
        assert partition.classes_per_client is not None  # the section sets its default
        for _ in range(MAX_DRAWS):
            parts = _shards(labels, num_clients, partition.classes_per_client, rng)
            if all(len(samples) for samples in parts):
                break
    else:
        assert partition.alpha is not None
        parts = _dirichlet_without_empty(labels, num_clients, partition.alpha, rng)
    for client, samples in enumerate(parts):
        if len(samples) == 0:
            raise DatasetError(
                f"the {partition.kind} partition of N = {len(labels)} training samples over {num_clients} "
                f"clients leaves client {client} without any; every client needs at least one. A class has"
                " fewer samples than clients; raise classes_per_client, or have fewer clients"
            )
    return [np.sort(samples) for samples in parts]


def _shards(
    labels: NDArray[np.int64], num_clients: int, classes_per_client: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    classes = np.unique(labels)
    if classes_per_client > len(classes):
        raise DatasetError(
            f"classes_per_client must be at most {len(classes)}, the classes of the training set; "
            f"it is {classes_per_client}"
        )
    if num_clients * classes_per_client < len(classes):
        raise DatasetError(
            f"{num_clients} clients with {classes_per_client} classes each can't hold all "
            f"{len(classes)} classes; raise classes_per_client or the number of clients"
        )
    clients_of_class: list[list[int]] = [[] for _ in classes]
    for client in range(num_clients):
        counts = np.array([len(clients) for clients in clients_of_class])
        # the classes with the fewest clients so far, ties at random
        for index in np.lexsort((rng.random(len(classes)), counts))[:classes_per_client]:
            clients_of_class[index].append(client)
    shares: list[list[NDArray[np.int64]]] = [[] for _ in range(num_clients)]
    for label, clients in zip(classes, clients_of_class, strict=True):
        members = rng.permutation(np.flatnonzero(labels == label))
        for client, share in zip(clients, np.array_split(members, len(clients)), strict=True):
            shares[client].append(share)
    return [np.concatenate(parts) for parts in shares]


def _dirichlet_without_empty(
    labels: NDArray[np.int64], num_clients: int, alpha: float, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    for _ in range(MAX_DRAWS):
        parts = _dirichlet(labels, num_clients, alpha, rng)
        if all(len(samples) for samples in parts):
            return parts
    sizes = np.array([len(samples) for samples in parts])
    for client in np.flatnonzero(sizes == 0):
        largest = int(sizes.argmax())
        moved = int(rng.integers(sizes[largest]))
        parts[client] = parts[largest][moved : moved + 1]
        parts[largest] = np.delete(parts[largest], moved)
        sizes[client], sizes[largest] = 1, sizes[largest] - 1
    return parts


def _dirichlet(
    labels: NDArray[np.int64], num_clients: int, alpha: float, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    shares: list[list[NDArray[np.int64]]] = [[] for _ in range(num_clients)]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        bounds = np.cumsum(_shares(num_clients, alpha, rng))[:-1] * len(members)
        for client, share in enumerate(np.split(members, np.rint(bounds).astype(np.int64))):
            shares[client].append(share)
    return [np.concatenate(parts) for parts in shares]


def _shares(num_clients: int, alpha: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return shares from Dir(alpha), [num_clients]; their limits where floating-point numbers overflow."""
    shares: NDArray[np.float64] = rng.dirichlet(np.full(num_clients, alpha))
    if np.isfinite(shares).all():
        return shares
    if alpha > 1:
        return np.full(num_clients, 1.0 / num_clients)
    one_client: NDArray[np.float64] = np.eye(num_clients)[rng.integers(num_clients)]
    return one_client
