"""The planning context: everything that the plans of one run are made from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ....scenarios.random_streams import stream
from ....scenarios.schema.scenario import Allocation
from ...links.channel import Channel
from ...radio.units import db_to_linear
from ..deployment import Deployment
from ..planning.mean_conditions import NO_MEANS, MeanConditions
from ..planning.medium_access import Schedulers
from ..planning.plan import PlannedLinks, SchemePlan
from ..planning.radio_planner import BandSharing, RadioPlanner

__all__ = ["PlanningContext", "links_and_schedulers", "with_gains"]


@dataclass(frozen=True)
class PlanningContext:
    """Everything that plans of one run are made from.

    Attributes
    ----------
    deployment : Deployment
        The deployment of all devices.
    channel : Channel
        The gains of all devices over time.
    allocation : Allocation
        The scenario's allocation methods, and its rules for planning again.
    sharing : BandSharing
        How parallel clients share the band.
    seed : int
        The scenario's seed.
    means : MeanConditions
        The stationary means of faults and fading.
    """

    deployment: Deployment
    channel: Channel
    allocation: Allocation
    sharing: BandSharing
    seed: int
    means: MeanConditions = NO_MEANS

    def planner(self, round_number: int = 0, *, cut: int | None = None, coarse: bool = False) -> RadioPlanner:
        """Return the planner of a round's radio resources; it keeps the common cut if ``cut`` is not None."""
        fixed = {} if cut is None else {"cut": cut}
        allocation = self.allocation.model_copy(update=fixed)
        return RadioPlanner(allocation, self.sharing, self.seed, round_number, coarse)

    def estimated_gains(self, channel: Channel, now_s: float, round_number: int) -> NDArray[np.float64]:
        """Return the planner's estimate of the gains at an instant, [num_clients, num_subchannels], linear.

        The estimate shows the gains ``age_s`` seconds earlier, times a log-normal error with a standard
        deviation of ``error_db``, [dB]. Each round has independent errors; all schemes have the same ones.
        """
        knowledge = self.allocation.knowledge
        gains, _ = channel.at(max(0.0, now_s - knowledge.age_s))
        errors_db = stream(self.seed, "channel estimate", round_number).normal(
            scale=knowledge.error_db, size=gains.shape
        )
        return gains * db_to_linear(errors_db)


def links_and_schedulers(plan: SchemePlan, channel: Channel) -> tuple[PlannedLinks, Schedulers]:
    """Return the links of a plan over time, and the schedulers if its clients share the band."""
    links = PlannedLinks(plan, channel)
    return links, plan.access.schedulers(plan.resources, channel, links)


def with_gains(deployment: Deployment, gains: NDArray[np.float64]) -> Deployment:
    """Return the deployment with other channel gains."""
    return replace(deployment, resources=replace(deployment.resources, gains=gains))
