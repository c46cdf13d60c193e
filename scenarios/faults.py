"""Faults of a scenario: what is wrong, where in which file, and what would be right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import ValidationError

__all__ = ["Fault", "KeyPath", "ScenarioError", "faults_of"]

KeyPath: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a scenario.

    ``path`` is the key path as the user wrote it; empty when the whole file is meant.
    """

    path: KeyPath
    message: str

    @property
    def key(self) -> str:
        """Return the path in dotted form, ``schemes.1.phi``."""
        return ".".join(str(part) for part in self.path)


class ScenarioError(Exception):
    """A scenario that can't be used; ``str`` gives one line a fault, ``FILE:LINE: key.path: message``.

    Parameters
    ----------
    faults : all faults found, in the order of the keys
    source : str
        Name of the file.
    lines : line of each key path in the file; a path that is absent is looked up by its parents
    overridden : key paths that were set from outside the file
    """

    def __init__(
        self,
        faults: Sequence[Fault],
        source: str = "scenario",
        lines: Mapping[KeyPath, int] | None = None,
        overridden: Sequence[KeyPath] = (),
    ) -> None:
        self.faults = tuple(faults)
        self.source = source
        self.lines = dict(lines or {})
        self.overridden = tuple(overridden)
        super().__init__("\n".join(self.messages()))

    def messages(self) -> list[str]:
        """Return one line for each fault."""
        return [f"{self._place(fault.path)}: {_headed(fault)}" for fault in self.faults]

    def _place(self, path: KeyPath) -> str:
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.overridden:
                return "--set"
            if path[:depth] in self.lines:
                return f"{self.source}:{self.lines[path[:depth]]}"
        return f"{self.source}:{self.lines.get((), 1)}"


def _headed(fault: Fault) -> str:
    return f"{fault.key}: {fault.message}" if fault.path else fault.message


def faults_of(error: ValidationError, data: Any) -> list[Fault]:
    """Return pydantic's errors as faults, with key paths that exist in the user's data.

    Parameters
    ----------
    error : what pydantic found
    data : the mapping that was validated; pydantic's own steps (the branch of a union) are not in it
    """
    found: dict[Fault, None] = {}  # keeps the order, drops what two branches of a union both say
    for entry in error.errors(include_url=False):
        path = _user_path(entry["loc"], data, missing=entry["type"] == "missing")
        found[Fault(path, _plain(entry["msg"], entry["input"], entry["type"]))] = None
    return list(found)


def _user_path(loc: KeyPath, data: Any, *, missing: bool) -> KeyPath:
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


def _plain(message: str, value: Any, kind: str) -> str:
    """Return pydantic's message in the house's words, with the value that was given."""
    if kind == "missing":
        return "this key is required and missing"
    text = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    text = text.replace("Input should be ", "must be ").replace("Input should have", "must have")
    if not text.startswith(("must be", "must have")) or isinstance(value, dict | list):
        return text
    return f"{text}; it is {value!r}"
