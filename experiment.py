"""A scenario made ready to run, and the run of one of its schemes. Here the floors meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from .analysis.tables import round_table, scheme_summary
from .models.data import catalogue as _datasets
from .models.data.dataset import DatasetError, DatasetFileError
from .models.networks import catalogue as _networks
from .models.unit_tables import unit_table
from .scenarios.faults import Fault, KeyPath
from .scenarios.loading import Loaded
from .scenarios.registry import find
from .scenarios.schema import Scenario
from .scenarios.unit_table import UnitTable
from .sim import catalogue as _methods
from .sim.allocation.problem import AllocationError, RadioProblem
from .sim.channel import radio_problem
from .sim.fleet import Fleet, draw_fleet
from .sim.radio.units import linear_to_db
from .sim.schemes import catalogue as _schemes
from .sim.schemes.base import Job, Scheme, Speeds
from .sim.schemes.engine import RoundResult, rounds
from .sim.schemes.planning import SchemePlan, allocation_faults, plan_scheme
from .sim.world import World, slowdown_traces

if TYPE_CHECKING:
    from .models.learning.client_data import ClientData

__all__ = ["Experiment", "OnRound", "SchemeRun", "prepare", "run_scheme"]

BUILT_IN = (_datasets, _networks, _methods, _schemes)
"""The catalogues, imported so that scenarios can name what they register."""

OnRound: TypeAlias = Callable[[str, RoundResult], None]
"""Called with a scheme's label after each of its rounds."""


@dataclass(frozen=True)
class Experiment:
    """A scenario with everything drawn, planned and loaded that its schemes share.

    Attributes
    ----------
    loaded : the scenario
    units : the model's unit table
    fleet, problem : the devices and the radio resources
    schemes : each scheme with its plan, in the scenario's order
    data : the clients' samples; None for a timeline alone
    """

    loaded: Loaded
    units: UnitTable
    fleet: Fleet
    problem: RadioProblem
    schemes: tuple[tuple[Scheme, SchemePlan], ...]
    data: ClientData | None


@dataclass(frozen=True)
class SchemeRun:
    """What one scheme's run produced: its share of every file of the run folder."""

    label: str
    summary: dict[str, Any]
    rounds: pd.DataFrame
    devices: pd.DataFrame
    intervals: pd.DataFrame
    interrupted: bool


def prepare(loaded: Loaded, *, allow_imports: bool = False) -> Experiment:
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
    faults: list[Fault] = []
    units = _units(scenario, faults, allow_imports=allow_imports)
    fleet = draw_fleet(scenario.devices, scenario.seed)
    problem = _problem(scenario, fleet, faults)
    data = _client_data(scenario, faults) if scenario.learning is not None else None
    schemes = _planned(scenario, units, fleet, problem, faults) if units and problem else ()
    if faults or units is None or problem is None:
        raise loaded.error(faults)
    return Experiment(loaded, units, fleet, problem, schemes, data)


def _units(scenario: Scenario, faults: list[Fault], *, allow_imports: bool) -> UnitTable | None:
    model = scenario.model
    if model.name == "imported" and not allow_imports:
        text = "runs code of yours; allow it with --allow-imports (from Python: allow_imports=True)"
        faults.append(Fault(("model", "name"), text))
        return None
    try:
        return unit_table(model)
    except (ValueError, ImportError) as error:
        source = tuple(key for key in ("file", "factory") if hasattr(model, key))
        faults.append(Fault(("model", *source), str(error)))
        return None


def _problem(scenario: Scenario, fleet: Fleet, faults: list[Fault]) -> RadioProblem | None:
    try:
        return radio_problem(scenario.radio, fleet, scenario.seed)
    except ValueError as error:
        faults.append(Fault(("radio", "path_loss"), str(error)))
        return None


def _client_data(scenario: Scenario, faults: list[Fault]) -> ClientData | None:
    from .models.learning.factory import client_data, load_dataset  # torch only where it trains

    learning = scenario.learning
    assert learning is not None
    key: KeyPath = ("learning", "dataset")
    try:
        dataset = load_dataset(learning, scenario.model)
        key = ("learning", "partition")
        return client_data(
            learning,
            dataset,
            clients=scenario.devices.count,
            batch_size=scenario.batch_size,
            seed=scenario.seed,
        )
    except DatasetFileError as error:
        faults.append(Fault(("learning", "dataset", "path"), str(error)))
    except DatasetError as error:
        faults.append(Fault(key, str(error)))
    except ValueError as error:
        faults.append(Fault(("learning", "device"), str(error)))
    return None


def _planned(
    scenario: Scenario, units: UnitTable, fleet: Fleet, problem: RadioProblem, faults: list[Fault]
) -> tuple[tuple[Scheme, SchemePlan], ...]:
    allocation = scenario.allocation
    outside = allocation_faults(allocation, len(units), scenario.model.name)
    if outside and len(units) > 1:
        faults.extend(outside)
        allocation = allocation.model_copy(update={"cut": 1})  # so that the rest is checked all the same
    server = scenario.server
    speeds = Speeds(fleet.seconds_per_flop, server.cycles_per_flop / server.clock_hz)
    job = Job(units, scenario.batch_size, len(fleet), scenario.round_policy.deadline_s)
    planned: list[tuple[Scheme, SchemePlan]] = []
    found: dict[KeyPath, Fault] = {}  # several schemes meet the same fault, each with its own numbers
    for parameters in scenario.schemes:
        scheme: Scheme = find("scheme", parameters.name).load()(parameters, job)
        if not scheme.cuts():
            text = f"{parameters.name} splits the model, which takes 2 units or more; it has {len(units)}"
            found.setdefault(("model",), Fault(("model",), text))
            continue
        try:
            plan = plan_scheme(scheme, problem, speeds, allocation, scenario.seed)
        except AllocationError as error:
            found.setdefault(error.key, Fault(error.key, str(error)))
            continue
        scheme.cut = plan.cut
        planned.append((scheme, plan))
    faults.extend(found.values())
    return tuple(planned)


def run_scheme(
    experiment: Experiment, scheme: Scheme, plan: SchemePlan, on_round: OnRound
) -> SchemeRun | None:
    """Run one scheme in a world of its own, until its stop or an interrupt.

    Returns
    -------
    SchemeRun or None
        None if it was interrupted before its first round was finished.
    """
    scenario = experiment.loaded.scenario
    label = str(scheme.parameters.label)
    world = World(scenario.server, experiment.fleet, plan.links, slowdown_traces(scenario))
    learner = _learner(experiment, scheme)
    learning = scenario.learning
    results: list[RoundResult] = []
    interrupted = False
    try:
        for result in rounds(
            scheme, world, learner, scenario.stop, learning.evaluate_every if learning else 1
        ):
            results.append(result)
            on_round(label, result)
    except KeyboardInterrupt:
        interrupted = True
    if not results:
        return None
    identity = {"label": label, "seed": scenario.seed}
    intervals = world.record.frame()
    intervals = intervals[intervals["round"] <= len(results)].reset_index(drop=True)
    table = round_table(intervals, _learnt(scheme, identity, results))
    summary = {
        "scheme": scheme.parameters.name,
        "cut": plan.cut if scheme.has_cut else None,
        "predicted_latency_s": plan.predicted_s,
        **scheme_summary(table, scenario.target_accuracy),
        "timeline_fingerprint": world.record.fingerprint(),
        "weights_fingerprint": learner.fingerprint() if learner else None,
    }
    devices = _device_table(experiment, scheme, plan, identity, results)
    intervals = intervals.assign(label=label, seed=scenario.seed)
    first = [*identity, "round"]
    intervals = intervals[[*first, *(c for c in intervals.columns if c not in first)]]
    return SchemeRun(label, summary, table, devices, intervals, interrupted)


def _learner(experiment: Experiment, scheme: Scheme) -> Any:
    scenario = experiment.loaded.scenario
    if scenario.learning is None or experiment.data is None:
        return None
    from .models.learning.factory import make_learner

    return make_learner(
        scheme.learner,
        scheme.learner_options,
        model=scenario.model,
        cut=scheme.cut,
        data=experiment.data,
        learning=scenario.learning,
        seed=scenario.seed,
    )


def _learnt(scheme: Scheme, identity: dict[str, Any], results: list[RoundResult]) -> pd.DataFrame:
    rows = []
    for result in results:
        accuracy = result.accuracy
        rows.append(
            {
                "scheme": scheme.parameters.name,
                **identity,
                "round": result.number,
                "cut": str(scheme.cut) if scheme.has_cut else "",
                "participants": len(result.outcome.participants),
                "updates": result.outcome.updates,
                "samples": result.outcome.samples,
                "train_loss": result.train_loss,
                "test_accuracy": accuracy.mean if accuracy else np.nan,
                "test_accuracy_min": min(accuracy.per_client) if accuracy else np.nan,
                "test_accuracy_max": max(accuracy.per_client) if accuracy else np.nan,
                "test_accuracy_averaged": accuracy.averaged if accuracy else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _device_table(
    experiment: Experiment,
    scheme: Scheme,
    plan: SchemePlan,
    identity: dict[str, Any],
    results: list[RoundResult],
) -> pd.DataFrame:
    """Return one row a device: where it is, what it has, what it was given."""
    fleet, data, links = experiment.fleet, experiment.data, plan.links
    clients = range(len(fleet))
    accuracy = results[-1].accuracy
    sends = scheme.band != "none"
    given: list[str] = ["" for _ in clients]
    if plan.owner is not None:
        given = ["|".join(str(k) for k in np.flatnonzero(plan.owner == i)) for i in clients]
    elif sends:
        given = ["all" for _ in clients]
    return pd.DataFrame(
        {
            "scheme": scheme.parameters.name,
            **identity,
            "device": list(clients),
            "x_m": fleet.distance_m * np.cos(fleet.angle_rad),
            "y_m": fleet.distance_m * np.sin(fleet.angle_rad),
            "distance_m": fleet.distance_m,
            "gain_db": linear_to_db(experiment.problem.gains.mean(axis=1)),
            "clock_hz": fleet.clock_hz,
            "cycles_per_flop": fleet.cycles_per_flop,
            "subchannels": given,
            "power_w": links.uplink_w if sends else np.nan,
            "snr_db": linear_to_db(plan.uplink_snr) if sends else np.nan,
            "uplink_bps": links.uplink_bps if sends else np.nan,
            "downlink_bps": links.downlink_bps if sends else np.nan,
            "samples": data.samples if data else np.nan,
            "classes": data.classes_held if data else np.nan,
            "final_accuracy": accuracy.per_client if accuracy else np.nan,
        }
    )
