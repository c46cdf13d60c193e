"""The points of a sweep: each a scenario of its own, checked, and named by what it says."""

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
from ..schema.sweep import combinations, wrong_figures
from .loader import LoadedScenario, RawScenario, check_scenario, read_scenario, scenario_yaml
from .overrides import set_key
from .referenced_files import content_digest, named_files

__all__ = ["Point", "gathered", "load_points"]


@dataclass(frozen=True)
class Point:
    """One point of a sweep.

    Attributes
    ----------
    name : 16 hexadecimal digits of the SHA-256 of the resolved scenario and of the files that it names, but
        those of data sets: the name of the run's folder
    overrides : the values of the swept keys, without the seed
    loaded : the scenario of the point, which has no sweep
    """

    name: str
    overrides: dict[str, Any]
    loaded: LoadedScenario

    @property
    def told(self) -> str:
        """Return what sets the point apart, for a message."""
        values = {**self.overrides, "seed": self.loaded.scenario.seed}
        return ", ".join(f"{key}={value}" for key, value in values.items())


def load_points(where: str | Path, overrides: Sequence[str] = ()) -> tuple[LoadedScenario, list[Point]]:
    """Read a scenario with a sweep, and check it and the scenario of every point.

    Parameters
    ----------
    where : a path, or the name of a scenario of the library
    overrides : ``"key.path=value"`` each, set before the points' own

    Raises
    ------
    ScenarioError
        With all faults of all points at once, and those of figures with them; faults of figures alone are
        left to be told with others.
    """
    draft = read_scenario(where, overrides)
    loaded = check_scenario(draft, figures=False)
    sweep = loaded.scenario.sweep
    if sweep is None:
        raise loaded.error(
            [ScenarioIssue((), "has no sweep section; cutlayer run takes a scenario without one")]
        )
    points: list[Point] = []
    contents: dict[Path, bytes] = {}
    faults: list[tuple[str, Sequence[ScenarioIssue]]] = []
    for chosen in combinations(sweep, loaded.scenario.seed):
        values = {key: value for key, (value, _) in chosen.items() if key != "seed"}
        try:
            point = check_scenario(_point_draft(draft, chosen))
        except ScenarioError as error:
            faults.append((", ".join(f"{key}={value}" for key, (value, _) in chosen.items()), error.placed()))
            continue
        points.append(Point(_name(point.scenario, contents), values, point))
    if faults:
        others = loaded.error(wrong_figures(sweep)).placed()
        raise gathered(faults, len(points) + len(faults), loaded.source, others)
    if twins := _twins(points):
        raise loaded.error([*twins, *wrong_figures(sweep)])
    return loaded, points


def _name(scenario: Scenario, contents: dict[Path, bytes]) -> str:
    """Return the name of a point; digests of files are kept in ``contents``, since many points share them."""
    digest = hashlib.sha256(scenario_yaml(scenario).encode())
    for path in named_files(scenario):
        if path not in contents:
            contents[path] = content_digest(path)
        digest.update(contents[path])
    return digest.hexdigest()[:16]


def _point_draft(draft: RawScenario, chosen: Mapping[str, tuple[Any, KeyPath]]) -> RawScenario:
    """Return the point's scenario as plain data; each swept key has its line in the sweep."""
    data = {key: copy.deepcopy(value) for key, value in draft.data.items() if key != "sweep"}
    point = replace(draft, data=data, lines=dict(draft.lines), overridden=dict(draft.overridden), faults=[])
    for key, (value, place) in chosen.items():
        try:
            path = set_key(data, key.split("."), copy.deepcopy(value))
        except LookupError as error:
            point.faults.append(ScenarioIssue(place, str(error.args[0])))
            continue
        for known in (point.lines, point.overridden):
            for inner in [inner for inner in known if inner[: len(path)] == path]:
                del known[inner]
        parents = [place[:depth] for depth in range(len(place), 0, -1)]
        option = next((draft.overridden[parent] for parent in parents if parent in draft.overridden), None)
        if option is not None:
            point.overridden[path] = option
        else:
            point.lines[path] = next(draft.lines[parent] for parent in parents if parent in draft.lines)
    return point


def gathered(
    found: Sequence[tuple[str, Sequence[ScenarioIssue]]],
    total: int,
    source: str,
    others: Sequence[ScenarioIssue] = (),
) -> ScenarioError:
    """Return the faults of several points as one error: each fault once, with the first point that has it.

    Parameters
    ----------
    found : what sets a point apart, and its faults, their places filled in
    total : int
        Number of all points: a fault of each of them names none.
    source : name of the file
    others : faults of no point, their places filled in
    """
    counts = Counter(fault for _, faults in found for fault in dict.fromkeys(faults))
    first: dict[ScenarioIssue, str] = {}
    for told, faults in found:
        for fault in faults:
            first.setdefault(fault, told)
    merged = list(others)
    for fault, count in counts.items():
        more = f" and {count - 1} points more" if count > 1 else ""
        where = f" (at {first[fault]}{more})" if count < total else ""
        merged.append(replace(fault, message=fault.message + where))
    return ScenarioError(sorted(merged, key=_place), source)


def _place(fault: ScenarioIssue) -> tuple[str, int]:
    source, _, line = str(fault.place).rpartition(":")
    return (source, int(line)) if line.isdigit() else (str(fault.place), 0)


def _twins(points: Sequence[Point]) -> list[ScenarioIssue]:
    """Return a fault for the first point that is the scenario of another."""
    known: dict[str, Point] = {}
    for point in points:
        twin = known.setdefault(point.name, point)
        if twin is not point:
            return [ScenarioIssue(("sweep",), f"two points are one scenario: {twin.told}; {point.told}")]
    return []
