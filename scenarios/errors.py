"""Faults of a scenario: what is wrong, where in which file, and what would be right."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pydantic import ValidationError

__all__ = ["KeyPath", "KeyPathError", "ScenarioError", "ScenarioIssue", "faults_of"]

KeyPath: TypeAlias = tuple[str | int, ...]


class KeyPathError(ValueError):
    """A value that cannot be used, with the key path of the scenario that asks for it.

    Parameters
    ----------
    message : str
        The broken rule, with the numbers.
    key : KeyPath
        For example ``("server", "memory_mib")``.
    """

    def __init__(self, message: str, key: KeyPath) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True)
class ScenarioIssue:
    """One thing wrong with a scenario.

    ``path`` is the key path as the user wrote it; empty when the whole file is meant. ``place`` is given
    where the fault is not in the file: the option of the command line.
    """

    path: KeyPath
    message: str
    place: str | None = None

    @property
    def key(self) -> str:
        """Return the path in dotted form, ``schemes.1.phi``."""
        return ".".join(str(part) for part in self.path)


class ScenarioError(Exception):
    """A scenario that can't be used; ``str`` gives one line a fault, ``FILE:LINE: key.path: message``.

    Parameters
    ----------
    faults : all faults found; they are told in the order of the file, those of options last
    source : str
        Name of the file.
    lines : line of each key path in the file; a path that is absent is looked up by its parents
    overridden : key paths that were set from outside the file, with the option that set them
    """

    def __init__(
        self,
        faults: Sequence[ScenarioIssue],
        source: str = "scenario",
        lines: Mapping[KeyPath, int] | None = None,
        overridden: Mapping[KeyPath, str] | None = None,
    ) -> None:
        self.source = source
        self.lines = dict(lines or {})
        self.overridden = dict(overridden or {})
        self.faults = tuple(sorted(faults, key=self._order))
        super().__init__("\n".join(self.messages()))

    def messages(self) -> list[str]:
        """Return one line for each fault."""
        # what others' errors say may be long
        return [" ".join(f"{fault.place}: {_headed(fault)}".split()) for fault in self.placed()]

    def placed(self) -> list[ScenarioIssue]:
        """Return the faults, each with its place filled in: the option, or the file and the line."""
        return [
            replace(fault, place=self._option(fault) or f"{self.source}:{self._line(fault.path)}")
            for fault in self.faults
        ]

    def _order(self, fault: ScenarioIssue) -> tuple[bool, int]:
        return self._option(fault) is not None, self._line(fault.path)

    def _option(self, fault: ScenarioIssue) -> str | None:
        """Return the option that brought the key in, None where the file did."""
        if fault.place is not None:
            return fault.place
        path = fault.path
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.overridden:
                return self.overridden[path[:depth]]
            if path[:depth] in self.lines:
                break
        if path and path not in self.lines:  # a section that only came to be for a key inside it
            inside = (key for key in self.overridden if key[: len(path)] == path)
            return next((self.overridden[key] for key in inside), None)
        return None

    def _line(self, path: KeyPath) -> int:
        known = (path[:depth] for depth in range(len(path), -1, -1))
        return next((self.lines[key] for key in known if key in self.lines), 1)


def _headed(fault: ScenarioIssue) -> str:
    return f"{fault.key}: {fault.message}" if fault.path else fault.message


def faults_of(error: ValidationError, data: Any) -> list[ScenarioIssue]:
    """Return pydantic's errors as faults, with key paths that exist in the user's data.

    Parameters
    ----------
    error : what pydantic found
    data : the mapping that was validated; pydantic's own steps (the branch of a union) are not in it
    """
    found: dict[ScenarioIssue, None] = {}  # keeps the order, drops what two branches of a union both say
    for entry in error.errors(include_url=False):
        kind, loc = entry["type"], entry["loc"]
        if kind == "too_short" and entry["input"]:
            continue  # only short of its items that are wrong, and they have faults of their own
        if kind == "missing" and isinstance(loc[-1], int):
            found[
                ScenarioIssue(_user_path(loc[:-1], data), f"value {loc[-1] + 1} of the list is missing")
            ] = None
            continue
        path = _user_path(loc, data, missing=kind == "missing")
        found[ScenarioIssue(path, _plain(entry["msg"], entry["input"], kind))] = None
    return list(found)


def _user_path(loc: KeyPath, data: Any, *, missing: bool = False) -> KeyPath:
    path: list[str | int] = []
    here = data
    for position, part in enumerate(loc):
        if _holds(here, part):
            here = here[part]
        elif not (missing and position == len(loc) - 1):
            continue  # a branch that pydantic named, or a key that was left to its default
        path.append(part)
    return tuple(path)


def _holds(here: Any, part: str | int) -> bool:
    if isinstance(here, list):
        return isinstance(part, int) and part < len(here)
    return isinstance(here, Mapping) and part in here


_WORDS = {
    "missing": "this key is required and missing",
    "too_short": "must hold at least one value",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "invalid_key": "keys must be text",
}
"""What pydantic's errors are called in a scenario: its own words name Python's types."""


def _plain(message: str, value: Any, kind: str) -> str:
    """Return pydantic's message in the house's words, with the value that was given."""
    text = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    text = _WORDS.get(kind, text.replace("Input should be ", "must be ").replace("String should", "must"))
    text = re.sub(
        "Tuple should have (at most .*) after validation, not (.*)", r"must hold \1; it holds \2", text
    )
    if not text.startswith("must") or isinstance(value, dict | list) or value == "":
        return text
    return f"{text}; it is {_shown(value)}"


def _shown(value: Any) -> str:
    """Return a value as YAML writes it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else reprlib.repr(value)
