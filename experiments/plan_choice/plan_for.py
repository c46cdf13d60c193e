"""The conditions for which a scenario's plans are made, and their stationary means."""

from __future__ import annotations

import math

import numpy as np

from ...scenarios.random_streams import stream
from ...scenarios.registry import lookup
from ...scenarios.schema.allocation import PlanFor
from ...scenarios.schema.scenario import Scenario
from ...sim.faults.effects import Faults
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
_FADING_DRAWS = (256, 256)


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


def mean_conditions(scenario: Scenario, faults: Faults) -> MeanConditions:
    """Return the stationary means of a scenario's faults and fading."""
    fading = scenario.radio.fading
    if math.isinf(getattr(fading, "coherence_s", math.inf)):
        return MeanConditions(faults)
    draw = lookup("fading", fading.model).load()
    draws = draw(fading, stream(scenario.seed, "planning fading"), _FADING_DRAWS)
    return MeanConditions(faults, fading_nodes(np.asarray(draws)))
