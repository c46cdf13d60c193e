"""Laws of the local search: never worse than its start, always possible, and always the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cutlayer.sim.allocation.workflow import local_search as workflow_search
from cutlayer.sim.allocation.workflow.local_search import improved
from cutlayer.sim.allocation.workflow.optimum import optimal
from cutlayer.sim.allocation.workflow.schedule import first_come_first_served, in_order
from tests.support.workflows import (
    assert_possible,
    every_assignment,
    plain_problem,
    random_problem,
    served_order,
)

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=30)
@given(seed=SEEDS, owners=st.integers(1, 6), helpers=st.integers(1, 3), ordered=st.booleans())
def test_it_is_never_worse_than_its_start(seed: int, owners: int, helpers: int, ordered: bool) -> None:
    """From any assignment and order the makespan does not grow; memory holds; it is that of the order."""
    problem = random_problem(seed, owners, helpers)
    fitting = every_assignment(problem)
    assume(fitting)
    helper = fitting[seed % len(fitting)]
    start = first_come_first_served(problem, helper)
    if ordered:
        last_first = tuple(
            tuple((i, back) for back in (False, True) for i in sorted({i for i, _ in tasks}, reverse=True))
            for tasks in served_order(problem, helper)
        )
        start = in_order(problem, helper, last_first)
    found = improved(problem, start)
    assert found.makespan_s <= start.makespan_s
    assert_possible(problem, found)
    assert found.order is not None
    assert in_order(problem, found.helper, found.order).makespan_s == found.makespan_s
    again = improved(problem, start)
    np.testing.assert_array_equal(found.helper, again.helper)
    assert found.order == again.order


@pytest.fixture
def steps_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the random assignments from which small instances are searched again."""
    monkeypatch.setattr(workflow_search, "RESTARTS", 0)


@pytest.mark.usefixtures("steps_alone")
def test_work_moves_to_helpers_that_are_idle() -> None:
    """Six alike owners, all on one of three equal helpers, end up two on each: forward 0-2, backward 2-4."""
    problem = plain_problem([0.0] * 6, helpers=3)
    start = first_come_first_served(problem, np.zeros(6, dtype=np.intp))
    assert 12.0 == start.makespan_s
    found = improved(problem, start)
    assert 4.0 == found.makespan_s
    np.testing.assert_array_equal([2, 2, 2], np.bincount(found.helper))


def test_who_has_most_to_do_afterwards_goes_first() -> None:
    """Owner 1 takes 10 s after its backward task: its tasks first and it is done at 12, as if alone."""
    problem = plain_problem([0.0, 0.0])
    problem = replace(problem, after_s=np.array([[0.0], [10.0]]))
    start = first_come_first_served(problem, np.zeros(2, dtype=np.intp))
    assert 14.0 == start.makespan_s
    assert 12.0 == improved(problem, start).makespan_s


@pytest.mark.usefixtures("steps_alone")
def test_it_begins_with_the_order_that_it_is_given() -> None:
    """From the best workflow there is, single steps come to no other makespan."""
    for seed in range(30):
        problem = random_problem(seed, 5, 2, capacity=(20, 21))
        best, _ = optimal(problem, time_limit_s=60.0)
        assert best.makespan_s == improved(problem, best).makespan_s


@pytest.mark.usefixtures("steps_alone")
def test_owners_change_places_where_none_can_move() -> None:
    """Both helpers are full; each owner is quick on the other's helper: 2 s instead of 20."""
    problem = plain_problem([0.0, 0.0], helpers=2)
    slow_s = np.array([[10.0, 1.0], [1.0, 10.0]])
    problem = replace(problem, forward_s=slow_s, backward_s=slow_s, capacity_bits=np.ones(2))
    start = first_come_first_served(problem, np.array([0, 1]))
    assert 20.0 == start.makespan_s
    assert 2.0 == improved(problem, start).makespan_s
