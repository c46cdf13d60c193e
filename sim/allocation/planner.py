"""Subchannels, power and cut together, by block-coordinate descent (docs/model.md section 4)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..planning_error import PlanningError
from ..radio.resources import RadioResources
from .problem import Rates, RoundWork, link_rates, round_time_s

__all__ = [
    "Plan",
    "PlanMethod",
    "PowerMethod",
    "SubchannelMethod",
    "checked_plan",
    "optimal_cut",
    "plan",
    "random_cut",
]

SubchannelMethod: TypeAlias = Callable[[RadioResources, RoundWork, np.random.Generator], NDArray[np.intp]]
PowerMethod: TypeAlias = Callable[[RadioResources, RoundWork, NDArray[np.intp]], NDArray[np.float64]]


@dataclass(frozen=True)
class Plan:
    """One allocation and the round time that it gives.

    Attributes
    ----------
    cut : int
        Units on the client.
    owner : [num_subchannels], int
        The client of each subchannel, from 0; -1 for none.
    psd_w_per_hz : [num_subchannels], float
        Uplink transmit power spectral densities p_k, [W/Hz].
    rates : Rates
        What they give, [bit/s].
    predicted_s : float
        Mean round time, [s].
    history_s : tuple of float
        Round times of the allocations that were the best so far, in the order they were found, [s].
    """

    cut: int
    owner: NDArray[np.intp]
    psd_w_per_hz: NDArray[np.float64]
    rates: Rates
    predicted_s: float
    history_s: tuple[float, ...] = ()


PlanMethod: TypeAlias = Callable[[RadioResources, Mapping[int, RoundWork], np.random.Generator], Plan]


def plan(
    problem: RadioResources,
    works: Mapping[int, RoundWork],
    subchannels: SubchannelMethod,
    power: PowerMethod,
    *,
    cut: int | None,
    rng: np.random.Generator,
    epsilon: float = 1e-9,
) -> Plan:
    """Return the best allocation that block-coordinate descent finds.

    From a cut: subchannels and then power for it; then, with these fixed, the cut of the shortest round; and
    again, until a turn gains less than epsilon. The best so far is kept, so the round time never rises. The
    descent is started from every cut, and each cut's subchannels and power are worked out once, so the plan
    is never worse than the best over cuts of subchannels and power alone.

    Parameters
    ----------
    problem : the resources
    works : what a round asks for at each cut; a scheme without a cut has one entry
    subchannels, power : the methods
    cut : int or None
        A fixed cut, so that only subchannels and power are chosen; None leaves it to the descent.
    rng : generator for methods that draw
        Every cut sees the same draws: so a random method draws one assignment, not the best of many.
    epsilon : float
        Relative gain below which a descent ends, [1].

    Raises
    ------
    AllocationError
        If the fixed cut is none of ``works``, or a method can't share the resources out.
    """
    if cut is not None and cut not in works:
        raise PlanningError(f"cut {cut} is not possible; it must be {min(works)} to {max(works)}")
    choices = dict(works) if cut is None else {cut: works[cut]}

    @cache
    def at(choice: int) -> Plan:
        work = choices[choice]
        owner = subchannels(problem, work, copy.deepcopy(rng))
        psd_w_per_hz = power(problem, work, owner)
        rates = link_rates(problem, owner, psd_w_per_hz)
        return Plan(choice, owner, psd_w_per_hz, rates, round_time_s(work, rates))

    best, history_s = at(next(iter(choices))), list[float]()
    for start in choices:
        for incumbent in _descent(start, choices, at, epsilon):
            if not history_s or incumbent.predicted_s < best.predicted_s:
                best = incumbent
                history_s.append(incumbent.predicted_s)
    return replace(best, history_s=tuple(history_s))


def checked_plan(name: str, found: Plan, problem: RadioResources, works: Mapping[int, RoundWork]) -> Plan:
    """Return what a method planned, with rates and round time reckoned anew; refuse what breaks a rule.

    Parameters
    ----------
    name : of the method
    found : its plan
    problem, works : what it was asked

    Raises
    ------
    AllocationError
        If it is no plan, is for another cut, leaves a client without subchannels, or passes a power limit.
    """

    def refuse(rule: str) -> PlanningError:
        return PlanningError(f"the method {name!r} {rule}", ("allocation", "method"))

    if not isinstance(found, Plan):
        raise refuse(f"must return a Plan; it returned {type(found).__name__}")
    if found.cut not in works:
        raise refuse(f"planned for cut {found.cut}; it was asked for {', '.join(map(str, works))}")
    used = found.owner >= 0
    watts = found.psd_w_per_hz[used] * problem.band.subchannel_hz
    power_w = np.bincount(found.owner[used], weights=watts, minlength=problem.num_clients)
    without = np.setdiff1d(np.arange(problem.num_clients), found.owner)
    if without.size:
        raise refuse(f"leaves client {without[0]} without a subchannel")
    slack = 1.0 + 1e-9
    for client in np.flatnonzero(power_w > problem.power_max_w * slack).tolist():
        limit_w = problem.power_max_w[client]
        raise refuse(f"gives client {client} {power_w[client]:.6g} W; its limit is {limit_w:.6g} W")
    if power_w.sum() > problem.total_power_max_w * slack:
        limit_w = problem.total_power_max_w
        raise refuse(f"spends {power_w.sum():.6g} W; the limit of all clients is {limit_w:.6g} W")
    rates = link_rates(problem, found.owner, found.psd_w_per_hz)
    return replace(found, rates=rates, predicted_s=round_time_s(works[found.cut], rates))


def optimal_cut(cuts: Sequence[int], rng: np.random.Generator) -> None:
    """Leave the cut to :func:`plan`: its argument ``cut`` for the method ``optimal``.

    Parameters
    ----------
    cuts : the possible cuts
    rng : unused; there for methods that draw
    """


def random_cut(cuts: Sequence[int], rng: np.random.Generator) -> int:
    """Return one of the cuts, each as likely: the argument ``cut`` of :func:`plan` for the method ``random``.

    Parameters
    ----------
    cuts : the possible cuts
    rng : generator that the cut is drawn from
    """
    return int(rng.choice(np.asarray(cuts)))


def _descent(
    start: int, works: Mapping[int, RoundWork], at: Callable[[int], Plan], epsilon: float
) -> list[Plan]:
    """Return the incumbents of one descent, each with a shorter round than the one before."""
    incumbents = [at(start)]
    while True:
        incumbent = incumbents[-1]
        round_s = {cut: round_time_s(work, incumbent.rates) for cut, work in works.items()}
        cut = min(round_s, key=round_s.__getitem__)
        moved = replace(incumbent, cut=cut, predicted_s=round_s[cut])
        better = min(at(cut), moved, key=lambda candidate: candidate.predicted_s)
        if better.predicted_s < incumbent.predicted_s:
            incumbents.append(better)
        if better.predicted_s >= incumbent.predicted_s * (1.0 - epsilon):
            return incumbents
