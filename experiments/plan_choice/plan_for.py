"""The conditions for which a scenario's plans are made, and their stationary means."""

from __future__ import annotations

import numpy as np

from ...scenarios.random_streams import stream_seed
from ...scenarios.schema.allocation import PlanFor
from ...scenarios.schema.scenario import Scenario
from ...sim.faults.effects import Faults
from ...sim.links.channel import Channel, with_fading
from ...sim.radio.mean_fading import fading_nodes
from ...sim.schemes.base import Scheme
from ...sim.schemes.deployment import Deployment
from ...sim.schemes.planning.mean_conditions import MeanConditions
from ..experiment import Experiment

__all__ = ["CHOICES_MAX", "mean_conditions", "plan_for"]

CHOICES_MAX = 10_000
"""Largest product of clients, subchannels and units for which planning by simulation is the default."""
MINI_BATCHES_MAX = 10
"""Largest number of mini-batches of a client in a round for which it is the default."""
_CHUNKS, _CHUNK_DISTANCE, _BLOCK_DISTANCE = 64, 1000, 8
"""Chunks of fading from which means are computed, and the distances of chunks and of blocks in them."""


def plan_for(experiment: Experiment, scheme: Scheme, deployment: Deployment) -> PlanFor:
    """Return the conditions for which a scheme is planned: the scenario's choice, or else the default.

    The default is ``simulated`` if slow-downs, faults or fading let rounds differ, the scenario leaves the
    cut to a method, and the simulation is cheap; otherwise ``nominal``.

    Parameters
    ----------
    experiment : Experiment
        The prepared scenario; neither its schemes nor its data are used.
    deployment : Deployment
        The deployment of the first round's clients.
    """
    context = experiment.context
    allocation, means = context.allocation, context.means
    if allocation.plan_for is not None:
        return allocation.plan_for
    varies = means.faults.vary_rounds or means.fading_nodes is not None
    leaves_cut = isinstance(allocation.cut, str) and allocation.method is None
    choices = deployment.num_clients * deployment.resources.num_subchannels * len(experiment.units)
    batches = getattr(scheme.parameters, "mini_batches_per_client", 1)
    is_cheap = choices <= CHOICES_MAX and batches <= MINI_BATCHES_MAX
    return "simulated" if varies and leaves_cut and is_cheap else "nominal"


def mean_conditions(scenario: Scenario, faults: Faults, channel: Channel) -> MeanConditions:
    """Return the stationary means of a scenario's faults and fading.

    The fading that they are computed from is not that of the run.
    """
    if channel.fading is None:
        return MeanConditions(faults)
    seed = stream_seed(scenario.seed, "planning fading")
    fading = with_fading(channel, scenario.radio, seed, scenario.seed).fading
    assert fading is not None
    clients = channel.problem.num_clients
    draws = [
        fading.chunk(number % clients, number * _CHUNK_DISTANCE)[::_BLOCK_DISTANCE].ravel()
        for number in range(_CHUNKS)
    ]
    return MeanConditions(faults, fading_nodes(np.concatenate(draws)))
