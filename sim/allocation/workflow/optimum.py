"""The optimal workflow of small instances, by branch and bound over assignments and orders.

Once all owners are assigned, helpers are independent of each other, and the last one to end determines the
makespan. So the search assigns one owner after another. A lower bound of a helper's queue still holds when
more owners are added. When all are assigned, each queue gets its optimal order.
"""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from .assignment import balanced_greedy
from .bounds import lower_bound_s
from .local_search import search
from .problem import WorkflowProblem
from .queue_optimum import best_order, queue_bound_s
from .schedule import HelperTimes, Task, Workflow, first_come_first_served, fixed_order

__all__ = ["optimal"]


def optimal(problem: WorkflowProblem, *, time_limit_s: float = 10.0) -> tuple[Workflow, float]:
    """Return the workflow of the shortest makespan, and a lower bound on all makespans.

    Makespan and bound are equal if the search ends in time, as it does with about ten owners. If it does not,
    the workflow is the best one so far, no worse than :func:`search` from balanced greedy. Which one it is
    then depends on the speed of the machine.

    Parameters
    ----------
    problem : WorkflowProblem
        Times and memory of each owner on each helper.
    time_limit_s : float
        Wall-clock time for the search, [s].

    Returns
    -------
    workflow : Workflow
        The workflow, with an order for each helper.
    bound_s : float
        Lower bound on the makespan, [s].

    Raises
    ------
    PlanningError
        If no assignment fits into the helpers' memory.
    """
    deadline_s = time.monotonic() + time_limit_s
    start = search(problem, first_come_first_served(problem, balanced_greedy(problem)))
    branches = _AssignmentSearch(problem, start, deadline_s)
    bound_s = max(lower_bound_s(problem), branches.explore(0, 0.0))
    return branches.best, min(bound_s, branches.best.makespan_s)


class _AssignmentSearch:
    """A depth-first search over assignments.

    Attributes
    ----------
    best : Workflow
        The shortest workflow so far.
    """

    def __init__(self, problem: WorkflowProblem, start: Workflow, deadline_s: float) -> None:
        self._problem, self._deadline_s = problem, deadline_s
        self._times = [HelperTimes(problem, h) for h in range(problem.num_helpers)]
        fits = problem.memory_bits[:, np.newaxis] <= problem.limit_bits
        least_s = np.where(fits, problem.occupied_s(), np.inf).min(axis=1)
        # Owners with the longest tasks are assigned first, since they raise the bound most.
        self._sequence = np.argsort(-least_s, kind="stable").tolist()
        self._helper_class = _helper_classes(problem)
        self._assigned: list[list[int]] = [[] for _ in self._times]
        self._free_bits: list[float] = problem.limit_bits.tolist()
        self._queue_bounds_s: dict[tuple[int, frozenset[int]], float] = {}
        self._best_orders: dict[tuple[int, frozenset[int]], tuple[list[Task] | None, float]] = {}
        self.best = start

    def explore(self, depth: int, bound_s: float) -> float:
        """Search all completions of the present assignment and return a lower bound on them, [s].

        The bound is below the best makespan only if the search stopped at the deadline.

        Parameters
        ----------
        depth : int
            Number of owners that are assigned.
        bound_s : float
            Lower bound of the present assignment, [s].
        """
        if bound_s >= self.best.makespan_s or time.monotonic() > self._deadline_s:
            return bound_s
        if depth == len(self._sequence):
            return self._order_queues(bound_s)
        owner = self._sequence[depth]
        memory_bits = self._problem.memory_bits[owner]
        children = []
        for h, members in enumerate(self._assigned):
            if memory_bits > self._free_bits[h] or (not members and self._has_identical_empty_helper(h)):
                continue
            children.append((max(bound_s, self._bound_s(h, [*members, owner])), h))
        least_s = math.inf
        for child_s, h in sorted(children):
            self._assigned[h].append(owner)
            self._free_bits[h] -= memory_bits
            least_s = min(least_s, self.explore(depth + 1, child_s))
            self._free_bits[h] += memory_bits
            self._assigned[h].pop()
        return least_s

    def _order_queues(self, bound_s: float) -> float:
        """Order each queue of a complete assignment optimally; return a lower bound on its makespan, [s]."""
        orders = []
        for h, members in enumerate(self._assigned):
            key = (h, frozenset(members))
            if key not in self._best_orders:
                self._best_orders[key] = best_order(
                    self._times[h], members, self.best.makespan_s, self._deadline_s
                )
            order, queue_s = self._best_orders[key]
            bound_s = max(bound_s, queue_s)
            if order is None:
                return bound_s
            orders.append(tuple(order))
        helper = np.zeros(self._problem.num_owners, dtype=np.intp)
        for h, members in enumerate(self._assigned):
            helper[members] = h
        workflow = fixed_order(self._problem, helper, tuple(orders))
        if workflow.makespan_s < self.best.makespan_s:
            self.best = workflow
        return bound_s

    def _bound_s(self, helper: int, members: list[int]) -> float:
        """Return a lower bound on the end of a helper's queue with these owners, [s]."""
        key = (helper, frozenset(members))
        if key not in self._queue_bounds_s:
            self._queue_bounds_s[key] = queue_bound_s(self._times[helper], members)
        return self._queue_bounds_s[key]

    def _has_identical_empty_helper(self, helper: int) -> bool:
        """Return whether a lower helper of the same class has no owners; then only that one is tried."""
        return any(
            not self._assigned[other] and self._helper_class[other] == self._helper_class[helper]
            for other in range(helper)
        )


def _helper_classes(problem: WorkflowProblem) -> list[int]:
    """Return a class number for each helper; helpers with equal times and memory have the same one."""
    all_s = (
        problem.ready_s,
        problem.forward_s,
        problem.between_s,
        problem.backward_s,
        problem.update_s,
        problem.after_s,
    )
    columns: NDArray[np.float64] = np.vstack((*all_s, problem.capacity_bits))
    return np.unique(columns, axis=1, return_inverse=True)[1].ravel().tolist()
