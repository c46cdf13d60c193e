"""The points of a sweep. Each point is a checked scenario, named after a hash of its content."""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import KeyPath, ScenarioError, ScenarioIssue
from ..schema.scenario import Scenario
from ..schema.sweep import Sweep, combinations, figure_key_issues, swept_keys
from .loader import (
    LoadedScenario,
    RawScenario,
    ScenarioSource,
    check_scenario,
    read_scenario,
    scenario_yaml,
    with_schemes,
)
from .overrides import set_key
from .referenced_files import content_digest, named_files

__all__ = ["Point", "error_of_points", "load_points"]


@dataclass(frozen=True)
class Point:
    """One point of a sweep.

    Attributes
    ----------
    name : str
        Name of the run's folder: 16 hexadecimal digits of the SHA-256 of the resolved scenario without its
        target accuracy, which changes no round, and of the files that it names, except those of data sets.
    overrides : dict
        The values of the swept keys, without the seed.
    loaded : LoadedScenario
        The scenario of the point, which has no sweep.
    """

    name: str
    overrides: dict[str, Any]
    loaded: LoadedScenario

    @property
    def description(self) -> str:
        """Return the values of the swept keys and the seed, for a message."""
        values = {**self.overrides, "seed": self.loaded.scenario.seed}
        return ", ".join(f"{key}={value}" for key, value in values.items())


def load_points(
    where: ScenarioSource,
    overrides: Sequence[str] = (),
    *,
    seed: int | None = None,
    schemes: Sequence[str] | None = None,
) -> tuple[LoadedScenario, list[Point]]:
    """Read a scenario with a sweep, and check it and the scenario of every point.

    Parameters
    ----------
    where : str, Path or mapping
        A file, the name of a scenario of the library, or the scenario itself as a dictionary.
    overrides : sequence of str
        ``"key.path=value"`` each. They are set before the swept keys of each point.
    seed : int, optional
        Replaces the seed of the scenario, from which the seeds of a sweep are counted up.
    schemes : sequence of str, optional
        Names or labels of the schemes to keep; by default all.

    Raises
    ------
    ScenarioError
        With all issues of all points and of the sweep's figures. If only figures have issues, no error is
        raised: the caller reports them together with issues that it finds later.
    """
    raw = read_scenario(where, overrides, seed=seed)
    loaded = check_scenario(raw, figures=False)
    sweep = loaded.scenario.sweep
    if sweep is None:
        raise loaded.error(
            [ScenarioIssue((), "has no sweep section; cutlayer run takes a scenario without one")]
        )
    if seed is not None and _lists_seeds(sweep):
        text = "the sweep lists its seeds, which --seed does not replace; use --set sweep.seeds=..."
        raise loaded.error([ScenarioIssue(("sweep", "seeds"), text, "--seed")])
    if schemes is not None and not _sweeps_schemes(sweep):
        loaded = with_schemes(loaded, schemes)
    points: list[Point] = []
    contents: dict[Path, bytes] = {}
    issues: list[tuple[str, Sequence[ScenarioIssue]]] = []
    for chosen in combinations(sweep, loaded.scenario.seed):
        values = {key: value for key, (value, _) in chosen.items() if key != "seed"}
        try:
            point = check_scenario(_raw_point(raw, chosen))
            point = point if schemes is None else with_schemes(point, schemes)
        except ScenarioError as error:
            description = ", ".join(f"{key}={value}" for key, (value, _) in chosen.items())
            issues.append((description, error.located()))
            continue
        points.append(Point(_name(_simulated(point.scenario, sweep), contents), values, point))
    if issues:
        others = loaded.error(figure_key_issues(sweep)).located()
        raise error_of_points(issues, len(points) + len(issues), loaded.source, others)
    if duplicates := _duplicates(points):
        raise loaded.error([*duplicates, *figure_key_issues(sweep)])
    return loaded, points


def _lists_seeds(sweep: Sweep) -> bool:
    return isinstance(sweep.seeds, tuple) or "seed" in swept_keys(sweep)


def _sweeps_schemes(sweep: Sweep) -> bool:
    return any(key.split(".")[0] == "schemes" for key in swept_keys(sweep))


def _simulated(scenario: Scenario, sweep: Sweep) -> Scenario:
    """Return the scenario of a point without the target accuracy, unless the points differ in it."""
    if "target_accuracy" in swept_keys(sweep):
        return scenario
    return scenario.model_copy(update={"target_accuracy": None})


def _name(scenario: Scenario, contents: dict[Path, bytes]) -> str:
    """Return the name of a point; ``contents`` caches the digests of files, which many points share."""
    digest = hashlib.sha256(scenario_yaml(scenario).encode())
    for path in named_files(scenario):
        if path not in contents:
            contents[path] = content_digest(path)
        digest.update(contents[path])
    return digest.hexdigest()[:16]


def _raw_point(raw: RawScenario, chosen: Mapping[str, tuple[Any, KeyPath]]) -> RawScenario:
    """Return the point's scenario as plain data; the line of a swept key is its line in the sweep."""
    data = {key: copy.deepcopy(value) for key, value in raw.data.items() if key != "sweep"}
    point = replace(raw, data=data, lines=dict(raw.lines), overridden=dict(raw.overridden), issues=[])
    for key, (value, key_in_sweep) in chosen.items():
        try:
            path = set_key(data, key.split("."), copy.deepcopy(value))
        except LookupError as error:
            point.issues.append(ScenarioIssue(key_in_sweep, str(error.args[0])))
            continue
        for origins in (point.lines, point.overridden):
            for inner in [inner for inner in origins if inner[: len(path)] == path]:
                del origins[inner]
        parents = [key_in_sweep[:depth] for depth in range(len(key_in_sweep), 0, -1)]
        option = next((raw.overridden[parent] for parent in parents if parent in raw.overridden), None)
        if option is not None:
            point.overridden[path] = option
        elif raw.lines:  # a dictionary has no lines
            point.lines[path] = next(raw.lines[parent] for parent in parents if parent in raw.lines)
    return point


def error_of_points(
    issues_by_point: Sequence[tuple[str, Sequence[ScenarioIssue]]],
    total: int,
    source: str,
    others: Sequence[ScenarioIssue] = (),
) -> ScenarioError:
    """Return the issues of several points as one error: each issue once, with the first point that has it.

    Parameters
    ----------
    issues_by_point : sequence of (str, sequence of ScenarioIssue)
        The description of a point and its located issues.
    total : int
        Number of all points. An issue that all of them have names no point.
    source : str
        Name of the file.
    others : sequence of ScenarioIssue
        Located issues that belong to no point.
    """
    counts = Counter(issue for _, issues in issues_by_point for issue in dict.fromkeys(issues))
    first: dict[ScenarioIssue, str] = {}
    for description, issues in issues_by_point:
        for issue in issues:
            first.setdefault(issue, description)
    merged = list(others)
    for issue, count in counts.items():
        more = f" and {count - 1} points more" if count > 1 else ""
        where = f" (at {first[issue]}{more})" if count < total else ""
        merged.append(replace(issue, message=issue.message + where))
    return ScenarioError(sorted(merged, key=_file_and_line), source)


def _file_and_line(issue: ScenarioIssue) -> tuple[str, int]:
    source, _, line = str(issue.location).rpartition(":")
    return (source, int(line)) if line.isdigit() else (str(issue.location), 0)


def _duplicates(points: Sequence[Point]) -> list[ScenarioIssue]:
    """Return an issue for the first point whose scenario equals that of an earlier point."""
    points_by_name: dict[str, Point] = {}
    for point in points:
        earlier = points_by_name.setdefault(point.name, point)
        if earlier is not point:
            text = f"two points are one scenario: {earlier.description}; {point.description}"
            return [ScenarioIssue(("sweep",), text)]
    return []
