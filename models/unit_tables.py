"""The unit table of the model that a scenario names: read from a file if there is one, otherwise computed.

Only the computation imports torch, so timelines of models with a file need none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from ..scenarios.errors import issues_of
from ..scenarios.model_costs.layer_profile import BATCH_SIZE, LayerProfile, read_layer_profile
from ..scenarios.model_costs.unit_table import UnitTable, read_unit_table
from ..scenarios.registry import Parameters, lookup
from ..scenarios.schema.fields import FILE_NAME_LENGTH_MAX
from .networks.parameters import ImageModelParameters, MeasuredParameters, TableParameters

__all__ = ["TABLES", "model_profile", "named_unit_table", "unit_table"]

TABLES = Path(__file__).parent / "tables"
"""Folder of the unit tables that are part of the package."""


def unit_table(parameters: Parameters) -> UnitTable:
    """Return the unit table of a scenario's model section.

    Raises
    ------
    ValueError
        If the file of the table is not usable, or the model cannot be built and profiled.
    """
    if isinstance(parameters, TableParameters):
        return read_unit_table(parameters.file)
    if isinstance(parameters, MeasuredParameters):
        return _measured_table(read_layer_profile(parameters.profile))
    if not isinstance(parameters, ImageModelParameters):
        raise ValueError(
            f"model {parameters.name!r}: its parameters must be ImageModelParameters, "
            f"to have an input shape; they are {type(parameters).__name__}"
        )
    committed = TABLES / f"{parameters.table_name}.csv"
    if len(committed.name) <= FILE_NAME_LENGTH_MAX and committed.is_file():
        return read_unit_table(committed)
    from .profile import built_profile

    return built_profile(parameters)


def _measured_table(profile: LayerProfile) -> UnitTable:
    """Return the sizes of a profile's layers. FLOPs are zero: the layers have measured times instead."""
    nothing = np.zeros(len(profile.weight_bits))
    activations = profile.activation_bits / BATCH_SIZE
    names = tuple(f"layer{number}" for number in range(len(nothing)))
    return UnitTable(names, nothing, nothing, activations, activations, profile.weight_bits)


def model_profile(parameters: Parameters, units: int) -> LayerProfile | None:
    """Return the measured layer times of a model section, or None if it names none.

    Parameters
    ----------
    units : int
        Number of units of the model.

    Raises
    ------
    ValueError
        If the folder is not usable, or its number of layers is not the number of units.
    """
    folder = getattr(parameters, "profile", None)
    if folder is None:
        return None
    profile = read_layer_profile(folder)
    layers = len(profile.weight_bits)
    if layers != units:
        raise ValueError(f"{folder} has {layers} layers; model {parameters.name} has {units} units")
    return profile


def named_unit_table(
    name: str, input_shape: tuple[int, ...] | None = None, classes: int | None = None
) -> UnitTable:
    """Return the unit table of a model by name. Options that are None have their default values.

    Parameters
    ----------
    name : str
        Name of a registered model.
    input_shape : tuple of int or None
        Channels, height and width.
    classes : int or None
        Number of classes.

    Raises
    ------
    ValueError
        If no model has the name, an option is wrong or a required one is missing.
    """
    options: dict[str, Any] = {"name": name, "input_shape": input_shape, "classes": classes}
    requested = {key: value for key, value in options.items() if value is not None}
    try:
        parameters = lookup("model", name).parameters.model_validate(requested)
    except ValidationError as error:
        issues = "; ".join(f"{issue.key}: {issue.message}" for issue in issues_of(error, requested))
        raise ValueError(f"model {name!r}: {issues}") from None
    assert isinstance(parameters, Parameters)
    return unit_table(parameters)
