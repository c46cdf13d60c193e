"""Warnings where rounds do not take the planned time, with the causes that the plan ignores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ..results.run import Run
from .experiment_groups import group_runs, scenario_of

__all__ = ["GAP_MAX", "ignored_by_plan", "plan_gap_notes"]

GAP_MAX = 0.2
"""The relative difference between measured and planned mean round above which a warning is given."""
_CHANCE = "both are means of random rounds; more rounds or seeds bring them closer"
_ADVICE = {
    "nominal": "set allocation.plan_for: simulated to include them",
    "mean": "set allocation.plan_for: simulated to include more",
}


def plan_gap_notes(table: pd.DataFrame, runs: Sequence[Run]) -> Iterator[str]:
    """Yield a note for each scheme whose mean round differs from the planned one by more than 20 %.

    Where the planned time is a lower bound, only a shorter round would contradict it.

    Parameters
    ----------
    table : DataFrame
        The comparison, with ``experiment, label, paper_label``, and ``mean_latency_s, planned_latency_s,
        planned_is_bound``.
    runs : sequence of Run
        The runs of the table.
    """
    run_of = {(each.name, label): each.run for each in reversed(group_runs(runs)) for label in each.labels}
    schemes_of: dict[tuple[str, str], list[str]] = {}
    for row in table.to_dict("records"):
        measured_s, planned_s = row["mean_latency_s"], row["planned_latency_s"]
        if row["planned_is_bound"] or not planned_s > 0 or not abs(measured_s / planned_s - 1.0) > GAP_MAX:
            continue
        run = run_of.get((row["experiment"], row["label"]))
        if run is not None:  # the rows of failed schemes have no run
            cause = _cause(run, str(row["label"]))
            text = f"{row['paper_label']} {measured_s / planned_s:.2f} times"
            schemes_of.setdefault((str(row["experiment"]), cause), []).append(text)
    for (experiment, cause), schemes in schemes_of.items():
        name = f"{experiment}: " if table["experiment"].nunique() > 1 else ""
        yield f"{name}rounds did not take the planned time: {', '.join(schemes)} the planned time; {cause}"


def _cause(run: Run, label: str) -> str:
    """Return the causes that a scheme's plan ignores, and a key that helps, as a clause."""
    plan_for = str(run.summary["schemes"][label].get("plan_for", "nominal"))
    ignored = ignored_by_plan(scenario_of(run), label, plan_for)
    if not ignored:
        return _CHANCE if plan_for == "simulated" else "no key of the scenario explains it"
    advice = f"; {_ADVICE[plan_for]}" if plan_for in _ADVICE else ""
    return f"plans ignore {_listed(ignored)}{advice}"


def ignored_by_plan(scenario: Mapping[str, Any], label: str, plan_for: str) -> list[str]:
    """Return the causes of longer or shorter rounds that a plan ignores, by the keys of its scenario.

    Parameters
    ----------
    scenario : mapping
        A resolved scenario.
    plan_for : {"nominal", "mean", "simulated"}
        The conditions that the plan assumes.
    """
    scheme: Mapping[str, Any] = next((each for each in scenario["schemes"] if each.get("label") == label), {})
    devices, radio, server = (scenario.get(section) or {} for section in ("devices", "radio", "server"))
    stragglers, faults = scenario.get("stragglers") or {}, scenario.get("faults") or {}
    policy = {**(scenario.get("round_policy") or {}), **(scheme.get("round_policy") or {})}
    waits_for_all = not any(value is not None for key, value in policy.items() if key != "wait")
    simulated, nominal = plan_for == "simulated", plan_for == "nominal"
    fading = (radio.get("fading") or {}).get("model", "none")
    causes = {
        "slow-downs": nominal and stragglers.get("slowdown"),
        "compute noise": nominal and stragglers.get("compute_noise"),
        "background load": nominal and stragglers.get("load"),
        "that the slowest of several random times exceeds their mean": plan_for == "mean"
        and (any(stragglers.values()) or fading != "none"),
        f"{fading} fading": nominal and fading != "none",
        **{
            name.replace("_", " "): not simulated and value and (nominal or not _has_mean(name, value))
            for name, value in faults.items()
        },
        "the round policy": not simulated and not waits_for_all,
        "the queue at the server": not simulated and server.get("service") == "arrival",
        f"{str(radio.get('sharing')).replace('_', '-')} sharing": not simulated
        and radio.get("sharing") not in (None, "dedicated"),
        "moving devices or gains that change": devices.get("positions")
        or (radio.get("path_loss") or {}).get("file"),
        "the sampling of clients": scenario.get("participation"),
        "plans during the run": (scenario.get("allocation") or {}).get("replan"),
        "batteries": devices.get("battery_j") is not None,
        "other phases of training": scheme.get("phases"),
        "renewals of pruning masks": (
            (scheme.get("compression") or scenario.get("compression") or {}).get("pruning")
        ),
    }
    return [cause for cause, present in causes.items() if present]


def _has_mean(name: str, section: Any) -> bool:
    """Return whether plans for stationary means include a section of ``faults``."""
    drawn = {"packet_loss": "rate", "outage": "mean_up_s"}
    return name in drawn and section.get(drawn[name]) is not None


def _listed(texts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))
