"""Laws of the local search: never worse than its start, always feasible, and reproducible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cutlayer.sim.allocation.workflow.local_search import search
from cutlayer.sim.allocation.workflow.optimum import optimal
from cutlayer.sim.allocation.workflow.schedule import first_come_first_served, fixed_order
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
def test_the_search_is_never_worse_than_its_start(
    seed: int, owners: int, helpers: int, ordered: bool
) -> None:
    """From any assignment and order the makespan does not grow, the result is feasible and reproducible."""
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
        start = fixed_order(problem, helper, last_first)
    workflow = search(problem, start)
    assert workflow.makespan_s <= start.makespan_s
    assert_possible(problem, workflow)
    assert workflow.order is not None
    assert fixed_order(problem, workflow.helper, workflow.order).makespan_s == workflow.makespan_s
    again = search(problem, start)
    np.testing.assert_array_equal(workflow.helper, again.helper)
    assert workflow.order == again.order


def test_owners_move_to_idle_helpers() -> None:
    """Six equal owners on one of three equal helpers end up two on each: forward 0-2 s, backward 2-4 s."""
    problem = plain_problem([0.0] * 6, helpers=3)
    start = first_come_first_served(problem, np.zeros(6, dtype=np.intp))
    assert 12.0 == start.makespan_s
    workflow = search(problem, start, max_restarts=0)
    assert 4.0 == workflow.makespan_s
    np.testing.assert_array_equal([2, 2, 2], np.bincount(workflow.helper))


def test_the_owner_with_the_longest_tail_goes_first() -> None:
    """Owner 1 takes 10 s after its backward task; with its tasks first it is done at 12 s, as if alone."""
    problem = plain_problem([0.0, 0.0])
    problem = replace(problem, after_s=np.array([[0.0], [10.0]]))
    start = first_come_first_served(problem, np.zeros(2, dtype=np.intp))
    assert 14.0 == start.makespan_s
    assert 12.0 == search(problem, start).makespan_s


def test_the_search_starts_from_the_order_of_its_start() -> None:
    """From an optimal workflow the search returns the same makespan."""
    for seed in range(30):
        problem = random_problem(seed, 5, 2, capacity=(20, 21))
        best, _ = optimal(problem, time_limit_s=60.0)
        assert best.makespan_s == search(problem, best, max_restarts=0).makespan_s


def test_owners_swap_where_none_can_move() -> None:
    """Both helpers are full and each owner is fast on the other one: a swap gives 2 s instead of 20 s."""
    problem = plain_problem([0.0, 0.0], helpers=2)
    slow_s = np.array([[10.0, 1.0], [1.0, 10.0]])
    problem = replace(problem, forward_s=slow_s, backward_s=slow_s, capacity_bits=np.ones(2))
    start = first_come_first_served(problem, np.array([0, 1]))
    assert 20.0 == start.makespan_s
    assert 2.0 == search(problem, start, max_restarts=0).makespan_s
