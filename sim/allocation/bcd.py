"""Subchannels, power and cut together: the method ``bcd`` (docs/model.md section 4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from .assignment import Assignment, Tables
from .cut_bounds import cut_bounds
from .drafting import draft
from .exchange import disturbed, improved
from .planner import Plan
from .power import optimal
from .problem import RadioProblem, RoundWork, link_rates, round_time_s

__all__ = ["bcd"]

NEAR, NEAR_PER_SUBCHANNEL = 1.03, 1.2
"""Up to NEAR plus the other over M times the best round, a cut is searched, [1]."""

NEARER = 1.02  # and to be disturbed
CUTS_MAX = 3  # that are searched
ROUNDING = 1e-12  # relative


def bcd(problem: RadioProblem, works: Mapping[int, RoundWork], rng: np.random.Generator) -> Plan:
    """Return a plan near the optimum over subchannels, power and cut.

    Cuts are taken in the order of a lower bound of their rounds. Each is given a draft of the subchannels,
    with optimal power, until no bound is below the best round found; of the best cuts the subchannels are
    then exchanged while that shortens the round. The plan is no worse than greedy or marginal_greedy with
    optimal power at any cut.

    Parameters
    ----------
    problem : the resources
    works : what a round asks for at each cut; a scheme without a cut has one entry
    rng : unused; there for methods that draw

    Raises
    ------
    AllocationError
        If there are more clients than subchannels.
    """
    tables = Tables.of(problem)
    bounds_s = cut_bounds(problem, works)
    found: dict[int, Assignment] = {}
    history_s = [math.inf]

    def keep(cut: int, assignment: Assignment) -> None:
        found[cut] = assignment
        if assignment.round_s < history_s[-1] * (1.0 - ROUNDING):
            history_s.append(assignment.round_s)

    for cut in sorted(bounds_s, key=bounds_s.__getitem__):
        if bounds_s[cut] < history_s[-1]:
            keep(cut, draft(tables, works[cut], rng))

    def search(method: Callable[[Assignment], Assignment], near: float) -> None:
        limit_s = near * history_s[-1]
        for cut in sorted(found, key=lambda cut: found[cut].round_s)[:CUTS_MAX]:
            if found[cut].round_s <= limit_s and bounds_s[cut] < history_s[-1]:
                keep(cut, method(found[cut]))

    search(improved, NEAR + NEAR_PER_SUBCHANNEL / problem.num_subchannels)
    # What is good at the best cut may be a better start at another one than its own.
    owner = min(found.values(), key=lambda assignment: assignment.round_s).owner
    for cut, present in list(found.items()):
        carried = Assignment(tables, works[cut], owner)
        if carried.round_s < present.round_s:
            keep(cut, improved(carried))
    search(disturbed, NEARER)
    cut = min(found, key=lambda cut: found[cut].round_s)
    work, owner = works[cut], found[cut].owner
    psd_w_per_hz = optimal(problem, work, owner)
    rates = link_rates(problem, owner, psd_w_per_hz)
    predicted_s = round_time_s(work, rates)
    return Plan(cut, owner, psd_w_per_hz, rates, predicted_s, (*history_s[1:-1], predicted_s))
