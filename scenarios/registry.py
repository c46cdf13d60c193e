"""What a scenario can name: schemes, models, data sets, path losses, allocation methods.

A plug-in is one file and one call of :func:`register`; nothing else has to know its name.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from .section import Section
from .suggestions import closest

__all__ = ["Kind", "Parameters", "Spec", "UnknownNameError", "find", "register", "specs"]

Kind: TypeAlias = Literal[
    "scheme", "model", "dataset", "path_loss", "fading", "plan", "subchannels", "power", "cut", "fault"
]


class Parameters(Section):
    """The keys that a named thing takes in a scenario, ``name`` among them; unknown keys are refused."""

    name: str


@dataclass(frozen=True)
class Spec:
    """One registered name: what it takes and where its code is.

    ``entry_point`` is the object itself or ``"package.module:attribute"``, imported at the first use,
    so that naming a model imports no torch.
    """

    kind: Kind
    name: str
    entry_point: str | Callable[..., Any]
    parameters: type[Section]
    summary: str

    def load(self) -> Any:
        """Return the object behind the name."""
        if not isinstance(self.entry_point, str):
            return self.entry_point
        module, _, attribute = self.entry_point.partition(":")
        return getattr(importlib.import_module(module), attribute)


_WORDS: dict[Kind, str] = {
    "dataset": "data set",
    "path_loss": "path loss",
    "subchannels": "subchannel method",
    "power": "power method",
    "cut": "cut method",
    "plan": "allocation method",
}


class UnknownNameError(ValueError):
    """A name that nothing is registered under; the message lists the known ones and the closest."""

    def __init__(self, kind: Kind, name: str) -> None:
        known = sorted(_specs[kind])
        super().__init__(
            f"no {_WORDS.get(kind, kind)} is named {name!r}; known: {', '.join(known)}{closest(name, known)}"
        )


_specs: dict[Kind, dict[str, Spec]] = {kind: {} for kind in get_args(Kind)}


def register(
    kind: Kind,
    name: str,
    entry_point: str | Callable[..., Any],
    *,
    parameters: type[Section] = Parameters,
    summary: str,
) -> None:
    """Make ``name`` known to scenarios as a thing of this kind.

    Raises
    ------
    ValueError
        If the name is taken: two things under one name would make results depend on import order.
    """
    spec = Spec(kind, name, entry_point, parameters, summary)
    taken = _specs[kind].get(name)
    if taken is not None and taken != spec:
        raise ValueError(f"{kind} {name!r} is registered already, as {taken.entry_point!r}")
    _specs[kind][name] = spec


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
def _load_catalogues() -> None:
    """Import the built-in catalogues, once, at the first look-up of a name."""
    for module in _CATALOGUES:
        importlib.import_module(module)


def find(kind: Kind, name: str) -> Spec:
    """Return what is registered under the name.

    Raises
    ------
    UnknownNameError
        If nothing is.
    """
    _load_catalogues()
    try:
        return _specs[kind][name]
    except KeyError:
        raise UnknownNameError(kind, name) from None


def specs(kind: Kind) -> list[Spec]:
    """Return all registered things of a kind, in the order of their registration."""
    _load_catalogues()
    return list(_specs[kind].values())
