"""The comparison table: one row a scheme, over one run or several."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from ...scenarios.yaml_lines import parse_yaml
from ..results.run_folder import Run
from .paired_differences import paired_differences

__all__ = ["comparison"]

_REFERENCE = "sl"
_LONGEST_NAME = 70
_MEANS = [
    "mean_latency_s",
    "total_time_s",
    "time_to_target_s",
    "rounds_to_target",
    "final_accuracy",
    "samples",
    "uplink_bits",
    "downlink_bits",
    "energy_j",
    "device_memory_bits",
    "node_memory_bits",
    "cost",
]


def comparison(runs: Sequence[Run], reference: str | None = None) -> pd.DataFrame:
    """Return one row an experiment and label, means over seeds; figures that do not exist are NaN.

    Runs are of one experiment if their scenarios differ in nothing but the seed and the list of schemes, and
    schemes of one label have the same parameters; an interrupted run is one of its own. Experiments of one
    name are told apart by the keys in which they differ, or by a number where these are too long;
    ``settings`` has them in full. Columns: ``experiment, settings, scheme, label, runs, cut,
    mean_latency_s, total_time_s, time_to_target_s, rounds_to_target, final_accuracy, samples,
    uplink_bits, downlink_bits, energy_j, device_memory_bits, node_memory_bits, cost, memory_counts,
    speedup_over_sl, empty_rounds, rounds``, and those of
    :func:`paired_differences` to the scheme labelled ``reference``. ``empty_rounds`` and ``rounds`` are
    those of all seeds together. A time to the target is
    the mean only where every run reached it. ``speedup_over_sl`` is SL's mean round latency over this
    scheme's, in the same experiment; NaN for a scheme that trained nothing.
    """
    told = _experiments(runs)
    names = [name for name, _ in told]
    frame = pd.DataFrame(
        [
            {"experiment": name, "seed": run.summary["seed"], "label": label, **figures}
            for name, run in zip(names, runs, strict=True)
            for label, figures in run.summary["schemes"].items()
        ]
    )
    keys = ["experiment", "label"]
    numbers = frame[keys].join(frame[_MEANS].astype(float))
    table = numbers.groupby(keys, sort=False)[_MEANS].agg(_strict_mean)
    grouped = frame.groupby(keys, sort=False)
    table.insert(0, "scheme", grouped["scheme"].first())
    table.insert(1, "runs", grouped.size())
    table.insert(2, "cut", grouped["cut"].agg(_cuts))
    for column in ("empty_rounds", "rounds"):
        table[column] = grouped[column].sum()
    table = table.reset_index()
    table.insert(1, "settings", table["experiment"].map(dict(told)))
    table["memory_counts"] = table["experiment"].isin(
        {name for name, run in zip(names, runs, strict=True) if _memory_counts(run)}
    )
    sequential = table[table["scheme"] == _REFERENCE].drop_duplicates("experiment", keep=False)
    sl_s = table["experiment"].map(sequential.set_index("experiment")["mean_latency_s"])
    table["speedup_over_sl"] = (sl_s / table["mean_latency_s"]).where(table["samples"] > 0)
    paired = frame.astype({"mean_latency_s": float, "final_accuracy": float})
    return table.merge(paired_differences(paired, reference), on=keys)


def _experiments(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Return name and settings of each run's experiment: in which keys those of one name differ."""
    scenarios = [parse_yaml(run.scenario, "scenario.yaml")[0] for run in runs]
    rests = [
        {key: value for key, value in scenario.items() if key not in ("seed", "schemes")}
        for scenario in scenarios
    ]
    told_apart = _varied_schemes(rests, scenarios)
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    identities = []
    for run, rest, varied in zip(runs, rests, told_apart, strict=True):
        values = {**rest, "schemes": varied} if varied else rest
        identities.append(json.dumps([values, run.interrupted], sort_keys=True))
        found.setdefault(identities[-1], (run.summary["name"], dict(_flat(values))))
    names: dict[str, tuple[str, str]] = {}
    for number, (identity, (name, values)) in enumerate(found.items()):
        alike = [other for same, other in found.values() if same == name]
        keys = [
            k
            for k in dict.fromkeys(k for v in alike for k in v)
            if any(v.get(k) != values.get(k) for v in alike)
        ]
        settings = told = ", ".join(f"{key}={values.get(key, '–')}" for key in keys)
        if len(told) > _LONGEST_NAME:
            told = f"#{1 + sum(same == name for same, _ in list(found.values())[:number])}"
        names[identity] = f"{name} {told}".strip(), settings
    return [
        (names[identity][0] + (" (interrupted)" if run.interrupted else ""), names[identity][1])
        for identity, run in zip(identities, runs, strict=True)
    ]


def _varied_schemes(
    rests: Sequence[dict[str, Any]], scenarios: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return of each run the schemes, by label, that have other parameters in a run that is else alike."""
    schemes = [{scheme["label"]: scheme for scheme in scenario["schemes"]} for scenario in scenarios]
    forms: dict[tuple[str, str], set[str]] = defaultdict(set)
    texts = [json.dumps(rest, sort_keys=True) for rest in rests]
    for rest, of_run in zip(texts, schemes, strict=True):
        for label, scheme in of_run.items():
            forms[rest, label].add(json.dumps(scheme, sort_keys=True))
    return [
        {label: scheme for label, scheme in of_run.items() if len(forms[rest, label]) > 1}
        for rest, of_run in zip(texts, schemes, strict=True)
    ]


def _memory_counts(run: Run) -> bool:
    """Return whether the scenario speaks of memory: a limit somewhere, or compute nodes."""
    scenario, _ = parse_yaml(run.scenario, "scenario.yaml")
    limited = any((scenario.get(section) or {}).get("memory_mib") for section in ("devices", "server"))
    return limited or bool(scenario.get("network"))


def _flat(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted keys with their values, which are no mappings."""
    if not isinstance(values, dict):
        yield path, values
        return
    for key, inner in values.items():
        yield from _flat(inner, f"{path}.{key}" if path else str(key))


def _cuts(values: pd.Series[Any]) -> str:
    """Return the cuts of the runs; the least and the greatest where devices differ in it."""
    found = dict.fromkeys(
        str(int(cut)) if not isinstance(cut, list) else "–".join(str(c) for c in sorted({min(cut), max(cut)}))
        for cut in sorted(values.dropna(), key=lambda cut: min(cut) if isinstance(cut, list) else cut)
    )
    return "|".join(found)


def _strict_mean(values: pd.Series[float]) -> float:
    """Return the mean, NaN where one value is missing."""
    return float(values.mean(skipna=False))
