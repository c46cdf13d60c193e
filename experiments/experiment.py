"""A prepared scenario: the devices, the channel, the data and the first plans that its schemes share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..scenarios.loading.loader import LoadedScenario
from ..scenarios.model_costs.unit_table import UnitTable
from ..scenarios.schema.registered import SchemeParameters
from ..scenarios.schema.scenario import Scenario
from ..sim.faults.effects import Faults
from ..sim.nodes.fleet import Fleet
from ..sim.schemes.base import Scheme
from ..sim.schemes.deployment import Deployment
from ..sim.schemes.planning.plan import SchemePlan
from ..sim.schemes.round_planners.client_sampler import ClientSampler
from ..sim.schemes.round_planners.planning_context import PlanningContext
from .provenance.named_files import NamedFiles

if TYPE_CHECKING:
    from ..models.learning.client_data import ClientData

__all__ = ["Experiment", "first_deployment"]


@dataclass(frozen=True)
class Experiment:
    """A prepared scenario: everything that its schemes share, and the first plan of each.

    Attributes
    ----------
    loaded : LoadedScenario
        The scenario, with the file and lines that it comes from.
    units : UnitTable
        The units of the model.
    fleet : Fleet
        The devices' attributes.
    faults : Faults
        The faults, whose traces are the same for every scheme.
    context : PlanningContext
        Deployment, channel and allocation, from which all plans follow.
    schemes : tuple of (Scheme, SchemePlan)
        Each scheme with its first plan, in the scenario's order. If rounds sample their clients, this plan
        is for the first clients in the random order of round 1.
    data : ClientData or None
        The clients' samples; None for a timeline alone.
    named_files : NamedFiles
        The files that the scenario names.
    """

    loaded: LoadedScenario
    units: UnitTable
    fleet: Fleet
    faults: Faults
    context: PlanningContext
    schemes: tuple[tuple[Scheme, SchemePlan], ...]
    data: ClientData | None
    named_files: NamedFiles

    @property
    def deployment(self) -> Deployment:
        """Return the deployment of all devices."""
        return self.context.deployment

    def first_deployment(self, parameters: SchemeParameters) -> Deployment:
        """Return the deployment of the devices that a scheme's first plan is for."""
        return first_deployment(self.loaded.scenario, parameters, self.context)


def first_deployment(
    scenario: Scenario, parameters: SchemeParameters, context: PlanningContext
) -> Deployment:
    """Return the deployment of a scheme's first plan: all devices, or the first clients of round 1.

    Excluded devices are in neither.
    """
    devices, participation = scenario.devices, scenario.participation_of(parameters)
    if participation is not None:
        sampler = ClientSampler(
            participation, devices.count, scenario.seed, excluded=frozenset(devices.exclude)
        )
        return context.deployment.select(sampler.first_in_order())
    return context.deployment.select(devices.included) if devices.exclude else context.deployment
