"""The table of docs/model.md with the measured coverage of the confidence intervals over seeds."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutlayer.analysis.results.confidence_intervals import Range, centre_and_interval

__all__ = ["PAGE", "with_coverage"]

PAGE = Path(__file__).parent / "model.md"
STUDIES, SEEDS = 10_000, 5
_TABLE = re.compile(r"(<!-- coverage -->\n).*?(<!-- end -->)", re.DOTALL)

Draw = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]
DISTRIBUTIONS: dict[str, tuple[Draw, float, Range]] = {
    "normal, mean 1, deviation 0.1": (lambda rng, size: rng.normal(1.0, 0.1, size), 1.0, Range.POSITIVE),
    "lognormal, σ = 1 (heavy-tailed times)": (
        lambda rng, size: rng.lognormal(0.0, 1.0, size),
        float(np.exp(0.5)),
        Range.POSITIVE,
    ),
    "beta(95, 5) (accuracies near 95 %)": (
        lambda rng, size: rng.beta(95.0, 5.0, size),
        0.95,
        Range.FRACTION,
    ),
    "beta(30, 1) (accuracies near 97 %)": (
        lambda rng, size: rng.beta(30.0, 1.0, size),
        30 / 31,
        Range.FRACTION,
    ),
}
"""The distribution of one seed's value, its mean, and the range of the quantity."""


def with_coverage(page: str) -> str:
    """Return the page with the measured coverage of the confidence intervals in simulated studies."""
    rows = []
    for name, (draw, mean, value_range) in DISTRIBUTIONS.items():
        studies = draw(np.random.default_rng(0), (STUDIES, SEEDS))
        shares = [_coverage(studies, mean, on_scale) for on_scale in (Range.REAL, value_range)]
        rows.append([name, *(f"{100 * share:.1f} %" for share in shares)])
    headings = [
        "distribution of a seed's value",
        "Student's confidence interval",
        "confidence interval used here",
    ]
    table = pd.DataFrame(rows, columns=headings).to_markdown(index=False)
    return _TABLE.sub(lambda m: f"{m[1]}{table}\n{m[2]}", page)


def _coverage(studies: NDArray[np.float64], mean: float, value_range: Range) -> float:
    intervals = (centre_and_interval(values, value_range) for values in studies)
    return float(np.mean([low <= mean <= high for _, low, high in intervals]))
