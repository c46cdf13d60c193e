"""A scenario made ready to run: all that its schemes share, drawn, planned and loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..models.data import catalogue as _datasets
from ..models.data.dataset import DatasetError, DatasetFileError
from ..models.data.validation import hold_out
from ..models.networks import catalogue as _networks
from ..models.unit_tables import unit_table
from ..scenarios.errors import KeyPath, ScenarioIssue
from ..scenarios.loading.loader import LoadedScenario
from ..scenarios.model_costs.unit_table import UnitTable
from ..scenarios.registry import find, specs
from ..scenarios.schema.scenario import Allocation, Scenario
from ..sim.links.channel import Channel, draw_channel
from ..sim.nodes.fleet import Fleet, draw_fleet
from ..sim.planning_error import PlanningError
from ..sim.radio import catalogue as _methods
from ..sim.radio.resources import RadioResources
from ..sim.radio.units import BITS_PER_MIB, mib_text
from ..sim.schemes import catalogue as _schemes
from ..sim.schemes.base import ComputeTimes, Scheme, TrainingTask
from ..sim.schemes.deployment import Deployment
from ..sim.schemes.planning.client_sampler import ClientSampler
from ..sim.schemes.planning.plan import SchemePlan, allocation_faults, plan_scheme, settled
from ..sim.schemes.planning.sampled_clients import client_sampler
from .compression import Compressors, check_prunable
from .deployment import make_deployment

if TYPE_CHECKING:
    from ..models.learning.client_data import ClientData

__all__ = ["BUILT_IN", "Experiment", "PlannedDevices", "prepare"]

BUILT_IN = (_datasets, _networks, _methods, _schemes)
"""The catalogues, imported so that scenarios can name what they register."""


@dataclass(frozen=True)
class PlannedDevices:
    """Devices, as far as a plan has to know them."""

    speeds: ComputeTimes
    channel: Channel
    site: Deployment

    def of(self, clients: tuple[int, ...]) -> PlannedDevices:
        """Return these devices alone, in this order."""
        rows = np.asarray(clients, dtype=np.intp)
        return PlannedDevices(self.speeds.of(rows), self.channel.of(clients), self.site.of(clients))

    def first(self, scenario: Scenario) -> PlannedDevices:
        """Return those that a first plan is for: all, or the front of round 1's order."""
        if scenario.participation is None:
            return self
        return self.of(
            ClientSampler(scenario.participation, scenario.devices.count, scenario.seed).foremost()
        )


@dataclass(frozen=True)
class Experiment:
    """A scenario with everything drawn, planned and loaded that its schemes share.

    Attributes
    ----------
    loaded : the scenario
    units : the model's unit table
    fleet, channel : the devices and their gains, with the radio resources
    speeds : of the devices and of the server
    site : what schemes find besides: work by layer and place, memories, links, compute nodes
    schemes : each scheme with its plan, in the scenario's order; where rounds draw their clients, the plan is
        for the front of round 1's order
    data : the clients' samples; None for a timeline alone
    """

    loaded: LoadedScenario
    units: UnitTable
    fleet: Fleet
    channel: Channel
    speeds: ComputeTimes
    site: Deployment
    schemes: tuple[tuple[Scheme, SchemePlan], ...]
    data: ClientData | None

    @property
    def problem(self) -> RadioResources:
        """Return the radio resources with the gains that a first plan knows."""
        return self.channel.problem

    @property
    def first(self) -> PlannedDevices:
        """Return the devices that the first plans are for."""
        return PlannedDevices(self.speeds, self.channel, self.site).first(self.loaded.scenario)


def prepare(loaded: LoadedScenario, *, allow_imports: bool = False) -> Experiment:
    """Return the scenario made ready, before anything is written.

    Parameters
    ----------
    allow_imports : bool
        Let ``model: {name: imported}`` import and run the user's code.

    Raises
    ------
    ScenarioError
        With all that can't be had: units, gains, plans, data.
    """
    scenario = loaded.scenario
    faults: list[ScenarioIssue] = []
    units = _units(scenario, faults, allow_imports=allow_imports)
    fleet = _fleet(scenario, faults)
    channel = _channel(scenario, fleet, faults) if fleet else None
    data = _client_data(scenario, faults) if scenario.learning is not None else None
    if units and data and scenario.learning and scenario.learning.clients_pass == "batched":
        _check_batched(scenario, data, faults)
    allocation = _allocation(scenario, units, faults) if units else scenario.allocation
    if units and fleet and channel:
        server = scenario.server
        speeds = ComputeTimes(fleet.seconds_per_flop, server.cycles_per_flop / server.clock_hz)
        site = make_deployment(scenario, units, fleet, channel, faults)
        if site:
            schemes = _planned(scenario, units, speeds, channel, allocation, site, faults)
            if not faults:
                return Experiment(loaded, units, fleet, channel, speeds, site, schemes, data)
    raise loaded.error(faults)


def _units(scenario: Scenario, faults: list[ScenarioIssue], *, allow_imports: bool) -> UnitTable | None:
    model = scenario.model
    if model.name == "imported" and not allow_imports:
        text = "runs code of yours; allow it with --allow-imports (from Python: allow_imports=True)"
        faults.append(ScenarioIssue(("model", "name"), text))
        return None
    try:
        return unit_table(model)
    except (ValueError, ImportError) as error:
        source = tuple(key for key in ("file", "factory") if hasattr(model, key))
        faults.append(ScenarioIssue(("model", *source), str(error)))
        return None


def _fleet(scenario: Scenario, faults: list[ScenarioIssue]) -> Fleet | None:
    try:
        return draw_fleet(scenario.devices, scenario.seed)
    except ValueError as error:
        faults.append(ScenarioIssue(("devices", "positions"), str(error)))
        return None


def _channel(scenario: Scenario, fleet: Fleet, faults: list[ScenarioIssue]) -> Channel | None:
    try:
        return draw_channel(scenario.radio, fleet, scenario.seed)
    except ValueError as error:
        faults.append(ScenarioIssue(("radio", "path_loss"), str(error)))
        return None


def _client_data(scenario: Scenario, faults: list[ScenarioIssue]) -> ClientData | None:
    # torch only where it trains
    from ..models.learning.factory import client_data, load_dataset, training_device

    learning = scenario.learning
    assert learning is not None
    key: KeyPath = ("learning", "dataset")
    try:
        training_device(learning.device)  # before a large data set is read for nothing
        dataset = load_dataset(learning, scenario.model)
        key = ("learning", "validation_share")
        dataset = hold_out(dataset, learning.validation_share)
        key = ("learning", "partition")
        return client_data(
            learning,
            dataset,
            clients=scenario.devices.count,
            batch_size=scenario.batch_size,
            seed=scenario.seed,
        )
    except DatasetFileError as error:
        faults.append(ScenarioIssue(("learning", "dataset", "path"), str(error)))
    except DatasetError as error:
        faults.append(ScenarioIssue(key, str(error)))
    except ValueError as error:
        faults.append(ScenarioIssue(("learning", "device"), str(error)))
    return None


def _check_batched(scenario: Scenario, data: ClientData, faults: list[ScenarioIssue]) -> None:
    from ..models.learning.factory import check_batched

    try:
        check_batched(scenario.model, data)
    except ValueError as error:
        faults.append(ScenarioIssue(("learning", "clients_pass"), f"{error}; looped can"))


def _allocation(scenario: Scenario, units: UnitTable, faults: list[ScenarioIssue]) -> Allocation:
    """Return the allocation; if its cut is impossible, with another, so that the rest is checked too."""
    outside = allocation_faults(scenario.allocation, len(units), scenario.model.name)
    if not outside or len(units) == 1:  # a model that can't be split is a fault of its own
        return scenario.allocation
    faults.extend(outside)
    return scenario.allocation.model_copy(update={"cut": 1})


def _planned(
    scenario: Scenario,
    units: UnitTable,
    speeds: ComputeTimes,
    channel: Channel,
    allocation: Allocation,
    site: Deployment,
    faults: list[ScenarioIssue],
) -> tuple[tuple[Scheme, SchemePlan], ...]:
    first = PlannedDevices(speeds, channel, site).first(scenario)
    clients, deadline_s = len(first.site.clients), scenario.round_policy.deadline_s
    job = TrainingTask(units, scenario.batch_size, clients, deadline_s, float(site.memory_bits.min()))
    planned: list[tuple[Scheme, SchemePlan]] = []
    found: dict[KeyPath, ScenarioIssue] = {}  # several schemes meet the same fault, each with its own numbers
    compressors = Compressors(scenario, units)
    for parameters in scenario.schemes:
        scheme_class: type[Scheme] = find("scheme", parameters.name).load()
        try:
            compression = compressors.of(parameters, scheme_class)
        except PlanningError as error:
            faults.append(ScenarioIssue(error.key, str(error)))
            continue
        scheme = scheme_class(parameters, replace(job, compression=compression))
        if scheme.has_cut and len(units) < 2:
            text = f"{parameters.name} splits the model, which takes 2 units or more; it has {len(units)}"
            found.setdefault(("model",), ScenarioIssue(("model",), text))
            continue
        try:
            plan = _plan_one(scenario, scheme, first, allocation)
            check_prunable(scheme)
            if scenario.participation is not None:
                client_sampler(
                    scenario.participation, scheme, channel.problem, speeds, site, scenario.seed
                )  # which checks it
        except PlanningError as error:
            found.setdefault(error.key, ScenarioIssue(error.key, str(error)))
            continue
        planned.append((scheme, plan))
    faults.extend(found.values())
    return tuple(planned)


def _plan_one(
    scenario: Scenario, scheme: Scheme, first: PlannedDevices, allocation: Allocation
) -> SchemePlan:
    """Return a scheme's plan: what it arranges itself, the radio's resources, what follows from the links."""
    name, site = scheme.parameters.name, first.site
    refused = scheme.sampling_unsupported() if scenario.participation is not None else None
    if refused is not None:
        raise PlanningError(refused, ("participation",))
    if getattr(scenario.model, "profile", None) is not None and not scheme.measurable:
        raise PlanningError(
            f"{name} reckons with FLOPs; measured times are for {', '.join(_measurable())}",
            ("model", "profile"),
        )
    scheme.arrange(site)
    plan = plan_scheme(
        scheme,
        first.channel.problem,
        first.speeds,
        allocation,
        scenario.seed,
        sharing=scenario.radio.sharing,
        own_links=site.links if site.own_links else None,
    )
    scheme.cut = plan.cut
    plan = settled(scheme, plan, site)
    needed_bits, had_mib = scheme.memory().server_bits, scenario.server.memory_mib
    if had_mib is not None and needed_bits > had_mib * BITS_PER_MIB:
        raise PlanningError(
            f"{name} needs {mib_text(needed_bits)} on the server,"
            f" which has {mib_text(had_mib * BITS_PER_MIB)}",
            ("server", "memory_mib"),
        )
    return plan


def _measurable() -> list[str]:
    return [spec.name for spec in specs("scheme") if spec.load().measurable]
