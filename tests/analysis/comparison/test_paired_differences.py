"""Laws of the paired comparison: its intervals are the t-test's, and cover as often as they say."""

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
    """Return rows of one experiment; each scheme's figures are by seed."""
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
    (found,) = table[table["label"] == label].to_dict("records")
    return {str(key): value for key, value in found.items()}


def test_the_interval_is_that_of_the_paired_t_test() -> None:
    """A difference has the interval of scipy's paired t-test; a ratio that of its one-sample test."""
    rng = np.random.default_rng(1)
    accuracy = {"sl": rng.uniform(0.8, 1, 7), "psl": rng.uniform(0.7, 0.9, 7)}
    latency_s = {"sl": rng.uniform(2, 4, 7), "psl": rng.uniform(1, 2, 7)}
    found = row(paired_differences(figures(accuracy, latency_s)), "psl")

    test = stats.ttest_rel(accuracy["psl"], accuracy["sl"]).confidence_interval(0.95)
    interval = (found["accuracy_change_low"], found["accuracy_change_high"])
    assert (test.low, test.high) == pytest.approx(interval, rel=1e-9)
    percent = 100 * (latency_s["psl"] / latency_s["sl"] - 1)
    one = stats.ttest_1samp(percent, 0).confidence_interval(0.95)
    names = ("latency_change_percent_low", "latency_change_percent_high")
    assert (one.low, one.high) == pytest.approx([found[name] for name in names], rel=1e-9)
    assert percent.mean() == pytest.approx(found["latency_change_percent"], rel=1e-12)
    assert ("sl", 7) == (found["reference"], found["pairs"])


def test_what_a_seed_is_worth_to_all_drops_out() -> None:
    """A share that both schemes gain at a seed changes neither the difference nor its interval."""
    rng = np.random.default_rng(2)
    accuracy = {"sl": rng.uniform(0.4, 0.5, 5), "psl": rng.uniform(0.3, 0.4, 5)}
    common = rng.uniform(0, 0.4, 5)
    apart = paired_differences(figures(accuracy))
    together = paired_differences(figures({label: values + common for label, values in accuracy.items()}))
    pd.testing.assert_frame_equal(apart, together, rtol=1e-9)


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Of 2000 studies of five seeds, 95 % of the intervals hold the true difference, within 3 sigma."""
    rng = np.random.default_rng(3)
    draws = rng.normal(0.1, 0.02, (2000, 5))
    bounds = [centre_and_interval(pd.Series(values)) for values in draws]
    share = np.mean([low <= 0.1 <= high for _, low, high in bounds])
    assert abs(share - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 2000)


def test_the_medians_interval_covers_at_least_as_often() -> None:
    """Order statistics cover the median of a skewed distribution in 95 % or more of 1000 studies."""
    rng = np.random.default_rng(4)
    bounds = [centre_and_interval(pd.Series(values), "median") for values in rng.lognormal(size=(1000, 15))]
    share = np.mean([low <= 1.0 <= high for _, low, high in bounds])
    assert share > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 1000)


def test_an_interval_needs_two_seeds() -> None:
    """One seed gives no difference, two give one; the reference has none to itself."""
    columns = ["latency_change_percent", "accuracy_change", "accuracy_change_low"]
    assert paired_differences(figures({"sl": [0.9], "psl": [0.8]}))[columns].isna().all(axis=None)
    two = paired_differences(figures({"sl": [0.9, 0.8], "psl": [0.8, 0.8]})).set_index("label")[columns]
    assert two.loc["psl"].notna().all()
    assert two.loc["sl"].isna().all()


def test_the_reference_is_sl_unless_named() -> None:
    """SL where there is one, else the first scheme, else the one asked for; an unknown one is named."""
    table = figures({"psl": [0.9, 0.8], "sl": [0.8, 0.8]})
    assert {"sl"} == set(paired_differences(table)["reference"])
    assert {"psl"} == set(paired_differences(table, "psl")["reference"])
    without = figures({"psl": [0.9, 0.8], "fl": [0.8, 0.8]})
    assert {"psl"} == set(paired_differences(without)["reference"])
    with pytest.raises(UnknownReferenceError, match="no scheme is labelled 'slow'; labels: psl, sl"):
        paired_differences(table, "slow")


def test_only_seeds_that_both_have_are_paired() -> None:
    """A seed that one scheme lacks, or an accuracy that does not exist, is left out of the pairs."""
    table = figures({"sl": [0.9, 0.8, 0.7, np.nan], "psl": [0.8, 0.6, 0.4]})
    found = row(paired_differences(table), "psl")
    assert 3 == found["pairs"]
    assert pytest.approx(-0.2) == found["accuracy_change"]
