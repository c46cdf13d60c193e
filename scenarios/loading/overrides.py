"""Set keys of a scenario from the command line: ``--set devices.count=10``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import KeyPath, ScenarioError, ScenarioIssue
from ..yaml_lines import parse_value

__all__ = ["override", "set_key"]

OPTION = "--set"


def override(
    data: dict[str, Any], overrides: Sequence[str]
) -> tuple[dict[KeyPath, str], list[ScenarioIssue]]:
    """Set dotted keys in the data of a scenario, in their order; absent sections are created.

    Parameters
    ----------
    data : dict
        The scenario as plain data. It is changed in place.
    overrides : sequence of str
        ``"key.path=value"`` each. The value is YAML; a number in the key path is an index of a list.

    Returns
    -------
    options : dict
        The name of the option for each key path that was set.
    issues : list of ScenarioIssue
        One for each override that could not be applied.
    """
    options: dict[KeyPath, str] = {}
    issues: list[ScenarioIssue] = []
    for text in overrides:
        dotted, equals, value = text.partition("=")
        parts = dotted.split(".")
        if not equals or not all(parts):
            issues.append(ScenarioIssue((), f"{text!r} is not of the form key.path=value", OPTION))
            continue
        try:
            options[set_key(data, parts, parse_value(value, tuple(parts)))] = OPTION
        except ScenarioError as error:
            issues.extend(ScenarioIssue(tuple(parts), issue.message, OPTION) for issue in error.issues)
        except LookupError as error:
            issues.append(ScenarioIssue(tuple(parts), str(error.args[0]), OPTION))
    return options, issues


def set_key(data: dict[str, Any], parts: Sequence[str], value: Any) -> KeyPath:
    """Set one key and return its path.

    Raises
    ------
    LookupError
        If the path leads through a value that is no section, or past the end of a list.
    """
    path: list[str | int] = []
    section: Any = data
    for position, part in enumerate(parts):
        key: str | int = part
        if isinstance(section, list):
            if not part.isdecimal() or int(part) >= len(section):
                raise LookupError(f"{part!r} is not an index of a list of {len(section)}; counted from 0")
            key = int(part)
        elif not isinstance(section, dict):
            raise LookupError(
                f"{'.'.join(parts[:position])} is the value {section!r}, not a section with keys"
            )
        path.append(key)
        if position == len(parts) - 1:
            section[key] = value
        elif isinstance(section, dict) and section.get(key) is None:
            section[key] = {}
        section = section[key]
    return tuple(path)
