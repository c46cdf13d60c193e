"""Tests of the bracket of the time to the target accuracy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.analysis.results.target_brackets import target_bracket

TARGET = 0.8
ACCURACIES = st.lists(st.one_of(st.just(float("nan")), st.floats(0, 1)), min_size=1, max_size=20)


def rounds(accuracies: list[float]) -> pd.DataFrame:
    """Return rounds of 2 s each with these accuracies; NaN in rounds without an evaluation."""
    ends_s = 2.0 * np.arange(1, len(accuracies) + 1)
    return pd.DataFrame({"end_s": ends_s, "test_accuracy": np.array(accuracies, dtype=float)})


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([np.nan, 0.4, np.nan, 0.8, 0.6], (2, 4.0, 4, 8.0)),
        ([np.nan, 0.9], (0, 0.0, 2, 4.0)),
        ([0.4, np.nan, 0.5, np.nan], (3, 6.0, None, None)),
        ([0.4, 0.9, 0.5, 0.95], (1, 2.0, 2, 4.0)),
        ([np.nan, np.nan], (None, None, None, None)),
    ],
    ids=["between", "at the first evaluation", "not reached", "reached and lost again", "not evaluated"],
)
def test_the_bracket_is_of_evaluated_rounds(
    accuracies: list[float], expected: tuple[float | None, ...]
) -> None:
    """The ends are the last evaluated round below the target, and the first one at it."""
    bracket = target_bracket(rounds(accuracies), TARGET)
    names = ("rounds_below_target", "time_below_target_s", "rounds_to_target", "time_to_target_s")
    assert expected == tuple(bracket[name] for name in names)


@given(
    st.lists(st.one_of(st.just(float("nan")), st.floats(0, 1)), min_size=1, max_size=20), st.integers(1, 5)
)
def test_fewer_evaluations_never_narrow_a_rising_accuracy(accuracies: list[float], every: int) -> None:
    """If accuracy never falls, the bracket of every n-th evaluation contains that of all evaluations."""
    rising = np.fmax.accumulate(np.array([0.0, *accuracies]))
    sparse = np.where((np.arange(len(rising)) + 1) % every == 0, rising, np.nan)
    full, thin = (target_bracket(rounds(list(values)), TARGET) for values in (rising, sparse))
    if thin["rounds_below_target"] is not None:
        assert thin["rounds_below_target"] <= full["rounds_below_target"]
    if thin["rounds_to_target"] is not None:
        assert full["rounds_to_target"] is not None
        assert full["rounds_to_target"] <= thin["rounds_to_target"]


@given(ACCURACIES)
def test_no_round_within_the_bracket_was_evaluated(accuracies: list[float]) -> None:
    """Each evaluated round is at the lower end or before it, or at the upper end or after it."""
    bracket = target_bracket(rounds(accuracies), TARGET)
    below, at_target = bracket["rounds_below_target"], bracket["rounds_to_target"]
    evaluated = [number for number, value in enumerate(accuracies, start=1) if not np.isnan(value)]
    assert (below is None) == (not evaluated)
    for number in evaluated:
        assert number <= below or (at_target is not None and number >= at_target)


def test_rounds_that_diverged_are_below_the_target() -> None:
    """A diverged round counts as evaluated and below the target: a run that diverges at once is censored."""
    diverged = rounds([np.nan, np.nan]).assign(diverged=[True, True])
    bracket = target_bracket(diverged, TARGET)
    assert (2, 4.0, None) == tuple(
        bracket[name] for name in ("rounds_below_target", "time_below_target_s", "rounds_to_target")
    )
    recovered = rounds([0.5, np.nan, np.nan, 0.9]).assign(diverged=[False, True, True, False])
    assert (3, 4) == tuple(
        target_bracket(recovered, TARGET)[f"rounds_{end}_target"] for end in ("below", "to")
    )
