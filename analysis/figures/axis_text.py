"""The text of axes, legends and headings: labels of columns and keys, values, and numbers at ticks."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ..results.confidence_intervals import is_accuracy

__all__ = [
    "axis_label",
    "label_and_unit",
    "labelled_value",
    "log_ticks",
    "number_text",
    "value_text",
    "with_unit",
]

_LABELS = {
    "mean_latency_s": "Round time",
    "latency_s": "Round time",
    "total_time_s": "Time of the run",
    "end_s": "Simulated time",
    "round": "Round",
    "time_to_target_s": "Time to target accuracy",
    "time_below_target_s": "Time below target accuracy",
    "rounds_to_target": "Rounds to target accuracy",
    "final_accuracy": "Final test accuracy",
    "best_accuracy": "Best test accuracy",
    "test_accuracy": "Test accuracy",
    "energy_j": "Energy",
    "client_energy_j": "Energy of the devices",
    "receive_energy_j": "Energy of the devices' receivers",
    "idle_energy_j": "Idle energy of the devices",
    "uplink_bits": "Uplink",
    "downlink_bits": "Downlink",
    "devices.count": "Number of devices",
    "radio.subchannels": "Number of subchannels",
    "allocation.cut": "Cut layer",
    "learning.optimizer.client_lr": "Client learning rate",
    "learning.optimizer.server_lr": "Server learning rate",
    "label": "Scheme",
}
"""Labels of columns and dotted keys whose name alone reads badly; all others follow from the name."""
_UNITS = {
    "s": "s",
    "hz": "Hz",
    "bps": "bit/s",
    "bits": "bit",
    "w": "W",
    "j": "J",
    "m": "m",
    "mps": "m/s",
    "db": "dB",
    "dbm": "dBm",
    "mib": "MiB",
}
"""Units by the last word of a column or a key."""
_MIN_TICKS = 3  # of a logarithmic axis, so that a reader can judge distances
_STEPS_OF_A_DECADE = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0))  # from few ticks to many
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def axis_label(column: str) -> str:
    """Return the label of a column or a dotted key with its unit: ``Slot (s)`` for ``radio.slot_s``.

    The label of a nested key names the parent too: ``Memory of nodes.0 (MiB)`` for
    ``network.nodes.0.memory_mib``.
    """
    return with_unit(*label_and_unit(column))


def with_unit(label: str, unit: str) -> str:
    """Return the label with the unit in brackets; without a unit, the label alone."""
    return f"{label} ({unit})" if unit else label


def label_and_unit(column: str) -> tuple[str, str]:
    """Return the label of a column or a dotted key, and its unit or an empty text."""
    parts = re.findall(r"[^.]+(?:\.\d+(?=\.|$))*", column)  # an element of a list stays with its list
    words, unit = _words_and_unit(parts[-1])
    unit = "%" if is_accuracy(column) else unit
    if column in _LABELS:
        return _LABELS[column], unit
    # The first part is a section of the scenario; without an index it adds nothing to the label.
    parents = [_words_and_unit(part)[0] for part in parts[:-1] if part != parts[0] or "." in part]
    if words == "count" and parents:
        return f"{parents[-1].partition('.')[0].capitalize()} ({parents[-1]})", unit
    text = " of ".join(filter(None, (words, " ".join(parents))))
    return text[:1].upper() + text[1:], unit


def _words_and_unit(part: str) -> tuple[str, str]:
    name, dot, index = part.partition(".")
    words = name.split("_")
    unit = _UNITS[words.pop()] if len(words) > 1 and words[-1] in _UNITS else ""
    return " ".join(words) + dot + index, unit


def value_text(value: Any) -> str:
    """Return the text for a swept value: ``kind=iid`` for a mapping, and a number without trailing zeros."""
    if isinstance(value, str) and value[:1] in "{[":
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={value_text(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(value_text(inner) for inner in value)
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def labelled_value(key: str, value: Any) -> str:
    """Return the text for a value of a swept key; a number follows the key's label."""
    text = value_text(value)
    return text if isinstance(value, str) and not text.isdecimal() else f"{axis_label(key)}: {text}"


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
