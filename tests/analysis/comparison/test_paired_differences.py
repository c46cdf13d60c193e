"""Tests of paired differences, of their confidence intervals, and of the order of times to the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import ArrayLike
from scipy import stats

from cutlayer.analysis.comparison.paired_differences import UnknownReferenceError, paired_differences
from cutlayer.analysis.results.confidence_intervals import Range, centre_and_interval


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
    """A difference has the confidence interval of SciPy's t-test, a ratio that of positive quantities."""
    rng = np.random.default_rng(1)
    accuracy = {"sl": rng.uniform(0.8, 1, 7), "psl": rng.uniform(0.7, 0.9, 7)}
    latency_s = {"sl": rng.uniform(2, 4, 7), "psl": rng.uniform(1, 2, 7)}
    actual = row(paired_differences(figures(accuracy, latency_s)), "psl")

    test = stats.ttest_rel(accuracy["psl"], accuracy["sl"]).confidence_interval(0.95)
    interval = (actual["accuracy_change_low"], actual["accuracy_change_high"])
    assert (test.low, test.high) == pytest.approx(interval, rel=1e-9)
    ratio = latency_s["psl"] / latency_s["sl"]
    centre, low, high = centre_and_interval(ratio, Range.POSITIVE)
    names = ("latency_change_percent", "latency_change_percent_low", "latency_change_percent_high")
    assert [100 * (x - 1) for x in (centre, low, high)] == pytest.approx([actual[n] for n in names], rel=1e-9)
    assert 100 * (ratio.mean() - 1) == pytest.approx(actual["latency_change_percent"], rel=1e-12)
    assert ("sl", 7) == (actual["reference"], actual["pairs"])


def test_an_effect_of_the_seed_on_all_schemes_cancels() -> None:
    """A gain that both schemes have at a seed changes neither the difference nor its confidence interval."""
    rng = np.random.default_rng(2)
    accuracy = {"sl": rng.uniform(0.4, 0.5, 5), "psl": rng.uniform(0.3, 0.4, 5)}
    common = rng.uniform(0, 0.4, 5)
    apart = paired_differences(figures(accuracy))
    together = paired_differences(figures({label: values + common for label, values in accuracy.items()}))
    pd.testing.assert_frame_equal(apart, together, rtol=1e-9)


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


@pytest.mark.parametrize("label", ["sl", "psl"])
def test_a_diverged_run_leaves_no_difference_of_accuracies(label: str) -> None:
    """If a run of the scheme or of the reference diverged, seeds without it are no fair sample."""
    table = figures({"sl": [0.9, 0.8, 0.7], "psl": [0.8, 0.6, 0.4], "fl": [0.8, 0.7, 0.5]})
    run = (table["label"] == label) & (table["seed"] == 2)
    table.loc[run, "final_accuracy"] = np.nan
    changes = paired_differences(table.assign(diverged_in_round=np.where(run, 3.0, np.nan)))
    assert np.isnan(row(changes, "psl")["accuracy_change"])
    assert np.isnan(row(changes, "psl")["accuracy_change_low"])
    assert 0 == row(changes, "psl")["latency_change_percent"]
    assert (label == "sl") == np.isnan(row(changes, "fl")["accuracy_change"])


def targets(**brackets: list[tuple[float, float]]) -> pd.DataFrame:
    """Return rows with each label's bracket of the time to the target by seed, [s]; NaN: not reached."""
    rows = figures({label: np.ones(len(by_seed)) for label, by_seed in brackets.items()})
    ends = np.array([ends for by_seed in brackets.values() for ends in by_seed])
    return rows.assign(time_below_target_s=ends[:, 0], time_to_target_s=ends[:, 1])


def test_overlapping_brackets_of_one_seed_leave_the_order_undecided() -> None:
    """At one seed, schemes have an order only if the bracket of one ends before that of the other begins."""
    table = paired_differences(targets(sl=[(1.0, 2.0)], psl=[(1.5, 2.5)], sfl=[(2.0, 3.0)]))
    undecided = dict(zip(table["label"], table["order_undecided_with"], strict=True))
    assert {"sl": "psl", "psl": "sl|sfl", "sfl": "psl"} == undecided
    assert [0, 0, 1] == table["target_later"].tolist()


def test_the_difference_of_times_to_target_covers_both_ends_of_the_brackets() -> None:
    """Wherever the true times are in their brackets, their confidence interval lies in the returned one."""
    rng = np.random.default_rng(5)
    below = {label: rng.uniform(1, 2, 6) for label in ("sl", "psl")}
    widths = {label: rng.uniform(0.1, 0.3, 6) for label in below}
    brackets = {label: list(zip(below[label], below[label] + widths[label], strict=True)) for label in below}
    actual = row(paired_differences(targets(**brackets)), "psl")
    at_ends = (below["psl"] + widths["psl"]) - (below["sl"] + widths["sl"])
    assert at_ends.mean() == pytest.approx(actual["time_to_target_change_s"], rel=1e-12)
    for share in (0.0, 0.3, 1.0):
        times = {label: below[label] + share * widths[label] for label in below}
        opposite = {label: below[label] + (1 - share) * widths[label] for label in below}
        for differences in (times["psl"] - times["sl"], times["psl"] - opposite["sl"]):
            test = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
            assert actual["time_to_target_change_s_low"] <= test.low + 1e-12
            assert test.high - 1e-12 <= actual["time_to_target_change_s_high"]


def test_a_censored_seed_counts_for_the_order_but_not_for_the_difference() -> None:
    """The difference is over seeds in which both reached the target; a longer run without it is later."""
    nan = float("nan")
    sl = [(1.0, 1.1), (1.0, 1.2), (1.1, 1.2), (0.9, 1.0)]
    psl = [(2.0, 2.1), (2.2, 2.3), (5.0, nan), (0.5, nan)]
    actual = row(paired_differences(targets(sl=sl, psl=psl)), "psl")
    assert (4, 2, 4, 0, 3) == tuple(
        actual[name] for name in ("pairs", "target_pairs", "target_seeds", "target_sooner", "target_later")
    )
    assert pytest.approx(((2.1 - 1.1) + (2.3 - 1.2)) / 2) == actual["time_to_target_change_s"]
    assert "sl" == actual["order_undecided_with"]  # the last seed ended before the reference reached it
    few = row(paired_differences(targets(sl=sl[:3], psl=psl[:3])), "psl")
    assert "sl" == few["order_undecided_with"]  # three seeds agree by chance with a probability of 25 %
    decided = row(paired_differences(targets(sl=sl[:3] * 2, psl=psl[:3] * 2)), "psl")
    assert "" == decided["order_undecided_with"]


def test_seeds_that_disagree_leave_the_order_undecided() -> None:
    """If the confidence interval of the mean difference contains 0, the seeds decide no order."""
    sl = [(1.0, 1.1)] * 4
    psl = [(0.5, 0.6), (1.6, 1.7), (0.7, 0.8), (1.3, 1.4)]
    actual = row(paired_differences(targets(sl=sl, psl=psl)), "psl")
    assert (2, 2) == (actual["target_sooner"], actual["target_later"])
    assert "sl" == actual["order_undecided_with"]
    earlier = [(0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.5, 0.6)]
    assert "" == row(paired_differences(targets(sl=sl, psl=earlier)), "psl")["order_undecided_with"]


def test_schemes_that_never_reach_the_target_have_no_order() -> None:
    """A time to the target that no seed has is neither undecided nor compared."""
    nan = float("nan")
    table = paired_differences(targets(sl=[(1.0, nan), (2.0, nan)], psl=[(3.0, nan), (3.0, nan)]))
    assert ["", ""] == table["order_undecided_with"].tolist()
    assert [0, 0] == table["target_pairs"].tolist()


def test_a_change_of_latency_is_never_below_minus_100_percent() -> None:
    """Ratios that differ by orders of magnitude between the seeds have a confidence interval above -100 %."""
    latency_s = {"sl": [1.0, 1.0, 1.0], "psl": [0.001, 0.002, 3.0]}
    actual = row(paired_differences(figures({"sl": [0.9] * 3, "psl": [0.9] * 3}, latency_s)), "psl")
    assert -100 < actual["latency_change_percent_low"] < actual["latency_change_percent"]


@pytest.mark.parametrize(("seeds", "undecided"), [(5, True), (6, False)])
def test_without_all_times_only_six_agreeing_seeds_decide_an_order(seeds: int, undecided: bool) -> None:
    """If a seed did not reach the target, all must agree, and enough of them for a sign test at 5 %."""
    brackets = {"sl": [(1.0, 2.0)] * seeds, "psl": [(3.0, 4.0)] * (seeds - 1) + [(5.0, np.nan)]}
    changes = row(paired_differences(targets(**brackets)), "psl")
    assert (seeds, seeds - 1) == (changes["target_later"], changes["target_pairs"])
    assert undecided == bool(changes["order_undecided_with"])


def test_seeds_that_diverged_at_once_count_as_later() -> None:
    """A scheme that diverged in three of five seeds is not sooner, however early it was in the other two."""
    brackets = {"sl": [(1.0, 2.0)] * 5, "psl": [(0.2, 0.5)] * 2 + [(2.5, np.nan)] * 3}
    changes = row(paired_differences(targets(**brackets)), "psl")
    assert (5, 2, 3) == tuple(changes[f"target_{name}"] for name in ("seeds", "sooner", "later"))
    assert "sl" == changes["order_undecided_with"]
