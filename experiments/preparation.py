"""Prepare a scenario: draw devices and channel, load the data, plan the schemes, or report all issues."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ..models.data.dataset import DatasetFileError
from ..models.data.validation import hold_out
from ..models.unit_tables import unit_table
from ..scenarios.errors import ScenarioIssue
from ..scenarios.loading.issue_collector import IssueCollector
from ..scenarios.loading.loader import LoadedScenario
from ..scenarios.model_costs.unit_table import UnitTable
from ..scenarios.registry import lookup, specs
from ..scenarios.schema.scenario import Allocation, Optimizer, Scenario
from ..sim.faults.effects import Faults
from ..sim.links.channel import Channel, draw_channel
from ..sim.nodes.fleet import Fleet, draw_fleet
from ..sim.planning_error import PlanningError
from ..sim.radio.units import BITS_PER_MIB, mib_text
from ..sim.schemes.base import Scheme, TrainingTask
from ..sim.schemes.planning.plan import SchemePlan
from ..sim.schemes.planning.radio_planner import band_sharing, cut_issues
from ..sim.schemes.round_planners.planning_context import PlanningContext
from ..sim.schemes.round_planners.sampled_clients import client_sampler
from .compression import CompressedSizesFactory, check_prunable
from .deployment import make_deployment
from .excluded_devices import allocation_of_included, parameters_of_included
from .experiment import Experiment, first_deployment
from .plan_choice.first_plan import FirstPlans
from .plan_choice.plan_for import mean_conditions
from .provenance.named_files import NO_FILES, read_named_files
from .trial_round import schemes_that_cannot_normalise
from .work_limits import check_round, check_training_memory

if TYPE_CHECKING:
    from ..models.learning.client_data import ClientData

__all__ = ["check_plan", "prepare"]

_OUT_OF_MEMORY = (
    "needs more memory than this machine has: give fewer devices, subchannels or samples, or a smaller model"
)


def prepare(
    loaded: LoadedScenario,
    *,
    allow_imports: bool = False,
    timeline_only: bool = False,
    simulate_plans: bool = True,
) -> Experiment:
    """Prepare a scenario. Nothing is written.

    Parameters
    ----------
    allow_imports : bool
        Let ``model: {name: imported}`` import and run the user's code.
    timeline_only : bool
        Load no data, so that nothing is learnt. The timeline is that of the run with learning.
    simulate_plans : bool
        Whether plans are compared by simulated rounds where the scenario has such plans. A check can do
        without: its plans are nominal ones.

    Raises
    ------
    ScenarioError
        With all issues of the model, the devices, the channel, the data and the plans.
    """
    issues = IssueCollector(loaded)
    try:
        return _prepare(
            loaded,
            issues,
            allow_imports=allow_imports,
            timeline_only=timeline_only,
            simulate_plans=simulate_plans,
        )
    except MemoryError:
        raise loaded.error([ScenarioIssue((), _OUT_OF_MEMORY)]) from None


def _prepare(
    loaded: LoadedScenario,
    issues: IssueCollector,
    *,
    allow_imports: bool,
    timeline_only: bool,
    simulate_plans: bool,
) -> Experiment:
    scenario = loaded.scenario
    units = _units(scenario, issues, allow_imports=allow_imports)
    fleet: Fleet | None = None
    channel: Channel | None = None
    faults: Faults | None = None
    with issues.at("devices", "positions"):
        with issues.at_stated_key():
            fleet = draw_fleet(scenario.devices, scenario.seed)
        if fleet is not None:
            faults = _faults(scenario, fleet, issues)
            with issues.at("radio", "path_loss"):
                channel = draw_channel(scenario.radio, fleet, scenario.seed)
    data: ClientData | None = None
    if scenario.learning is not None and not timeline_only:
        with issues.at_stated_key():
            check_training_memory(scenario, scenario.learning, units)
            data = _client_data(scenario, issues)
    if units and data and scenario.learning and scenario.learning.clients_pass == "batched":
        _check_batched(scenario, data, issues)
    allocation = _allocation(scenario, units, issues) if units else scenario.allocation
    allocation = allocation_of_included(allocation, scenario.devices)
    if units and fleet and faults and channel:
        deployment = make_deployment(scenario, units, fleet, channel, issues)
        if deployment:
            sharing = band_sharing(scenario.radio)
            means = mean_conditions(scenario, faults, channel)
            context = PlanningContext(deployment, channel, allocation, sharing, scenario.seed, means)
            experiment = Experiment(loaded, units, fleet, faults, context, (), data, NO_FILES)
            schemes = _plan_schemes(experiment, issues, simulate_plans=simulate_plans)
            if not issues:
                experiment = replace(experiment, schemes=schemes, named_files=read_named_files(scenario))
                _check_normalisation(experiment, issues)
                if not issues:
                    return experiment
    raise issues.error()


def _faults(scenario: Scenario, fleet: Fleet, issues: IssueCollector) -> Faults | None:
    """Return the scenario's faults, or None after adding the issues of all of them."""
    issues_before, each = len(issues), []
    for spec in specs("fault"):
        with issues.at_stated_key():
            each.append(spec.load()(scenario, fleet))
    return Faults.of(each) if len(issues) == issues_before else None


def _check_normalisation(experiment: Experiment, issues: IssueCollector) -> None:
    labels = schemes_that_cannot_normalise(experiment)
    if labels:
        have = "has" if len(labels) == 1 else "have"
        issues.add(
            ("batch_size",),
            f"{experiment.loaded.scenario.model.name} has batch normalisation, which needs two values or more"
            f" for each channel; with batch_size 1, {' and '.join(labels)} {have} one value; use 2 or more",
        )


def _units(scenario: Scenario, issues: IssueCollector, *, allow_imports: bool) -> UnitTable | None:
    model = scenario.model
    if model.name == "imported" and not allow_imports:
        text = "runs code of yours; allow it with --allow-imports (from Python: allow_imports=True)"
        issues.add(("model", "name"), text)
        return None
    source_key = (key for key in ("file", "factory") if hasattr(model, key))
    with issues.at("model", *source_key, catch=(ValueError, ImportError)):
        return unit_table(model)
    return None


def _client_data(scenario: Scenario, issues: IssueCollector) -> ClientData | None:
    # imports torch, which a timeline alone does without
    from ..models.learning.factory import client_data, load_dataset, training_device

    learning = scenario.learning
    assert learning is not None
    with issues.at("learning", "device"):
        training_device(learning.device)  # checked before a large data set is read
        with (
            issues.at("learning", "dataset"),
            issues.at("learning", "dataset", "path", catch=DatasetFileError),
        ):
            dataset = load_dataset(learning, scenario.model)
            with issues.at("learning", "validation_share"):
                dataset = hold_out(dataset, learning.validation_share)
                with issues.at("learning", "partition"):
                    return client_data(
                        learning,
                        dataset,
                        clients=scenario.devices.count,
                        batch_size=scenario.batch_size,
                        seed=scenario.seed,
                    )
    return None


def _check_batched(scenario: Scenario, data: ClientData, issues: IssueCollector) -> None:
    from ..models.learning.factory import check_batched

    try:
        check_batched(scenario.model, data)
    except ValueError as error:
        issues.add(("learning", "clients_pass"), f"{error}; looped can")


def _allocation(scenario: Scenario, units: UnitTable, issues: IssueCollector) -> Allocation:
    """Return the allocation. Cut 1 replaces an impossible cut, so that the rest is checked too."""
    impossible_cuts = cut_issues(scenario.allocation, len(units), scenario.model.name)
    if not impossible_cuts or len(units) == 1:  # a model of one unit is reported for each scheme
        return scenario.allocation
    issues.extend(impossible_cuts)
    return scenario.allocation.model_copy(update={"cut": 1})


def _plan_schemes(
    experiment: Experiment, issues: IssueCollector, *, simulate_plans: bool
) -> tuple[tuple[Scheme, SchemePlan], ...]:
    """Return each scheme with its first plan. A scheme that cannot be planned adds an issue."""
    loaded, units, context = experiment.loaded, experiment.units, experiment.context
    scenario = loaded.scenario
    optimizer = scenario.learning.optimizer if scenario.learning else Optimizer()
    task = TrainingTask(units, scenario.batch_size, optimizer_copies=optimizer.state_copies)
    planned: list[tuple[Scheme, SchemePlan]] = []
    # several schemes may have the same issue with different numbers: only the first is reported
    planning_issues = IssueCollector(loaded, one_per_key=True)
    compressed_sizes = CompressedSizesFactory(scenario, units)
    first_plans = FirstPlans(experiment, partial(check_plan, scenario), simulate=simulate_plans)
    for parameters in scenario.schemes:
        scheme_class: type[Scheme] = lookup("scheme", parameters.name).load()
        parameters = parameters_of_included(parameters, scenario.devices)
        with issues.at_stated_key():
            compression = compressed_sizes.create(parameters, scheme_class)
            scheme = scheme_class(parameters, replace(task, compression=compression))
            with planning_issues.at_stated_key():
                _check_supported(scenario, scheme)
                plan = first_plans.plan(scheme, first_deployment(scenario, parameters, context))
                participation = scenario.participation_of(parameters)
                if participation is not None:  # the constructor checks that clients can be sampled
                    excluded = frozenset(scenario.devices.exclude)
                    client_sampler(participation, scheme, plan, context.deployment, excluded)
                planned.append((scheme, plan))
    issues.extend(planning_issues.issues)
    return tuple(planned)


def _check_supported(scenario: Scenario, scheme: Scheme) -> None:
    """Check that a scheme supports the scenario's model, its profile, its participation and round policy.

    Raises
    ------
    PlanningError
        If it does not, at the key that the scheme does not support.
    """
    name, count = scheme.parameters.name, len(scheme.task.units)
    if scheme.has_cut and count < 2:
        raise PlanningError(
            f"{name} splits the model, which needs 2 units or more; it has {count}", ("model",)
        )
    policy = scenario.round_policy_of(scheme.parameters)
    sampled = scenario.participation_of(scheme.parameters) is not None
    refusal = scheme.sampling_unsupported() if sampled else None
    if refusal is not None and scenario.participation is not None:
        raise PlanningError(refusal, ("participation",))
    if refusal is not None:
        raise PlanningError(
            f"over_select samples {policy.over_select} of {scenario.devices.count} devices, as participation"
            f" does. {refusal}",
            ("round_policy", "over_select"),
        )
    if policy.quorum is not None and scheme.takes_turns:
        raise PlanningError(
            f"quorum counts clients that train in parallel, and those of schemes: {name} train in turn; give"
            f" {name} a round_policy of its own",
            ("round_policy", "quorum"),
        )
    if getattr(scenario.model, "profile", None) is not None and not scheme.measurable:
        measurable = [spec.name for spec in specs("scheme") if spec.load().measurable]
        raise PlanningError(
            f"{name} computes times from FLOPs; the schemes that can use measured times are"
            f" {', '.join(measurable)}",
            ("model", "profile"),
        )


def check_plan(scenario: Scenario, scheme: Scheme, plan: SchemePlan) -> None:
    """Check that a plan can be run.

    Raises
    ------
    PlanningError
        If it cannot, at the key that prevents it.
    """
    _check_server_memory(scenario, scheme, plan)
    check_round(scenario, scheme, plan)
    check_prunable(scheme, plan)


def _check_server_memory(scenario: Scenario, scheme: Scheme, plan: SchemePlan) -> None:
    """Check that the server's parts of the model fit into its memory.

    Raises
    ------
    PlanningError
        If they do not, with both sizes.
    """
    needed_bits, memory_mib = plan.memory.server_bits, scenario.server.memory_mib
    if memory_mib is not None and needed_bits > memory_mib * BITS_PER_MIB:
        raise PlanningError(
            f"{scheme.parameters.name} needs {mib_text(needed_bits)} on the server,"
            f" which has {mib_text(memory_mib * BITS_PER_MIB)}",
            ("server", "memory_mib"),
        )
