"""Excluded devices: the values that a scenario lists for each device, without those of excluded devices.

Excluded devices are drawn like all others, so that no draw of another device changes. Plans are made for the
included devices alone, so the lists of explicit values must have values for these alone.
"""

from __future__ import annotations

from typing import Any

from ..scenarios.schema.allocation import ExplicitPower
from ..scenarios.schema.registered import SchemeParameters
from ..scenarios.schema.scenario import Allocation, Devices

__all__ = ["allocation_of_included", "parameters_of_included"]


def allocation_of_included(allocation: Allocation, devices: Devices) -> Allocation:
    """Return the allocation with the explicit subchannels and powers of the included devices alone."""
    if not devices.exclude:
        return allocation
    update: dict[str, Any] = {}
    if not isinstance(allocation.subchannels, str):
        update["subchannels"] = _included(allocation.subchannels, devices)
    if isinstance(allocation.power, ExplicitPower):
        densities = _included(allocation.power.dbm_per_hz, devices)
        update["power"] = allocation.power.model_copy(update={"dbm_per_hz": densities})
    return allocation.model_copy(update=update)


def parameters_of_included(parameters: SchemeParameters, devices: Devices) -> SchemeParameters:
    """Return a scheme's parameters with the listed values of the included devices alone.

    A list of another length than ``devices.count`` stays as it is: the scheme's plan reports it.
    """
    if not devices.exclude:
        return parameters
    values = {key: getattr(parameters, key) for key in parameters.per_device}
    lists = {key: value for key, value in values.items() if isinstance(value, tuple)}
    return parameters.model_copy(
        update={key: _included(value, devices) for key, value in lists.items() if len(value) == devices.count}
    )


def _included(values: tuple[Any, ...], devices: Devices) -> tuple[Any, ...]:
    return tuple(values[device] for device in devices.included)
