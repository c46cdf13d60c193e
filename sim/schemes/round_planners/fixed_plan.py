"""The round planner that keeps one plan for the whole run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...world.world import World
from ..planning.plan import SchemePlan
from .round_planner import DevicePlan, PlannerSnapshot

__all__ = ["FixedPlan"]


class FixedPlan:
    """Runs every round with the same devices, by the first plan.

    Planners that change the clients or the plan extend this class, and replace the methods that differ.

    Parameters
    ----------
    members : sequence of int
        The devices.
    is_partial : bool, optional
        Whether there are other devices, which take part in nothing; by default there are none.
    """

    def __init__(
        self,
        plan: SchemePlan,
        members: Sequence[int],
        snapshot: PlannerSnapshot | None = None,
        *,
        is_partial: bool = False,
    ) -> None:
        self._first_plan = plan
        self._is_partial = is_partial
        self.plan = snapshot.plan if snapshot else plan
        self.members = snapshot.members if snapshot else tuple(members)
        self.num_replans = snapshot.num_replans if snapshot else 0

    def before_round(self, world: World, number: int) -> None:
        """Wait until a client is online, and set the world's clients if there are other devices."""
        if self._is_partial:
            world.sampled_clients = self.members
        world.await_clients()

    def snapshot(self) -> PlannerSnapshot:
        """Return the state from which another planner can continue the run."""
        return PlannerSnapshot(self.plan, self.members, self.num_replans)

    def increment(self) -> Mapping[int, DevicePlan]:
        """Return no device plans: all devices have the first plan."""
        return {}

    def apply(self, increment: Mapping[int, DevicePlan]) -> None:
        """Do nothing: there are no increments."""

    def device_plans(self) -> Mapping[int, DevicePlan]:
        """Return the first plan for each device."""
        return {client: DevicePlan(self._first_plan, row) for row, client in enumerate(self.members)}

    def participants(self) -> list[int] | None:
        """Return the devices if there are others; None if all devices take part in every round."""
        return list(self.members) if self._is_partial else None
