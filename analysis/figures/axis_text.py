"""Columns, dotted keys and their values in words, for axes, legends and headings."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ..results.sweep_statistics import is_accuracy

__all__ = ["axis_words", "key_words", "log_ticks", "named_value", "shown_value", "tick_text", "with_unit"]


_ENOUGH = 3  # ticks, so that a reader can tell between them
_STEPS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0))  # of a decade, the fewest first
_EXPONENT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def tick_text(value: float, _position: int | None = None) -> str:
    """Return a number without needless zeros; from a million on and below 0.0001, ``2.5×10⁶``."""
    mantissa, _, exponent = f"{value:g}".partition("e")
    if not exponent:
        return mantissa
    power = f"10{str(int(exponent)).translate(_EXPONENT)}"
    return power if mantissa == "1" else f"{mantissa}×{power}"


def log_ticks(axis: Axis) -> None:
    """Put plain numbers on a logarithmic axis: powers of ten where three or more are seen, else more.

    Parameters
    ----------
    axis : with its scale set and its data drawn
    """
    low, high = sorted(axis.get_view_interval())
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)

    def seen(steps: tuple[float, ...]) -> int:
        return sum(low <= step * 10.0**power <= high for power in decades for step in steps)

    steps = next((steps for steps in _STEPS if seen(steps) >= _ENOUGH), None)
    axis.set_major_locator(
        MaxNLocator(_ENOUGH + 1, steps=[1, 2, 5, 10]) if steps is None else LogLocator(subs=steps)
    )
    axis.set_major_formatter(FuncFormatter(tick_text))
    axis.set_minor_formatter(NullFormatter())


_WORDS = {
    "mean_latency_s": "Round time",
    "latency_s": "Round time",
    "total_time_s": "Time of the run",
    "end_s": "Simulated time",
    "round": "Round",
    "time_to_target_s": "Time to target accuracy",
    "rounds_to_target": "Rounds to target accuracy",
    "final_accuracy": "Final test accuracy",
    "best_accuracy": "Best test accuracy",
    "test_accuracy": "Test accuracy",
    "energy_j": "Energy",
    "client_energy_j": "Energy of the devices",
    "uplink_bits": "Uplink",
    "downlink_bits": "Downlink",
    "devices.count": "Number of devices",
    "radio.subchannels": "Number of subchannels",
    "allocation.cut": "Cut layer",
    "learning.optimizer.client_lr": "Client learning rate",
    "learning.optimizer.server_lr": "Server learning rate",
    "label": "Scheme",
}
_UNITS = {
    "s": "s",
    "hz": "Hz",
    "bps": "bit/s",
    "bits": "bit",
    "w": "W",
    "j": "J",
    "m": "m",
    "db": "dB",
    "dbm": "dBm",
    "mib": "MiB",
}


def axis_words(column: str) -> str:
    """Return a column or a dotted key in words, with its unit: ``Slot (s)`` for ``radio.slot_s``.

    A key further down says of what: ``MemoryDemand of nodes.0 (MiB)`` for ``network.nodes.0.memory_mib``.
    """
    return with_unit(*key_words(column))


def with_unit(words: str, unit: str) -> str:
    """Return the words, with the unit in brackets where there is one."""
    return f"{words} ({unit})" if unit else words


def key_words(column: str) -> tuple[str, str]:
    """Return a column or a dotted key in words, and its unit or nothing."""
    parts = re.findall(r"[^.]+(?:\.\d+(?=\.|$))*", column)  # an element of a list stays with its list
    words, unit = _words_and_unit(parts[-1])
    unit = "%" if is_accuracy(column) else unit
    if column in _WORDS:
        return _WORDS[column], unit
    # of what: the section alone says nothing
    owners = [_words_and_unit(part)[0] for part in parts[:-1] if part != parts[0] or "." in part]
    if words == "count" and owners:
        return f"{owners[-1].partition('.')[0].capitalize()} ({owners[-1]})", unit
    text = " of ".join(filter(None, (words, " ".join(owners))))
    return text[:1].upper() + text[1:], unit


def _words_and_unit(part: str) -> tuple[str, str]:
    name, dot, element = part.partition(".")
    words = name.split("_")
    unit = _UNITS[words.pop()] if len(words) > 1 and words[-1] in _UNITS else ""
    return " ".join(words) + dot + element, unit


def shown_value(value: Any) -> str:
    """Return a swept value as people read it: ``kind=iid`` for a mapping, no needless zeros for a number."""
    if isinstance(value, str) and value[:1] in "{[":
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={shown_value(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(shown_value(inner) for inner in value)
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def named_value(key: str, value: Any) -> str:
    """Return a value that can stand alone: a number needs its key, a text or a mapping does not."""
    shown = shown_value(value)
    return shown if isinstance(value, str) and not shown.isdecimal() else f"{axis_words(key)}: {shown}"
