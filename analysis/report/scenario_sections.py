"""The scenario of a run, its settings that differ from the defaults, and the versions of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from ...scenarios.errors import ScenarioError
from ...scenarios.loading.scheme_labels import default_label
from ...scenarios.schema.registered import SchemeParameters
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
        changed = _changed(Scenario.model_validate(data), data)
    except (ScenarioError, ValidationError):
        return None
    return dump_yaml(changed)


def _changed(value: Any, data: Any) -> Any:
    """Return the data of a value without the keys that have their defaults.

    Parameters
    ----------
    value : Any
        A section of the scenario, a list, or a plain value.
    data : Any
        The same as plain data.
    """
    if isinstance(value, BaseModel) and isinstance(data, Mapping):
        fields = type(value).model_fields
        inner = {
            key: _changed(getattr(value, key), item) if key in fields else item for key, item in data.items()
        }
        return {
            key: item
            for key, item in inner.items()
            if key not in fields or not _is_default(value, key, fields[key], item)
        }
    if isinstance(value, list | tuple) and isinstance(data, list) and len(value) == len(data):
        return [_changed(item, plain) for item, plain in zip(value, data, strict=True)]
    return data


def _is_default(section: BaseModel, key: str, field: FieldInfo, changed: Any) -> bool:
    """Return whether a key of a section has its default.

    Parameters
    ----------
    changed : Any
        The data of its value, without the keys that have their defaults.
    """
    value = getattr(section, key)
    if key == "label" and isinstance(section, SchemeParameters):
        return bool(value == default_label(section))
    if field.is_required() or key in ("name", "model"):  # the name of a registered object says what it is
        return False
    default = field.get_default(call_default_factory=True)
    named_alone = isinstance(changed, Mapping) and list(changed.values()) == [default]
    return bool(value == default or named_alone or changed == default)


def versions_section(summary: Mapping[str, Any], *, title: str = "Versions and seed") -> Section:
    """Return the seed, the versions and the machine of a run."""
    values: dict[str, object] = {"seed": summary["seed"]}
    values |= dict(summary["versions"])
    machine = summary.get("machine") or {}
    values |= {name: value for name, value in machine.items() if value is not None}
    for file in summary.get("files", ()):
        values[f"file of {file['key']}"] = f"{file['path']}, sha256 {str(file['sha256'])[:16]}…"
    return Section(title, [facts(values)])
