"""The run of one scheme of a prepared scenario: what takes time and what takes accuracy, together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from .analysis.tables import round_table, scheme_summary
from .preparation import Experiment
from .sim.radio.units import linear_to_db
from .sim.record import timeline_fingerprint
from .sim.schemes.base import Scheme
from .sim.schemes.engine import RoundResult, rounds
from .sim.schemes.on_air import PlannedLinks, sharing_rules
from .sim.schemes.planning import SchemePlan
from .sim.schemes.replanning import Replanner
from .sim.world import World, slowdown_traces

__all__ = ["OnRound", "SchemeRun", "make_world", "run_scheme", "scheme_learner"]

OnRound: TypeAlias = Callable[[str, RoundResult], None]
"""Called with a scheme's label after each of its rounds."""


@dataclass(frozen=True)
class SchemeRun:
    """What one scheme's run produced: its share of every file of the run folder."""

    label: str
    summary: dict[str, Any]
    rounds: pd.DataFrame
    devices: pd.DataFrame
    intervals: pd.DataFrame
    interrupted: bool


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
    world, replanner = make_world(experiment, scheme, plan)
    learner = scheme_learner(experiment, scheme)
    learning = scenario.learning
    results: list[RoundResult] = []
    interrupted = False
    try:
        for result in rounds(
            scheme,
            world,
            learner,
            scenario.stop,
            learning.evaluate_every if learning else 1,
            replanner.before_round,
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
        "plans": 1 + replanner.plans,
        "left_at_s": {str(client): world.left_at_s[client] for client in sorted(world.left_at_s)},
        "timeline_fingerprint": timeline_fingerprint(intervals),
        # an interrupted round may have moved some of the weights
        "weights_fingerprint": learner.fingerprint() if learner and not interrupted else None,
    }
    devices = _device_table(experiment, scheme, plan, identity, results)
    devices = devices.assign(**_energy_columns(intervals, len(devices)))
    devices["left_at_s"] = [world.left_at_s.get(client, np.nan) for client in range(len(devices))]
    intervals = intervals.assign(label=label, seed=scenario.seed)
    first = [*identity, "round"]
    intervals = intervals[[*first, *(c for c in intervals.columns if c not in first)]]
    return SchemeRun(label, summary, table, devices, intervals, interrupted)


def make_world(experiment: Experiment, scheme: Scheme, plan: SchemePlan) -> tuple[World, Replanner]:
    """Return a new world of the scheme, connected by its plan, and what plans anew in it."""
    scenario, channel = experiment.loaded.scenario, experiment.channel
    links = PlannedLinks(plan, channel)
    sharing = sharing_rules(scheme, plan, channel, links, scenario.radio)
    world = World(scenario.server, experiment.fleet, links, slowdown_traces(scenario), sharing)
    replanner = Replanner(
        scheme,
        plan,
        channel,
        experiment.speeds,
        scenario.allocation,
        scenario.radio,
        scenario.seed,
    )
    return world, replanner


def scheme_learner(experiment: Experiment, scheme: Scheme) -> Any:
    """Return a new learner of the scheme, or None for a timeline alone."""
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
                "validation_accuracy": _or_nan(accuracy.validation if accuracy else None),
            }
        )
    return pd.DataFrame(rows)


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


def _energy_columns(intervals: pd.DataFrame, devices: int) -> dict[str, np.ndarray]:
    """Return what each device spent on compute and uplinks, and the access point on its downlinks, [J]."""
    names = [f"device-{i}" for i in range(devices)]
    energy_j = intervals.groupby(["node", "lane"], observed=True)["energy_j"].sum().unstack()
    energy_j = energy_j.reindex(index=names, columns=["compute", "uplink", "downlink"]).fillna(0.0)
    return {f"{lane}_energy_j": energy_j[lane].to_numpy() for lane in energy_j.columns}


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
