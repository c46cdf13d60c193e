"""Names that a scenario can use: schemes, models, data sets, path losses, allocation methods.

A plug-in is one file that calls :func:`register`; no other code has to know its name. The first look-up of a
name imports the catalogues of this package and the plug-ins of installed distributions.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from .plugins import load_entry_points
from .section import Section
from .suggestions import closest

__all__ = [
    "Kind",
    "Parameters",
    "Spec",
    "UnknownNameError",
    "load_registrations",
    "lookup",
    "register",
    "specs",
]

Kind: TypeAlias = Literal[
    "scheme", "model", "dataset", "path_loss", "fading", "plan", "subchannels", "power", "cut", "fault"
]


class Parameters(Section):
    """Base class of the keys that a named object takes in a scenario; unknown keys are refused."""

    name: str


@dataclass(frozen=True)
class Spec:
    """One registered name.

    Attributes
    ----------
    kind : Kind
        What the name stands for.
    name : str
        The text in a scenario.
    entry_point : str | Callable
        The object itself, or ``"package.module:attribute"``. A text is imported at its first use, so that
        naming a model imports no torch.
    parameters : type[Section]
        The keys that a scenario can set.
    summary : str
        One line for ``cutlayer list`` and the JSON Schema.
    display_name : str
        The name in figures, tables and reports, as papers write it.
    """

    kind: Kind
    name: str
    entry_point: str | Callable[..., Any]
    parameters: type[Section]
    summary: str
    display_name: str

    def load(self) -> Any:
        """Return the object behind the name."""
        if not isinstance(self.entry_point, str):
            return self.entry_point
        module, _, attribute = self.entry_point.partition(":")
        return getattr(importlib.import_module(module), attribute)


_NOUNS: dict[Kind, str] = {
    "dataset": "data set",
    "path_loss": "path loss",
    "subchannels": "subchannel method",
    "power": "power method",
    "cut": "cut method",
    "plan": "allocation method",
}


class UnknownNameError(ValueError):
    """No object is registered under a name; the message lists the registered names and the closest one."""

    def __init__(self, kind: Kind, name: str) -> None:
        registered = sorted(_specs[kind])
        super().__init__(
            f"no {_NOUNS.get(kind, kind)} is named {name!r}; known: {', '.join(registered)}"
            f"{closest(name, registered)}"
        )


_specs: dict[Kind, dict[str, Spec]] = {kind: {} for kind in get_args(Kind)}


def register(
    kind: Kind,
    name: str,
    entry_point: str | Callable[..., Any],
    *,
    parameters: type[Section] = Parameters,
    summary: str,
    display_name: str | None = None,
) -> None:
    """Register an object under a name that scenarios can use.

    Registering it again from the same module replaces it, so that a notebook's cell can run twice.

    Parameters
    ----------
    kind : Kind
        What the name stands for.
    name : str
        The text in a scenario.
    entry_point : str | Callable
        The object, or ``"package.module:attribute"`` to import it at its first use.
    parameters : type[Section]
        The keys that a scenario can set.
    summary : str
        One line for ``cutlayer list`` and the JSON Schema.
    display_name : str, optional
        The name in figures, tables and reports, as papers write it: ``SplitFed V1``. Default: ``name``.

    Raises
    ------
    ValueError
        If another object has this name: results would depend on the order of imports.
    """
    earlier = _specs[kind].get(name)
    if earlier is not None and _origin(earlier.entry_point) != _origin(entry_point):
        raise ValueError(
            f"{kind} {name!r} is registered already, as {earlier.entry_point!r};"
            f" choose another name for {entry_point!r}"
        )
    _specs[kind][name] = Spec(kind, name, entry_point, parameters, summary, display_name or name)


def _origin(entry_point: str | Callable[..., Any]) -> str:
    """Return the module and the name of an object, in the form ``"package.module:attribute"``."""
    if isinstance(entry_point, str):
        return entry_point
    named = entry_point if hasattr(entry_point, "__qualname__") else type(entry_point)
    return f"{named.__module__}:{named.__qualname__}"


_CATALOGUES = (
    "cutlayer.sim.radio.catalogue",
    "cutlayer.sim.allocation.catalogue",
    "cutlayer.sim.schemes.catalogue",
    "cutlayer.sim.faults.catalogue",
    "cutlayer.models.networks.catalogue",
    "cutlayer.models.data.catalogue",
)
"""Modules that register the built-in names when they are imported."""


@functools.cache
def load_registrations() -> None:
    """Import the built-in catalogues, then the plug-ins of installed distributions, once in a process.

    The catalogues are in folders above this one, so they are imported by their names, at the first use.

    Raises
    ------
    PluginError
        If a plug-in raises an exception.
    """
    for module in _CATALOGUES:
        importlib.import_module(module)
    load_entry_points()


def lookup(kind: Kind, name: str) -> Spec:
    """Return the specification that is registered under a name.

    Raises
    ------
    UnknownNameError
        If no object of this kind has the name.
    """
    load_registrations()
    try:
        return _specs[kind][name]
    except KeyError:
        raise UnknownNameError(kind, name) from None


def specs(kind: Kind) -> list[Spec]:
    """Return the specifications of all objects of a kind, in the order of their registration."""
    load_registrations()
    return list(_specs[kind].values())
