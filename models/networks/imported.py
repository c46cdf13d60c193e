"""A user's model, named by import path. Importing runs code, so the caller asks for permission first."""

from __future__ import annotations

import copy
import pkgutil
from typing import Any

import torch
from torch import nn

from .parameters import ImportedParameters

__all__ = ["build"]


def build(parameters: ImportedParameters) -> nn.Sequential:
    """Return a copy of the user's model; if the path names a factory, return the model that it builds.

    Raises
    ------
    ValueError
        If the path cannot be imported, the factory rejects its arguments, the result is not an
        ``nn.Sequential``, or two units share a parameter.
    """
    # A profile builds models on torch's "meta" device, but the user's code runs on the CPU: tensors that its
    # module creates at import time stay in the process, and would have no values.
    with torch.device("cpu"):
        model = _build_model(_import(parameters.factory), parameters)
    if not isinstance(model, nn.Sequential):
        raise ValueError(
            f"factory {parameters.factory!r} must give an nn.Sequential, whose children are the units; "
            f"it gives {type(model).__name__}"
        )
    _refuse_shared_parameters(model, parameters.factory)
    return model


def _import(path: str) -> Any:
    try:
        return pkgutil.resolve_name(path)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"factory {path!r} cannot be imported: {error}") from error


def _build_model(factory: Any, parameters: ImportedParameters) -> Any:
    if isinstance(factory, nn.Module):
        if parameters.arguments:
            raise ValueError(f"factory {parameters.factory!r} is a model already; it takes no arguments")
        return copy.deepcopy(factory)
    if not callable(factory):
        return factory
    try:
        return factory(**parameters.arguments)
    except TypeError as error:
        raise ValueError(f"factory {parameters.factory!r}: {error}") from error


def _refuse_shared_parameters(model: nn.Sequential, factory: str) -> None:
    """Raise a ValueError if a parameter belongs to two units, since no cut could separate them."""
    owners: dict[nn.Parameter, str] = {}
    for name, unit in model._modules.items():  # named_children leaves out a module's second occurrence
        assert unit is not None
        for parameter in unit.parameters():
            owner = owners.setdefault(parameter, name)
            if owner != name:
                raise ValueError(f"factory {factory!r}: units {owner!r} and {name!r} share a parameter")
