"""Callbacks of the user: objects that follow a run, and may end a scheme early. They change no result.

A callback has any of three methods:

- ``on_start(scenario, label)`` is called when a scheme begins, or continues from a checkpoint.
- ``on_round(label, row)`` is called after each round. The scheme ends if it returns True or a reason as text.
- ``on_end(run)`` is called once, after the tables of the run are written.

They get copies. An exception costs one warning for each callback, and the run goes on.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeAlias

from ...analysis.results.run import Run
from ...analysis.results.run_folder import TABLES
from ...scenarios.suggestions import closest
from ...scenarios.text import described_error
from ..processes.process_guards import interruptible

__all__ = ["METHODS", "CallbackError", "Callbacks", "Row", "RunObserver", "named_callback"]

METHODS = ("on_start", "on_round", "on_end")
"""The names of a callback's methods."""

Row: TypeAlias = dict[str, Any]
"""A finished round: the columns of ``rounds.csv`` that are known at its end; None for a missing value."""


class CallbackError(ValueError):
    """Raised if an object is no callback, or if a callback cannot be imported; the message says why."""


class RunObserver(Protocol):
    """An object that is told about the rounds of a run's schemes."""

    def on_start(self, label: str) -> None:
        """Handle the beginning of a scheme."""

    def on_round(self, label: str, row: Row) -> str | None:
        """Handle a finished round; return the reason for which the scheme ends with it, or None."""


class Callbacks:
    """The callbacks of a run.

    Parameters
    ----------
    callbacks : iterable of object
        Objects with any of the three methods. A function is taken as ``on_round``.

    Attributes
    ----------
    problems : list of str
        A line for each callback that has raised an exception.

    Raises
    ------
    CallbackError
        If an object has none of the methods, and is no function.
    """

    def __init__(self, callbacks: Iterable[object] = ()) -> None:
        self._callbacks = list(callbacks)
        for each in self._callbacks:
            if isinstance(each, type) or not (callable(each) or any(hasattr(each, name) for name in METHODS)):
                raise CallbackError(
                    f"{_name(each)} is no callback: a callback is an object with a method"
                    f" {' or '.join(METHODS)}, or a function of a label and a row"
                )
        self._failed: set[int] = set()
        self._scenario: Mapping[str, Any] = {}
        self.problems: list[str] = []

    def __bool__(self) -> bool:
        """Return whether there is a callback."""
        return bool(self._callbacks)

    def begin(self, scenario: Mapping[str, Any]) -> None:
        """Note the scenario of the run, as plain data with all defaults."""
        self._scenario = scenario

    def on_start(self, label: str) -> None:
        """Tell all callbacks that a scheme begins."""
        for place in range(len(self._callbacks)):
            self._call(place, "on_start", copy.deepcopy(self._scenario), label, where=f"before {label}")

    def on_round(self, label: str, row: Row) -> str | None:
        """Tell all callbacks about a finished round; return the first reason to end the scheme, or None."""
        where, reasons = f"in {label}, round {row['round']}", []
        for place, callback in enumerate(self._callbacks):
            answer = self._call(place, "on_round", label, dict(row), where=where)
            if isinstance(answer, str) and answer:
                reasons.append(" ".join(answer.split()))
            elif answer is not None and not isinstance(answer, str) and _is_true(answer):
                reasons.append(f"callback {_name(callback)}")
        return reasons[0] if reasons else None

    def on_end(self, run: Run) -> None:
        """Tell all callbacks that the run has ended. An interrupt leaves out the rest of them."""
        try:
            with interruptible():
                for place in range(len(self._callbacks)):
                    self._call(place, "on_end", _copy(run), where="at the end")
        except KeyboardInterrupt:
            self.problems.append("interrupted: not all callbacks know that the run has ended")

    def _call(self, place: int, method: str, *arguments: object, where: str) -> object:
        """Call a method of a callback, if it has it; an exception becomes a problem."""
        callback = self._callbacks[place]
        function = getattr(callback, method, None)
        if function is None and method == "on_round" and not any(hasattr(callback, name) for name in METHODS):
            function = callback
        if not callable(function):
            return None
        try:
            answer: object = function(*arguments)
            return answer
        except (Exception, SystemExit) as error:  # of any kind: the run does not depend on callbacks
            if place not in self._failed:
                self._failed.add(place)
                described = described_error(error, where)
                self.problems.append(f"callback {_name(callback)}: {method} failed: {described}")
            return None


def _is_true(answer: object) -> bool:
    try:
        return bool(answer)
    except Exception:  # for example an array of several values
        return False


def _name(callback: object) -> str:
    """Return the name of a function or class."""
    named = callback if hasattr(callback, "__qualname__") else type(callback)
    return str(getattr(named, "__qualname__", repr(callback)))


def _copy(run: Run) -> Run:
    tables = {name: getattr(run, name).copy() for name in TABLES}
    return replace(run, summary=copy.deepcopy(run.summary), **tables)


def named_callback(text: str) -> object:
    """Return the callback of a text ``MODULE:NAME`` or ``FILE.py:NAME``; a class is called without arguments.

    Raises
    ------
    CallbackError
        If the module cannot be imported, has no such name, or the class cannot be called.
    """
    source, separator, name = text.rpartition(":")
    if not separator or not source or not name:
        raise CallbackError(f"{text!r} is not of the form MODULE:NAME or FILE.py:NAME")
    try:
        module = _module(source)
        if not hasattr(module, name):
            known = [each for each in vars(module) if not each.startswith("_")]
            raise CallbackError(f"{source} has no {name!r}{closest(name, known)}")
        found = getattr(module, name)
        return found() if inspect.isclass(found) else found
    except CallbackError:
        raise
    except (Exception, SystemExit) as error:
        raise CallbackError(f"{text}: {described_error(error)}") from None


def _module(source: str) -> ModuleType:
    """Import a module by its dotted name, or from a file."""
    if not source.endswith(".py"):
        importlib.invalidate_caches()
        return importlib.import_module(source)
    path = Path(source)
    if not path.is_file():
        files: Sequence[str] = [str(each) for each in sorted(path.parent.glob("*.py"))]
        raise CallbackError(f"{source}: no such file{closest(source, files)}")
    spec = importlib.util.spec_from_file_location(f"cutlayer_callback_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise CallbackError(f"{source}: is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
