"""Joint choice of subchannels, power and cut by block-coordinate descent (docs/model.md, section 4)."""

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
    """One allocation and its round time.

    Attributes
    ----------
    cut : int
        Number of units on the client.
    client_of : ndarray of int, [num_subchannels]
        Client of each subchannel, from 0; -1 for none.
    psd_w_per_hz : ndarray, [num_subchannels]
        Uplink transmit power spectral densities p_k, [W/Hz].
    rates : Rates
        Rates of this allocation.
    predicted_s : float
        Mean round time, [s].
    history_s : tuple of float
        Round time of each incumbent, in the order of the search, [s].
    """

    cut: int
    client_of: NDArray[np.intp]
    psd_w_per_hz: NDArray[np.float64]
    rates: Rates
    predicted_s: float
    history_s: tuple[float, ...] = ()


PlanMethod: TypeAlias = Callable[[RadioResources, Mapping[int, RoundWork], np.random.Generator], Plan]


def plan(
    problem: RadioResources,
    work_by_cut: Mapping[int, RoundWork],
    subchannels: SubchannelMethod,
    power: PowerMethod,
    *,
    cut: int | None,
    rng: np.random.Generator,
    epsilon: float = 1e-9,
) -> Plan:
    """Return the best allocation that block-coordinate descent reaches.

    The descent alternates between two steps. The first chooses subchannels and power for the present cut. The
    second chooses the cut of the shortest round for the present rates. It ends when a pass gains less than
    epsilon; docs/model.md (P28) shows that it always ends. The incumbent is kept, so the round time never
    rises. Every cut serves as a start, and each cut's subchannels and power are computed once. So the plan is
    never worse than the best cut with its subchannels and power alone.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work_by_cut : mapping of int to RoundWork
        The work of a round at each cut. A scheme without a cut has one entry.
    subchannels : SubchannelMethod
        Chooses the client of each subchannel.
    power : PowerMethod
        Chooses the power of each subchannel.
    cut : int or None
        A fixed cut, for which only subchannels and power are chosen; None chooses the cut too.
    rng : numpy.random.Generator
        Every cut gets a copy. So a random method draws the same assignment for each cut.
    epsilon : float
        Relative gain below which a descent ends.

    Raises
    ------
    PlanningError
        If the fixed cut is not in ``work_by_cut``, or a method cannot allocate the resources.
    """
    if cut is not None and cut not in work_by_cut:
        raise PlanningError(f"cut {cut} is not possible; it must be {min(work_by_cut)} to {max(work_by_cut)}")
    choices = dict(work_by_cut) if cut is None else {cut: work_by_cut[cut]}

    @cache
    def plan_at(choice: int) -> Plan:
        work = choices[choice]
        client_of = subchannels(problem, work, copy.deepcopy(rng))
        psd_w_per_hz = power(problem, work, client_of)
        rates = link_rates(problem, client_of, psd_w_per_hz)
        return Plan(choice, client_of, psd_w_per_hz, rates, round_time_s(work, rates))

    best, history_s = plan_at(next(iter(choices))), list[float]()
    for start in choices:
        for incumbent in _descent(start, choices, plan_at, epsilon):
            if not history_s or incumbent.predicted_s < best.predicted_s:
                best = incumbent
                history_s.append(incumbent.predicted_s)
    return replace(best, history_s=tuple(history_s))


def checked_plan(
    name: str, result: Plan, problem: RadioResources, work_by_cut: Mapping[int, RoundWork]
) -> Plan:
    """Return the plan of a method with its rates and round time computed anew, if it obeys all limits.

    Parameters
    ----------
    name : str
        Name of the method, for the error message.
    result : Plan
        The plan that the method returned.
    problem : RadioResources
        The resources that the method had.
    work_by_cut : mapping of int to RoundWork
        The cuts that the method could choose from.

    Raises
    ------
    PlanningError
        If the result is not a plan, has another cut, leaves a client without a subchannel, or exceeds a power
        limit.
    """

    def refuse(rule: str) -> PlanningError:
        return PlanningError(f"the method {name!r} {rule}", ("allocation", "method"))

    if not isinstance(result, Plan):
        raise refuse(f"must return a Plan; it returned {type(result).__name__}")
    if result.cut not in work_by_cut:
        raise refuse(f"planned for cut {result.cut}; it was asked for {', '.join(map(str, work_by_cut))}")
    used = result.client_of >= 0
    watts = result.psd_w_per_hz[used] * problem.band.subchannel_hz
    power_w = np.bincount(result.client_of[used], weights=watts, minlength=problem.num_clients)
    without = np.setdiff1d(np.arange(problem.num_clients), result.client_of)
    if without.size:
        raise refuse(f"leaves client {without[0]} without a subchannel")
    slack = 1.0 + 1e-9
    for client in np.flatnonzero(power_w > problem.power_max_w * slack).tolist():
        limit_w = problem.power_max_w[client]
        raise refuse(f"gives client {client} {power_w[client]:.6g} W; its limit is {limit_w:.6g} W")
    if power_w.sum() > problem.total_power_max_w * slack:
        limit_w = problem.total_power_max_w
        raise refuse(f"spends {power_w.sum():.6g} W; the limit of all clients is {limit_w:.6g} W")
    rates = link_rates(problem, result.client_of, result.psd_w_per_hz)
    return replace(result, rates=rates, predicted_s=round_time_s(work_by_cut[result.cut], rates))


def optimal_cut(cuts: Sequence[int], rng: np.random.Generator) -> None:
    """Return None, the argument ``cut`` of :func:`plan` that lets the descent choose the cut.

    It is the cut method ``optimal``; it uses neither the cuts nor the generator.
    """


def random_cut(cuts: Sequence[int], rng: np.random.Generator) -> int:
    """Return one of the cuts, drawn with equal probabilities.

    It is the cut method ``random``; its result is the argument ``cut`` of :func:`plan`.
    """
    return int(rng.choice(np.asarray(cuts)))


def _descent(
    start: int, work_by_cut: Mapping[int, RoundWork], plan_at: Callable[[int], Plan], epsilon: float
) -> list[Plan]:
    """Return the incumbents of one descent; each has a shorter round than the one before."""
    incumbents = [plan_at(start)]
    while True:
        incumbent = incumbents[-1]
        round_s = {cut: round_time_s(work, incumbent.rates) for cut, work in work_by_cut.items()}
        cut = min(round_s, key=round_s.__getitem__)
        moved = replace(incumbent, cut=cut, predicted_s=round_s[cut])
        better = min(plan_at(cut), moved, key=lambda candidate: candidate.predicted_s)
        if better.predicted_s < incumbent.predicted_s:
            incumbents.append(better)
        if better.predicted_s >= incumbent.predicted_s * (1.0 - epsilon):
            return incumbents
