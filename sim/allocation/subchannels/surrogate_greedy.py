"""Greedy assignment by a separable surrogate of the smoothed objective: the start of the local search.

The smoothed objective is a function of four sums over clients. Its tangent in these sums is itself a sum over
clients (docs/model.md, section 4.2, equation P27). So the value of a subchannel for one client does not
depend on the other clients, and a priority queue holds one offer of each client: its best free subchannel.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...radio.resources import RadioResources
from ..problem import RoundWork
from .assignment import Assignment, LinkTables
from .baselines import UNUSED
from .smoothed_objective import SmoothedRoundTime, sum_terms

__all__ = ["surrogate_greedy"]

TEMPERATURE = 1e-2  # relative to the round time
REPEATS_MAX = 4
GAIN_MIN = 1e-4  # relative; a repeat with a smaller gain is the last one


def surrogate_greedy(
    tables: LinkTables, work: RoundWork, starts: Sequence[NDArray[np.intp]], limit_s: float = math.inf
) -> Assignment:
    """Return an assignment of all subchannels, no worse with optimal power than the given ones.

    The best of the given assignments is the first reference. Each repeat builds the greedy assignment for the
    tangent of the objective at the last assignment.

    Parameters
    ----------
    tables : LinkTables
        Resources, and the quality of each subchannel for each client.
    work : RoundWork
        Computation and traffic of a round.
    starts : sequence of ndarray of int, [num_subchannels]
        Assignments to begin with: the client of each subchannel, from 0, or -1. Each serves every client.
    limit_s : float
        A longer round is not improved by repeats, since its cut is not promising, [s].
    """
    problem = tables.problem
    best = Assignment(tables, work, _complete(problem, starts[0]))
    for client_of in starts[1:]:
        best = _shorter(best, Assignment(tables, work, _complete(problem, client_of), best.ends_s))
    candidate = best
    for _ in range(REPEATS_MAX):
        candidate = Assignment(tables, work, _greedy_by_tangent(candidate), candidate.ends_s)
        gain_s = best.time_s - candidate.time_s
        best = _shorter(best, candidate)
        if gain_s <= GAIN_MIN * best.time_s or best.round_s > limit_s:
            break
    return best


def _shorter(first: Assignment, second: Assignment) -> Assignment:
    return second if second.time_s < first.time_s else first


def _complete(problem: RadioResources, client_of: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the assignment with each unused subchannel given to the client of the greatest gain.

    With optimal power one more subchannel never lengthens a round.
    """
    return np.where(client_of == UNUSED, problem.gains.argmax(axis=0), client_of)


def _greedy_by_tangent(reference: Assignment) -> NDArray[np.intp]:
    """Return the greedy assignment for the tangent of the objective at a reference assignment (P27)."""
    tables, problem = reference.tables, reference.tables.problem
    objective = SmoothedRoundTime(reference, TEMPERATURE)
    log_snr, downlink_bps, preferences = tables.log_snr_lists, tables.downlink_lists, tables.preferences
    clients = range(problem.num_clients)
    by_power, by_first, by_upload, by_late = objective.gradients(sum_terms(objective.terms(reference)))
    client_of = [UNUSED] * problem.num_subchannels
    assigned_snr: list[list[float]] = [[] for _ in clients]
    assigned_bps = [0.0] * problem.num_clients
    num_taken = [0] * problem.num_clients  # leading preferences of each client that are assigned already

    def best_free(client: int) -> int:
        ranked, taken = preferences[client], num_taken[client]
        while client_of[ranked[taken]] != UNUSED:
            taken += 1
        num_taken[client] = taken
        return ranked[taken]

    def assign(client: int, subchannel: int) -> None:
        client_of[subchannel] = client
        assigned_snr[client].append(log_snr[client][subchannel])
        assigned_bps[client] += downlink_bps[client][subchannel]

    def surrogate_s(client: int, added_snr: list[float], added_bps: float) -> float:
        """Return f_i for the client's subchannels and the added one, [s]."""
        power_w, exp_first, exp_upload, exp_late = objective.term(
            client, assigned_snr[client] + added_snr, assigned_bps[client] + added_bps
        )
        return by_power * power_w + by_first * exp_first + by_upload * exp_upload + by_late * exp_late

    def offer(client: int) -> tuple[float, int, int, float]:
        """Return the change of f_i by the best free subchannel, client, subchannel and the new f_i."""
        subchannel = best_free(client)
        after_s = surrogate_s(client, [log_snr[client][subchannel]], downlink_bps[client][subchannel])
        return after_s - present_s[client], client, subchannel, after_s

    for client in np.argsort(-reference.work.before_uplink_s, kind="stable").tolist():
        assign(client, best_free(client))
    present_s = [surrogate_s(client, [], 0.0) for client in clients]
    num_free = problem.num_subchannels - problem.num_clients
    offers = [offer(client) for client in clients] if num_free else []
    heapq.heapify(offers)
    while num_free:
        _, client, subchannel, after_s = heapq.heappop(offers)
        if client_of[subchannel] == UNUSED:
            assign(client, subchannel)
            present_s[client] = after_s
            num_free -= 1
        if num_free:
            heapq.heappush(offers, offer(client))
    return np.array(client_of, dtype=np.intp)
