"""Slow-downs: what a trace does to a computation, and how often it is slow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.random_streams import stream
from cutlayer.sim.faults.slowdown import SlowdownTrace


def trace(seed: int, factor: float = 5.0, normal_s: float = 3.0, slow_s: float = 1.0) -> SlowdownTrace:
    """Return a trace of its own stream."""
    return SlowdownTrace(factor, normal_s, slow_s, stream(seed, "slowdown", 0))


@given(st.integers(0, 50), st.floats(0, 20), st.floats(0.01, 20), st.floats(0.01, 0.99))
def test_work_can_be_done_in_two_parts(seed: int, start_s: float, work_s: float, share: float) -> None:
    """Doing a part, and then the rest from where it ended, takes as long as all at once."""
    one = trace(seed)
    whole_s = one.duration_s(start_s, work_s)
    first_s = one.duration_s(start_s, share * work_s)
    rest_s = one.duration_s(start_s + first_s, (1 - share) * work_s)
    assert whole_s == pytest.approx(first_s + rest_s, rel=1e-9)
    assert work_s * (1 - 1e-12) <= whole_s <= 5 * work_s * (1 + 1e-12)


@given(st.integers(0, 50), st.lists(st.floats(0, 40), min_size=2, max_size=6))
def test_the_trace_does_not_depend_on_what_is_asked(seed: int, starts_s: list[float]) -> None:
    """Asking in another order gives the same answers: every scheme meets the same slow-downs."""
    forwards, backwards = trace(seed), trace(seed)
    answers = [forwards.duration_s(start_s, 1.0) for start_s in starts_s]
    assert answers == [backwards.duration_s(start_s, 1.0) for start_s in reversed(starts_s)][::-1]


def test_stays_are_exponential_draws_of_the_devices_stream() -> None:
    """However many are drawn at a time, stay after stay is the next draw of the stream, times its mean."""
    one, rng = trace(3), stream(3, "slowdown", 0)
    slow = bool(rng.uniform() < 1 / 4)
    one.duration_s(0.0, 50.0)
    switches_s, expected_s = one._normal_slow.switches_s, [0.0]
    while len(expected_s) < len(switches_s):
        expected_s.append(expected_s[-1] + rng.exponential(1.0 if slow else 3.0))
        slow = not slow
    assert len(switches_s) > 8
    assert expected_s == switches_s


def test_factor_one_changes_nothing() -> None:
    """A slow state that is as fast as the normal one takes no longer."""
    assert 7.0 == pytest.approx(trace(0, factor=1.0).duration_s(2.0, 7.0), rel=1e-12)


def test_share_and_length_of_slow_stays() -> None:
    """Over a long time the slow share is 1/(3+1); at time 0 already, over many devices."""
    assert 0.25 == pytest.approx(trace(1).slow_time_s(0.0, 40_000.0) / 40_000.0, abs=0.01)
    slow_at_zero = [trace(seed).duration_s(0.0, 1e-9) > 2e-9 for seed in range(2_000)]
    assert 0.25 == pytest.approx(np.mean(slow_at_zero), abs=0.03)


def test_mean_speed_over_a_long_time() -> None:
    """Work done in T seconds is T·(3/4 + 1/4·1/5), so W seconds of work take W/0.8."""
    assert 1 / 0.8 == pytest.approx(trace(2).duration_s(0.0, 20_000.0) / 20_000.0, rel=0.02)


@given(st.integers(0, 50), st.floats(0, 20), st.floats(0.01, 20))
def test_work_done_is_what_duration_asks_for(seed: int, start_s: float, work_s: float) -> None:
    """In the time that work takes, just that work is done."""
    one = trace(seed)
    end_s = start_s + one.duration_s(start_s, work_s)
    assert work_s == pytest.approx(one.done(start_s, end_s), rel=1e-9)


@given(st.integers(0, 50), st.floats(0, 2000), st.floats(0, 20))
def test_work_done_is_the_speed_summed_over_every_stay(seed: int, start_s: float, long_s: float) -> None:
    """All stays from 0 on, clipped to the two instants, add up to it: with two slow ones, to the bit."""
    one, end_s = trace(seed), start_s + long_s
    done = one.done(start_s, end_s)
    alternation = one._normal_slow
    stays_s = np.diff(np.clip(alternation.switches_s, start_s, end_s))
    slow_s = stays_s[[alternation.is_off(segment) for segment in range(len(stays_s))]]
    expected = end_s - start_s - slow_s.sum() * (1.0 - 1 / 5.0)
    assert expected == pytest.approx(done, rel=1e-12)
    if np.count_nonzero(slow_s) <= 2:
        assert expected == done


@given(st.integers(0, 50), st.floats(0, 40), st.floats(0, 20))
def test_work_done_does_not_depend_on_what_is_drawn(seed: int, start_s: float, long_s: float) -> None:
    """However far the trace has been drawn, the answer is the same to the bit."""
    short, far = trace(seed), trace(seed)
    far.duration_s(5000.0, 1.0)
    assert short.done(start_s, start_s + long_s) == far.done(start_s, start_s + long_s)
