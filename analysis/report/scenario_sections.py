"""The scenario of a run, what in it differs from the defaults, and the versions that the run was made with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ...scenarios.errors import ScenarioError
from ...scenarios.schema.scenario import Scenario
from ...scenarios.yaml_lines import dump_yaml, parse_yaml
from .html import Html, facts, folded, notes, preformatted
from .page import Section

__all__ = ["changed_settings", "scenario_section", "versions_section"]


def scenario_section(scenario: str, *, title: str = "Scenario") -> Section:
    """Return the section with the settings that differ from the defaults, and the whole scenario.

    Parameters
    ----------
    scenario : str
        The scenario as YAML, with all defaults.
    title : str, optional
        The title of the section.
    """
    changed = changed_settings(scenario)
    whole = folded("The whole scenario, with all defaults", preformatted(scenario))
    if changed is None:
        reason = "the settings that differ from the defaults are unknown: the scenario names plug-ins"
        return Section(title, [notes([reason]), whole])
    return Section(
        title, [Html("<h3>Settings that differ from the defaults</h3>"), preformatted(changed), whole]
    )


def changed_settings(scenario: str) -> str | None:
    """Return the settings of a scenario that differ from the defaults, as YAML.

    Returns
    -------
    str or None
        None if this process cannot read the scenario, for example because it has names of a plug-in.
    """
    try:
        data = parse_yaml(scenario, "scenario.yaml")[0]
        changed = Scenario.model_validate(data).model_dump(mode="json", exclude_defaults=True)
    except (ScenarioError, ValidationError):
        return None
    return dump_yaml(_as_in(data, changed))


def _as_in(data: Any, changed: Any) -> Any:
    """Return the changed keys with the values of the scenario, in its order; items of lists are kept whole."""
    if isinstance(data, Mapping) and isinstance(changed, Mapping):
        return {key: _as_in(value, changed[key]) for key, value in data.items() if key in changed}
    return data


def versions_section(summary: Mapping[str, Any]) -> Section:
    """Return the seed, the versions and the machine of a run."""
    values: dict[str, object] = {"seed": summary["seed"]}
    values |= dict(summary["versions"])
    machine = summary.get("machine") or {}
    values |= {name: value for name, value in machine.items() if value is not None}
    for file in summary.get("files", ()):
        values[f"file of {file['key']}"] = f"{file['path']}, sha256 {str(file['sha256'])[:16]}…"
    return Section("Versions and seed", [facts(values)])
