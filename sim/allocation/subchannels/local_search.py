"""Local search over assignments of subchannels: moves and swaps between clients that shorten the round.

Each pass ranks the moves and swaps by their approximate effect on the smoothed objective (docs/model.md,
section 4.2, equations P20 to P26). It then computes the objective of one candidate after the other, and keeps
those that lower it. Optimal power gives the new round time after the pass, and the pass counts only if the
round time has fallen. Small instances get stuck in local optima more often. They are searched again from
perturbed and from random assignments (iterated local search: Lourenço, Martin, Stützle 2003).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...radio.resources import RadioResources
from ..problem import RoundWork
from .assignment import Assignment, LinkTables
from .greedy import marginal_greedy
from .smoothed_objective import SmoothedRoundTime, sum_terms
from .surrogate_greedy import surrogate_greedy

__all__ = ["RESTARTS_MAX", "iterated_search", "local_search", "num_restarts", "search"]

Floats: TypeAlias = NDArray[np.float64]
Change: TypeAlias = tuple[int, int, int]
"""A move or a swap: a subchannel, the client that receives it, and the subchannel that goes back or none."""

NO_SUBCHANNEL = -1
TEMPERATURES = (1e-2, 1e-4)  # relative to the round time
RESTART_TEMPERATURES = (3e-2, 1e-3)  # higher, to look further
GAIN_MIN = 1e-5  # relative; a pass with a smaller gain is the last one at its temperature
ROUNDING = 1e-12  # relative
RANKED_MAX = 2000  # moves, and as many swaps, of one pass
SWAPPED_MAX = 100  # subchannels whose swaps are ranked: those that another client values most
PATIENCE = 50  # candidates in a row that do not lower the objective end a pass
RESTARTS = 600  # restarts times clients times subchannels
RESTARTS_MAX = 12
EXPONENT_MAX = 50.0  # of the factor by which a water level rises


def local_search(problem: RadioResources, work: RoundWork, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return an assignment that no move or swap of subchannels improves much, with optimal power.

    With optimal power its round is no longer than that of
    ``greedy`` and of ``marginal_greedy``, from which it starts.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work : RoundWork
        Computation and traffic of a round.
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
    starts = marginal_greedy.candidates(problem, {0: work}, rng)[0]
    return iterated_search(search(surrogate_greedy(LinkTables.of(problem), work, starts))).client_of


def search(
    start: Assignment, temperatures: Sequence[float] = TEMPERATURES, limit_s: float = math.inf
) -> Assignment:
    """Return the assignment that passes of moves and swaps reach; its round is no longer than at the start.

    Parameters
    ----------
    start : Assignment
        The first assignment.
    temperatures : sequence of float
        Temperatures of the smoothed objective, relative to the round time, in the order of their use.
    limit_s : float
        A round that is longer after one temperature is not searched at the next, [s].
    """
    best = start
    for temperature in temperatures:
        gain = math.inf
        while gain > GAIN_MIN and best.time_s > 0:
            candidate = _after_pass(best, temperature)
            if candidate is None:
                break
            gain = 1.0 - candidate.time_s / best.time_s
            if gain > ROUNDING:
                best = candidate
        if best.round_s > limit_s:
            break
    return best


def iterated_search(start: Assignment) -> Assignment:
    """Return the best assignment of repeated searches from other starts; the start is one candidate.

    By turns a search begins from a perturbation of the best assignment and from a random assignment. The
    latter finds optima that no chain of small changes reaches, as with gains that spread over 35 dB. The
    random numbers are the same in every call. The number of searches falls with the size of the instance.
    """
    clients, subchannels = start.tables.problem.gains.shape
    best = start
    rng = np.random.default_rng(0)
    if clients == 1:
        return best
    for restart in range(num_restarts(clients, subchannels)):
        client_of = _random(clients, subchannels, rng) if restart % 2 else _perturbed(best, rng)
        other = Assignment(start.tables, start.work, client_of, best.ends_s)
        candidate = search(other, RESTART_TEMPERATURES)
        if candidate.time_s < best.time_s * (1.0 - ROUNDING):
            best = candidate
    return best


def num_restarts(clients: int, subchannels: int) -> int:
    """Return the number of restarts of :func:`iterated_search`; it falls with the size of the instance."""
    return min(RESTARTS // (clients * subchannels), RESTARTS_MAX)


def _perturbed(assignment: Assignment, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the assignment after two random swaps and a random move."""
    clients, subchannels = assignment.tables.problem.gains.shape
    client_of = assignment.client_of.copy()
    for one, other in rng.integers(subchannels, size=(2, 2)).tolist():
        client_of[[one, other]] = client_of[[other, one]]
    moved = int(rng.integers(subchannels))
    if np.count_nonzero(client_of == client_of[moved]) > 1:
        client_of[moved] = rng.integers(clients)
    return client_of


def _random(clients: int, subchannels: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return a random assignment that serves every client."""
    client_of = rng.integers(clients, size=subchannels)
    client_of[rng.permutation(subchannels)[:clients]] = np.arange(clients)
    return client_of


def _after_pass(start: Assignment, temperature: float) -> Assignment | None:
    """Return the assignment after one pass, or None if no move or swap lowers the smoothed objective."""
    objective = SmoothedRoundTime(start, temperature)
    log_snr, downlink_bps = start.tables.log_snr_lists, start.tables.downlink_lists
    client_of: list[int] = start.client_of.tolist()
    subchannels_of, rates_bps = start.subchannels_by_client(), start.downlink_bps.tolist()
    terms = objective.terms(start)
    total = sum_terms(terms)
    best_s = objective.value_s(total)
    failures, changed = 0, False

    def with_change(client: int, removed: int, added: int) -> tuple[list[int], float]:
        """Return a client's subchannels and downlink rate without one subchannel and with another."""
        subchannels, rate_bps = subchannels_of[client], rates_bps[client]
        if removed != NO_SUBCHANNEL:
            subchannels = [k for k in subchannels if k != removed]
            rate_bps -= downlink_bps[client][removed]
        if added != NO_SUBCHANNEL:
            subchannels = [*subchannels, added]
            rate_bps += downlink_bps[client][added]
        return subchannels, rate_bps

    for subchannel, receiver, back in _ranked_moves(start, objective):
        giver = client_of[subchannel]
        is_last = len(subchannels_of[giver]) == 1
        if giver == receiver or (is_last if back == NO_SUBCHANNEL else client_of[back] != receiver):
            continue  # an earlier move of this pass has changed these subchannels
        pair = (giver, receiver)
        changes = (with_change(giver, subchannel, back), with_change(receiver, back, subchannel))
        new_terms = [
            objective.term(client, [log_snr[client][k] for k in subchannels], rate_bps)
            for client, (subchannels, rate_bps) in zip(pair, changes, strict=True)
        ]
        new_total = total.with_replaced((terms[giver], terms[receiver]), new_terms)
        if objective.value_s(new_total) >= best_s - ROUNDING * start.time_s:
            failures += 1
            if failures == PATIENCE:
                break
            continue
        client_of[subchannel] = receiver
        if back != NO_SUBCHANNEL:
            client_of[back] = giver
        for client, (subchannels, rate_bps), term in zip(pair, changes, new_terms, strict=True):
            subchannels_of[client], rates_bps[client], terms[client] = subchannels, rate_bps, term
        total = sum_terms(terms)  # summed again, since differences of huge terms lose the small ones
        best_s = objective.value_s(total)
        failures, changed = 0, True
    if not changed:
        return None
    return Assignment(start.tables, start.work, np.array(client_of, dtype=np.intp), start.ends_s)


def _ranked_moves(assignment: Assignment, objective: SmoothedRoundTime) -> Iterator[Change]:
    """Yield moves and swaps in the order of the estimated fall of the objective, the greatest first (P26)."""
    client_of = assignment.client_of
    subchannels = np.arange(len(client_of))
    kept_s, gained_s, lost_s = _subchannel_values(assignment, objective)
    count = np.bincount(client_of, minlength=len(gained_s))
    moves_s = gained_s - lost_s  # [num_clients, num_subchannels]
    moves_s[:, count[client_of] == 1] = -np.inf  # every client keeps one subchannel
    moves_s[client_of, subchannels] = -np.inf
    # u_ik − u_ck: the additional value of subchannel k if client i has it; [num_clients, num_subchannels]
    additional_s = kept_s - kept_s[client_of, subchannels]
    is_client = np.arange(len(count))[:, np.newaxis] == client_of
    best_additional_s = np.where(is_client, -np.inf, additional_s).max(axis=0)
    rows = np.argsort(-best_additional_s, kind="stable")[:SWAPPED_MAX]  # the subchannel of each row
    # [num_rows, num_subchannels]
    swaps_s = additional_s[client_of][:, rows].T + additional_s[client_of[rows]]
    swaps_s[client_of[rows][:, np.newaxis] == client_of] = -np.inf
    row_of = np.full(len(client_of), len(rows))
    row_of[rows] = np.arange(len(rows))
    swaps_s[row_of < np.arange(len(rows))[:, np.newaxis]] = -np.inf  # each pair counts in one row only
    move_s, receivers, moved = _greatest(moves_s)
    swap_s, row, back = _greatest(swaps_s)
    order = np.argsort(-np.concatenate((move_s, swap_s)), kind="stable")
    candidates = (
        np.concatenate((moved, rows[row])),
        np.concatenate((receivers, client_of[back])),
        np.concatenate((np.full(len(moved), NO_SUBCHANNEL), back)),
    )
    return zip(*(values[order].tolist() for values in candidates), strict=True)


def _subchannel_values(assignment: Assignment, objective: SmoothedRoundTime) -> tuple[Floats, Floats, Floats]:
    """Return the values of subchannels for clients, in seconds of the smoothed objective (P20 to P25).

    Returns
    -------
    kept_s : ndarray, [num_clients, num_subchannels]
        Value u_ik at the client's present water level and downlink rate, [s].
    gained_s : ndarray, [num_clients, num_subchannels]
        Value u⁺_ik of one more subchannel, [s]. It is less than u_ik, because the water level falls.
    lost_s : ndarray, [num_subchannels]
        Cost u⁻_k to the present client of the loss, [s]. It is more than u_ik, because the level rises.
    """
    tables, client_of = assignment.tables, assignment.client_of
    subchannels = np.arange(len(client_of))
    hz = tables.problem.band.subchannel_hz
    # y_ik of (P2), μ_i and 1/g_ik; [num_clients, num_subchannels] or [num_clients, 1]
    nats = np.clip(assignment.log_level[:, np.newaxis] + tables.log_snr, 0.0, tables.cap_nats)
    level = np.exp(assignment.log_level)[:, np.newaxis]
    inverse_snr = np.exp(-tables.log_snr)
    is_used = nats[client_of, subchannels] > 0
    # n_i: the subchannels that client i uses
    num_used = np.maximum(np.bincount(client_of[is_used], minlength=len(nats)), 1)[:, np.newaxis]

    # The power saved or spent, w_ik, w⁺_ik and w⁻_k, [W].
    kept_w = hz * (level * nats - np.expm1(nats) * inverse_snr)  # (P20)
    gained_w = hz * np.where(  # (P21)
        nats > 0,
        level * (num_used - (num_used + 1) * np.exp(-nats / (num_used + 1))) + inverse_snr,
        0.0,
    )
    num_others = np.maximum(num_used[client_of, 0] - 1, 1)
    nats_lost, level_before = nats[client_of, subchannels], level[client_of, 0]
    rise = np.exp(np.minimum(nats_lost / num_others, EXPONENT_MAX))
    lost_w = hz * level_before * (num_others * rise - num_used[client_of, 0])  # (P22)
    lost_w = np.where(is_used, lost_w + hz * inverse_snr[client_of, subchannels], 0.0)

    # The downlink: q_i b_D/R_i², R_i and r_ik.
    power_s_per_w, backward_s_per_s = objective.shadow_prices(assignment)
    price_s_per_bps = (backward_s_per_s * assignment.work.downlink_bits / assignment.downlink_bps**2)[
        :, np.newaxis
    ]
    rate_bps, added_bps = assignment.downlink_bps[:, np.newaxis], tables.downlink_bps
    lost_bps = added_bps[client_of, subchannels]
    rest_bps = np.maximum(assignment.downlink_bps[client_of] - lost_bps, 1e-9 * lost_bps)

    # The values in seconds (P25).
    kept_s = power_s_per_w[:, np.newaxis] * kept_w + price_s_per_bps * added_bps
    gained_s = power_s_per_w[:, np.newaxis] * gained_w + price_s_per_bps * added_bps * rate_bps / (
        rate_bps + added_bps
    )
    lost_s = (
        power_s_per_w[client_of] * lost_w
        + price_s_per_bps[client_of, 0] * lost_bps * assignment.downlink_bps[client_of] / rest_bps
    )
    return kept_s, gained_s, lost_s


def _greatest(values: Floats) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
    """Return the greatest finite values of a matrix, with their rows and columns."""
    flat = values.ravel()
    chosen = np.arange(flat.size)
    if flat.size > RANKED_MAX:
        chosen = np.argpartition(-flat, RANKED_MAX)[:RANKED_MAX]
    chosen = chosen[np.isfinite(flat[chosen])]
    rows, columns = np.unravel_index(chosen, values.shape)
    return flat[chosen], rows, columns
