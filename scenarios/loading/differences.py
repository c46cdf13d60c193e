"""In which keys two scenarios differ."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from typing import Any

from ..yaml_lines import dump_yaml, parse_yaml

__all__ = ["differences"]


def differences(now: str, before: str) -> list[str]:
    """Return a text for each key path in which a scenario differs from what it was, in the order of its keys.

    Parameters
    ----------
    now, before : scenarios as YAML, every default filled in

    Raises
    ------
    ScenarioError
        If one is no YAML.
    """
    if now == before:
        return []
    found = _differing("", parse_yaml(now, "now")[0], parse_yaml(before, "before")[0])
    return list(found) or ["its keys are in another order"]


def _differing(path: str, now: Any, before: Any) -> Iterator[str]:
    """Yield a text for each inner key; sections of different names differ as a whole."""
    inner, inner_before = _inner(now), _inner(before)
    renamed = inner and inner_before and inner.get("name") != inner_before.get("name")
    if inner is None or inner_before is None or (renamed and path):
        if now != before:
            yield f"{path} is {_shown(now)}, and was {_shown(before)}"
        return
    for key in dict.fromkeys([*inner, *inner_before]):
        here = f"{path}.{key}" if path else key
        if key not in inner_before:
            yield f"{here}: {_shown(inner[key])} was not there"
        elif key not in inner:
            yield f"{here}: {_shown(inner_before[key])} was there"
        else:
            yield from _differing(here, inner[key], inner_before[key])


def _inner(value: Any) -> dict[str, Any] | None:
    """Return the values by their keys, of a list by their numbers; None of what has no keys."""
    if isinstance(value, list):
        return {str(number): item for number, item in enumerate(value)}
    return value if isinstance(value, dict) else None


def _shown(value: Any) -> str:
    """Return a value in short: a section by its name where it has one."""
    if isinstance(value, dict) and "name" in value:
        return str(value["name"])
    if isinstance(value, dict | list):
        return reprlib.repr(value)
    return dump_yaml([value]).removeprefix("- ").strip()
