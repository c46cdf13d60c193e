"""Confidence intervals over seeds, which stay within the range of their quantity, such as 0 to 1.

Every confidence interval of the comparison tables, of the sweep tables and of the sweep figures comes from
here. The derivation, with sources and measured coverage, is in docs/model.md, section 9.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = [
    "CONFIDENCE",
    "FEW_SEEDS",
    "FEW_SEEDS_NOTE",
    "ConfidenceInterval",
    "Range",
    "centre_and_interval",
    "is_accuracy",
    "range_of",
]

CONFIDENCE = 0.95
"""Confidence level of every confidence interval."""

FEW_SEEDS = 5
"""Below this number of seeds, tables with confidence intervals have a note."""

FEW_SEEDS_NOTE = (
    f"fewer than {FEW_SEEDS} seeds: the {100 * CONFIDENCE:g} % confidence intervals rest on a poor"
    " estimate of the spread over seeds; run more seeds before you rely on them"
)

ConfidenceInterval = tuple[float, float, float]
"""A centre, and the lower and the upper end of its confidence interval. An end that does not exist is NaN."""


class Range(Enum):
    """The range of a quantity, which decides the scale on which its interval is symmetric."""

    POSITIVE = "0 or more"
    """Times, energies, bits, counts and ratios: the logarithmic scale."""
    FRACTION = "0 to 1"
    """Accuracies and utilisations: the logit scale."""
    REAL = "any number"
    """Differences: the scale of the quantity itself, which gives Student's confidence interval."""


_POSITIVE_SUFFIXES = ("_s", "_j", "_w", "_bits", "_bps", "_flops", "_hz", "_per_hour")
_POSITIVE_COLUMNS = frozenset(
    {
        "cost",
        "empty_rounds",
        "participants",
        "plans",
        "rounds",
        "rounds_below_target",
        "rounds_to_target",
        "samples",
        "samples_to_target",
        "train_loss",
        "updates",
    }
)
_FRACTIONS = frozenset({"band_share", "server_share", "utilisation"})


def is_accuracy(column: str) -> bool:
    """Return whether a column holds accuracies, which are fractions of 1; higher is better."""
    return "accuracy" in column and "target" not in column


def range_of(column: str) -> Range:
    """Return the range of a column of ``summary.json`` or ``rounds.csv``, by its name."""
    if "change" in column:
        return Range.REAL
    if is_accuracy(column) or column in _FRACTIONS:
        return Range.FRACTION
    if column.endswith(_POSITIVE_SUFFIXES) or column in _POSITIVE_COLUMNS:
        return Range.POSITIVE
    return Range.REAL


def centre_and_interval(
    values: Sequence[float] | NDArray[np.float64] | pd.Series[float], value_range: Range, centre: str = "mean"
) -> ConfidenceInterval:
    r"""Return the mean or the median of the values over seeds, and its 95 % confidence interval.

    The mean :math:`m` of :math:`n` values has the standard error :math:`e`, and :math:`t` is the quantile of
    Student's distribution with :math:`n-1` degrees of freedom. By the delta method, the interval is

    - :math:`m \pm t e` for any number;
    - :math:`m \exp(\pm t e / m)` for positive quantities;
    - :math:`\mathrm{expit}(\mathrm{logit}\,m \pm t e / (m (1 - m)))` for fractions.

    The median's interval lies between two order statistics, holds for any distribution, and needs six values
    or more.

    Parameters
    ----------
    values : sequence of float, [num_seeds]
        One value a seed.
    value_range : Range
        The range of the quantity. If a value is outside of it, Student's confidence interval is returned.
    centre : {"mean", "median"}
        The centre.

    Returns
    -------
    tuple of float
        Centre, lower end and upper end. All are NaN if a value is missing; the ends are NaN if they do not
        exist, as for one value.
    """
    array = np.asarray(values, dtype=float)
    if not len(array) or np.isnan(array).any():
        return math.nan, math.nan, math.nan
    if centre == "median":
        return _median_interval(array)
    if array.min() == array.max():
        ends = float(array[0]) if len(array) > 1 and np.isfinite(array[0]) else math.nan
        return float(array[0]), ends, ends
    scale = float(np.abs(array).max())  # the sum of large values would exceed the range of floats
    mean = float((array / scale).mean()) * scale if math.isfinite(scale) else float(array.mean())
    if len(array) == 1 or not np.isfinite(array).all():
        return mean, math.nan, math.nan
    return _interval_of_mean(array, mean, value_range)


def _interval_of_mean(values: NDArray[np.float64], mean: float, value_range: Range) -> ConfidenceInterval:
    from scipy import special  # takes half a second to import, which a single run does not need

    scale = float(np.abs(values).max())  # the squares of large values would exceed the range of floats
    error = float((values / scale).std(ddof=1)) * scale / math.sqrt(len(values))
    half = _student_quantile(len(values) - 1) * error
    is_fraction = value_range is Range.FRACTION and values.min() >= 0 and values.max() <= 1
    is_positive = value_range is Range.POSITIVE and values.min() >= 0
    if (is_positive and mean == 0) or (is_fraction and mean in (0, 1)):
        return mean, mean, mean  # rounded to the end of the range
    if is_positive:
        factor = math.exp(half / mean)
        return mean, mean / factor, mean * factor
    if is_fraction:
        logit, width = special.logit(mean), half / (mean * (1 - mean))
        return mean, float(special.expit(logit - width)), float(special.expit(logit + width))
    return mean, mean - half, mean + half


@cache  # a comparison needs few of them, thousands of times
def _student_quantile(degrees_of_freedom: int) -> float:
    from scipy import stats  # takes half a second to import, which a single run does not need

    return float(stats.t.ppf((1 + CONFIDENCE) / 2, degrees_of_freedom))


def _median_interval(values: NDArray[np.float64]) -> ConfidenceInterval:
    from scipy import stats  # takes half a second to import, which a single run does not need

    bounds: Any = stats.quantile_test(values, p=0.5).confidence_interval(CONFIDENCE)
    return float(np.median(values)), float(bounds.low), float(bounds.high)
