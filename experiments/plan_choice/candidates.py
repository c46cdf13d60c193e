"""The candidates of planning by simulation: the closed form's plans for each cut, without and with means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from ...sim.planning_error import PlanningError
from ...sim.schemes.base import Scheme
from ...sim.schemes.deployment import Deployment
from ...sim.schemes.planning.mean_conditions import plan_for_means
from ...sim.schemes.planning.plan import SchemePlan
from ...sim.schemes.planning.radio_planner import RadioPlanner
from ...sim.schemes.round_planners.planning_context import PlanningContext

__all__ = ["CandidatePlans", "CheckPlan"]

CheckPlan: TypeAlias = Callable[[Scheme, SchemePlan], None]
"""Raises a PlanningError if a plan cannot be run."""


class CandidatePlans:
    """Makes the candidates of one scheme.

    Parameters
    ----------
    deployment : Deployment
        The deployment of the first round's clients.
    check : callable
        Checks each plan; those that it refuses are no candidates.
    """

    def __init__(
        self, scheme: Scheme, deployment: Deployment, context: PlanningContext, check: CheckPlan
    ) -> None:
        self._scheme, self._context, self._check = scheme, context, check
        self.deployment = deployment
        self.with_means = context.means.of_all(deployment)

    def free_cuts(self) -> Sequence[int]:
        """Return the cuts that the planner may choose from; none if the cut is not its choice.

        A method that chooses all together chooses the cut too, and is asked only for its own.
        """
        planner = self._context.planner()
        if self._context.allocation.method is not None or planner.fixed_cut(self._scheme, self.deployment):
            return ()
        cuts = planner.cuts_to_plan(self._scheme, self.deployment)
        return cuts if len(cuts) > 1 else ()

    def nominal(self, cut: int | None = None) -> SchemePlan:
        """Return the plan without means, at a cut or at the planner's choice.

        Raises
        ------
        PlanningError
            If there is no plan.
        """
        return self._checked(self._scheme.plan(self.deployment, self._context.planner(cut=cut)))

    def for_means(self, cut: int | None = None, *, coarse: bool = False) -> SchemePlan:
        """Return the plan for the stationary means, at a cut or at the planner's choice.

        Raises
        ------
        PlanningError
            If there is no plan.
        """
        planner: RadioPlanner = self._context.planner(cut=cut, coarse=coarse)
        return self._checked(plan_for_means(self._scheme, self.deployment, planner, self.with_means))

    def _checked(self, plan: SchemePlan) -> SchemePlan:
        self._check(self._scheme, plan)
        return plan

    def coarse_plans(self, cuts: Sequence[int]) -> dict[int, SchemePlan]:
        """Return a plan for each cut that has one, by the fast form of the scenario's methods."""
        plans = {cut: _possible(partial(self.for_means, cut, coarse=True)) for cut in cuts}
        return {cut: plan for cut, plan in plans.items() if plan is not None}

    def plans(self, cuts: Sequence[int | None]) -> list[SchemePlan]:
        """Return the different plans without and with means, at each cut that has one."""
        distinct: list[SchemePlan] = []
        for cut in cuts:
            for make in (self.nominal, self.for_means):
                plan = _possible(partial(make, cut))
                same = [number for number, other in enumerate(distinct) if _same_decisions(plan, other)]
                if plan is not None and not same:
                    distinct.append(plan)
                elif plan is not None and distinct[same[0]].planned_s is None:
                    distinct[same[0]] = replace(distinct[same[0]], planned_s=plan.planned_s)
        return distinct


def _possible(make: Callable[[], SchemePlan]) -> SchemePlan | None:
    """Return the plan that a function makes; None if there is none."""
    try:
        return make()
    except PlanningError:  # this cut fits no device, for example, or its round is too long to be simulated
        return None


def _same_decisions(one: SchemePlan | None, other: SchemePlan) -> bool:
    """Return whether two plans of a scheme lead to the same rounds."""
    return (
        one is not None
        and one.cuts == other.cuts
        and one.server_shares == other.server_shares
        and one.learner_bounds == other.learner_bounds
        and one.notes == other.notes
        and _same_access(one.access, other.access)
    )


def _same_access(one: Any, other: Any) -> bool:
    """Return whether two ways of sending have the same type and the same values."""
    if type(one) is not type(other):
        return False
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(one)]
    return all(a is b or (not hasattr(a, "at") and np.array_equal(a, b)) for a, b in pairs)
