"""A scheme's first plan: nominal, for stationary means, or the best of several in simulated rounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...sim.planning_error import PlanningError
from ...sim.schemes.base import Scheme
from ...sim.schemes.deployment import Deployment
from ...sim.schemes.planning.plan import SchemePlan
from ..experiment import Experiment
from ..work_limits import SIMULATED_CHANGES_MAX, most_changes
from .candidates import CandidatePlans, CheckPlan
from .objectives import mean_latency_s, objective_of
from .plan_for import plan_for
from .racing import Race, RaceRules
from .replications import Replications, SimulatedRounds

__all__ = ["FirstPlans"]

_OVER_CUTS = RaceRules(first=16, most=32, margin=0.05)
_FINAL = RaceRules(first=24, most=96)
_FINAL_CUTS = 2
"""Most cuts for which subchannels are searched and plans with and without means are compared."""
_ESTIMATE = 64
"""Replications that estimate the mean round of the chosen plan. They are new ones: the best of several
candidates looks too good in those that have chosen it."""


class FirstPlans:
    """Makes the first plans of a scenario's schemes.

    Parameters
    ----------
    experiment : Experiment
        The prepared scenario; neither its schemes nor its data are used.
    check : callable
        Raises a PlanningError if a plan cannot be run.
    simulate : bool
        Whether plans may be compared by simulated rounds; if not, nominal plans take their place.
    """

    def __init__(self, experiment: Experiment, check: CheckPlan, *, simulate: bool = True) -> None:
        self._experiment, self._check, self._may_simulate = experiment, check, simulate
        self._replications = Replications(experiment)

    def plan(self, scheme: Scheme, deployment: Deployment) -> SchemePlan:
        """Return the first plan of a scheme.

        Parameters
        ----------
        deployment : Deployment
            The deployment of the first round's clients.

        Raises
        ------
        PlanningError
            If there is none.
        """
        candidates = CandidatePlans(scheme, deployment, self._experiment.context, self._check)
        conditions = plan_for(self._experiment, scheme, deployment)
        if conditions == "simulated" and self._may_simulate and self._is_affordable(candidates):
            return replace(self._best(scheme, candidates), plan_for=conditions)
        return candidates.for_means() if conditions == "mean" else candidates.nominal()

    def _is_affordable(self, candidates: CandidatePlans) -> bool:
        """Return whether rounds have so few changes of state that they can be simulated many times.

        Raises
        ------
        PlanningError
            If they have not, and the scenario asks for planning by simulation.
        """
        scenario = self._experiment.loaded.scenario
        changes, key = most_changes(scenario, candidates.nominal())
        if changes <= SIMULATED_CHANGES_MAX:
            return True
        if scenario.allocation.plan_for == "simulated":
            raise PlanningError(
                f"each simulated round would have {changes:.2g} changes of {'.'.join(map(str, key))};"
                f" at most {SIMULATED_CHANGES_MAX:,} are allowed: use nominal or mean",
                ("allocation", "plan_for"),
            )
        return False

    def _best(self, scheme: Scheme, candidates: CandidatePlans) -> SchemePlan:
        """Return the best plan in simulated rounds. Nothing is simulated if there is no choice."""
        cuts: Sequence[int | None] = candidates.free_cuts() or (None,)
        if len(cuts) > 1:
            cuts = self._best_cuts(scheme, candidates, cuts)
        plans = candidates.plans(cuts)
        if len(plans) <= 1 and cuts == (None,):
            return plans[0] if plans else candidates.nominal()
        remaining = self._race(scheme, candidates, plans).run(_FINAL)
        if not remaining:
            return candidates.nominal()  # the run raises the errors of its rounds
        best = plans[remaining[0]]
        later = self._simulate(scheme, candidates, best, _FINAL.most, _FINAL.most + _ESTIMATE)
        mean_s = math.inf if later is None else float(mean_latency_s(later, np.ones((1, _ESTIMATE)))[0])
        return replace(best, planned_s=mean_s) if math.isfinite(mean_s) else best

    def _best_cuts(
        self, scheme: Scheme, candidates: CandidatePlans, cuts: Sequence[int | None]
    ) -> Sequence[int | None]:
        """Return the cuts that may be the best ones, by plans that a fast method makes."""
        plans = candidates.coarse_plans([cut for cut in cuts if cut is not None])
        remaining = self._race(scheme, candidates, list(plans.values())).run(_OVER_CUTS)
        return [list(plans)[number] for number in remaining[:_FINAL_CUTS]] or (None,)

    def _race(self, scheme: Scheme, candidates: CandidatePlans, plans: Sequence[SchemePlan]) -> Race:
        def simulate(number: int, first: int, end: int) -> SimulatedRounds | None:
            return self._simulate(scheme, candidates, plans[number], first, end)

        context = self._experiment.context
        return Race(len(plans), simulate, objective_of(context.allocation), context.seed)

    def _simulate(
        self, scheme: Scheme, candidates: CandidatePlans, plan: SchemePlan, first: int, end: int
    ) -> SimulatedRounds | None:
        """Return the rounds of a plan in some replications; None if one of them raises an error."""
        clients = candidates.deployment.clients
        try:
            return self._replications.simulate(scheme, plan, clients, first, end)
        except Exception:  # of any kind: the run reports it, if no other plan is possible
            return None
