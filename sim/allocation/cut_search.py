"""The subchannel method ``exchange``: local search at the cuts that may have the shortest round."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..radio.resources import RadioResources
from .cut_bounds import cut_bounds
from .problem import RoundWork
from .subchannels.assignment import Assignment, LinkTables
from .subchannels.greedy import marginal_greedy
from .subchannels.local_search import RESTARTS_MAX, iterated_search, local_search, num_restarts, search
from .subchannels.surrogate_greedy import surrogate_greedy

__all__ = ["exchange", "search_cuts"]

# A cut is searched if its round is at most NEAR + NEAR_PER_SUBCHANNEL / M times the best one.
NEAR = 1.03
NEAR_PER_SUBCHANNEL = 1.2
NEAR_FOR_RESTARTS = 1.02  # the same for the iterated search
SEARCHED_CUTS_MAX = 3
RESTARTED_CUTS_MAX = 2
ROUNDING = 1e-12  # relative; a smaller gain is not an improvement


def search_cuts(
    problem: RadioResources,
    work_by_cut: Mapping[int, RoundWork],
    starts_at: Callable[[int], Sequence[NDArray[np.intp]]],
) -> tuple[dict[int, Assignment], list[float]]:
    """Return the best assignment at each cut that its lower bound does not exclude, with optimal power.

    The cuts are taken in the order of their lower bounds. Each gets a greedy assignment with optimal power,
    until no bound is below the best round time. Local search then improves the subchannels of the best cuts.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work_by_cut : mapping of int to RoundWork
        The work of a round at each cut. A scheme without a cut has one entry.
    starts_at : callable
        Maps a cut to assignments that the search begins with.

    Returns
    -------
    dict of int to Assignment
        The best assignment at each cut.
    list of float
        Round times of the incumbents, each shorter than the one before, [s].
    """
    tables = LinkTables.of(problem)
    # With one cut there is nothing to exclude.
    bounds_s = cut_bounds(problem, work_by_cut) if len(work_by_cut) > 1 else dict.fromkeys(work_by_cut, 0.0)
    incumbents = _Incumbents(bounds_s)
    near, near_for_restarts = NEAR + NEAR_PER_SUBCHANNEL / problem.num_subchannels, NEAR_FOR_RESTARTS
    if num_restarts(problem.num_clients, problem.num_subchannels) == RESTARTS_MAX:
        # On the smallest instances a greedy assignment may take twice the time of the best one.
        near = near_for_restarts = math.inf
    for cut in sorted(bounds_s, key=bounds_s.__getitem__):
        if bounds_s[cut] < incumbents.round_s:
            limit_s = near * incumbents.round_s
            incumbents.keep(cut, surrogate_greedy(tables, work_by_cut[cut], starts_at(cut), limit_s))
    for cut, present in incumbents.near_best(near, SEARCHED_CUTS_MAX):
        incumbents.keep(cut, search(present, limit_s=near_for_restarts * incumbents.round_s))
    # The assignment of the best cut may be a better start for another cut than that cut's present one.
    client_of = min(incumbents.best_at.values(), key=lambda assignment: assignment.round_s).client_of
    for cut, present in list(incumbents.best_at.items()):
        candidate = Assignment(tables, work_by_cut[cut], client_of)
        if candidate.round_s < present.round_s:
            incumbents.keep(cut, search(candidate))
    for cut, present in incumbents.near_best(near_for_restarts, RESTARTED_CUTS_MAX):
        incumbents.keep(cut, iterated_search(present))
    return incumbents.best_at, incumbents.history_s[1:]


class _Incumbents:
    """The best assignments so far.

    Parameters
    ----------
    bounds_s : mapping of int to float
        A lower bound on the round time of each cut, [s].

    Attributes
    ----------
    best_at : dict of int to Assignment
        The best assignment at each cut.
    history_s : list of float
        Infinity, and then the round times of the incumbents, each shorter than the one before, [s].
    """

    def __init__(self, bounds_s: Mapping[int, float]) -> None:
        self._bounds_s = bounds_s
        self.best_at: dict[int, Assignment] = {}
        self.history_s = [math.inf]

    @property
    def round_s(self) -> float:
        """Return the shortest round time so far, [s]."""
        return self.history_s[-1]

    def keep(self, cut: int, assignment: Assignment) -> None:
        """Keep an assignment as the best one at its cut."""
        self.best_at[cut] = assignment
        if assignment.round_s < self.round_s * (1.0 - ROUNDING):
            self.history_s.append(assignment.round_s)

    def near_best(self, factor: float, cuts_max: int) -> Iterator[tuple[int, Assignment]]:
        """Yield the best cuts with their assignments, as far as their bounds may beat the incumbent.

        Parameters
        ----------
        factor : float
            The largest ratio of a round time to the shortest one at the beginning.
        cuts_max : int
            The largest number of cuts.
        """
        limit_s = factor * self.round_s
        for cut in sorted(self.best_at, key=lambda cut: self.best_at[cut].round_s)[:cuts_max]:
            if self.best_at[cut].round_s <= limit_s and self._bounds_s[cut] < self.round_s:
                yield cut, self.best_at[cut]


class _Exchange:
    """Moves and swaps of subchannels between clients while they shorten the round with optimal power.

    Attributes
    ----------
    coarse : SubchannelMethod
        The rule whose assignments the search begins with, for plans that have to be fast.
    """

    coarse = marginal_greedy

    def __call__(
        self, problem: RadioResources, work: RoundWork, rng: np.random.Generator
    ) -> NDArray[np.intp]:
        """Return the assignment of :func:`.subchannels.local_search.local_search` for one cut."""
        return local_search(problem, work, rng)

    def candidates(
        self, problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator
    ) -> dict[int, list[NDArray[np.intp]]]:
        """Return the candidates of ``marginal_greedy``, and the results of the search at the best cuts.

        So a plan by this method is no worse than one by ``greedy`` or ``marginal_greedy``, with any power.

        Parameters
        ----------
        problem : RadioResources
            Subchannels, gains and power limits.
        work_by_cut : mapping of int to RoundWork
            The work of a round at each cut. A scheme without a cut has one entry.
        rng : numpy.random.Generator
            Unused; the signature is that of every method.

        Returns
        -------
        dict of int to list of ndarray of int, [num_subchannels]
            For each cut, assignments that were made for it: the client of each subchannel, from 0, or -1.
        """
        candidates = marginal_greedy.candidates(problem, work_by_cut, rng)
        searched, _ = search_cuts(problem, work_by_cut, candidates.__getitem__)
        for cut, assignment in searched.items():
            candidates[cut].append(assignment.client_of)
        return candidates


exchange = _Exchange()
