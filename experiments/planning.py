"""Plan a scenario by each allocation method without a run, and compare the plans with an optimum or bound."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..scenarios.loading.loader import LoadedScenario, ScenarioSource, load_scenario
from ..scenarios.loading.scheme_labels import paper_label
from ..scenarios.plugins import load_plugins
from ..scenarios.registry import lookup, specs
from ..scenarios.schema.scenario import Allocation
from ..sim.allocation.joint.brute_force import optimal
from ..sim.allocation.joint.milp_bound import lower_bound_s
from ..sim.allocation.problem import RoundWork, link_rates, round_time_s, transfer_s
from ..sim.planning_error import PlanningError
from ..sim.radio.resources import RadioResources
from ..sim.schemes.base import Scheme
from ..sim.schemes.deployment import Deployment
from ..sim.schemes.planning.medium_access import DedicatedSubchannels
from ..sim.schemes.planning.plan import SchemePlan
from ..sim.schemes.planning.radio_planner import RadioPlanner
from .experiment import Experiment
from .plan_choice.first_plan import FirstPlans
from .preparation import check_plan, prepare

__all__ = ["BOUND_TIME_S", "plan", "plan_loaded"]

BOUND_TIME_S = 5.0
"""Default time limit of the search for a lower bound, for each scheme, [s]."""

STAGES = {
    "first_stage_s": "first",
    "server_s": "server",
    "broadcast_s": "broadcast",
    "second_stage_s": "second",
    "model_exchange_s": "models",
}
"""The columns of the parts of a mean round, and their short headings."""


def plan(
    scenario: ScenarioSource,
    *,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    schemes: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    bound_time_s: float = BOUND_TIME_S,
    plugins: Sequence[str | Path] = (),
    allow_imports: bool = False,
) -> pd.DataFrame:
    """Plan a scenario by its own allocation and by each allocation method, without running it.

    A scheme whose clients have no dedicated subchannels has one row, because only its cut is planned.

    Parameters
    ----------
    scenario : str, Path or mapping
        Path of a scenario file, the name of a scenario in the library, or the scenario as a dictionary.
    overrides : sequence of str
        ``"key.path=value"`` each, with the value in YAML.
    seed : int, optional
        Replaces the scenario's seed.
    schemes : sequence of str, optional
        Names or labels of the schemes to plan for; all by default.
    methods : sequence of str, optional
        Names of allocation methods; all by default.
    bound_time_s : float
        Time limit of the search for a lower bound, for each scheme whose optimum is out of reach, [s].
    plugins : sequence of str or Path
        Python files or modules to import first.
    allow_imports : bool
        Let ``model: {name: imported}`` import and run your code.

    Returns
    -------
    DataFrame
        One row for each scheme and method, where the method ``scenario`` is the scenario's own allocation:

        - ``label, paper_label, method, cut, predicted_s``;
        - ``planned_s``, the mean round under ``allocation.plan_for: mean`` or ``simulated``;
        - the terms of ``predicted_s`` in a mean round: ``first_stage_s`` (until the server has the data of
          all clients), ``server_s``, ``broadcast_s``, ``second_stage_s`` (downlinks and backward passes) and
          ``model_exchange_s``;
        - ``reference`` (``optimum`` by brute force, or ``bound``), ``reference_s``, and
          ``gap = predicted_s / reference_s - 1``;
        - ``planning_ms``, the wall time of planning;
        - ``note``: the reason why a method gives no plan, or the decisions of the scheme itself (cuts,
          shares, placement, workflow).

        Numbers that do not exist are NaN.

    Raises
    ------
    ScenarioError
        With all issues of the scenario at once.
    ValueError
        If a name is not the name of an allocation method.
    """
    load_plugins(plugins)
    loaded = load_scenario(scenario, overrides, seed=seed, schemes=schemes)
    return plan_loaded(loaded, methods=methods, bound_time_s=bound_time_s, allow_imports=allow_imports)


def plan_loaded(
    loaded: LoadedScenario,
    *,
    methods: Sequence[str] | None = None,
    bound_time_s: float = BOUND_TIME_S,
    allow_imports: bool = False,
) -> pd.DataFrame:
    """Plan a loaded scenario; for parameters, result and errors see :func:`plan`."""
    method_names = [lookup("plan", name).name for name in methods or [spec.name for spec in specs("plan")]]
    timeline = loaded.scenario.model_copy(update={"learning": None})  # planning needs no data
    loaded = replace(loaded, scenario=timeline)
    experiment = prepare(loaded, allow_imports=allow_imports, simulate_plans=False)
    first_plans = FirstPlans(experiment, partial(check_plan, timeline))
    rows = [
        row
        for scheme, _ in experiment.schemes
        for row in _scheme_rows(experiment, scheme, first_plans, method_names, bound_time_s)
    ]
    columns = [
        "label",
        "paper_label",
        "method",
        "cut",
        "predicted_s",
        "planned_s",
        *STAGES,
        "reference",
        "reference_s",
        "gap",
    ]
    return pd.DataFrame(rows, columns=[*columns, "planning_ms", "note"])


def _scheme_rows(
    experiment: Experiment,
    scheme: Scheme,
    first_plans: FirstPlans,
    methods: Sequence[str],
    bound_time_s: float,
) -> list[dict[str, Any]]:
    context, deployment = experiment.context, experiment.first_deployment(scheme.parameters)
    plans: dict[str, Callable[[], SchemePlan]] = {"scenario": partial(first_plans.plan, scheme, deployment)}
    has_subchannels = context.sharing.allocates_subchannels and not deployment.has_fixed_links
    allocates = scheme.uses_subchannels and has_subchannels
    if allocates:
        defaults = {key: Allocation.model_fields[key].default for key in ("subchannels", "power")}
        for name in methods:
            lookup("plan", name).load()  # here, so that the import does not count as planning time
            allocation = context.allocation.model_copy(update={**defaults, "method": name})
            planner = replace(context, allocation=allocation).planner()
            plans[name] = partial(scheme.plan, deployment, planner)
    rows = [
        {
            "label": scheme.parameters.label,
            "paper_label": paper_label(scheme.parameters),
            "method": name,
            **_plan_row(scheme, deployment, plan),
        }
        for name, plan in plans.items()
    ]
    if allocates and not scheme.prediction_is_bound:
        kind, reference_s = _reference(scheme, deployment, context.planner(), bound_time_s)
        for row in rows:
            row |= {"reference": kind, "reference_s": reference_s}
            row["gap"] = row.get("predicted_s", math.nan) / reference_s - 1.0
    return rows


def _plan_row(scheme: Scheme, deployment: Deployment, make_plan: Callable[[], SchemePlan]) -> dict[str, Any]:
    """Return the cells of one plan, or the reason why there is no plan."""
    started_s = time.perf_counter()
    try:
        plan = make_plan()
    except PlanningError as error:
        return {"note": str(error)}
    planning_ms = 1e3 * (time.perf_counter() - started_s)
    row: dict[str, Any] = {"predicted_s": plan.predicted_s, "planning_ms": planning_ms}
    if plan.planned_s is not None:
        row["planned_s"] = plan.planned_s
    if note := _scheme_decisions(plan):
        row["note"] = note
    if plan.cuts.per_device:
        return row
    row["cut"] = plan.cuts.common or math.nan
    if not isinstance(plan.access, DedicatedSubchannels) or plan.prediction_is_bound:
        return row
    return row | _stages(scheme.work(plan.cuts.common, deployment), plan.resources, plan.access)


def _scheme_decisions(plan: SchemePlan) -> str:
    """Return the decisions that the scheme makes itself, as text."""
    phrases = ["the time is a lower bound"] if plan.prediction_is_bound else []
    if plan.cuts.per_device:
        phrases.append(f"cuts {plan.cuts}")
    phrases += plan.access.describe()
    if plan.server_shares:
        phrases.append("shares of the server " + "|".join(f"{share:.3g}" for share in plan.server_shares))
    phrases += [f"{name} {value}" for name, value in plan.notes.items() if isinstance(value, str)]
    return "; ".join(phrases)


def _stages(work: RoundWork, resources: RadioResources, access: DedicatedSubchannels) -> dict[str, float]:
    """Return the parts of a mean round, which sum to its time, [s]."""
    rates = link_rates(resources, access.client_of, access.psd_w_per_hz)
    first_s = work.before_uplink_s + transfer_s(work.uplink_bits, rates.uplink_bps)
    second_s = transfer_s(work.downlink_bits, rates.downlink_bps) + work.after_downlink_s
    without_exchange_s = round_time_s(replace(work, averaging_share=0.0), rates)
    return {
        "first_stage_s": float(first_s.max()),
        "server_s": work.server_s,
        "broadcast_s": float(transfer_s(work.broadcast_bits, np.asarray(rates.broadcast_bps))),
        "second_stage_s": float(second_s.max()),
        "model_exchange_s": round_time_s(work, rates) - without_exchange_s,
    }


def _reference(
    scheme: Scheme, deployment: Deployment, planner: RadioPlanner, bound_time_s: float
) -> tuple[str, float]:
    """Return the reference for all plans, [s]: the optimum if brute force can find it, else a lower bound."""
    work_by_cut = {cut: scheme.work(cut, deployment) for cut in planner.cuts_to_plan(scheme, deployment)}
    resources = deployment.resources
    try:
        return "optimum", optimal(resources, work_by_cut, np.random.default_rng()).predicted_s
    except PlanningError:
        return "bound", lower_bound_s(resources, work_by_cut, time_limit_s=bound_time_s)
