"""Tests of the paired comparison: its intervals are those of the t-test, and have their stated coverage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import ArrayLike
from scipy import stats

from cutlayer.analysis.comparison.paired_differences import UnknownReferenceError, paired_differences
from cutlayer.analysis.results.sweep_statistics import centre_and_interval


def figures(
    accuracy: Mapping[str, ArrayLike], latency_s: Mapping[str, ArrayLike] | None = None
) -> pd.DataFrame:
    """Return the rows of one experiment from each label's figures by seed."""
    latency_s = latency_s or {label: np.ones(len(np.asarray(values))) for label, values in accuracy.items()}
    tables = [
        pd.DataFrame(
            {
                "experiment": "study",
                "label": label,
                "scheme": label.split()[0],
                "seed": np.arange(len(np.asarray(values))),
                "final_accuracy": np.asarray(values, dtype=float),
                "mean_latency_s": np.asarray(latency_s[label], dtype=float),
            }
        )
        for label, values in accuracy.items()
    ]
    return pd.concat(tables, ignore_index=True)


def row(table: pd.DataFrame, label: str) -> dict[str, Any]:
    """Return the row of a label."""
    (values,) = table[table["label"] == label].to_dict("records")
    return {str(key): value for key, value in values.items()}


def test_the_interval_is_that_of_the_paired_t_test() -> None:
    """A difference has the interval of SciPy's paired t-test, and a ratio that of the one-sample t-test."""
    rng = np.random.default_rng(1)
    accuracy = {"sl": rng.uniform(0.8, 1, 7), "psl": rng.uniform(0.7, 0.9, 7)}
    latency_s = {"sl": rng.uniform(2, 4, 7), "psl": rng.uniform(1, 2, 7)}
    actual = row(paired_differences(figures(accuracy, latency_s)), "psl")

    test = stats.ttest_rel(accuracy["psl"], accuracy["sl"]).confidence_interval(0.95)
    interval = (actual["accuracy_change_low"], actual["accuracy_change_high"])
    assert (test.low, test.high) == pytest.approx(interval, rel=1e-9)
    percent = 100 * (latency_s["psl"] / latency_s["sl"] - 1)
    one = stats.ttest_1samp(percent, 0).confidence_interval(0.95)
    names = ("latency_change_percent_low", "latency_change_percent_high")
    assert (one.low, one.high) == pytest.approx([actual[name] for name in names], rel=1e-9)
    assert percent.mean() == pytest.approx(actual["latency_change_percent"], rel=1e-12)
    assert ("sl", 7) == (actual["reference"], actual["pairs"])


def test_an_effect_of_the_seed_on_all_schemes_cancels() -> None:
    """A gain that both schemes have at a seed changes neither the difference nor its interval."""
    rng = np.random.default_rng(2)
    accuracy = {"sl": rng.uniform(0.4, 0.5, 5), "psl": rng.uniform(0.3, 0.4, 5)}
    common = rng.uniform(0, 0.4, 5)
    apart = paired_differences(figures(accuracy))
    together = paired_differences(figures({label: values + common for label, values in accuracy.items()}))
    pd.testing.assert_frame_equal(apart, together, rtol=1e-9)


def test_the_interval_has_its_stated_coverage() -> None:
    """In 2000 studies of five seeds, 95 % of the intervals contain the true difference, within 3 sigma."""
    rng = np.random.default_rng(3)
    draws = rng.normal(0.1, 0.02, (2000, 5))
    bounds = [centre_and_interval(pd.Series(values)) for values in draws]
    share = np.mean([low <= 0.1 <= high for _, low, high in bounds])
    assert abs(share - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 2000)


def test_the_interval_of_the_median_has_at_least_its_stated_coverage() -> None:
    """In 95 % or more of 1000 studies the interval contains the median of a skewed distribution."""
    rng = np.random.default_rng(4)
    bounds = [centre_and_interval(pd.Series(values), "median") for values in rng.lognormal(size=(1000, 15))]
    share = np.mean([low <= 1.0 <= high for _, low, high in bounds])
    assert share > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 1000)


def test_an_interval_needs_two_seeds() -> None:
    """Two seeds give a difference and one gives none; the reference has no difference to itself."""
    columns = ["latency_change_percent", "accuracy_change", "accuracy_change_low"]
    assert paired_differences(figures({"sl": [0.9], "psl": [0.8]}))[columns].isna().all(axis=None)
    two = paired_differences(figures({"sl": [0.9, 0.8], "psl": [0.8, 0.8]})).set_index("label")[columns]
    assert two.loc["psl"].notna().all()
    assert two.loc["sl"].isna().all()


def test_the_default_reference_is_sl() -> None:
    """The default is SL if it is present, and otherwise the first scheme; an unknown label is an error."""
    table = figures({"psl": [0.9, 0.8], "sl": [0.8, 0.8]})
    assert {"sl"} == set(paired_differences(table)["reference"])
    assert {"psl"} == set(paired_differences(table, "psl")["reference"])
    without = figures({"psl": [0.9, 0.8], "fl": [0.8, 0.8]})
    assert {"psl"} == set(paired_differences(without)["reference"])
    with pytest.raises(UnknownReferenceError, match="no scheme is labelled 'slow'; labels: psl, sl"):
        paired_differences(table, "slow")


def test_only_seeds_that_both_have_are_paired() -> None:
    """A seed without one of the schemes, or without an accuracy, is no pair."""
    table = figures({"sl": [0.9, 0.8, 0.7, np.nan], "psl": [0.8, 0.6, 0.4]})
    actual = row(paired_differences(table), "psl")
    assert 3 == actual["pairs"]
    assert pytest.approx(-0.2) == actual["accuracy_change"]
