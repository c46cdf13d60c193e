"""Who gets which subchannels: functions ``(problem, work, rng) -> client_of``, one a method.

All of them reckon with uniform power: client i spreads min(p_i^max, p_th/C) flat over its own
subchannels, so both power limits hold for whatever they choose (docs/model.md section 4). The greedy
rules are in :mod:`.greedy`.
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
GIVEN = ("allocation", "subchannels")


def round_robin(problem: RadioResources, work: RoundWork, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the assignment of subchannel k to client k mod C, [num_subchannels], int.

    Parameters
    ----------
    problem, work, rng : as for :func:`.greedy.greedy`

    Raises
    ------
    PlanningError
        If there are more clients than subchannels.
    """
    check_enough(problem)
    return np.arange(problem.num_subchannels, dtype=np.intp) % problem.num_clients


def random(problem: RadioResources, work: RoundWork, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return a random assignment, [num_subchannels], int: one to each client, the rest to any.

    Parameters
    ----------
    problem, work : as for :func:`.greedy.greedy`
    rng : generator that the assignment is drawn from

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

    That is the greatest gain times min(p_i^max, p_th/C), the power before it is spread. So that nobody is
    left without: first one subchannel each, in the order of the clients, each its best free one. Ties go to
    the lowest index.

    Parameters
    ----------
    problem, work, rng : as for :func:`.greedy.greedy`

    Returns
    -------
    client_of : [num_subchannels], int
        The client of each subchannel, from 0.

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
    """Return an assignment that is given as each client's list of subchannels.

    Parameters
    ----------
    lists : [num_clients] lists of int
        Subchannels of each client, by index from 0.
    num_clients, num_subchannels : int
        C and M.

    Returns
    -------
    client_of : [num_subchannels], int
        The client of each subchannel, from 0; -1 where it is in no list.

    Raises
    ------
    PlanningError
        If there are not C lists, a list is empty, or a subchannel is out of range or given twice.
    """
    if len(lists) != num_clients:
        raise PlanningError(
            f"subchannels are listed for {len(lists)} devices; there are {num_clients}", GIVEN
        )
    client_of = np.full(num_subchannels, UNUSED, dtype=np.intp)
    for client, subchannels in enumerate(lists):
        if not subchannels:
            raise PlanningError(f"device {client} has no subchannel; each needs at least one", GIVEN)
        for subchannel in subchannels:
            if not 0 <= subchannel < num_subchannels:
                raise PlanningError(
                    f"device {client}: subchannel {subchannel} is outside 0 to {num_subchannels - 1}", GIVEN
                )
            if client_of[subchannel] != UNUSED:
                raise PlanningError(
                    f"subchannel {subchannel} is given to device {client_of[subchannel]}"
                    f" and to device {client}; each belongs to one device at most",
                    GIVEN,
                )
            client_of[subchannel] = client
    return client_of


def check_enough(problem: RadioResources) -> None:
    """Refuse more clients than subchannels: each needs one at least."""
    if problem.num_clients > problem.num_subchannels:
        raise PlanningError(
            f"{problem.num_clients} clients need at least one subchannel each;"
            f" there are {problem.num_subchannels}",
            ("radio", "subchannels"),
        )
