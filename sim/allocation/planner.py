"""Joint choice of subchannels, power and cut: every assignment at every cut (docs/model.md, section 4)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..planning_error import PlanningError
from ..radio.resources import RadioResources
from .power.water_filling import WaterFilling
from .problem import Rates, RoundWork, link_rates, round_time_s

__all__ = [
    "CandidateMethod",
    "Plan",
    "PlanMethod",
    "PowerMethod",
    "SubchannelMethod",
    "checked_plan",
    "optimal_cut",
    "plan",
    "random_cut",
]

ROUNDING = 1e-12  # relative; a smaller gain is not an improvement

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


@runtime_checkable
class CandidateMethod(Protocol):
    """A subchannel method that offers several assignments; the planner chooses among them."""

    def candidates(
        self, problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator
    ) -> Mapping[int, Sequence[NDArray[np.intp]]]:
        """Return assignments for each cut; the order decides between rounds of equal length."""


def plan(
    problem: RadioResources,
    work_by_cut: Mapping[int, RoundWork],
    subchannels: SubchannelMethod,
    power: PowerMethod,
    *,
    cut: int | None,
    rng: np.random.Generator,
) -> Plan:
    """Return the allocation of the shortest round among all assignments at all cuts.

    The subchannel method gives one or more assignments for each cut. Each assignment is tried at every cut,
    with the powers that the power method chooses for it there, and the shortest round is kept. So the plan
    is at least as good as the block-coordinate descent from every cut, which tries some of these pairs. The
    shortest round over more pairs is never longer, up to rounding. Three laws follow:

    - The plan with a free cut is no worse than with any fixed one.
    - Optimal power is no worse than any other power.
    - A method that offers the assignments of another one too is no worse than that one.

    Pairs are left out if the round would be no shorter even if each client could use its own power limit
    regardless of the limit of all clients together.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work_by_cut : mapping of int to RoundWork
        The work of a round at each cut. A scheme without a cut has one entry.
    subchannels : SubchannelMethod
        Chooses the client of each subchannel. If it is a :class:`CandidateMethod`, it offers several
        assignments.
    power : PowerMethod
        Chooses the power of each subchannel.
    cut : int or None
        A fixed cut, for which only subchannels and power are chosen; None chooses the cut too.
    rng : numpy.random.Generator
        Every cut gets a copy. So a random method draws the same assignment for each cut.

    Raises
    ------
    PlanningError
        If the fixed cut is not in ``work_by_cut``, or a method cannot allocate the resources at any cut.
    """
    if cut is not None and cut not in work_by_cut:
        raise PlanningError(f"cut {cut} is not possible; it must be {min(work_by_cut)} to {max(work_by_cut)}")
    choices = dict(work_by_cut) if cut is None else {cut: work_by_cut[cut]}
    candidates = _candidates(problem, choices, subchannels, rng)

    def plan_with(choice: int, client_of: NDArray[np.intp]) -> Plan:
        psd_w_per_hz = power(problem, choices[choice], client_of)
        rates = link_rates(problem, client_of, psd_w_per_hz)
        return Plan(choice, client_of, psd_w_per_hz, rates, round_time_s(choices[choice], rates))

    best: Plan | None = None
    history_s = list[float]()
    refusals = list[PlanningError]()
    for choice, assignments in candidates.items():
        try:
            own = _shortest(plan_with, choice, assignments)
        except PlanningError as error:
            refusals.append(error)
            continue
        if best is None or own.predicted_s < best.predicted_s:
            best = own
            history_s.append(own.predicted_s)
    for bound_s, choice, client_of in _other_pairs(problem, choices, candidates):
        if best is not None and bound_s >= best.predicted_s * (1.0 - ROUNDING):
            break
        try:
            other = plan_with(choice, client_of)
        except PlanningError:  # a stated density exceeds a limit on this assignment; others may meet it
            continue
        if best is None or other.predicted_s < best.predicted_s * (1.0 - ROUNDING):
            best = other
            history_s.append(other.predicted_s)
    if best is None:
        raise refusals[0]
    return replace(best, history_s=tuple(history_s))


def _candidates(
    problem: RadioResources,
    work_by_cut: Mapping[int, RoundWork],
    subchannels: SubchannelMethod,
    rng: np.random.Generator,
) -> Mapping[int, Sequence[NDArray[np.intp]]]:
    """Return the assignments that a subchannel method gives for each cut."""
    offers: CandidateMethod | SubchannelMethod = subchannels
    if isinstance(offers, CandidateMethod):
        return offers.candidates(problem, work_by_cut, copy.deepcopy(rng))
    return {cut: [subchannels(problem, work, copy.deepcopy(rng))] for cut, work in work_by_cut.items()}


def _shortest(
    plan_with: Callable[[int, NDArray[np.intp]], Plan], cut: int, assignments: Iterable[NDArray[np.intp]]
) -> Plan:
    """Return the plan of the shortest round among some assignments at one cut.

    Raises
    ------
    PlanningError
        If the power method refuses all of them. Densities of the scenario may exceed a limit on one
        assignment, and meet it on another.
    """
    plans, errors = [], []
    for client_of in assignments:
        try:
            plans.append(plan_with(cut, client_of))
        except PlanningError as error:
            errors.append(error)
    if not plans:
        raise errors[0]
    return min(plans, key=lambda candidate: candidate.predicted_s)


def _other_pairs(
    problem: RadioResources,
    work_by_cut: Mapping[int, RoundWork],
    candidates: Mapping[int, Sequence[NDArray[np.intp]]],
) -> list[tuple[float, int, NDArray[np.intp]]]:
    """Return the assignments at the cuts that they were not made for, by rising lower bound.

    Returns
    -------
    list of tuple
        The lower bound of the round time [s], the cut, and the client of each subchannel.
    """
    if len(work_by_cut) == 1:
        return []
    made_for: dict[bytes, set[int]] = {}
    distinct: dict[bytes, NDArray[np.intp]] = {}
    for cut, assignments in candidates.items():
        for client_of in assignments:
            distinct.setdefault(client_of.tobytes(), client_of)
            made_for.setdefault(client_of.tobytes(), set()).add(cut)
    pairs = []
    for key, client_of in distinct.items():
        idle = link_rates(problem, client_of, np.zeros(problem.num_subchannels))
        fastest = replace(idle, uplink_bps=WaterFilling(problem, client_of).rate_max_bps)
        pairs += [
            (round_time_s(work, fastest), cut, client_of)
            for cut, work in work_by_cut.items()
            if cut not in made_for[key]
        ]
    return sorted(pairs, key=lambda pair: pair[0])


def checked_plan(
    name: str, result: Plan, problem: RadioResources, work_by_cut: Mapping[int, RoundWork]
) -> Plan:
    """Return the plan of a method with its rates and round time computed again, if it obeys all limits.

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
    """Return None, the argument ``cut`` of :func:`plan` that leaves the cut to the planner.

    It is the cut method ``optimal``; it uses neither the cuts nor the generator.
    """


def random_cut(cuts: Sequence[int], rng: np.random.Generator) -> int:
    """Return one of the cuts, drawn with equal probabilities.

    It is the cut method ``random``; its result is the argument ``cut`` of :func:`plan`.
    """
    return int(rng.choice(np.asarray(cuts)))
