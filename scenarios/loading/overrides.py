"""Keys of a scenario that are set from outside its file: ``devices.count=10``."""

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
    """Set dotted keys in a scenario's data, in their order; sections that are absent are made.

    Parameters
    ----------
    data : the scenario as plain data, changed in place
    overrides : ``"key.path=value"`` each, the value in YAML; a part that is a number is an index of a list

    Returns
    -------
    the key paths that were set, each with the name of the option; and a fault for each that could not be
    """
    done: dict[KeyPath, str] = {}
    faults: list[ScenarioIssue] = []
    for text in overrides:
        dotted, equals, value = text.partition("=")
        parts = dotted.split(".")
        if not equals or not all(parts):
            faults.append(ScenarioIssue((), f"{text!r} is not of the form key.path=value", OPTION))
            continue
        try:
            done[set_key(data, parts, parse_value(value))] = OPTION
        except ScenarioError as error:
            faults.extend(ScenarioIssue(tuple(parts), fault.message, OPTION) for fault in error.faults)
        except LookupError as error:
            faults.append(ScenarioIssue(tuple(parts), str(error.args[0]), OPTION))
    return done, faults


def set_key(data: dict[str, Any], parts: Sequence[str], value: Any) -> KeyPath:
    """Set one key, and return its path.

    Raises
    ------
    LookupError
        If the path leads through a value, or past the end of a list.
    """
    path: list[str | int] = []
    here: Any = data
    for position, part in enumerate(parts):
        key: str | int = part
        if isinstance(here, list):
            if not part.isdecimal() or int(part) >= len(here):
                raise LookupError(f"{part!r} is no index of a list of {len(here)}; indices count from 0")
            key = int(part)
        elif not isinstance(here, dict):
            raise LookupError(f"{'.'.join(parts[:position])} is the value {here!r}, not a section with keys")
        path.append(key)
        if position == len(parts) - 1:
            here[key] = value
        elif isinstance(here, dict) and here.get(key) is None:
            here[key] = {}
        here = here[key]
    return tuple(path)
