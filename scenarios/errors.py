"""The issues of a scenario: each states the rule that a key breaks, with its file and line."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pydantic import ValidationError

from .text import printable

__all__ = ["KeyPath", "KeyPathError", "ScenarioError", "ScenarioIssue", "issues_of"]

LINE_LENGTH_MAX = 3000
"""Largest number of characters of a message, about."""

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
    """One broken rule of a scenario.

    Attributes
    ----------
    path : KeyPath
        The key path as the user wrote it; empty if the issue concerns the whole file.
    message : str
        The broken rule, with the value that breaks it.
    location : str or None
        ``FILE:LINE``, or the command-line option that set the key; empty in a scenario from a dictionary.
        None until it is looked up.
    """

    path: KeyPath
    message: str
    location: str | None = None

    @property
    def key(self) -> str:
        """Return the path in dotted form, ``schemes.1.phi``."""
        return ".".join(str(part) for part in self.path)


class ScenarioError(Exception):
    """A scenario that cannot be used; ``str`` gives one line an issue, ``FILE:LINE: key.path: message``.

    Parameters
    ----------
    issues : sequence of ScenarioIssue
        They are sorted by their line in the file; issues of command-line options come last.
    source : str
        Name of the file; empty if the scenario is a dictionary, whose messages begin with the key path.
    lines : mapping
        Line of each key path in the file. A path without a line takes that of its nearest parent.
    overridden : mapping
        The command-line option of each key path that was set outside the file.
    """

    def __init__(
        self,
        issues: Sequence[ScenarioIssue],
        source: str = "scenario",
        lines: Mapping[KeyPath, int] | None = None,
        overridden: Mapping[KeyPath, str] | None = None,
    ) -> None:
        self.source = source
        self.lines = dict(lines or {})
        self.overridden = dict(overridden or {})
        self.issues = tuple(sorted(issues, key=self._order))
        super().__init__("\n".join(self.messages()))

    def messages(self) -> list[str]:
        """Return one line for each issue."""
        # messages of libraries may hold line breaks, and the user's text may hold escapes of terminals
        return [_shortened(printable(" ".join(_with_location(issue).split()))) for issue in self.located()]

    def located(self) -> list[ScenarioIssue]:
        """Return the issues with their locations: the option, or the file and the line."""
        return [replace(issue, location=self._option(issue) or self._place(issue)) for issue in self.issues]

    def _place(self, issue: ScenarioIssue) -> str:
        return f"{self.source}:{self._line(issue.path)}" if self.source else ""

    def _order(self, issue: ScenarioIssue) -> tuple[bool, int]:
        return self._option(issue) is not None, self._line(issue.path)

    def _option(self, issue: ScenarioIssue) -> str | None:
        """Return the command-line option that set the key, or None if the file set it."""
        if issue.location is not None:
            return issue.location
        path = issue.path
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.overridden:
                return self.overridden[path[:depth]]
            if path[:depth] in self.lines:
                break
        if path and path not in self.lines:  # the option of an inner key created the section
            inner = (key for key in self.overridden if key[: len(path)] == path)
            return next((self.overridden[key] for key in inner), None)
        return None

    def _line(self, path: KeyPath) -> int:
        path_and_parents = (path[:depth] for depth in range(len(path), -1, -1))
        return next((self.lines[key] for key in path_and_parents if key in self.lines), 1)


def _shortened(line: str) -> str:
    """Return a line without the middle of long words, which a user may give, and of long lists of names."""
    shorter = re.sub(r"(\S{100})\S{200,}(\S{50})", r"\1…\2", line)
    return (
        shorter
        if len(shorter) <= LINE_LENGTH_MAX
        else f"{shorter[: LINE_LENGTH_MAX - 300]} … {shorter[-300:]}"
    )


def _with_location(issue: ScenarioIssue) -> str:
    return f"{issue.location}: {_with_key(issue)}" if issue.location else _with_key(issue)


def _with_key(issue: ScenarioIssue) -> str:
    return f"{issue.key}: {issue.message}" if issue.path else issue.message


def issues_of(error: ValidationError, data: Any) -> list[ScenarioIssue]:
    """Return pydantic's errors as issues, with key paths that exist in the user's data.

    Parameters
    ----------
    error : ValidationError
        Its locations hold steps that are not in the data, for example the branch of a union.
    data : Any
        The mapping that was validated.
    """
    # a dictionary keeps the order and drops an issue that two branches of a union both report
    issues: dict[ScenarioIssue, None] = {}
    for entry in error.errors(include_url=False):
        kind, loc = entry["type"], entry["loc"]
        if kind == "too_short" and entry["input"]:
            continue  # it is too short because some of its items are wrong, and these are issues already
        if kind == "missing" and isinstance(loc[-1], int):
            path, message = _user_path(loc[:-1], data), f"value {loc[-1] + 1} of the list is missing"
        else:
            path = _user_path(loc, data, missing=kind == "missing")
            message = _plain(entry["msg"], entry["input"], kind)
        issues[ScenarioIssue(path, message)] = None
    return list(issues)


def _user_path(loc: KeyPath, data: Any, *, missing: bool = False) -> KeyPath:
    """Return the parts of a location that are keys and indices of the data."""
    path: list[str | int] = []
    value = data
    for position, part in enumerate(loc):
        if _has(value, part):
            value = value[part]
        elif not (missing and position == len(loc) - 1):
            continue  # a branch of a union, or a key that has its default
        path.append(part)
    return tuple(path)


def _has(value: Any, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, Mapping) and part in value


_MESSAGES = {
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
    "int_parsing_size": "must be a smaller whole number",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_unicode": "must be text that UTF-8 can encode",
    "invalid_key": "keys must be text",
}
"""Messages for pydantic's error types, whose own messages name Python's types."""


def _plain(message: str, value: Any, kind: str) -> str:
    """Return pydantic's message in the wording of this project, with the value of the key."""
    text = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    text = _MESSAGES.get(kind, text.replace("Input should be ", "must be ").replace("String should", "must"))
    text = re.sub(r"\d{13,}$", lambda digits: f"{float(digits[0]):g}", text)  # bounds such as 1e30
    text = re.sub(
        "Tuple should have (at most .*) after validation, not (.*)", r"must hold \1; it holds \2", text
    )
    if not text.startswith("must") or isinstance(value, dict | list) or value == "":
        return text
    return f"{text}; it is {_shown(value)}"


def _shown(value: Any) -> str:
    """Return a value in YAML's notation, shortened if it is long."""
    return json.dumps(value) if value is None or isinstance(value, bool) else reprlib.repr(value)
