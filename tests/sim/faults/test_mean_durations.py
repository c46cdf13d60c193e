"""The mean duration of a computation under slow-downs: the closed form, its limits, and simulated traces."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.random_streams import stream
from cutlayer.sim.faults.mean_durations import slowdown_mean_s
from cutlayer.sim.faults.slowdown import SlowdownTrace
from tests.support.worlds import experiment, positive

FACTORS, DURATIONS_S, WORKS_S = st.floats(1.0, 100.0), positive(1e-3, 1e3), positive(1e-6, 1e4)


def mean_s(work_s: float, factor: float, mean_normal_s: float, mean_slow_s: float) -> float:
    """Return the mean duration of one computation."""
    return float(slowdown_mean_s(np.array([work_s]), factor, mean_normal_s, mean_slow_s)[0])


@pytest.mark.parametrize("work_s", [0.01, 0.5, 4.0])
def test_the_mean_is_that_of_simulated_slow_downs(work_s: float) -> None:
    """The mean over independent traces agrees with the closed form within four standard errors."""
    traces = [SlowdownTrace(8.0, 2.0, 0.5, stream(seed, "slowdown", 0)) for seed in range(4000)]
    durations_s = np.array([trace.duration_s(0.0, work_s) for trace in traces])
    error_s = durations_s.std(ddof=1) / math.sqrt(len(durations_s))
    assert abs(durations_s.mean() - mean_s(work_s, 8.0, 2.0, 0.5)) < 4 * error_s


@given(FACTORS, DURATIONS_S, DURATIONS_S)
def test_short_work_takes_the_mean_of_both_speeds(factor: float, normal_s: float, slow_s: float) -> None:
    """Work that ends in the state in which it begins takes w(1 + p(K − 1)), with the slow state's share p."""
    work_s = 1e-9 * min(normal_s, slow_s) / factor
    share = slow_s / (normal_s + slow_s)
    expected_s = work_s * (1 + share * (factor - 1))
    assert expected_s == pytest.approx(mean_s(work_s, factor, normal_s, slow_s), rel=1e-6)


@given(FACTORS, DURATIONS_S, DURATIONS_S)
def test_long_work_takes_its_time_at_the_mean_speed(factor: float, normal_s: float, slow_s: float) -> None:
    """Work over many states takes w over the mean speed (1 − p) + p/K."""
    work_s = 1e7 * (normal_s + slow_s)
    share = slow_s / (normal_s + slow_s)
    expected_s = work_s / (1 - share + share / factor)
    assert expected_s == pytest.approx(mean_s(work_s, factor, normal_s, slow_s), rel=1e-4)


@given(FACTORS, DURATIONS_S, DURATIONS_S, WORKS_S)
def test_the_mean_lies_between_both_speeds(
    factor: float, normal_s: float, slow_s: float, work_s: float
) -> None:
    """The mean duration lies between that at the normal and that at the slow speed."""
    assert work_s * (1 - 1e-9) <= mean_s(work_s, factor, normal_s, slow_s) <= work_s * factor * (1 + 1e-9)


@given(DURATIONS_S, DURATIONS_S, WORKS_S)
def test_a_factor_of_one_changes_no_bit(normal_s: float, slow_s: float, work_s: float) -> None:
    """A slow state that is as fast as the normal one leaves the duration as it is."""
    assert work_s == mean_s(work_s, 1.0, normal_s, slow_s)


def test_a_slow_state_without_end_is_the_only_one() -> None:
    """A device that never leaves the slow state always takes K times as long."""
    assert 16.0 == pytest.approx(mean_s(2.0, 8.0, 5.0, math.inf))


@pytest.mark.parametrize(
    ("scheme", "computations"), [({"name": "fl", "local_steps": 3}, 6), ("sl", 6), ("psl", 2)], ids=str
)
def test_each_computation_has_the_mean_delay(scheme: Any, computations: int) -> None:
    """Under delays that are long beside all else, a planned round is as many mean delays long.

    The three devices take turns in SL, and compute side by side in the other schemes.
    """
    sections: dict[str, Any] = {"schemes": [scheme], "allocation": {"cut": 2, "plan_for": "mean"}}
    noise = {"compute_noise": {"exponential": {"mean_s": 1e6}}}
    ((_, plan),) = experiment(**sections, stragglers=noise).schemes
    assert computations == pytest.approx(plan.planned_round_s / 1e6, rel=1e-3)
