"""Dealing the training samples out to the clients: alike, by classes, or by Dirichlet shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...scenarios.schema.partition import Partition
from .dataset import DatasetError

__all__ = ["split"]


def split(
    partition: Partition, labels: NDArray[np.int64], num_clients: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Return each client's samples; the clients' sets are disjoint and cover all samples.

    ``iid``: a random deal into sets whose sizes differ by at most 1. ``shards``: each client holds
    ``classes_per_client`` classes, each class is held by equally many clients (to within 1) and dealt
    out to them equally; after McMahan et al. 2017, "Communication-efficient learning of deep networks
    from decentralized data", section 3, with shards that keep to one class. ``dirichlet``: the clients'
    shares of each class are drawn from Dir(alpha), the concentration of Hsu, Qi, Brown 2019, "Measuring
    the effects of non-identical data distribution for federated visual classification", in the variant
    that draws per class, so that every sample is dealt out (Yurochkin et al. 2019).

    Parameters
    ----------
    partition : the kind and its key
    labels : [num_samples], int64
        Classes of the training samples.
    num_clients : int
        C.
    rng : generator of the partition's stream

    Returns
    -------
    list of [num_samples_i], int64
        Indices into the training set, in rising order, one array a client.

    Raises
    ------
    DatasetError
        If a client is left without samples, or the classes can't be dealt out as asked.
    """
    if partition.kind == "iid":
        parts = np.array_split(rng.permutation(len(labels)), num_clients)
    elif partition.kind == "shards":
        assert partition.classes_per_client is not None  # the section fills it in
        parts = _shards(labels, num_clients, partition.classes_per_client, rng)
    else:
        assert partition.alpha is not None
        parts = _dirichlet(labels, num_clients, partition.alpha, rng)
    for client, samples in enumerate(parts):
        if len(samples) == 0:
            raise DatasetError(
                f"the {partition.kind} partition of N = {len(labels)} training samples over {num_clients} "
                f"clients leaves client {client} without any; every client needs at least one"
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
    holders: list[list[int]] = [[] for _ in classes]
    for client in range(num_clients):
        held = np.array([len(clients) for clients in holders])
        # the classes with the fewest holders so far, ties at random
        for index in np.lexsort((rng.random(len(classes)), held))[:classes_per_client]:
            holders[index].append(client)
    shares: list[list[NDArray[np.int64]]] = [[] for _ in range(num_clients)]
    for label, clients in zip(classes, holders, strict=True):
        members = rng.permutation(np.flatnonzero(labels == label))
        for client, share in zip(clients, np.array_split(members, len(clients)), strict=True):
            shares[client].append(share)
    return [np.concatenate(parts) for parts in shares]


def _dirichlet(
    labels: NDArray[np.int64], num_clients: int, alpha: float, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    shares: list[list[NDArray[np.int64]]] = [[] for _ in range(num_clients)]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        bounds = np.cumsum(rng.dirichlet(np.full(num_clients, alpha)))[:-1] * len(members)
        for client, share in enumerate(np.split(members, np.rint(bounds).astype(np.int64))):
            shares[client].append(share)
    return [np.concatenate(parts) for parts in shares]
