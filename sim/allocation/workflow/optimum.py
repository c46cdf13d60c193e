"""The best workflow of small instances, by branch and bound over assignments, and over orders within.

Once owners are assigned helpers are independent of each other, and the last to end sets the makespan. So
owners are assigned one after the other; a bound of a helper's queue holds with any further owners too; and
where all are assigned, each queue is put in its best order.
"""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from .assignment import balanced_greedy
from .bounds import lower_bound_s
from .local_search import improved
from .queue_optimum import best_order, queue_bound_s
from .schedule import HelperTimes, Task, Workflow, WorkflowProblem, first_come_first_served, in_order

__all__ = ["optimal"]


def optimal(problem: WorkflowProblem, *, time_limit_s: float = 10.0) -> tuple[Workflow, float]:
    """Return the workflow of the shortest makespan, and a time that no workflow goes below.

    Both are the same where the search ends in time, as it does with about ten owners. Where it does not, the
    workflow is the best one found, and no worse than what :func:`improved` makes of balanced greedy; which
    one it is then depends on the machine.

    Parameters
    ----------
    problem : what each owner takes on each helper
    time_limit_s : float
        Wall-clock time for the search, [s].

    Returns
    -------
    workflow : Workflow
        With an order for each helper.
    bound_s : float
        The lower bound, [s].

    Raises
    ------
    AllocationError
        If no assignment fits into the helpers' memory.
    """
    deadline_s = time.monotonic() + time_limit_s
    start = improved(problem, first_come_first_served(problem, balanced_greedy(problem)))
    search = _Search(problem, start, deadline_s)
    bound_s = max(lower_bound_s(problem), search.explored(0, 0.0))
    return search.best, min(bound_s, search.best.makespan_s)


class _Search:
    """A depth-first search over assignments.

    Attributes
    ----------
    best : the shortest workflow so far
    """

    def __init__(self, problem: WorkflowProblem, start: Workflow, deadline_s: float) -> None:
        self._problem, self._deadline_s = problem, deadline_s
        self._times = [HelperTimes(problem, h) for h in range(problem.num_helpers)]
        fits = problem.memory_bits[:, np.newaxis] <= problem.limit_bits
        self._least_s = np.where(fits, problem.occupied_s(), np.inf).min(axis=1)
        self._sequence = np.argsort(-self._least_s, kind="stable").tolist()  # the largest are assigned first
        self._kind = _kinds(problem)
        self._members: list[list[int]] = [[] for _ in self._times]
        self._left_bits: list[float] = problem.limit_bits.tolist()
        self._queue_s: dict[tuple[int, frozenset[int]], float] = {}
        self._solved: dict[tuple[int, frozenset[int]], tuple[list[Task] | None, float]] = {}
        self.best = start

    def explored(self, depth: int, bound_s: float) -> float:
        """Return a bound of all that the present assignment of the first owners can become, [s].

        Where it is below the best makespan, time ran out.
        """
        if bound_s >= self.best.makespan_s or time.monotonic() > self._deadline_s:
            return bound_s
        if depth == len(self._sequence):
            return self._ordered(bound_s)
        owner = self._sequence[depth]
        memory_bits = self._problem.memory_bits[owner]
        children = []
        for h, members in enumerate(self._members):
            if memory_bits > self._left_bits[h] or (not members and self._has_empty_twin(h)):
                continue
            children.append((max(bound_s, self._bound_s(h, [*members, owner])), h))
        least_s = math.inf
        for child_s, h in sorted(children):
            self._members[h].append(owner)
            self._left_bits[h] -= memory_bits
            least_s = min(least_s, self.explored(depth + 1, child_s))
            self._left_bits[h] += memory_bits
            self._members[h].pop()
        return least_s

    def _ordered(self, bound_s: float) -> float:
        """Put each queue of a whole assignment into its best order; return a bound of it, [s]."""
        orders = []
        for h, members in enumerate(self._members):
            key = (h, frozenset(members))
            if key not in self._solved:
                self._solved[key] = best_order(
                    self._times[h], members, self.best.makespan_s, self._deadline_s
                )
            order, queue_s = self._solved[key]
            bound_s = max(bound_s, queue_s)
            if order is None:
                return bound_s
            orders.append(tuple(order))
        helper = np.zeros(self._problem.num_owners, dtype=np.intp)
        for h, members in enumerate(self._members):
            helper[members] = h
        found = in_order(self._problem, helper, tuple(orders))
        if found.makespan_s < self.best.makespan_s:
            self.best = found
        return bound_s

    def _bound_s(self, helper: int, members: list[int]) -> float:
        """Return what a helper's queue does not end before with these owners, [s]."""
        key = (helper, frozenset(members))
        if key not in self._queue_s:
            self._queue_s[key] = queue_bound_s(self._times[helper], members)
        return self._queue_s[key]

    def _has_empty_twin(self, helper: int) -> bool:
        """Return whether a lower helper of the same kind has no owners either: it makes no difference."""
        return any(
            not self._members[other] and self._kind[other] == self._kind[helper] for other in range(helper)
        )


def _kinds(problem: WorkflowProblem) -> list[int]:
    """Return a number for each helper that is the same for helpers with the same times and memory."""
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
