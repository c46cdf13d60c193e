"""The interface of all round planners, and the values that they share with checkpoints and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ...world.world import World
from ..planning.plan import SchemePlan

__all__ = ["DevicePlan", "PlannerSnapshot", "RoundPlanner"]


@dataclass(frozen=True)
class DevicePlan:
    """The last plan that was made for a device, and the device's row in that plan."""

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
        The number of plans made after the first.
    """

    plan: SchemePlan
    members: tuple[int, ...]
    num_replans: int


class RoundPlanner(Protocol):
    """Decides the clients and the plan of each round.

    The round loop calls :meth:`before_round`. Checkpoints store :meth:`snapshot` and each
    :meth:`increment`. A planner that continues the run gets them back by its constructor and by
    :meth:`apply`.
    """

    @property
    def plan(self) -> SchemePlan:
        """The current plan."""

    @property
    def members(self) -> tuple[int, ...]:
        """The devices that the current plan is for."""

    @property
    def num_replans(self) -> int:
        """The number of plans made after the first."""

    def before_round(self, world: World, number: int) -> None:
        """Choose the clients and the plan of a round, and connect the world accordingly."""

    def snapshot(self) -> PlannerSnapshot:
        """Return the state from which another planner can continue the run."""

    def increment(self) -> Mapping[int, DevicePlan]:
        """Return the device plans made since the last call."""

    def apply(self, increment: Mapping[int, DevicePlan]) -> None:
        """Take over an increment of the run that this planner continues."""

    def device_plans(self) -> Mapping[int, DevicePlan]:
        """Return the plan that each device is reported with, by device number."""

    def participants(self) -> list[int] | None:
        """Return the devices that any round has sampled so far; None if all devices take part."""
