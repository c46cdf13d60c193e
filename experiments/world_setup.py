"""The parts of a scheme's run: its world, its round planner and its learner."""

from __future__ import annotations

from typing import Any

from ..sim.faults.effects import faults_of
from ..sim.schemes.base import Scheme
from ..sim.schemes.planning.plan import SchemePlan
from ..sim.schemes.round_planners.fixed_plan import FixedPlan
from ..sim.schemes.round_planners.planning_context import links_and_schedulers
from ..sim.schemes.round_planners.replanning import Replanner
from ..sim.schemes.round_planners.round_planner import PlannerSnapshot, RoundPlanner
from ..sim.schemes.round_planners.sampled_clients import SampledClients, client_sampler
from ..sim.world.round_policy import round_policy_of
from ..sim.world.snapshots import restore
from ..sim.world.world import World
from .checkpoints import SchemeCheckpoint
from .preparation import Experiment

__all__ = ["make_world", "round_planner", "scheme_learner"]


def make_world(
    experiment: Experiment, scheme: Scheme, plan: SchemePlan, checkpoint: SchemeCheckpoint | None = None
) -> tuple[World, RoundPlanner]:
    """Return a new world of the scheme, connected by its plan, and the planner of its rounds.

    Parameters
    ----------
    plan : SchemePlan
        The first plan.
    checkpoint : SchemeCheckpoint, optional
        The state to go on from; by default the run begins with round 1.
    """
    scenario, context = experiment.loaded.scenario, experiment.context
    planner = round_planner(experiment, scheme, plan, checkpoint.planner if checkpoint else None)
    sampled = scenario.participation is not None
    channel = context.channel.of(planner.members) if sampled else context.channel
    links, schedulers = links_and_schedulers(planner.plan, channel)
    world = World(
        scenario.server,
        experiment.fleet,
        links,
        schedulers,
        network=context.deployment.network,
        server_shares=planner.plan.server_shares,
        clients=planner.members if sampled else None,
        faults=faults_of(scenario, experiment.fleet),
        round_policy=round_policy_of(scenario.round_policy),
        snapshot=checkpoint.world if checkpoint else None,
    )
    if checkpoint is not None:
        restore(world, checkpoint.world)
    return world, planner


def round_planner(
    experiment: Experiment, scheme: Scheme, plan: SchemePlan, snapshot: PlannerSnapshot | None = None
) -> RoundPlanner:
    """Return the round planner that the scenario asks for, with the scheme's first plan."""
    scenario, context = experiment.loaded.scenario, experiment.context
    if scenario.participation is not None:
        sampler = client_sampler(scenario.participation, scheme, plan, context.deployment)
        return SampledClients(scheme, plan, sampler, context, snapshot)
    if scenario.allocation.replan is not None:
        return Replanner(scheme, plan, context, snapshot)
    return FixedPlan(plan, context.deployment.clients, snapshot)


def scheme_learner(experiment: Experiment, scheme: Scheme, plan: SchemePlan) -> Any:
    """Return a new learner of the scheme, or None for a timeline alone."""
    scenario = experiment.loaded.scenario
    if scenario.learning is None or experiment.data is None:
        return None
    from ..models.learning.factory import make_learner

    different = len(set(plan.cuts.of_clients)) > 1
    return make_learner(
        scheme.learner,
        scheme.learner_options(plan),
        model=scenario.model,
        cut=0 if different else plan.cuts.common,
        data=experiment.data,
        learning=scenario.learning,
        seed=scenario.seed,
        compression=scheme.task.compression.section if scheme.task.compression else None,
    )
