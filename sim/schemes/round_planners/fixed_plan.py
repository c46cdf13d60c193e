"""The round planner that keeps one plan for the whole run, and the interface of all round planners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ....scenarios.random_streams import stream
from ....scenarios.schema.scenario import Allocation
from ...links.channel import Channel
from ...radio.units import db_to_linear
from ...world.world import World
from ..deployment import Deployment
from ..planning.medium_access import Schedulers
from ..planning.plan import PlannedLinks, SchemePlan
from ..planning.radio_planner import BandSharing, RadioPlanner

__all__ = ["DevicePlan", "FixedPlan", "PlannerSnapshot", "PlanningContext", "connections", "with_gains"]


@dataclass(frozen=True)
class PlanningContext:
    """Everything that plans of one run are made from.

    Attributes
    ----------
    deployment : Deployment
        Of all devices.
    channel : Channel
        The gains of all devices over time.
    allocation : Allocation
        The scenario's methods of allocation, and its rules of re-planning.
    sharing : BandSharing
        How parallel clients share the band.
    seed : int
        The scenario's seed.
    """

    deployment: Deployment
    channel: Channel
    allocation: Allocation
    sharing: BandSharing
    seed: int

    def planner(self, round_number: int = 0, *, cut: int | None = None) -> RadioPlanner:
        """Return the planner of a round's resources, with the common cut fixed if one is given."""
        fixed = {} if cut is None else {"cut": cut}
        return RadioPlanner(self.allocation.model_copy(update=fixed), self.sharing, self.seed, round_number)

    def known_gains(self, channel: Channel, now_s: float, round_number: int) -> NDArray[np.float64]:
        """Return the planner's estimate of the gains at an instant, [num_clients, num_subchannels], linear.

        The estimate is ``age_s`` old and has an error of N(0, ``error_db``) in dB, drawn anew for every
        round and the same for all schemes.
        """
        knowledge = self.allocation.knowledge
        gains, _ = channel.at(max(0.0, now_s - knowledge.age_s))
        errors_db = stream(self.seed, "channel estimate", round_number).normal(
            scale=knowledge.error_db, size=gains.shape
        )
        return gains * db_to_linear(errors_db)


@dataclass(frozen=True)
class DevicePlan:
    """A device's row of the last plan that was made for it."""

    plan: SchemePlan
    row: int


@dataclass(frozen=True)
class PlannerSnapshot:
    """The state of a round planner between two rounds.

    The sampled clients and the devices' availability depend on the seed alone, so they are not part of it.

    Attributes
    ----------
    plan : SchemePlan
        The current plan.
    members : tuple of int
        The devices that the plan is for.
    num_replans : int
        Plans made after the first.
    """

    plan: SchemePlan
    members: tuple[int, ...]
    num_replans: int


class FixedPlan:
    """Runs every round by the first plan, with all devices.

    Other round planners extend it. The event loop asks :meth:`before_round`; checkpoints ask
    :meth:`snapshot`, and log :meth:`increment` to :meth:`apply` it again.

    Attributes
    ----------
    plan : SchemePlan
        The current plan.
    members : tuple of int
        The devices that it is for.
    num_replans : int
        Plans made after the first.
    """

    def __init__(
        self,
        plan: SchemePlan,
        members: Sequence[int],
        snapshot: PlannerSnapshot | None = None,
    ) -> None:
        self._first_plan = plan
        self.plan = snapshot.plan if snapshot else plan
        self.members = snapshot.members if snapshot else tuple(members)
        self.num_replans = snapshot.num_replans if snapshot else 0

    def before_round(self, world: World, number: int) -> None:
        """Choose the clients and the plan of a round, and connect the world accordingly."""

    def snapshot(self) -> PlannerSnapshot:
        """Return the state that another planner of the same run can go on from."""
        return PlannerSnapshot(self.plan, self.members, self.num_replans)

    def increment(self) -> Mapping[int, DevicePlan]:
        """Return the device plans made since the last call; none where all devices have the first plan."""
        return {}

    def apply(self, increment: Mapping[int, DevicePlan]) -> None:
        """Take over an increment of the run that this planner goes on from."""

    def device_plans(self) -> Mapping[int, DevicePlan]:
        """Return the plan that each device is reported with, by device number."""
        return {client: DevicePlan(self._first_plan, row) for row, client in enumerate(self.members)}

    def participants(self) -> list[int] | None:
        """Return the devices that a round has sampled so far; None where all devices take part."""
        return None


def connections(plan: SchemePlan, channel: Channel) -> tuple[PlannedLinks, Schedulers]:
    """Return the links of a plan over time, and the schedulers of a shared band."""
    links = PlannedLinks(plan, channel)
    return links, plan.access.schedulers(plan.resources, channel, links)


def with_gains(deployment: Deployment, gains: NDArray[np.float64]) -> Deployment:
    """Return the deployment as it looks to a planner that knows other gains."""
    return replace(deployment, resources=replace(deployment.resources, gains=gains))
