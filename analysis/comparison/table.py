"""The comparison table: one row a scheme, over one run or several."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from ...scenarios.yaml_lines import parse_yaml
from ..results.run_folder import Run
from .paired_differences import REFERENCE_SCHEME, paired_differences

__all__ = ["comparison"]

_MAX_NAME = 70  # characters
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
    """Return one row an experiment and label, with means over the seeds.

    Runs belong to one experiment if their scenarios differ only in the seed and in the list of schemes, and
    if schemes of one label have the same parameters. An interrupted run is an experiment of its own. If
    several experiments have one name, the keys in which they differ follow the name, or a number if the keys
    are too long. ``settings`` has these keys in full.

    Columns: ``experiment, settings, scheme, label, runs, cut, mean_latency_s, total_time_s, time_to_target_s,
    rounds_to_target, final_accuracy, samples, uplink_bits, downlink_bits, energy_j, device_memory_bits,
    node_memory_bits, cost, memory_counts, speedup_over_sl, empty_rounds, rounds, diverged``, and the columns
    of :func:`.paired_differences`, with ``reference`` as the reference. Figures that do not exist are NaN.

    - ``empty_rounds`` and ``rounds`` are sums over all seeds.
    - ``diverged`` is the number of runs that diverged. Such a run has no final accuracy unless it recovered.
    - The time and the rounds to the target exist only if every run reached the target.
    - ``speedup_over_sl`` is SL's mean round latency divided by that of the scheme, in the same experiment. It
      is NaN for a scheme that trained nothing.
    """
    experiments = _experiments(runs)
    names = [name for name, _ in experiments]
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
    table["diverged"] = grouped["diverged_in_round"].count() if "diverged_in_round" in frame else 0
    table = table.reset_index()
    table.insert(1, "settings", table["experiment"].map(dict(experiments)))
    table["memory_counts"] = table["experiment"].isin(
        {name for name, run in zip(names, runs, strict=True) if _memory_counts(run)}
    )
    reference_rows = table[table["scheme"] == REFERENCE_SCHEME].drop_duplicates("experiment", keep=False)
    sl_s = table["experiment"].map(reference_rows.set_index("experiment")["mean_latency_s"])
    table["speedup_over_sl"] = (sl_s / table["mean_latency_s"]).where(table["samples"] > 0)
    paired = frame.astype({"mean_latency_s": float, "final_accuracy": float})
    return table.merge(paired_differences(paired, reference), on=keys)


def _experiments(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Return the name and the settings of each run's experiment.

    The settings are the keys in which experiments of one name differ, with their values.
    """
    scenarios = [parse_yaml(run.scenario, "scenario.yaml")[0] for run in runs]
    common = [
        {key: value for key, value in scenario.items() if key not in ("seed", "schemes")}
        for scenario in scenarios
    ]
    experiments: dict[str, tuple[str, dict[str, Any]]] = {}  # name and values of each experiment
    identities = []
    for run, settings, varied in zip(runs, common, _varied_schemes(common, scenarios), strict=True):
        values = {**settings, "schemes": varied} if varied else settings
        identities.append(json.dumps([values, run.interrupted], sort_keys=True))
        experiments.setdefault(identities[-1], (run.summary["name"], dict(_flat(values))))
    names: dict[str, tuple[str, str]] = {}
    for number, (identity, (name, values)) in enumerate(experiments.items()):
        namesakes = [other for other_name, other in experiments.values() if other_name == name]
        keys = [
            key
            for key in dict.fromkeys(key for other in namesakes for key in other)
            if any(other.get(key) != values.get(key) for other in namesakes)
        ]
        suffix = differences = ", ".join(f"{key}={values.get(key, '–')}" for key in keys)
        if len(suffix) > _MAX_NAME:
            suffix = f"#{1 + sum(other == name for other, _ in list(experiments.values())[:number])}"
        names[identity] = f"{name} {suffix}".strip(), differences
    return [
        (names[identity][0] + (" (interrupted)" if run.interrupted else ""), names[identity][1])
        for identity, run in zip(identities, runs, strict=True)
    ]


def _varied_schemes(
    common: Sequence[dict[str, Any]], scenarios: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return, for each run and by label, the schemes that have other parameters in an otherwise equal run.

    Parameters
    ----------
    common : sequence of dict
        The scenario of each run without the seed and the schemes.
    scenarios : sequence of dict
        The scenario of each run.
    """
    schemes = [{scheme["label"]: scheme for scheme in scenario["schemes"]} for scenario in scenarios]
    variants: dict[tuple[str, str], set[str]] = defaultdict(set)
    texts = [json.dumps(settings, sort_keys=True) for settings in common]
    for text, run_schemes in zip(texts, schemes, strict=True):
        for label, scheme in run_schemes.items():
            variants[text, label].add(json.dumps(scheme, sort_keys=True))
    return [
        {label: scheme for label, scheme in run_schemes.items() if len(variants[text, label]) > 1}
        for text, run_schemes in zip(texts, schemes, strict=True)
    ]


def _memory_counts(run: Run) -> bool:
    """Return whether the scenario limits the memory of devices or server, or has compute nodes."""
    scenario, _ = parse_yaml(run.scenario, "scenario.yaml")
    limited = any((scenario.get(section) or {}).get("memory_mib") for section in ("devices", "server"))
    return limited or bool(scenario.get("network"))


def _flat(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and the value of each entry of nested mappings."""
    if not isinstance(values, dict):
        yield path, values
        return
    for key, inner in values.items():
        yield from _flat(inner, f"{path}.{key}" if path else str(key))


def _cuts(values: pd.Series[Any]) -> str:
    """Return the cuts of the runs as text; if the cuts of devices differ, the lowest and the highest."""
    texts = dict.fromkeys(
        str(int(cut)) if not isinstance(cut, list) else "–".join(str(c) for c in sorted({min(cut), max(cut)}))
        for cut in sorted(values.dropna(), key=lambda cut: min(cut) if isinstance(cut, list) else cut)
    )
    return "|".join(texts)


def _strict_mean(values: pd.Series[float]) -> float:
    """Return the mean, or NaN if a value is missing."""
    return float(values.mean(skipna=False))
