"""Local search over assignments: subchannels are moved and swapped between clients while the round shortens.

Each pass ranks the moves and swaps by what they change to first order, tries them one after the other at
fixed ends, and keeps those by which the tension falls; then optimal power moves the ends. A pass counts only
if the exact round time has fallen. Small instances, where single steps get stuck more often, are searched
again from disturbed assignments (iterated local search: Lourenço, Martin, Stützle 2003).
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
from .smoothed_objective import NOTHING, SmoothedRoundTime
from .surrogate_greedy import draft

__all__ = ["disturbed", "exchange", "improved"]

Floats: TypeAlias = NDArray[np.float64]
Move: TypeAlias = tuple[int, int, int]
"""A subchannel, the client that it goes to, and the one that its client_of gets for it; -1 for none."""

NONE = -1
SOFTNESSES = (1e-2, 1e-4)
DISTURBED = (3e-2, 1e-3)  # softer, to look further
GAIN = 1e-5  # relative; a pass that gains less is the last at its softness
ROUNDING = 1e-12  # relative
RANKED_MAX = 2000  # moves, and as many swaps, of one pass
SWAPPED_MAX = 100  # subchannels of which swaps are ranked: those that another client wants most
PATIENCE = 50  # trades in a row that fail before a pass ends
RESTARTS = 600  # times clients times subchannels
RESTARTS_MAX = 12


def exchange(problem: RadioResources, work: RoundWork, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return an assignment that no move or swap of subchannels improves much, reckoning with optimal power.

    With optimal power it is no worse than greedy or marginal_greedy, from which it starts.

    Parameters
    ----------
    problem, work : the resources and what the round asks for
    rng : unused; there for methods that draw

    Returns
    -------
    client_of : [num_subchannels], int
        The client of each subchannel, from 0.

    Raises
    ------
    PlanningError
        If there are more clients than subchannels.
    """
    return disturbed(improved(draft(LinkTables.of(problem), work, rng))).client_of


def improved(start: Assignment, softnesses: Sequence[float] = SOFTNESSES) -> Assignment:
    """Return the assignment that moves and swaps lead to, with a round no longer than at the start.

    Parameters
    ----------
    start : where to begin
    softnesses : of the tension, as for :class:`SmoothedRoundTime`, one after the other
    """
    best = start
    for softness in softnesses:
        gain = math.inf
        while gain > GAIN and best.time_s > 0:
            tried = _passed(best, softness)
            if tried is None:
                break
            gain = 1.0 - tried.time_s / best.time_s
            if gain > ROUNDING:
                best = tried
    return best


def disturbed(start: Assignment) -> Assignment:
    """Return the best of the assignments that are found from disturbed ones, the start among them.

    The disturbances are always the same, and the fewer the larger the instance is.
    """
    clients, subchannels = start.tables.problem.gains.shape
    best = start
    rng = np.random.default_rng(0)
    if clients == 1:
        return best
    for _ in range(min(RESTARTS // (clients * subchannels), RESTARTS_MAX)):
        client_of = best.client_of.copy()
        for one, other in rng.integers(subchannels, size=(2, 2)).tolist():
            client_of[[one, other]] = client_of[[other, one]]
        moved = int(rng.integers(subchannels))
        if np.count_nonzero(client_of == client_of[moved]) > 1:
            client_of[moved] = rng.integers(clients)
        found = improved(Assignment(start.tables, start.work, client_of), DISTURBED)
        if found.time_s < best.time_s * (1.0 - ROUNDING):
            best = found
    return best


def _passed(start: Assignment, softness: float) -> Assignment | None:
    """Return what one pass makes of an assignment, None if no trade lowers its tension."""
    tension = SmoothedRoundTime(start, softness)
    log_snr, downlink_bps = start.tables.log_snr_lists, start.tables.downlink_lists
    client_of: list[int] = start.client_of.tolist()
    own, own_bps = start.own(), start.downlink_bps.tolist()
    terms = tension.terms(start)
    total = NOTHING.exchanged((), terms)
    best_s = tension.value_s(total)
    failed, traded = 0, False

    def with_trade(client: int, lost: int, got: int) -> tuple[list[int], float]:
        """Return a client's subchannels and downlink rate without one and with another."""
        subchannels, rate_bps = own[client], own_bps[client]
        if lost != NONE:
            subchannels = [k for k in subchannels if k != lost]
            rate_bps -= downlink_bps[client][lost]
        if got != NONE:
            subchannels = [*subchannels, got]
            rate_bps += downlink_bps[client][got]
        return subchannels, rate_bps

    for subchannel, receiver, back in _ranked_trades(start, tension):
        giver = client_of[subchannel]
        if giver == receiver or (len(own[giver]) == 1 if back == NONE else client_of[back] != receiver):
            continue  # an earlier trade has changed that
        pair = (giver, receiver)
        sets = (with_trade(giver, subchannel, back), with_trade(receiver, back, subchannel))
        new = [
            tension.term(i, [log_snr[i][k] for k in of], bps) for i, (of, bps) in zip(pair, sets, strict=True)
        ]
        tried = total.exchanged((terms[giver], terms[receiver]), new)
        tried_s = tension.value_s(tried)
        if tried_s >= best_s - ROUNDING * start.time_s:
            failed += 1
            if failed == PATIENCE:
                break
            continue
        client_of[subchannel] = receiver
        if back != NONE:
            client_of[back] = giver
        for client, (subchannels, rate_bps), term in zip(pair, sets, new, strict=True):
            own[client], own_bps[client], terms[client] = subchannels, rate_bps, term
        total = NOTHING.exchanged((), terms)  # anew, for differences of huge terms lose the small ones
        best_s = tension.value_s(total)
        failed, traded = 0, True
    return Assignment(start.tables, start.work, np.array(client_of, dtype=np.intp)) if traded else None


def _ranked_trades(at: Assignment, tension: SmoothedRoundTime) -> Iterator[Move]:
    """Return the moves and swaps that lower the tension most, to first order, the best first."""
    client_of = at.client_of
    columns = np.arange(len(client_of))
    kept_s, gained_s, lost_s = _values(at, tension)
    count = np.bincount(client_of, minlength=len(gained_s))
    moves_s = gained_s - lost_s  # [num_clients, num_subchannels]
    moves_s[:, count[client_of] == 1] = -np.inf
    moves_s[client_of, columns] = -np.inf
    # [num_clients, num_subchannels] what it would be worth more to each client than to its client_of
    more_s = kept_s - kept_s[client_of, columns]
    wanted_s = np.where(np.arange(len(count))[:, np.newaxis] == client_of, -np.inf, more_s).max(axis=0)
    rows = np.argsort(-wanted_s, kind="stable")[:SWAPPED_MAX]
    swaps_s = more_s[client_of][:, rows].T + more_s[client_of[rows]]  # [num_rows, num_subchannels]
    swaps_s[client_of[rows][:, np.newaxis] == client_of] = -np.inf
    place = np.full(len(client_of), len(rows))
    place[rows] = np.arange(len(rows))
    swaps_s[place < np.arange(len(rows))[:, np.newaxis]] = -np.inf  # once only
    move_s, receivers, moved = _greatest(moves_s)
    swap_s, row, back = _greatest(swaps_s)
    order = np.argsort(-np.concatenate((move_s, swap_s)), kind="stable")
    found = (
        np.concatenate((moved, rows[row])),
        np.concatenate((receivers, client_of[back])),
        np.concatenate((np.full(len(moved), NONE), back)),
    )
    return zip(*(values[order].tolist() for values in found), strict=True)


def _values(at: Assignment, tension: SmoothedRoundTime) -> tuple[Floats, Floats, Floats]:
    """Return what subchannels are worth, in seconds of tension.

    Returns
    -------
    kept_s : [num_clients, num_subchannels], float
        What a subchannel is worth to a client at its water level and downlink rate, [s].
    gained_s : [num_clients, num_subchannels], float
        What it would be worth to get it in addition: less, for the level falls, [s].
    lost_s : [num_subchannels], float
        What it would cost its client_of to lose it: more, for the level rises, [s].
    """
    tables, client_of = at.tables, at.client_of
    columns = np.arange(len(client_of))
    hz = tables.problem.band.subchannel_hz
    nats = np.clip(at.log_level[:, np.newaxis] + tables.log_snr, 0.0, tables.cap_nats)
    level = np.exp(at.log_level)[:, np.newaxis]
    inverse = np.exp(-tables.log_snr)
    used = nats[client_of, columns] > 0
    count = np.maximum(np.bincount(client_of[used], minlength=len(nats)), 1)[:, np.newaxis]
    kept_w = hz * (level * nats - np.expm1(nats) * inverse)
    # What one subchannel more or less carries moves the level by its nats over the number of them.
    gained_w = hz * np.where(
        nats > 0, level * (count - (count + 1) * np.exp(-nats / (count + 1))) + inverse, 0.0
    )
    fewer = np.maximum(count[client_of, 0] - 1, 1)
    own_nats, own_level = nats[client_of, columns], level[client_of, 0]
    lost_w = hz * own_level * (fewer * np.exp(np.minimum(own_nats / fewer, 50.0)) - count[client_of, 0])
    lost_w = np.where(used, lost_w + hz * inverse[client_of, columns], 0.0)

    power_s_per_w, back_s_per_s = tension.prices(at)
    back_s_per_bps = (back_s_per_s * at.work.downlink_bits / at.downlink_bps**2)[:, np.newaxis]
    rate_bps, more_bps = at.downlink_bps[:, np.newaxis], tables.downlink_bps
    own_bps = more_bps[client_of, columns]
    rest_bps = np.maximum(at.downlink_bps[client_of] - own_bps, 1e-9 * own_bps)
    kept_s = power_s_per_w[:, np.newaxis] * kept_w + back_s_per_bps * more_bps
    gained_s = power_s_per_w[:, np.newaxis] * gained_w + back_s_per_bps * more_bps * rate_bps / (
        rate_bps + more_bps
    )
    lost_s = (
        power_s_per_w[client_of] * lost_w + back_s_per_bps[client_of, 0] * own_bps * at.downlink_bps[client_of] / rest_bps
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
