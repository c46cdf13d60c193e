"""A first assignment that reckons with optimal power: greedy by the tension that each subchannel takes away.

The tension is a sum over clients once its outer logarithms are replaced by their tangents, so that what a
subchannel is worth to a client does not hang on the others: a heap holds each client's best free one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ....scenarios.ordered_sum import ordered_sum
from ...radio.resources import RadioResources
from ..problem import RoundWork
from .assignment import Assignment, LinkTables
from .baselines import UNUSED
from .greedy import greedy, marginal_greedy
from .smoothed_objective import NOTHING, SmoothedRoundTime

__all__ = ["draft"]

SOFTNESS = 1e-2
ROUNDS_MAX = 4
GAIN = 1e-4  # relative; a round of drafting that gains less is the last


def draft(tables: LinkTables, work: RoundWork, rng: np.random.Generator) -> Assignment:
    """Return an assignment of all subchannels, no worse with optimal power than the two greedy rules'.

    Parameters
    ----------
    tables : of the resources
    work : what the round asks for
    rng : unused; the greedy rules take one

    Raises
    ------
    AllocationError
        If there are more clients than subchannels.
    """
    problem = tables.problem
    best = _shortest(
        Assignment(tables, work, _complete(problem, rule(problem, work, rng)))
        for rule in (greedy, marginal_greedy)
    )
    tried = best
    for _ in range(ROUNDS_MAX):
        tried = Assignment(tables, work, _draft_at(tried))
        gain_s = best.time_s - tried.time_s
        best = _shortest((best, tried))
        if gain_s <= GAIN * best.time_s:
            break
    return best


def _shortest(assignments: Iterable[Assignment]) -> Assignment:
    return min(assignments, key=lambda assignment: assignment.time_s)


def _complete(problem: RadioResources, owner: NDArray[np.intp]) -> NDArray[np.intp]:
    """Give what is unused to the strongest: with optimal power a further subchannel does no harm."""
    return np.where(owner == UNUSED, problem.gains.argmax(axis=0), owner)


def _draft_at(at: Assignment) -> NDArray[np.intp]:
    """Return the greedy assignment by the tension at the ends of another one."""
    tables, problem = at.tables, at.tables.problem
    tension = SmoothedRoundTime(at, SOFTNESS)
    log_snr, downlink_bps, preferences = tables.log_snr_lists, tables.downlink_lists, tables.preferences
    clients = range(problem.num_clients)
    weights = tension.weights(NOTHING.exchanged((), tension.terms(at)))
    owner = [UNUSED] * problem.num_subchannels
    own_snr: list[list[float]] = [[] for _ in clients]
    own_bps = [0.0] * problem.num_clients
    passed = [0] * problem.num_clients  # of each client's preferences: they are given away

    def best_free(client: int) -> int:
        ranked = preferences[client]
        while owner[ranked[passed[client]]] != UNUSED:
            passed[client] += 1
        return ranked[passed[client]]

    def give(client: int, subchannel: int) -> None:
        owner[subchannel] = client
        own_snr[client].append(log_snr[client][subchannel])
        own_bps[client] += downlink_bps[client][subchannel]

    def tension_s(client: int, more_snr: list[float], more_bps: float) -> float:
        term = tension.term(client, own_snr[client] + more_snr, own_bps[client] + more_bps)
        return ordered_sum(weight * value for weight, value in zip(weights, term, strict=True))

    def offer(client: int) -> tuple[float, int, int, float]:
        """Return what the client's best free subchannel changes, and the tension that it then has."""
        subchannel = best_free(client)
        after_s = tension_s(client, [log_snr[client][subchannel]], downlink_bps[client][subchannel])
        return after_s - present_s[client], client, subchannel, after_s

    for client in np.argsort(-at.work.before_uplink_s, kind="stable").tolist():
        give(client, best_free(client))
    present_s = [tension_s(client, [], 0.0) for client in clients]
    num_free = problem.num_subchannels - problem.num_clients
    offers = [offer(client) for client in clients] if num_free else []
    heapq.heapify(offers)
    while num_free:
        _, client, subchannel, after_s = heapq.heappop(offers)
        if owner[subchannel] == UNUSED:
            give(client, subchannel)
            present_s[client] = after_s
            num_free -= 1
        if num_free:
            heapq.heappush(offers, offer(client))
    return np.array(owner, dtype=np.intp)
