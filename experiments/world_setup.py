"""What a scheme's run is made of: its world, what plans anew in it, and its learner."""

from __future__ import annotations

from typing import Any

from ..scenarios.schema.participation import Participation
from ..sim.faults.effects import faults_of
from ..sim.schemes.base import Scheme
from ..sim.schemes.planning.plan import SchemePlan
from ..sim.schemes.planning.plan_links import PlannedLinks, sharing_rules
from ..sim.schemes.planning.replanning import Replanner
from ..sim.schemes.planning.sampled_clients import SampledClients, SampledClientsState, client_sampler
from ..sim.world.round_policy import round_policy_of
from ..sim.world.snapshots import restore
from ..sim.world.world import World
from .checkpoints import SchemeCheckpoint
from .preparation import Experiment

__all__ = ["common_cut", "make_world", "scheme_learner"]


def make_world(
    experiment: Experiment, scheme: Scheme, plan: SchemePlan, stopped: SchemeCheckpoint | None = None
) -> tuple[World, Replanner | SampledClients]:
    """Return a new world of the scheme, connected by its plan, and what plans anew in it.

    Parameters
    ----------
    plan : the first one
    stopped : what to go on from, with the plan that holds; the beginning by default
    """
    scenario, channel = experiment.loaded.scenario, experiment.channel
    drawing = None
    if scenario.participation is not None:
        drawn = stopped.drawn if stopped else None
        drawing = _drawing(experiment, scheme, plan, scenario.participation, drawn)
        channel = channel.of(drawing.members)
    if stopped is not None:
        plan = stopped.plan
    links = PlannedLinks(plan, channel)
    sharing = sharing_rules(scheme, plan, channel, links, scenario.radio)
    world = World(
        scenario.server,
        experiment.fleet,
        links,
        sharing,
        network=experiment.site.network,
        server_shares=scheme.server_shares,
        clients=drawing.members if drawing else None,
        faults=faults_of(scenario, experiment.fleet),
        round_policy=round_policy_of(scenario.round_policy),
        snapshot=stopped.world if stopped else None,
    )
    if stopped is not None:
        restore(world, stopped.world)
    if drawing is not None:
        return world, drawing
    replanner = Replanner(
        scheme,
        plan,
        channel,
        experiment.speeds,
        scenario.allocation,
        scenario.radio,
        scenario.seed,
    )
    if stopped is not None:
        replanner.plans = stopped.plans
    return world, replanner


def _drawing(
    experiment: Experiment,
    scheme: Scheme,
    plan: SchemePlan,
    participation: Participation,
    since: SampledClientsState | None,
) -> SampledClients:
    scenario, speeds, site = experiment.loaded.scenario, experiment.speeds, experiment.site
    draw = client_sampler(participation, scheme, experiment.problem, speeds, site, scenario.seed)
    return SampledClients(
        scheme,
        plan,
        draw,
        experiment.channel,
        speeds,
        site,
        scenario.allocation,
        scenario.radio,
        scenario.seed,
        since,
    )


def scheme_learner(experiment: Experiment, scheme: Scheme) -> Any:
    """Return a new learner of the scheme, or None for a timeline alone."""
    scenario = experiment.loaded.scenario
    if scenario.learning is None or experiment.data is None:
        return None
    from ..models.learning.factory import make_learner

    return make_learner(
        scheme.learner,
        scheme.learner_options,
        model=scenario.model,
        cut=common_cut(scheme) or 0,
        data=experiment.data,
        learning=scenario.learning,
        seed=scenario.seed,
        compression=scheme.job.compression.section if scheme.job.compression else None,
    )


def common_cut(scheme: Scheme) -> int | None:
    """Return the cut that all devices have; None where they differ."""
    cuts = {scheme.cut} if isinstance(scheme.cut, int) else set(scheme.cut)
    return cuts.pop() if len(cuts) == 1 else None
