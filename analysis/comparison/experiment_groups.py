"""Which runs are one experiment: those that differ in nothing but the seed and the list of schemes.

Runs are compared by content. A file that a scenario names counts by the digest that its run folder records,
not by its path. Plug-ins count by the digest of their source.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...scenarios.yaml_lines import parse_yaml
from ..results.run import Run

__all__ = [
    "ContradictoryRunsError",
    "GroupedRun",
    "group_runs",
    "in_folders_of_their_own",
    "provenance",
    "records_contents",
    "scenario_of",
]

_MAX_NAME = 70  # characters
_IGNORED_SCENARIO_KEYS = ("seed", "schemes", "sweep")
"""Keys of a scenario that do not decide on the experiment. A run ignores the section ``sweep``."""
_IGNORED_SUMMARY_KEYS = (
    *("format", "name", "seed", "interrupted", "target_accuracy", "files", "schemes"),
    *("failed", "warnings"),
)
"""Keys of a summary that say nothing on the software and the machine of the run."""
_NOT_RECORDED = "contents not recorded"
_PLUGIN = "plug-in "
_DIGITS = 12
"""Hexadecimal digits of a digest that names of experiments show."""


def scenario_of(run: Run) -> dict[str, Any]:
    """Return the scenario of a run as plain data, which must not be changed."""
    return _parsed(run.scenario)


@lru_cache(maxsize=2048)  # a comparison asks several times for each
def _parsed(text: str) -> dict[str, Any]:
    scenario: dict[str, Any] = parse_yaml(text, "scenario.yaml")[0]
    return scenario


def records_contents(run: Run) -> bool:
    """Return whether the run folder records the contents of every file that its scenario names."""
    return not any(_paths(_by_content(run)))


class ContradictoryRunsError(ValueError):
    """Raised if runs of one scenario and seed, by the same software, have different results."""


@dataclass(frozen=True)
class GroupedRun:
    """A run with its experiment.

    Attributes
    ----------
    run : Run
        The run.
    name : str
        The name of the experiment, which no other experiment has: that of the scenario, or of the folder if
        several experiments have one scenario's name.
    settings : str
        The keys in which experiments of one name differ, with their values.
    labels : tuple of str
        The schemes of the run that count. A scheme that an earlier run of the experiment has at the same
        seed, with equal results, counts there.
    """

    run: Run
    name: str
    settings: str
    labels: tuple[str, ...]


def group_runs(runs: Sequence[Run]) -> list[GroupedRun]:
    """Return each run with its experiment, in the order of the runs.

    Runs are one experiment if three conditions hold. Their scenarios without the seed and the schemes are
    equal, the files that the scenarios name have equal contents, and schemes of one label have equal
    parameters. An interrupted run is an experiment of its own. If two runs of an experiment have the same
    seed and different results, runs of different software or machines become experiments of their own.

    Raises
    ------
    ContradictoryRunsError
        If two runs of one experiment and seed have different results, and no difference of software or
        machine is recorded.
    """
    scenarios = [_by_content(run) for run in runs]
    common = [
        {key: value for key, value in s.items() if key not in _IGNORED_SCENARIO_KEYS} for s in scenarios
    ]
    values = []
    for run, settings, varied in zip(runs, common, _varied_schemes(common, scenarios), strict=True):
        plugins = {
            name: digest for name, digest in run.summary["versions"].items() if name.startswith(_PLUGIN)
        }
        values.append(_flat({**settings, "schemes": varied} if varied else settings) | plugins)
    identities = [_identity(run, settings) for run, settings in zip(runs, values, strict=True)]
    contradictory = {identity for identity, _ in _contradictions(runs, identities)}
    for number, (run, identity) in enumerate(zip(runs, identities, strict=True)):
        if identity in contradictory:
            values[number] |= provenance(run)
            identities[number] = _identity(run, values[number])
    remaining = next(_contradictions(runs, identities), None)
    if remaining is not None:
        raise ContradictoryRunsError(remaining[1])
    names = _names(runs, values, identities)
    counted: set[tuple[Hashable, ...]] = set()
    grouped = []
    for run, identity in zip(runs, identities, strict=True):
        keys = {label: _scheme_key(run, identity, label) for label in run.summary["schemes"]}
        new = [label for label, key in keys.items() if key not in counted]
        counted |= {keys[label] for label in new}
        grouped.append(GroupedRun(run, *names[identity], tuple(new)))
    return grouped


def _scheme_key(run: Run, identity: str, label: str) -> tuple[Hashable, ...]:
    """Return the key that equal results of a scheme share; a failed scheme never counts as a complete one."""
    failed = run.summary["schemes"][label].get("failed") is not None
    return identity, run.summary["seed"], label, failed


def _identity(run: Run, values: Mapping[str, Any]) -> str:
    """Return a text that runs of one experiment share. Each interrupted run ends at a round of its own."""
    schemes = run.summary["schemes"].values()
    rounds = [figures["rounds"] for figures in schemes] if run.interrupted else None
    return json.dumps([values, rounds], sort_keys=True)


def _contradictions(runs: Sequence[Run], identities: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the identity and a message for each scheme whose results differ between runs of one seed."""
    first: dict[tuple[Hashable, ...], dict[str, Any]] = {}
    for run, identity in zip(runs, identities, strict=True):
        seed = run.summary["seed"]
        for label, figures in run.summary["schemes"].items():
            earlier = first.setdefault(_scheme_key(run, identity, label), figures)
            name = next((key for key in earlier if key in figures and earlier[key] != figures[key]), None)
            if name is not None:
                yield (
                    identity,
                    f"two runs of {run.summary['name']} with seed {seed} differ in {label}: {name} is"
                    f" {earlier[name]} and {figures[name]}, though scenario, files, versions and machine are"
                    " the same; compare only one of them",
                )


def provenance(run: Run) -> dict[str, Any]:
    """Return the recorded software and machine of a run, by dotted key."""
    return _flat({key: value for key, value in run.summary.items() if key not in _IGNORED_SUMMARY_KEYS})


def _by_content(run: Run) -> dict[str, Any]:
    """Return the scenario with a digest in the place of each path of a file."""
    scenario = copy.deepcopy(scenario_of(run))
    for key, digest in _digests(run).items():
        _set(scenario, key, f"sha256 {digest}")
    for key, path in list(_paths(scenario)):
        _set(scenario, key, f"{path} ({_NOT_RECORDED})")
    return scenario


def _digests(run: Run) -> dict[str, str]:
    """Return a short digest for each key of the scenario that names a file or a folder."""
    records: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in run.summary.get("files", ()):
        records[record["key"]].append(record)
    digests = {}
    for key, files in records.items():
        if any(file["sha256"] is None for file in files):
            continue
        contents = [file["sha256"] for file in files]
        if len(files) > 1:  # in a folder of layer profiles, the name of a file is that of a device
            contents = [f"{Path(file['path']).name} {file['sha256']}" for file in files]
        digest = contents[0] if len(files) == 1 else hashlib.sha256("\n".join(contents).encode()).hexdigest()
        digests[key] = digest[:_DIGITS]
    return digests


def _paths(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted key and the value of each absolute path in a scenario.

    A scenario that is read from a file has absolute paths only.
    """
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in ("name", "label"):
                yield from _paths(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _paths(inner, f"{key}.{number}")
    elif isinstance(value, str) and Path(value).is_absolute():
        yield key, value


def _set(scenario: Any, key: str, value: str) -> None:
    """Set the value of a dotted key that the scenario has."""
    *parents, last = key.split(".")
    for part in parents:
        scenario = scenario[int(part) if isinstance(scenario, list) else part]
    scenario[int(last) if isinstance(scenario, list) else last] = value


def _names(
    runs: Sequence[Run], values: Sequence[Mapping[str, Any]], identities: Sequence[str]
) -> dict[str, tuple[str, str]]:
    """Return the name and the settings of each experiment, by its identity."""
    experiments: dict[str, tuple[str, Mapping[str, Any]]] = {}
    interrupted = {identity: run.interrupted for run, identity in zip(runs, identities, strict=True)}
    for run, settings, identity in zip(runs, values, identities, strict=True):
        experiments.setdefault(identity, (run.summary["name"], settings))
    names: dict[str, tuple[str, str]] = {}
    folders = _folder_names(runs, identities)
    for number, (identity, (name, settings)) in enumerate(experiments.items()):
        namesakes = [other for other_name, other in experiments.values() if other_name == name]
        keys = [
            key
            for key in dict.fromkeys(key for other in namesakes for key in other)
            if any(other.get(key) != settings.get(key) for other in namesakes)
        ]
        suffix = differences = ", ".join(f"{key}={settings.get(key, '–')}" for key in keys)
        if len(suffix) > _MAX_NAME:
            suffix = f"#{1 + sum(other == name for other, _ in list(experiments.values())[:number])}"
        end = " (interrupted)" if interrupted[identity] else ""
        full = f"{name} {suffix}".strip() + end
        if len(namesakes) > 1 and identity in folders:
            full = folders[identity] + end
        taken = sum(other.startswith(full) for other, _ in names.values())
        names[identity] = full if not taken else f"{full} #{1 + taken}", differences
    return names


def in_folders_of_their_own(runs: Sequence[Run], experiments: Sequence[str]) -> bool:
    """Return whether there are several experiments, and no two of them were read from one folder.

    Parameters
    ----------
    experiments : sequence of str
        The experiment of each run.
    """
    pairs = {(experiment, run.folder) for experiment, run in zip(experiments, runs, strict=True)}
    folders = {folder for _, folder in pairs}
    return len(set(experiments)) > 1 and len(pairs) == len(folders) and "" not in folders


def _folder_names(runs: Sequence[Run], experiments: Sequence[str]) -> dict[str, str]:
    """Return the name of each experiment's folder, with as many parents as distinguish it from the others.

    It is empty unless every experiment was read from exactly one folder, which no other experiment is in.

    Parameters
    ----------
    experiments : sequence of str
        The experiment of each run.
    """
    folders = dict(zip(experiments, (run.folder for run in runs), strict=True))
    if not in_folders_of_their_own(runs, experiments) or len({run.folder for run in runs}) > len(folders):
        return {}
    parts = {experiment: Path(folder).parts for experiment, folder in folders.items()}
    for depth in range(1, max(len(each) for each in parts.values()) + 1):
        names = {experiment: "/".join(each[-depth:]) for experiment, each in parts.items()}
        if len(set(names.values())) == len(names):
            return names
    return {}


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


def _flat(values: Any, path: str = "") -> dict[str, Any]:
    """Return the values of nested mappings by dotted key."""
    if not isinstance(values, dict):
        return {path: values}
    flat: dict[str, Any] = {}
    for key, inner in values.items():
        flat |= _flat(inner, f"{path}.{key}" if path else str(key))
    return flat
