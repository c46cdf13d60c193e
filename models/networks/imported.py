"""A model of the user's own, by import path. Importing runs code: the caller asks the user's leave first."""

from __future__ import annotations

import copy
import pkgutil
from typing import Any

import torch
from torch import nn

from .parameters import ImportedParameters

__all__ = ["build"]


def build(parameters: ImportedParameters) -> nn.Sequential:
    """Return the user's model: a copy where the path names a model, the result where it names a factory.

    Raises
    ------
    ValueError
        If the path can't be imported, the factory refuses its arguments, what it gives is no
        ``nn.Sequential``, or two units share a parameter.
    """
    # A profile builds on torch's "meta" device. The user's code is spared that: what its module makes
    # at import time stays in the process, and would stay without values.
    with torch.device("cpu"):
        model = _made(_found(parameters.factory), parameters)
    if not isinstance(model, nn.Sequential):
        raise ValueError(
            f"factory {parameters.factory!r} must give an nn.Sequential, whose children are the units; "
            f"it gives {type(model).__name__}"
        )
    _refuse_shared_parameters(model, parameters.factory)
    return model


def _found(path: str) -> Any:
    try:
        return pkgutil.resolve_name(path)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"factory {path!r} cannot be imported: {error}") from error


def _made(found: Any, parameters: ImportedParameters) -> Any:
    if isinstance(found, nn.Module):
        if parameters.arguments:
            raise ValueError(f"factory {parameters.factory!r} is a model already; it takes no arguments")
        return copy.deepcopy(found)
    if not callable(found):
        return found
    try:
        return found(**parameters.arguments)
    except TypeError as error:
        raise ValueError(f"factory {parameters.factory!r}: {error}") from error


def _refuse_shared_parameters(model: nn.Sequential, factory: str) -> None:
    """Refuse what no cut can part: a parameter that belongs to two units."""
    owners: dict[nn.Parameter, str] = {}
    for name, unit in model._modules.items():  # named_children leaves out a module's second occurrence
        assert unit is not None
        for parameter in unit.parameters():
            owner = owners.setdefault(parameter, name)
            if owner != name:
                raise ValueError(f"factory {factory!r}: units {owner!r} and {name!r} share a parameter")
