"""Stationary means of faults and fading, and plans that include them (docs/model.md section 4.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...faults.effects import Faults
from ...radio.mean_fading import NO_FADING, with_mean_rates
from ..deployment import Deployment
from .plan import SchemePlan
from .radio_planner import RadioPlanner
from .whole_band import whole_band_links

if TYPE_CHECKING:
    from ..base import Scheme

__all__ = ["NO_MEANS", "MeanConditions", "plan_for_means"]

_NO_FAULTS = Faults()


@dataclass(frozen=True)
class MeanConditions:
    """The stationary means that a plan includes.

    Attributes
    ----------
    faults : Faults
        The faults, of which the mean durations of computations and the mean shares of new bits count.
    fading_nodes : ndarray or None
        Power gains of equal probability that stand for the fading; None without fading.
    """

    faults: Faults = _NO_FAULTS
    fading_nodes: NDArray[np.float64] | None = None

    def of_computations(self, deployment: Deployment) -> Deployment:
        """Return the deployment with the mean durations of computations under the faults."""
        each = tuple(self.faults.mean_durations(client) for client in deployment.clients)
        return replace(deployment, mean_durations=each)

    def of_all(self, deployment: Deployment) -> Deployment:
        """Return the deployment with the mean durations of computations, and with mean rates."""
        deployment, delivered = self.of_computations(deployment), self.faults.mean_delivered
        if self.fading_nodes is None and delivered == 1:
            return deployment
        if deployment.has_fixed_links:
            return replace(deployment, links=deployment.links.slowed_to(delivered))
        nodes = NO_FADING if self.fading_nodes is None else self.fading_nodes
        resources = with_mean_rates(deployment.resources, nodes, delivered)
        return replace(deployment, resources=resources, links=whole_band_links(resources))


NO_MEANS = MeanConditions()


def plan_for_means(
    scheme: Scheme, deployment: Deployment, planner: RadioPlanner, with_means: Deployment
) -> SchemePlan:
    """Return a scheme's plan that includes means; its predicted time is the closed form without them.

    A scheme with a cut for each device, or whose closed form is a bound, has one prediction: that with means.

    Parameters
    ----------
    deployment : Deployment
        The deployment without means.
    with_means : Deployment
        The same with means.

    Raises
    ------
    PlanningError
        If the resources or memories do not allow a plan.
    """
    plan = scheme.plan(with_means, planner)
    access, predicted_s = plan.access.with_fixed_links(deployment.links), plan.predicted_s
    if not plan.cuts.per_device and not plan.prediction_is_bound:
        rates = access.closed_form_rates(deployment.resources)
        predicted_s = scheme.round_time_s(plan.cuts.common, deployment, rates)
    return replace(
        plan,
        resources=deployment.resources,
        access=access,
        predicted_s=predicted_s,
        planned_s=plan.predicted_s,
        uses_means=True,
        plan_for="mean",
    )
