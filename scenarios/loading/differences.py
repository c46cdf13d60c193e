"""Compare two scenarios key by key."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from typing import Any

from ..yaml_lines import dump_yaml, parse_yaml

__all__ = ["differences"]


def differences(now: str, before: str) -> list[str]:
    """Return one line for each key path in which a scenario has changed, in the order of its keys.

    Parameters
    ----------
    now, before : str
        Scenarios as YAML with all defaults.

    Raises
    ------
    ScenarioError
        If one of them is not valid YAML.
    """
    if now == before:
        return []
    lines = _differing("", parse_yaml(now, "now")[0], parse_yaml(before, "before")[0])
    return list(lines) or ["its keys are in another order"]


def _differing(path: str, now: Any, before: Any) -> Iterator[str]:
    """Yield one line for each inner key; sections with different names differ as a whole."""
    inner, inner_before = _inner(now), _inner(before)
    renamed = inner and inner_before and inner.get("name") != inner_before.get("name")
    if inner is None or inner_before is None or (renamed and path):
        if now != before:
            yield f"{path} is {_shown(now)}, and was {_shown(before)}"
        return
    for key in dict.fromkeys([*inner, *inner_before]):
        inner_path = f"{path}.{key}" if path else key
        if key not in inner_before:
            yield f"{inner_path}: {_shown(inner[key])} was not there"
        elif key not in inner:
            yield f"{inner_path}: {_shown(inner_before[key])} was there"
        else:
            yield from _differing(inner_path, inner[key], inner_before[key])


def _inner(value: Any) -> dict[str, Any] | None:
    """Return the values by key, those of a list by index; None if the value has no keys."""
    if isinstance(value, list):
        return {str(number): item for number, item in enumerate(value)}
    return value if isinstance(value, dict) else None


def _shown(value: Any) -> str:
    """Return a short text for a value; a section that has a name is represented by it."""
    if isinstance(value, dict) and "name" in value:
        return str(value["name"])
    if isinstance(value, dict | list):
        return reprlib.repr(value)
    return dump_yaml([value]).removeprefix("- ").strip()
