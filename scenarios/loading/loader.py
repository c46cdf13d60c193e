"""Load scenarios: read a file or a scenario of the library, apply overrides, and check the result."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import ValidationError

from ..errors import KeyPath, ScenarioError, ScenarioIssue, issues_of
from ..schema.cross_checks import cross_check
from ..schema.scenario import Scenario
from ..schema.sweep import figure_key_issues
from ..schema.unit_warnings import unit_warnings
from ..scheme_names import UnknownSchemeError, labels_of
from ..yaml_lines import dump_yaml, parse_yaml
from .library import missing_scenario, named_scenario
from .overrides import override
from .plain_data import plain_data
from .scheme_labels import default_label, paper_label

__all__ = [
    "LoadedScenario",
    "RawScenario",
    "ScenarioSource",
    "check_scenario",
    "load_scenario",
    "read_scenario",
    "scenario_json_schema",
    "scenario_yaml",
    "with_schemes",
]

ScenarioSource: TypeAlias = str | Path | Mapping[str, Any]
"""A scenario: the path of a file, a name of the library, or a dictionary with the keys of a file."""


@dataclass(frozen=True)
class LoadedScenario:
    """A checked scenario, with the line or option of each key, so that later issues can name it.

    Attributes
    ----------
    scenario : Scenario
    source : str
        Name of the file; empty for a dictionary.
    lines : dict
        Line of each key path in the file.
    overridden : dict
        The command-line option of each key path that was set outside the file.
    """

    scenario: Scenario
    source: str
    lines: dict[KeyPath, int]
    overridden: dict[KeyPath, str]

    def error(self, issues: Sequence[ScenarioIssue]) -> ScenarioError:
        """Return the error that names the issues by file and line."""
        return ScenarioError(issues, self.source, self.lines, self.overridden)

    def warnings(self) -> list[str]:
        """Return one line for each value that looks like a number of another unit, with file and line."""
        return self.error(unit_warnings(self.scenario)).messages()


@dataclass(frozen=True)
class RawScenario:
    """A scenario as plain data, before its check; ``issues`` are those of command-line options.

    The other attributes are those of :class:`LoadedScenario`; ``folder`` is the folder of the file.
    """

    data: dict[str, Any]
    folder: Path
    source: str
    lines: dict[KeyPath, int]
    overridden: dict[KeyPath, str]
    issues: list[ScenarioIssue]


def load_scenario(
    where: ScenarioSource,
    overrides: Sequence[str] = (),
    *,
    seed: int | None = None,
    schemes: Sequence[str] | None = None,
) -> LoadedScenario:
    """Read and check a scenario.

    Parameters
    ----------
    where : str, Path or mapping
        A file, the name of a scenario of the library, or the scenario itself as a dictionary. Relative paths
        in a dictionary start at the working folder.
    overrides : sequence of str
        ``"key.path=value"`` each; the value is YAML.
    seed : int or None
        Replaces the seed of the scenario.
    schemes : sequence of str or None
        Names or labels of the schemes to keep; None keeps all.

    Raises
    ------
    ScenarioError
        With all issues at once.
    """
    loaded = check_scenario(read_scenario(where, overrides, seed=seed))
    return loaded if schemes is None else with_schemes(loaded, schemes)


def read_scenario(
    where: ScenarioSource, overrides: Sequence[str] = (), *, seed: int | None = None
) -> RawScenario:
    """Read a scenario as plain data, and apply the overrides and the seed.

    Raises
    ------
    ScenarioError
        If there is no such file, it is not valid YAML, or a dictionary has a value that YAML lacks.
    """
    if isinstance(where, Mapping):
        raw = RawScenario(plain_data(where), Path.cwd(), "", {}, {}, [])
        return _overridden(raw, overrides, seed)
    path, source = _locate(where)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError([ScenarioIssue((), f"cannot be read: {error.strerror}")], source) from None
    except UnicodeDecodeError as error:
        raise ScenarioError([ScenarioIssue((), f"is not UTF-8 text: {error.reason}")], source) from None
    data, lines = parse_yaml(text, source)
    if not isinstance(data, dict):
        raise ScenarioError([ScenarioIssue((), "must be a mapping of keys, as every scenario is")], source)
    return _overridden(RawScenario(data, path.parent, source, lines, {}, []), overrides, seed)


def _overridden(raw: RawScenario, overrides: Sequence[str], seed: int | None) -> RawScenario:
    overridden, issues = override(raw.data, overrides)
    if seed is not None:
        raw.data["seed"] = seed
        overridden["seed",] = "--seed"
    return replace(raw, overridden=overridden, issues=issues)


def check_scenario(raw: RawScenario, *, figures: bool = True) -> LoadedScenario:
    """Check a scenario against the schema and the rules between keys.

    Parameters
    ----------
    raw : RawScenario
    figures : bool
        Check the figures of the sweep too.

    Raises
    ------
    ScenarioError
        With all issues at once.
    """
    issues = list(raw.issues)
    try:
        scenario = Scenario.model_validate(raw.data, context={"folder": raw.folder})
    except ValidationError as error:
        issues += issues_of(error, raw.data)
        raise ScenarioError(issues, raw.source, raw.lines, raw.overridden) from None
    scenario = _labelled(scenario)
    loaded = LoadedScenario(scenario, raw.source, raw.lines, raw.overridden)
    issues += cross_check(scenario)
    if figures and scenario.sweep is not None:
        issues += figure_key_issues(scenario.sweep)
    if issues:
        raise loaded.error(issues)
    return loaded


def _locate(where: str | Path) -> tuple[Path, str]:
    """Return the path of a scenario and its name for messages."""
    path = Path(where)
    try:
        if path.is_file():
            return path, str(where)
        is_folder = path.is_dir()
    except OSError:  # for example a name that is too long for a path
        is_folder = False
    named = named_scenario(str(where))
    if named is not None:
        return named, named.name
    if is_folder:
        raise ScenarioError([ScenarioIssue((), "is a folder; a scenario is a file")], str(where))
    raise ScenarioError([ScenarioIssue((), missing_scenario(str(where)))], str(where))


def _labelled(scenario: Scenario) -> Scenario:
    """Return the scenario with a label for each scheme."""
    labelled = tuple(
        scheme if scheme.label else scheme.model_copy(update={"label": default_label(scheme)})
        for scheme in scenario.schemes
    )
    return scenario.model_copy(update={"schemes": labelled})


def with_schemes(loaded: LoadedScenario, requested: Sequence[str]) -> LoadedScenario:
    """Return the scenario with the requested schemes only, given by name or label; all if none are.

    Raises
    ------
    ScenarioError
        If the scenario has no such scheme.
    """
    schemes = loaded.scenario.schemes
    names = {str(scheme.label): (scheme.name, paper_label(scheme)) for scheme in schemes}
    try:
        labels = labels_of(requested, names)
    except UnknownSchemeError as error:
        raise loaded.error([ScenarioIssue((), str(error), "--schemes")]) from None
    schemes = tuple(scheme for scheme in schemes if scheme.label in labels)
    return replace(loaded, scenario=loaded.scenario.model_copy(update={"schemes": schemes}))


def scenario_yaml(scenario: Scenario) -> str:
    """Return the scenario as YAML with all defaults; reading it gives an equal scenario."""
    return dump_yaml(scenario.model_dump(mode="json", exclude_none=True))


def scenario_json_schema() -> str:
    """Return the JSON Schema of scenarios, for editors and other programs."""
    return json.dumps(Scenario.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
