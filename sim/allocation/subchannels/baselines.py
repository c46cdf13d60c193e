"""Simple subchannel methods: functions ``(problem, work, rng) -> client_of``, and explicit assignments.

All methods assume uniform power: client i spreads min(p_i^max, p_th/C) evenly over its subchannels. So both
power limits hold for any assignment (docs/model.md, section 4). The greedy rules are in :mod:`.greedy`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...planning_error import PlanningError
from ...radio.resources import RadioResources, uniform_power_w
from ..problem import RoundWork

__all__ = ["UNUSED", "check_enough", "explicit_assignment", "random", "round_robin", "strongest_signal"]

UNUSED = -1
KEY_PATH = ("allocation", "subchannels")


def round_robin(problem: RadioResources, work: RoundWork, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the assignment of subchannel k to client k mod C, [num_subchannels].

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work : RoundWork
        Unused; the signature is that of every subchannel method.
    rng : numpy.random.Generator
        Unused; the signature is that of every subchannel method.

    Raises
    ------
    PlanningError
        If there are more clients than subchannels.
    """
    check_enough(problem)
    return np.arange(problem.num_subchannels, dtype=np.intp) % problem.num_clients


def random(problem: RadioResources, work: RoundWork, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return a random assignment, [num_subchannels]: one subchannel to each client, the rest to any client.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work : RoundWork
        Unused; the signature is that of every subchannel method.
    rng : numpy.random.Generator
        Source of the random assignment.

    Raises
    ------
    PlanningError
        If there are more clients than subchannels.
    """
    check_enough(problem)
    clients, subchannels = problem.num_clients, problem.num_subchannels
    client_of = np.concatenate((np.arange(clients), rng.integers(clients, size=subchannels - clients)))
    return rng.permutation(client_of).astype(np.intp)


def strongest_signal(problem: RadioResources, work: RoundWork, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the assignment of each subchannel to the client whose signal is received strongest on it.

    The signal is the gain times min(p_i^max, p_th/C), the client's power before it is spread. Each client
    first takes its best free subchannel, in the order of the clients, so every client has one. Ties go to the
    lowest index.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work : RoundWork
        Unused; the signature is that of every subchannel method.
    rng : numpy.random.Generator
        Unused; the signature is that of every subchannel method.

    Returns
    -------
    ndarray of int, [num_subchannels]
        Client of each subchannel, from 0.

    Raises
    ------
    PlanningError
        If there are more clients than subchannels.
    """
    check_enough(problem)
    signal_w = problem.gains * uniform_power_w(problem)[:, np.newaxis]
    client_of: NDArray[np.intp] = signal_w.argmax(axis=0)
    free = signal_w.copy()
    for client in range(problem.num_clients):
        best = int(free[client].argmax())
        client_of[best] = client
        free[:, best] = -np.inf
    return client_of


def explicit_assignment(
    lists: Sequence[Sequence[int]], num_clients: int, num_subchannels: int
) -> NDArray[np.intp]:
    """Return the assignment that a scenario states as a list of subchannels for each client.

    Parameters
    ----------
    lists : sequence of sequences of int, [num_clients]
        Subchannels of each client, from 0.
    num_clients, num_subchannels : int
        Numbers of clients C and of subchannels M.

    Returns
    -------
    ndarray of int, [num_subchannels]
        Client of each subchannel, from 0; -1 where it is in no list.

    Raises
    ------
    PlanningError
        If the number of lists is not C, a list is empty, or a subchannel is out of range or in two lists.
    """
    if len(lists) != num_clients:
        raise PlanningError(
            f"subchannels are listed for {len(lists)} devices; there are {num_clients}", KEY_PATH
        )
    client_of = np.full(num_subchannels, UNUSED, dtype=np.intp)
    for client, subchannels in enumerate(lists):
        if not subchannels:
            raise PlanningError(f"device {client} has no subchannel; each needs at least one", KEY_PATH)
        for subchannel in subchannels:
            if not 0 <= subchannel < num_subchannels:
                raise PlanningError(
                    f"device {client}: subchannel {subchannel} is outside 0 to {num_subchannels - 1}",
                    KEY_PATH,
                )
            if client_of[subchannel] != UNUSED:
                raise PlanningError(
                    f"subchannel {subchannel} is given to device {client_of[subchannel]}"
                    f" and to device {client}; each belongs to one device at most",
                    KEY_PATH,
                )
            client_of[subchannel] = client
    return client_of


def check_enough(problem: RadioResources) -> None:
    """Raise PlanningError if there are more clients than subchannels, because each client needs one."""
    if problem.num_clients > problem.num_subchannels:
        raise PlanningError(
            f"{problem.num_clients} clients need at least one subchannel each;"
            f" there are {problem.num_subchannels}",
            ("radio", "subchannels"),
        )
