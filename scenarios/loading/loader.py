"""From a scenario file, or the name of one in the library, to a checked :class:`Scenario`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import KeyPath, ScenarioError, ScenarioIssue, faults_of
from ..schema.cross_checks import inconsistencies
from ..schema.fleets import FLEETS
from ..schema.registered import SchemeParameters
from ..schema.scenario import Scenario
from ..schema.sweep import wrong_figures
from ..suggestions import closest
from ..yaml_lines import dump_yaml, parse_yaml
from .overrides import override

__all__ = [
    "LoadedScenario",
    "RawScenario",
    "check_scenario",
    "library",
    "load_scenario",
    "read_scenario",
    "scenario_json_schema",
    "scenario_yaml",
]

LIBRARY = Path(__file__).parent.parent / "library"


@dataclass(frozen=True)
class LoadedScenario:
    """A checked scenario and where it came from, so that later faults can name their line."""

    scenario: Scenario
    source: str
    lines: dict[KeyPath, int]
    overridden: dict[KeyPath, str]

    def error(self, faults: Sequence[ScenarioIssue]) -> ScenarioError:
        """Return the error that names the faults by file and line."""
        return ScenarioError(faults, self.source, self.lines, self.overridden)


@dataclass(frozen=True)
class RawScenario:
    """A scenario as plain data, before its check; ``faults`` are those of what was set from outside."""

    data: dict[str, Any]
    folder: Path
    source: str
    lines: dict[KeyPath, int]
    overridden: dict[KeyPath, str]
    faults: list[ScenarioIssue]


def library() -> dict[str, Path]:
    """Return the scenarios of the library by name."""
    return {path.stem: path for path in sorted(LIBRARY.rglob("*.yaml")) if path.parent != FLEETS}


def load_scenario(
    where: str | Path,
    overrides: Sequence[str] = (),
    *,
    seed: int | None = None,
    schemes: Sequence[str] | None = None,
) -> LoadedScenario:
    """Read and check a scenario.

    Parameters
    ----------
    where : a path, or the name of a scenario of the library
    overrides : ``"key.path=value"`` each, the value in YAML
    seed : replaces the scenario's seed
    schemes : names or labels of the schemes to keep

    Raises
    ------
    ScenarioError
        With all faults at once.
    """
    draft = read_scenario(where, overrides)
    if seed is not None:
        draft.data["seed"] = seed
        draft.overridden["seed",] = "--seed"
    loaded = check_scenario(draft)
    return loaded if schemes is None else _only(loaded, schemes)


def read_scenario(where: str | Path, overrides: Sequence[str] = ()) -> RawScenario:
    """Return a scenario as plain data, with the keys set that are set from outside its file.

    Raises
    ------
    ScenarioError
        If there is no such file, or it is no YAML.
    """
    path, source = _locate(where)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError([ScenarioIssue((), f"cannot be read: {error.strerror}")], source) from None
    except UnicodeDecodeError as error:
        raise ScenarioError([ScenarioIssue((), f"is no text in UTF-8: {error.reason}")], source) from None
    data, lines = parse_yaml(text, source)
    if not isinstance(data, dict):
        raise ScenarioError([ScenarioIssue((), "must be a mapping of keys, as every scenario is")], source)
    overridden, faults = override(data, overrides)
    return RawScenario(data, path.parent, source, lines, overridden, faults)


def check_scenario(draft: RawScenario, *, figures: bool = True) -> LoadedScenario:
    """Return the checked scenario.

    Parameters
    ----------
    draft : the scenario as plain data
    figures : whether those of its sweep are checked too

    Raises
    ------
    ScenarioError
        With all faults at once.
    """
    faults = list(draft.faults)
    try:
        scenario = Scenario.model_validate(draft.data, context={"folder": draft.folder})
    except ValidationError as error:
        faults += faults_of(error, draft.data)
        raise ScenarioError(faults, draft.source, draft.lines, draft.overridden) from None
    scenario = _labelled(scenario)
    loaded = LoadedScenario(scenario, draft.source, draft.lines, draft.overridden)
    faults += inconsistencies(scenario)
    if figures and scenario.sweep is not None:
        faults += wrong_figures(scenario.sweep)
    if faults:
        raise loaded.error(faults)
    return loaded


def _locate(where: str | Path) -> tuple[Path, str]:
    path = Path(where)
    try:
        if path.is_file():
            return path, str(where)
        is_folder = path.is_dir()
    except OSError:  # for example a name that is too long for one
        is_folder = False
    known = library()
    name = str(where).replace("-", "_")  # a library scenario's own name is hyphenated
    if name in known:
        return known[name], f"{name}.yaml"
    if is_folder:
        raise ScenarioError([ScenarioIssue((), "is a folder; a scenario is a file")], str(where))
    hint = closest(str(where), list(known))
    raise ScenarioError(
        [
            ScenarioIssue(
                (), f"no such file, and no scenario of the library; it holds: {', '.join(known)}{hint}"
            )
        ],
        str(where),
    )


def _labelled(scenario: Scenario) -> Scenario:
    """Return the scenario with every scheme's label filled in."""
    labelled = tuple(
        scheme if scheme.label else scheme.model_copy(update={"label": _label(scheme)})
        for scheme in scenario.schemes
    )
    return scenario.model_copy(update={"schemes": labelled})


def _label(scheme: SchemeParameters) -> str:
    """Return the default label: the scheme's own, with what is compressed otherwise than by default."""
    compression, usual = scheme.compression, type(scheme).model_fields["compression"].default
    if compression is None or compression == usual:
        return scheme.default_label()
    return f"{scheme.default_label()} {compression.label}"


def _only(loaded: LoadedScenario, wanted: Sequence[str]) -> LoadedScenario:
    kept: list[SchemeParameters] = []
    names = [name for scheme in loaded.scenario.schemes for name in (scheme.name, str(scheme.label))]
    faults = [
        ScenarioIssue((), f"the scenario has no scheme {name!r}; it has: {', '.join(dict.fromkeys(names))}"
              f"{closest(name, names)}", "--schemes")
        for name in wanted if name not in names
    ]  # fmt: skip
    if faults:
        raise loaded.error(faults)
    kept = [scheme for scheme in loaded.scenario.schemes if {scheme.name, scheme.label} & set(wanted)]
    scenario = loaded.scenario.model_copy(update={"schemes": tuple(kept)})
    return LoadedScenario(scenario, loaded.source, loaded.lines, loaded.overridden)


def scenario_yaml(scenario: Scenario) -> str:
    """Return the scenario as YAML with every default filled in; reading it gives an equal scenario."""
    return dump_yaml(scenario.model_dump(mode="json", exclude_none=True))


def scenario_json_schema() -> str:
    """Return the JSON Schema of a scenario, for editors and other programs."""
    return json.dumps(Scenario.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
