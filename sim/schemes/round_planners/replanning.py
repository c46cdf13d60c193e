"""The round planner that allocates subchannels and powers again, from estimates of the channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...radio.units import linear_to_db
from ...world.world import World
from ..base import Scheme
from ..planning.medium_access import DedicatedSubchannels
from ..planning.plan import SchemePlan
from .fixed_plan import FixedPlan
from .planning_context import PlanningContext, links_and_schedulers, with_gains
from .round_planner import PlannerSnapshot

__all__ = ["Replanner"]


class Replanner(FixedPlan):
    """Plans subchannels and powers again at the start of rounds, as ``allocation.replan`` says.

    The cut and all other decisions of the scheme stay. Planning and signalling take no simulated time
    (docs/model.md section 4.1).
    """

    def __init__(
        self,
        scheme: Scheme,
        plan: SchemePlan,
        context: PlanningContext,
        members: Sequence[int],
        snapshot: PlannerSnapshot | None = None,
    ) -> None:
        is_partial = len(members) < context.deployment.num_clients
        super().__init__(plan, members, snapshot, is_partial=is_partial)
        self._scheme = scheme
        self._context = context
        self._deployment, self._channel = context.deployment, context.channel
        if is_partial:
            self._deployment = context.deployment.select(members)
            self._channel = context.channel.of(members)

    def before_round(self, world: World, number: int) -> None:
        """Plan again if the scenario's rule asks for it, and connect the world by the new plan."""
        super().before_round(world, number)
        context, access = self._context, self.plan.access
        rules = context.allocation.replan
        if rules is None or not isinstance(access, DedicatedSubchannels):
            return
        if rules.every_rounds is not None and (number - 1) % rules.every_rounds:
            return
        # the errors are drawn for all devices, so that an excluded one changes no other's
        estimate = context.estimated_gains(context.channel, float(world.env.now), number)
        estimate = estimate[np.asarray(self._deployment.clients, dtype=np.intp)]
        if rules.change_db is not None and self._change_db(access.client_of, estimate) < rules.change_db:
            return
        deployment = with_gains(self._deployment, estimate)
        if self.plan.uses_means:  # the estimate has the present fading
            deployment = context.means.of_computations(deployment)
        planner = context.planner(number, cut=self.plan.cuts.common if self._scheme.has_cut else None)
        radio = planner.for_parallel_clients(self._scheme, deployment)
        self.plan = replace(
            self.plan, resources=deployment.resources, access=radio.access, predicted_s=radio.predicted_s
        )
        self.num_replans += 1
        world.connect(*links_and_schedulers(self.plan, self._channel))

    def _change_db(self, client_of: NDArray[np.intp], estimate: NDArray[np.float64]) -> float:
        """Return the largest change of a client's mean gain on its subchannels since the last plan, [dB]."""
        planned = self.plan.resources.gains
        used = np.flatnonzero(client_of >= 0)

        def mean(gains: NDArray[np.float64]) -> NDArray[np.float64]:
            clients = client_of[used]
            sums = np.bincount(clients, weights=gains[clients, used], minlength=len(gains))
            return np.asarray(sums / np.bincount(clients, minlength=len(gains)), dtype=np.float64)

        return float(np.abs(linear_to_db(mean(estimate)) - linear_to_db(mean(planned))).max())
