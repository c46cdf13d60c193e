"""Traces of steps: work is the integral of the capacity, in one pass or over and over again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.sim.nodes.capacity import PiecewiseCapacity, piecewise_duration_s
from cutlayer.sim.nodes.step_trace import StepTrace
from tests.support.worlds import positive


@st.composite
def traces(draw: st.DrawFn) -> StepTrace:
    """Return a trace with pauses, which is repeated or keeps its last value; some value is not 0."""
    lengths_s = draw(st.lists(positive(1e-2, 1e1), min_size=1, max_size=6))
    values = draw(st.lists(st.one_of(st.just(0.0), positive(1e-1, 1e3)), min_size=len(lengths_s)))
    values = [*values[: len(lengths_s) - 1], draw(positive(1e-1, 1e3))]
    ends_s = np.cumsum(lengths_s).tolist()
    return StepTrace([0.0, *ends_s[:-1]], values, ends_s[-1] if draw(st.booleans()) else math.inf)


@given(traces(), st.floats(0, 100), positive(1e-3, 1e5))
def test_a_duration_is_that_of_the_integral_step_by_step(
    trace: StepTrace, start_s: float, work: float
) -> None:
    """The closed form agrees with a walk from step to step: in both durations exactly this work is done.

    Work that ends where a pause begins may end behind the pause in one of them, by rounding.
    """
    durations_s = trace.duration_s(start_s, work), piecewise_duration_s(trace.at, start_s, work)
    done = [trace.done(start_s, start_s + duration_s) for duration_s in durations_s]
    assert [work, work] == pytest.approx(done, rel=1e-9, abs=1e-7)
    earlier_s = min(durations_s) - 1e-6
    assert trace.done(start_s, start_s + earlier_s) < work


@given(traces(), st.floats(0, 100), positive(1e-3, 1e2))
def test_work_between_two_instants_is_the_sum_over_the_steps(
    trace: StepTrace, start_s: float, long_s: float
) -> None:
    """The closed form agrees with the sum of value times length."""
    expected = PiecewiseCapacity.done(trace, start_s, start_s + long_s)
    assert expected == pytest.approx(trace.done(start_s, start_s + long_s), rel=1e-9, abs=1e-7)


@given(traces(), st.floats(0, 1e6))
def test_each_change_lies_after_the_instant(trace: StepTrace, time_s: float) -> None:
    """A walk from change to change always goes on."""
    assert trace.at(time_s)[1] > time_s


def test_a_repeated_trace_by_hand() -> None:
    """Rates 2, 0, 1 for one second each, again and again: 3 bits a period."""
    trace = StepTrace([0.0, 1.0, 2.0], [2.0, 0.0, 1.0], 3.0)
    assert 1.0 == trace.mean
    assert [1.0, 2.5, 3.0, 3.25, 30.0] == [trace.duration_s(0.0, bits) for bits in (2.0, 2.5, 3.0, 3.5, 30.0)]
    assert [1.5, 3.0] == [trace.duration_s(1.0, bits) for bits in (0.5, 3.0)]
    assert 3.0 == trace.done(100.0, 103.0)


def test_a_trace_that_ends_in_a_pause_never_does_more() -> None:
    """After 2 bits nothing more is sent, however long one waits."""
    trace = StepTrace([0.0, 1.0], [2.0, 0.0])
    assert 1.0 == trace.duration_s(0.0, 2.0)
    assert math.inf == trace.duration_s(0.0, 2.5)
    assert math.inf == trace.duration_s(5.0, 1e-3)
    assert 0.0 == trace.duration_s(5.0, 0.0)


def test_the_mean_of_a_trace() -> None:
    """The mean is over the time up to the last instant, and the last value if that mean is 0."""
    assert 3.0 == StepTrace([0.0, 1.0, 2.0], [2.0, 4.0, 100.0]).mean
    assert 5.0 == StepTrace([0.0], [5.0]).mean
    assert 7.0 == StepTrace([0.0, 3.0], [0.0, 7.0]).mean
