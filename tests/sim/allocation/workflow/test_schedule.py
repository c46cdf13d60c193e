"""Laws of schedules: a helper does one task at a time, in order of arrival or in a fixed order."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.sim.allocation.workflow.problem import WorkflowProblem
from cutlayer.sim.allocation.workflow.schedule import first_come_first_served, fixed_order
from cutlayer.sim.planning_error import PlanningError
from tests.support.workflows import (
    assert_possible,
    every_assignment,
    plain_problem,
    random_problem,
    served_order,
)

SEEDS = st.integers(0, 2**32 - 1)
MIB = 8 * 2**20
ALONE = np.zeros(1, dtype=np.intp)


def on_first(problem: WorkflowProblem) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return the assignment of all owners to helper 0."""
    return np.zeros(problem.num_owners, dtype=np.intp)


def test_one_owner_alone_takes_the_sum_of_its_times() -> None:
    """The makespan of one owner is the sum of all times but the update, for which it does not wait."""
    problem = plain_problem([1.0], 2.0, 4.0, 8.0, 16.0, 32.0)
    workflow = first_come_first_served(problem, ALONE)
    assert 1.0 + 2.0 + 4.0 + 8.0 + 32.0 == workflow.makespan_s
    assert (1.0, 7.0) == (workflow.forward_start_s[0], workflow.backward_start_s[0])


def test_the_next_task_waits_for_the_update() -> None:
    """Owner 1 arrives during the backward task of owner 0 and begins after the update.

    Owner 0: forward 0-1, backward 1-2, update 2-7. Owner 1: forward 7-8, backward 8-9.
    """
    workflow = first_come_first_served(plain_problem([0.0, 1.5], update_s=5.0), np.zeros(2, dtype=np.intp))
    np.testing.assert_array_equal([0.0, 7.0], workflow.forward_start_s)
    np.testing.assert_array_equal([1.0, 8.0], workflow.backward_start_s)
    assert 9.0 == workflow.makespan_s


def test_ties_go_to_forward_tasks_and_then_to_the_lower_owner() -> None:
    """Tasks that arrive at 1 s run as forward of owner 1, forward of owner 2, backward of owner 0."""
    workflow = first_come_first_served(plain_problem([0.0, 1.0, 1.0]), np.zeros(3, dtype=np.intp))
    np.testing.assert_array_equal([0.0, 1.0, 2.0], workflow.forward_start_s)
    np.testing.assert_array_equal([3.0, 4.0, 5.0], workflow.backward_start_s)


@given(seed=SEEDS, owners=st.integers(1, 8), helpers=st.integers(1, 3))
def test_first_come_first_served_agrees_with_an_event_simulation(
    seed: int, owners: int, helpers: int
) -> None:
    """A SimPy resource begins every task at the same time."""
    problem = random_problem(seed, owners, helpers, whole=False, capacity=(100, 101))
    helper = np.random.default_rng(seed).integers(helpers, size=owners)
    env = simpy.Environment()
    queues = [simpy.Resource(env) for _ in range(helpers)]
    starts_s = np.zeros((2, owners))

    def owner(i: int) -> Generator[simpy.Event, None, None]:
        at = (i, helper[i])
        yield env.timeout(problem.ready_s[at])
        with queues[helper[i]].request() as turn:
            yield turn
            starts_s[0, i] = env.now
            yield env.timeout(problem.forward_s[at])
        yield env.timeout(problem.between_s[at])
        with queues[helper[i]].request() as turn:
            yield turn
            starts_s[1, i] = env.now
            yield env.timeout(problem.backward_s[at] + problem.update_s[at])

    for i in range(owners):
        env.process(owner(i))
    env.run()
    workflow = first_come_first_served(problem, helper)
    np.testing.assert_allclose(workflow.forward_start_s, starts_s[0], rtol=1e-12)
    np.testing.assert_allclose(workflow.backward_start_s, starts_s[1], rtol=1e-12)


@given(seed=SEEDS, owners=st.integers(1, 6), helpers=st.integers(1, 3))
def test_schedules_are_feasible(seed: int, owners: int, helpers: int) -> None:
    """No task begins before it arrives or during another; the makespan is the last owner's end."""
    problem = random_problem(seed, owners, helpers, capacity=(100, 101))
    for helper in every_assignment(problem)[:: max(1, helpers**owners // 10)]:
        workflow = first_come_first_served(problem, helper)
        assert_possible(problem, workflow)
        assert workflow.order is None
        backwards = tuple(
            (*((i, False) for i in owners_of[::-1]), *((i, True) for i in owners_of))
            for owners_of in (np.flatnonzero(helper == h).tolist() for h in range(helpers))
        )
        assert_possible(problem, fixed_order(problem, helper, backwards))


@given(seed=SEEDS, owners=st.integers(1, 6), helpers=st.integers(1, 3))
def test_the_order_of_arrival_gives_first_come_first_served(seed: int, owners: int, helpers: int) -> None:
    """A helper that keeps to the order of arrival begins every task at exactly the same time."""
    problem = random_problem(seed, owners, helpers, capacity=(100, 101))
    helper = np.random.default_rng(seed).integers(helpers, size=owners)
    served = first_come_first_served(problem, helper)
    order = served_order(problem, helper)
    workflow = fixed_order(problem, helper, order)
    assert served.makespan_s == workflow.makespan_s
    np.testing.assert_array_equal(served.forward_start_s, workflow.forward_start_s)
    np.testing.assert_array_equal(served.backward_start_s, workflow.backward_start_s)
    assert order == workflow.order


def test_a_fixed_order_is_kept_even_if_the_helper_must_wait() -> None:
    """With owner 1 first, which is ready at 10 s, owner 0 waits until 11 s."""
    problem = plain_problem([0.0, 10.0])
    order = (((1, False), (0, False), (0, True), (1, True)),)
    workflow = fixed_order(problem, np.zeros(2, dtype=np.intp), order)
    np.testing.assert_array_equal([11.0, 10.0], workflow.forward_start_s)
    np.testing.assert_array_equal([12.0, 13.0], workflow.backward_start_s)
    assert 14.0 == workflow.makespan_s


@pytest.mark.parametrize(
    "order",
    [
        ((0, False), (0, True)),
        ((0, False), (0, True), (1, False)),
        ((0, False), (0, True), (1, True), (1, False)),
        ((0, False), (0, True), (1, False), (1, True), (1, True)),
        ((0, False), (0, True), (2, False), (2, True)),
    ],
)
def test_an_order_must_have_every_task_once(order: tuple[tuple[int, bool], ...]) -> None:
    """A missing, repeated, foreign or too early task is refused; the error names the helper."""
    problem = plain_problem([0.0, 0.0])
    with pytest.raises(PlanningError, match=r"order of helper 0 .* owners \[0, 1\] once"):
        fixed_order(problem, on_first(problem), (order,))
    with pytest.raises(PlanningError, match="1 helpers need an order each, not 2 orders"):
        fixed_order(problem, on_first(problem), (order, ()))


def test_too_little_memory_and_unknown_helpers_are_refused() -> None:
    """The error has the needed memory and the capacity in MiB, or the range of the helpers' numbers."""
    problem = replace(
        plain_problem([0.0] * 3, helpers=2),
        memory_bits=np.full(3, 742.5 * MIB),
        capacity_bits=np.array([np.inf, 1000.0 * MIB]),
    )
    assert 6.0 == first_come_first_served(problem, np.zeros(3, dtype=np.intp)).makespan_s
    with pytest.raises(PlanningError, match=r"helper 1 has 1,000\.0 MiB; its 2 owners need 1,485\.0 MiB"):
        first_come_first_served(problem, np.array([0, 1, 1]))
    for wrong in ([0, 1, 2], [0, -1, 0], [0, 0]):
        with pytest.raises(PlanningError, match="3 owners need a helper from 0 to 1 each"):
            first_come_first_served(problem, np.array(wrong))


def test_memory_that_is_just_enough_is_accepted() -> None:
    """The rounding of a sum does not exceed the capacity."""
    problem = replace(plain_problem([0.0] * 3), memory_bits=np.full(3, 0.1), capacity_bits=np.array([0.3]))
    assert problem.memory_bits.sum() > 0.3
    assert 6.0 == first_come_first_served(problem, on_first(problem)).makespan_s


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "forward_s",
            np.ones((2, 1)),
            r"forward_s has the shape \(2, 1\); 2 owners and 2 helpers need \(2, 2\)",
        ),
        ("after_s", np.array([[0.0, 1.0], [-1.0, 0.0]]), r"after_s\[1, 0\] is -1; .* 0 or more"),
        ("update_s", np.full((2, 2), np.inf), r"update_s\[0, 0\] is inf"),
        ("memory_bits", np.array([1.0, np.nan]), r"memory_bits\[1\] is nan"),
        ("capacity_bits", np.array([1.0, np.nan]), r"capacity_bits\[1\] is nan"),
        ("memory_bits", np.zeros(0), "at least one owner and one helper, not 0 and 2"),
    ],
)
def test_problems_are_checked(field: str, value: Any, message: str) -> None:
    """A wrong shape, a negative time and a value that is not finite are refused with their index."""
    with pytest.raises(PlanningError, match=message):
        replace(plain_problem([0.0, 0.0], helpers=2), **{field: value})
