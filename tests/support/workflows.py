"""Workflow problems for tests, all assignments and orders by enumeration, and a check of schedules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.allocation.workflow.problem import WorkflowProblem
from cutlayer.sim.allocation.workflow.schedule import HelperTimes, Order, Task, Workflow
from cutlayer.sim.planning_error import PlanningError

__all__ = [
    "assert_possible",
    "every_assignment",
    "every_order",
    "plain_problem",
    "random_problem",
    "served_order",
    "shortest_s",
]

SCALES_S = (3, 10, 1000)


def plain_problem(
    ready_s: Sequence[float],
    forward_s: float = 1.0,
    between_s: float = 0.0,
    backward_s: float = 1.0,
    update_s: float = 0.0,
    after_s: float = 0.0,
    helpers: int = 1,
) -> WorkflowProblem:
    """Return a problem whose owners differ only in ready_s, on equal helpers without memory limits."""
    shape = (len(ready_s), helpers)
    times = (np.full(shape, value) for value in (forward_s, between_s, backward_s, update_s, after_s))
    ready = np.repeat(np.array(ready_s, dtype=np.float64)[:, np.newaxis], helpers, axis=1)
    return WorkflowProblem(*[ready, *times, np.ones(len(ready_s)), np.full(helpers, np.inf)])


def random_problem(
    seed: int, owners: int, helpers: int, *, whole: bool = True, capacity: tuple[int, int] = (4, 13)
) -> WorkflowProblem:
    """Return a problem of independent random times, each kind with its own scale, and scarce memory.

    Times in whole seconds may be zero and have ties; other times have none.
    """
    rng = np.random.default_rng(seed)
    times = []
    for top in rng.choice(SCALES_S, 6):
        values_s = rng.uniform(0, top, (owners, helpers))
        times.append(np.round(values_s) if whole else values_s)
    memory = rng.integers(1, 5, owners).astype(float)
    capacity_bits = rng.integers(*capacity, helpers).astype(float)
    return WorkflowProblem(*[*times, memory, capacity_bits])


def every_assignment(problem: WorkflowProblem) -> list[NDArray[np.intp]]:
    """Return all assignments that fit into the memory."""
    assignments = []
    for helper in product(range(problem.num_helpers), repeat=problem.num_owners):
        try:
            problem.check_memory(np.array(helper, dtype=np.intp))
        except PlanningError:
            continue
        assignments.append(np.array(helper, dtype=np.intp))
    return assignments


def every_order(owners: Sequence[int]) -> Iterator[tuple[Task, ...]]:
    """Yield the orders in which each owner's forward task comes before its backward task."""
    for order in permutations(product(owners, (False, True))):
        if all(order.index((owner, False)) < order.index((owner, True)) for owner in owners):
            yield order


def shortest_s(problem: WorkflowProblem) -> float:
    """Return the least makespan of all assignments and orders; infinity if none fits."""
    queues: dict[tuple[int, tuple[int, ...]], float] = {}
    least_s = np.inf
    for helper in every_assignment(problem):
        ends_s = []
        for h in range(problem.num_helpers):
            owners = tuple(np.flatnonzero(helper == h).tolist())
            if (h, owners) not in queues:
                times = HelperTimes(problem, h)
                queues[h, owners] = min(times.end_s(order) for order in every_order(owners))
            ends_s.append(queues[h, owners])
        least_s = min(least_s, max(ends_s))
    return least_s


def served_order(problem: WorkflowProblem, helper: NDArray[np.intp]) -> Order:
    """Return the order in which each helper serves its tasks first come first served."""
    return tuple(
        tuple(HelperTimes(problem, h).fifo_order(np.flatnonzero(helper == h).tolist()))
        for h in range(problem.num_helpers)
    )


def assert_possible(problem: WorkflowProblem, workflow: Workflow) -> None:
    """Assert that no task begins too early, no helper does two tasks at once, and memory suffices."""
    mine = (np.arange(problem.num_owners), workflow.helper)
    forward_s, backward_s = workflow.forward_start_s, workflow.backward_start_s
    slack_s = 1e-9 * (1.0 + workflow.makespan_s)
    assert (forward_s >= problem.ready_s[mine] - slack_s).all()
    assert (backward_s >= forward_s + (problem.forward_s + problem.between_s)[mine] - slack_s).all()
    done_s = backward_s + (problem.backward_s + problem.after_s)[mine]
    assert abs(done_s.max() - workflow.makespan_s) <= slack_s
    starts_s = np.concatenate((forward_s, backward_s))
    ends_s = starts_s + np.concatenate(
        (problem.forward_s[mine], (problem.backward_s + problem.update_s)[mine])
    )
    at = np.tile(workflow.helper, 2)
    for h in range(problem.num_helpers):
        rows = np.flatnonzero(at == h)
        rows = rows[np.lexsort((ends_s[rows], starts_s[rows]))]
        assert (starts_s[rows[1:]] >= ends_s[rows[:-1]] - slack_s).all()
        assert problem.memory_bits[workflow.helper == h].sum() <= problem.capacity_bits[h] * (1 + 1e-9)
