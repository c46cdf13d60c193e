"""Tests of confidence intervals over seeds: their range is that of the quantity, their coverage is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from cutlayer.analysis.results.confidence_intervals import Range, centre_and_interval, range_of

STUDIES = 2000
"""Simulated studies; three standard errors of a coverage of 95 % are 1.5 points."""
Draw = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]

positive = st.lists(st.floats(0, 1e300), min_size=2, max_size=8)
fractions = st.lists(st.floats(0, 1), min_size=2, max_size=8)


@pytest.mark.parametrize(
    ("draw", "mean", "value_range", "least", "most"),
    [
        (lambda rng, size: rng.normal(-1.0, 2.0, size), -1.0, Range.REAL, 0.935, 0.965),
        (lambda rng, size: rng.normal(1.0, 0.1, size), 1.0, Range.POSITIVE, 0.935, 0.965),
        (lambda rng, size: rng.lognormal(0.0, 1.0, size), np.exp(0.5), Range.POSITIVE, 0.865, 0.965),
        (lambda rng, size: rng.beta(30.0, 1.0, size), 30 / 31, Range.FRACTION, 0.915, 0.965),
    ],
    ids=["normal", "normal above 0", "lognormal", "beta near 1"],
)
def test_the_interval_of_the_mean_has_its_stated_coverage(
    draw: Draw, mean: float, value_range: Range, least: float, most: float
) -> None:
    """In 2000 studies of five seeds, confidence intervals contain the mean as often as docs/model.md says."""
    studies = draw(np.random.default_rng(3), (STUDIES, 5))
    intervals = [centre_and_interval(values, value_range) for values in studies]
    coverage = np.mean([low <= mean <= high for _, low, high in intervals])
    assert least < coverage < most


def test_heavy_tails_are_covered_better_than_by_student() -> None:
    """Of lognormal times, a confidence interval on a log scale misses the mean less often than Student's."""
    studies = np.random.default_rng(6).lognormal(0.0, 1.0, (STUDIES, 5))
    missed = {
        value_range: np.mean(
            [
                not low <= np.exp(0.5) <= high
                for _, low, high in (centre_and_interval(v, value_range) for v in studies)
            ]
        )
        for value_range in (Range.REAL, Range.POSITIVE)
    }
    assert missed[Range.POSITIVE] < 0.75 * missed[Range.REAL]


def test_the_interval_of_heavy_tailed_times_is_above_zero() -> None:
    """Heavy-tailed times get positive limits where Student's confidence interval reaches below 0."""
    times_s = [0.001, 0.002, 0.003, 0.004, 0.037]
    assert centre_and_interval(times_s, Range.REAL)[1] < 0
    mean, low, high = centre_and_interval(times_s, Range.POSITIVE)
    assert 0 < low < mean < high


@given(positive)
def test_positive_quantities_have_positive_intervals(values: list[float]) -> None:
    """Confidence intervals contain the mean and no negative number, and are symmetric on a log scale."""
    mean, low, high = centre_and_interval(values, Range.POSITIVE)
    assert 0 <= low <= mean <= high
    if low > 1e-290 and high < 1e290:
        assert mean / low == pytest.approx(high / mean, rel=1e-9)


@given(fractions)
def test_fractions_have_intervals_of_fractions(values: list[float]) -> None:
    """The confidence interval stays within 0 to 1, and errors have the one that accuracies imply."""
    mean, low, high = centre_and_interval(values, Range.FRACTION)
    assert 0 <= low <= mean + 1e-12 and mean - 1e-12 <= high <= 1
    errors = centre_and_interval([1 - value for value in values], Range.FRACTION)
    assert (1 - mean, 1 - high, 1 - low) == pytest.approx(errors, abs=1e-6)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8))
def test_differences_have_the_interval_of_student(values: list[float]) -> None:
    """Without a bound, the confidence interval is that of SciPy's t-test."""
    _, low, high = centre_and_interval(values, Range.REAL)
    if np.std(values) > 1e-6:
        expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
        assert (expected.low, expected.high) == pytest.approx((low, high), rel=1e-6, abs=1e-9)


def test_small_spreads_give_the_interval_of_student() -> None:
    """Where the spread is small beside the distance to the bounds, all scales agree."""
    values = np.random.default_rng(7).normal(0.5, 1e-4, 6)
    student = centre_and_interval(values, Range.REAL)
    for value_range in (Range.POSITIVE, Range.FRACTION):
        assert student == pytest.approx(centre_and_interval(values, value_range), abs=1e-7)


def test_equal_values_have_an_interval_without_width() -> None:
    """Values that do not differ between seeds, as on a fixed channel, are their own confidence interval."""
    for value in (0.0, 0.25, 1.0):
        for value_range in Range:
            assert (value,) * 3 == pytest.approx(centre_and_interval([value] * 3, value_range), abs=1e-15)


def test_missing_values_and_single_seeds_have_no_interval() -> None:
    """One seed has a mean without a confidence interval, and a missing value makes both unknown."""
    assert np.isnan(centre_and_interval([1.0], Range.POSITIVE)[1:]).all()
    assert 1.0 == centre_and_interval([1.0], Range.POSITIVE)[0]
    for values in ([], [1.0, np.nan]):
        assert np.isnan(centre_and_interval(values, Range.POSITIVE)).all()


def test_the_interval_of_the_median_has_at_least_its_stated_coverage() -> None:
    """In 95 % or more of 500 studies the confidence interval contains the median of a skewed distribution."""
    studies = np.random.default_rng(4).lognormal(size=(500, 15))
    bounds = [centre_and_interval(values, Range.POSITIVE, "median") for values in studies]
    coverage = np.mean([low <= 1.0 <= high for _, low, high in bounds])
    assert coverage > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 500)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("mean_latency_s", Range.POSITIVE),
        ("energy_j", Range.POSITIVE),
        ("uplink_bits", Range.POSITIVE),
        ("time_to_target_s", Range.POSITIVE),
        ("rounds_to_target", Range.POSITIVE),
        ("final_accuracy", Range.FRACTION),
        ("validation_accuracy", Range.FRACTION),
        ("utilisation", Range.FRACTION),
        ("gain_db", Range.REAL),
        ("a_column_of_a_plug_in", Range.REAL),
    ],
)
def test_the_name_of_a_column_tells_its_range(column: str, expected: Range) -> None:
    """Times, energies, bits and counts are positive, accuracies fractions; other columns have no bound."""
    assert expected is range_of(column)


@given(st.floats(1e-300, 1e308), st.integers(2, 9), st.sampled_from([Range.POSITIVE, Range.REAL]))
def test_equal_values_are_their_own_interval(value: float, count: int, value_range: Range) -> None:
    """The interval of equal values is that value to the bit, however large it is."""
    assert (value,) * 3 == centre_and_interval([value] * count, value_range)


@pytest.mark.parametrize("column", ["time_to_target_change_s", "accuracy_change", "latency_change_percent"])
def test_changes_may_be_negative(column: str) -> None:
    """A change has the range of all numbers, whatever its unit."""
    assert Range.REAL is range_of(column)


def test_means_that_round_to_the_end_of_the_range_are_intervals_of_one_point() -> None:
    """Values next to 0 or 1 give an interval within the range, and no error."""
    assert (1.0, 1.0, 1.0) == centre_and_interval([1.0, math.nextafter(1.0, 0.0)], Range.FRACTION)
    assert (0.0, 0.0, 0.0) == centre_and_interval([0.0, 5e-324], Range.POSITIVE)
