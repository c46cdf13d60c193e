"""Laws of capacities: the end of an activity, its truncation, and the product of several capacities."""

from __future__ import annotations

import math
from bisect import bisect_right

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.sim.nodes.capacity import CombinedCapacity, PiecewiseCapacity, fractions_at, stretched_s
from tests.support.worlds import positive


class Steps(PiecewiseCapacity):
    """A capacity that has these values in one block after the other; the last one stays."""

    def __init__(self, edges_s: list[float], values: list[float]) -> None:
        self.edges_s, self.values = edges_s, values

    def at(self, time_s: float) -> tuple[float, float]:
        """Return the value at an instant, and the end of its block."""
        block = bisect_right(self.edges_s, time_s)
        return self.values[block], [*self.edges_s, math.inf][block]


@st.composite
def capacities(draw: st.DrawFn) -> Steps:
    """Return a capacity of several blocks, the last of which is not zero."""
    lengths_s = draw(st.lists(positive(0.01, 10), max_size=6))
    values = [draw(st.one_of(st.just(0.0), positive(0.1, 10))) for _ in lengths_s]
    return Steps(np.cumsum(lengths_s).tolist(), [*values, draw(positive(0.1, 10))])


@given(capacities(), st.floats(0, 50), positive(0.01, 50))
def test_work_takes_the_time_in_which_it_is_done(trace: Steps, start_s: float, work: float) -> None:
    """The work that is done in an activity's duration is the activity's work."""
    duration_s = trace.duration_s(start_s, work)
    assert work == pytest.approx(trace.done(start_s, start_s + duration_s), rel=1e-9, abs=1e-9)


@given(capacities(), capacities(), st.floats(0, 50), positive(0.01, 20))
def test_capacities_multiply(one: Steps, other: Steps, start_s: float, length_s: float) -> None:
    """The capacity is the product up to its next change, which a factor of 0 puts off; so is the work."""
    both = CombinedCapacity([one, other])
    capacity, until_s = both.at(start_s)
    assert one.at(start_s)[0] * other.at(start_s)[0] == capacity
    each = [one.at(start_s), other.at(start_s)]
    stopped_s = [until for value, until in each if not value]
    assert (max(stopped_s) if stopped_s else min(until for _, until in each)) == until_s
    end_s = min(start_s + length_s, until_s)
    assert capacity * (end_s - start_s) == both.done(start_s, end_s)


@given(capacities(), st.floats(0, 20), positive(0.01, 20), st.floats(0.05, 0.95))
def test_a_stopped_computation_pays_for_its_work_and_a_transfer_for_its_time(
    trace: Steps, start_s: float, work: float, share: float
) -> None:
    """Both have done the integral of the capacity up to that instant."""
    (duration_s,) = stretched_s([trace], np.array([start_s]), np.array([work])).tolist()
    end_s = start_s + duration_s
    time_s = start_s + share * (end_s - start_s)
    times = (time_s, np.array([start_s]), np.array([end_s]), [trace])
    done = trace.done(start_s, time_s) / trace.done(start_s, end_s)
    assert ([done], [done]) == tuple(values.tolist() for values in fractions_at(*times, "compute"))
    elapsed = (time_s - start_s) / (end_s - start_s)
    assert ([done], [elapsed]) == tuple(values.tolist() for values in fractions_at(*times, "uplink"))


def test_a_constant_capacity_does_its_work_evenly() -> None:
    """Without a trace, an activity from 2 to 6 s is a quarter done at 3 s; durations stay as they are."""
    work, energy = fractions_at(3.0, np.array([2.0]), np.array([6.0]), [None], "uplink")
    assert ([0.25], [0.25]) == (work.tolist(), energy.tolist())
    assert [4.0] == stretched_s([None], np.array([2.0]), np.array([4.0])).tolist()


def test_work_without_end_takes_infinitely_long() -> None:
    """A capacity that stays 0 from 1 s on does 2 units of work by then, and no more."""
    trace = Steps([1.0], [2.0, 0.0])
    assert 1.0 == trace.duration_s(0.0, 2.0)
    assert math.inf == trace.duration_s(0.0, 2.5)
    assert 0.0 == trace.duration_s(5.0, 0.0)
