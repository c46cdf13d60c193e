"""Numbers and confidence intervals as text for tables."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["percent", "rounded", "significant", "span", "with_interval"]

_MAX_DECIMALS = 6


def significant(value: float, digits: int = 4) -> str:
    """Return a number with this many significant digits, and without an exponent below ten million."""
    if math.isnan(value):
        return "–"
    if abs(value) >= 10.0**digits:
        return f"{value:.0f}" if abs(value) < 1e7 else f"{value:.{digits - 1}e}"
    return f"{value:#.{digits}g}".rstrip(".")


def percent(share: float) -> str:
    """Return a fraction of 1 in per cent with one decimal; a dash without a value."""
    return "–" if math.isnan(share) else f"{100 * share:.1f}"


def span(low: float, high: float, text: Callable[[float], str]) -> str:
    """Return a confidence interval as text; a dash if it does not exist."""
    return "–" if math.isnan(low) or math.isnan(high) else f"{text(low)}–{text(high)}"


def with_interval(mean: float, low: float, high: float) -> str:
    """Return a mean and its interval: ``1.25 [1.20, 1.31]``.

    All three have the decimals that give the interval's half width two digits, and the mean at least three.
    Without an interval, or with one of a single value, the mean stands alone with four significant digits.
    """
    if math.isnan(mean) or math.isnan(low) or math.isnan(high) or not low < high:
        return significant(mean)
    decimals = 1 - math.floor(math.log10((high - low) / 2))
    if mean:
        decimals = max(decimals, 2 - math.floor(math.log10(abs(mean))))
    return f"{rounded(mean, decimals)} [{rounded(low, decimals)}, {rounded(high, decimals)}]"


def rounded(value: float, decimals: int) -> str:
    """Return a number with this many decimals, at least none and at most six; four digits if it is large."""
    if abs(value) >= 1e7:
        return significant(value)
    return f"{round(value, decimals):.{min(max(decimals, 0), _MAX_DECIMALS)}f}"
