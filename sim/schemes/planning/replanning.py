"""Planning anew while a scheme runs, on what is known of the channel by then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ....scenarios.random_streams import stream
from ....scenarios.schema.scenario import Allocation, Radio
from ...links.channel import Channel
from ...radio.units import db_to_linear, linear_to_db
from ...world.world import World
from ..base import ComputeTimes, Scheme
from .plan import SchemePlan, plan_scheme
from .plan_links import PlannedLinks, sharing_rules

__all__ = ["Replanner"]


class Replanner:
    """Plans subchannels and power anew at the start of a round where the scenario says so; the cut stays.

    What is known are the gains as they were ``age_s`` ago, each with an error of N(0, ``error_db``) that is
    drawn anew for every round, the same for all schemes. Planning and signalling take no simulated time.

    Parameters
    ----------
    scheme, plan : what runs, and its first plan
    channel, speeds, allocation, radio, seed : as the first plan was made with

    Attributes
    ----------
    plan : SchemePlan
        The one that holds.
    plans : int
        How many plans were made after the first.
    """

    def __init__(
        self,
        scheme: Scheme,
        plan: SchemePlan,
        channel: Channel,
        speeds: ComputeTimes,
        allocation: Allocation,
        radio: Radio,
        seed: int,
    ) -> None:
        self._scheme = scheme
        self.plan = plan
        self._channel = channel
        self._speeds = speeds
        fixed = {"cut": plan.cut} if scheme.has_cut else {}
        self._allocation = allocation.model_copy(update=fixed)
        self._radio = radio
        self._seed = seed
        self.plans = 0

    def before_round(self, world: World, number: int) -> None:
        """Plan anew if it is due, and connect the world by the new plan."""
        replan = self._allocation.replan
        if replan is None or self.plan.owner is None:
            return
        if replan.every_rounds is not None and (number - 1) % replan.every_rounds:
            return
        known = self._known(float(world.env.now), number)
        if replan.change_db is not None and self._change_db(known) < replan.change_db:
            return
        self.plan = plan_scheme(
            self._scheme,
            replace(self._channel.problem, gains=known),
            self._speeds,
            self._allocation,
            self._seed,
            sharing=self._radio.sharing,
            number=number,
        )
        self.plans += 1
        links = PlannedLinks(self.plan, self._channel)
        world.connect(links, sharing_rules(self._scheme, self.plan, self._channel, links, self._radio))

    def _known(self, now_s: float, number: int) -> NDArray[np.float64]:
        """Return the gains as they are known at an instant, [num_devices, num_subchannels]."""
        knowledge = self._allocation.knowledge
        gains, _ = self._channel.at(max(0.0, now_s - knowledge.age_s))
        errors_db = stream(self._seed, "channel estimate", number).normal(
            scale=knowledge.error_db, size=gains.shape
        )
        return gains * db_to_linear(errors_db)

    def _change_db(self, known: NDArray[np.float64]) -> float:
        """Return the greatest change of a client's mean gain over its own subchannels since the last plan."""
        owner, planned = self.plan.owner, self.plan.problem.gains
        assert owner is not None
        used = np.flatnonzero(owner >= 0)

        def mean(gains: NDArray[np.float64]) -> NDArray[np.float64]:
            sums = np.bincount(owner[used], weights=gains[owner[used], used], minlength=len(gains))
            return np.asarray(sums / np.bincount(owner[used], minlength=len(gains)), dtype=np.float64)

        return float(np.abs(linear_to_db(mean(known)) - linear_to_db(mean(planned))).max())
