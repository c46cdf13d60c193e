"""The text of axes, legends and headings: labels of columns and keys, values, and numbers at ticks."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ..results.confidence_intervals import is_accuracy
from .key_labels import label_and_unit
from .style import time_unit

__all__ = [
    "AxisUnit",
    "axis_label",
    "axis_unit",
    "experiment_text",
    "label_and_unit",
    "labelled_value",
    "log_ticks",
    "number_text",
    "value_text",
    "with_unit",
]

_MIN_TICKS = 3  # of a logarithmic axis, so that a reader can judge distances
_STEPS_OF_A_DECADE = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0))  # from few ticks to many
_WITH_PREFIXES = ("Hz", "bit", "bit/s", "FLOP", "J", "W")
_PREFIXES = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0), ("m", 1e-3), ("µ", 1e-6))
_NAMES = ("name", "kind", "model")
"""Keys whose value names a mapping of a scenario."""
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


@dataclass(frozen=True)
class AxisUnit:
    """The unit of an axis, and its size in the unit without prefix."""

    symbol: str
    size: float


def axis_label(column: str) -> str:
    """Return the label of a column or a key with its unit: ``TDMA slot [s]`` for ``radio.tdma_slot_s``."""
    return with_unit(*label_and_unit(column))


def with_unit(label: str, unit: str) -> str:
    """Return the label with the unit in square brackets; without a unit, the label alone."""
    return f"{label} [{unit}]" if unit else label


def axis_unit(column: str, largest: float) -> AxisUnit:
    """Return the unit in which an axis shows a column or a dotted key, so that its numbers are short.

    Accuracies are in per cent and memories in MiB. Times have s, min and h too. A unit without prefixes, such
    as dB, stays as it is.

    Parameters
    ----------
    column : str
        The column or the key.
    largest : float
        The greatest absolute number on the axis, in the unit of the column's name.
    """
    unit = label_and_unit(column)[1]
    if is_accuracy(column):
        return AxisUnit(unit, 0.01)
    if column.endswith("memory_bits"):
        return AxisUnit("MiB", 8.0 * 2**20)
    if unit == "s":
        time = time_unit(largest)
        return AxisUnit(time.symbol, time.seconds)
    if unit in _WITH_PREFIXES and largest > 0:
        for symbol, size in _PREFIXES:
            if largest >= size:
                return AxisUnit(f"{symbol}{unit}", size)
    return AxisUnit(unit, 1.0)


def value_text(value: Any) -> str:
    """Return the text for a swept value: a number without trailing zeros, or the words of a mapping.

    For example ``shards, classes per client = 2`` for ``{"kind": "shards", "classes_per_client": 2}``.
    """
    if isinstance(value, str) and value[:1] in "{[":
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)
    if isinstance(value, dict):
        return ", ".join(
            value_text(inner) if key in _NAMES else f"{key.replace('_', ' ')} = {value_text(inner)}"
            for key, inner in value.items()
        )
    if isinstance(value, list):
        return ", ".join(value_text(inner) for inner in value)
    if value is None or value == "null":
        return "none"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return number_text(value) if is_number else str(value)


def labelled_value(key: str, value: Any) -> str:
    """Return a value of a swept key after the key's label: ``Bandwidth of a subchannel: 10 MHz``."""
    label, unit = label_and_unit(key)
    if unit and isinstance(value, int | float):
        shown = axis_unit(key, abs(value))
        return f"{label}: {number_text(value / shown.size)} {shown.symbol}"
    return f"{label}: {value_text(value)}"


def experiment_text(name: str, settings: str) -> str:
    """Return the name of an experiment with the settings in words: ``Number of devices: 10``.

    Parameters
    ----------
    name : str
        The name in a comparison, for example ``study devices.count=10``.
    settings : str
        The keys in which experiments of one name differ, with their values: ``devices.count=10``. A name that
        does not end with them is returned as it is.
    """
    if not settings or not name.endswith(settings):
        return name
    keys = re.split(r"(?:^|, )([A-Za-z_][\w.]*)=", settings)[1:]
    pairs = zip(keys[::2], keys[1::2], strict=True)
    return ", ".join(labelled_value(key, _number_or_text(value)) for key, value in pairs)


def _number_or_text(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value


def number_text(value: float, _position: int | None = None) -> str:
    """Return a number without trailing zeros; a million and more, and less than 0.0001, as ``2.5×10⁶``."""
    mantissa, _, exponent = f"{value:g}".partition("e")
    if not exponent:
        return mantissa
    power = f"10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return power if mantissa == "1" else f"{mantissa}×{power}"


def log_ticks(axis: Axis) -> None:
    """Put at least three plain numbers on a logarithmic axis: powers of ten, or more values of each decade.

    Parameters
    ----------
    axis : Axis
        An axis that has its scale and its data already.
    """
    low, high = sorted(axis.get_view_interval())
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)

    def num_ticks(steps: tuple[float, ...]) -> int:
        return sum(low <= step * 10.0**power <= high for power in decades for step in steps)

    steps = next((steps for steps in _STEPS_OF_A_DECADE if num_ticks(steps) >= _MIN_TICKS), None)
    axis.set_major_locator(
        MaxNLocator(_MIN_TICKS + 1, steps=[1, 2, 5, 10]) if steps is None else LogLocator(subs=steps)
    )
    axis.set_major_formatter(FuncFormatter(number_text))
    axis.set_minor_formatter(NullFormatter())
