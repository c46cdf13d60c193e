"""Tests of numbers and confidence intervals as text."""

from __future__ import annotations

import math

import pytest

from cutlayer.analysis.comparison.number_text import significant, with_interval


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((1.2534, 1.2012, 1.3071), "1.253 [1.201, 1.307]"),
        ((79.93, 76.21, 83.33), "79.9 [76.2, 83.3]"),
        ((45.31, 0.2, 99.7), "45.3 [0.2, 99.7]"),
        ((1234.5, 1100.0, 1390.0), "1230 [1100, 1390]"),
        ((0.0123, 0.0121, 0.0125), "0.01230 [0.01210, 0.01250]"),
    ],
)
def test_an_interval_decides_on_the_decimals_of_its_mean(
    numbers: tuple[float, float, float], text: str
) -> None:
    """Mean and ends have the same decimals: two digits of the half width, and three of the mean."""
    assert text == with_interval(*numbers)


@pytest.mark.parametrize("ends", [(math.nan, math.nan), (2.0, 2.0)])
def test_a_mean_without_an_interval_stands_alone(ends: tuple[float, float]) -> None:
    """With one seed, or equal values at all seeds, there are no brackets."""
    assert "2.000" == with_interval(2.0, *ends)
    assert "–" == with_interval(math.nan, *ends)


def test_four_digits_are_significant() -> None:
    """Numbers have four digits, and no exponent below ten million."""
    assert ["12.35", "0.001235", "123456", "1.235e+08"] == [
        significant(x) for x in (12.345678, 0.00123456, 123456.0, 123456000.0)
    ]
