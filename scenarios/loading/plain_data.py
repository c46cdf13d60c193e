"""A scenario that a program gives as a dictionary: the same data as in a file with these keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from ..errors import KeyPath, ScenarioError, ScenarioIssue
from ..yaml_lines import DEPTH_MAX, dump_yaml, parse_yaml

__all__ = ["plain_data"]


def plain_data(scenario: Mapping[str, Any]) -> dict[str, Any]:
    """Return a scenario as a file with the same keys would give it. Nothing of the argument is shared.

    Tuples become lists, paths become texts, and numbers and arrays of NumPy become numbers and lists.

    Raises
    ------
    ScenarioError
        If a value has no form in YAML, or is too deep or too large; the issues name the keys.
    """
    issues: list[ScenarioIssue] = []
    plain = _plain(scenario, (), issues)
    if issues:
        raise ScenarioError(issues, "")
    data, _ = parse_yaml(dump_yaml(plain), "the scenario as YAML")  # checks the limits of files
    assert isinstance(data, dict)
    return data


def _plain(value: Any, path: KeyPath, issues: list[ScenarioIssue]) -> Any:
    if len(path) > DEPTH_MAX:
        issues.append(ScenarioIssue(path[:1], f"is nested too deeply; {DEPTH_MAX} levels are allowed"))
        return None
    if hasattr(value, "tolist") and type(value).__module__.partition(".")[0] == "numpy":
        value = value.tolist()
    if isinstance(value, Mapping):
        keys = {key: key if type(key) is int else str(key) for key in value}
        return {keys[key]: _plain(inner, (*path, str(key)), issues) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, (*path, number), issues) for number, inner in enumerate(value)]
    return _scalar(value, path, issues)


def _scalar(value: Any, path: KeyPath, issues: list[ScenarioIssue]) -> Any:
    for kind in (bool, int, float, str):  # also of a subclass, for example of an enumeration
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, PurePath):
        return str(value)
    if value is not None:
        text = f"must be text, a number, a list or a mapping; it is of the type {type(value).__name__}"
        issues.append(ScenarioIssue(path, text))
    return None
