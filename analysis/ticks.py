"""Logarithmic axes with plain numbers on them, all in one size."""

from __future__ import annotations

import math

from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

__all__ = ["log_ticks", "tick_text"]

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
