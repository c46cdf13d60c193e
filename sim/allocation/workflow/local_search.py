"""Local search over assignments and orders, for instances of any size.

The helper that ends last determines the makespan, so each step changes its queue: a task moves to another
position, an owner moves to another helper, or two owners of two helpers swap. Two simple rules order a queue
that gets new owners. After a step the helper ends earlier, and the other helper that changed ends before the
old makespan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from ....scenarios.ordered_sum import ordered_sum
from .assignment import try_random_assignment
from .problem import WorkflowProblem
from .schedule import HelperTimes, Task, Workflow, first_come_first_served, fixed_order

__all__ = ["search"]

ROUNDING = 1e-12  # relative; a smaller gain of a step is rounding
RESTARTS = 4000  # divided by the square of the number of owners


def search(problem: WorkflowProblem, start: Workflow, *, max_restarts: int = 20) -> Workflow:
    """Return a locally optimal workflow, with a makespan no longer than that of the start.

    Small instances, where the search stops at poor local optima more often, are also searched from random
    assignments that fit into the memory. Their seed is fixed, so the result is reproducible.

    Parameters
    ----------
    problem : WorkflowProblem
        Times and memory of each owner on each helper.
    start : Workflow
        The workflow from which the search starts.
    max_restarts : int
        Upper limit of the number of additional searches from random assignments.

    Returns
    -------
    Workflow
        The workflow, with an order for each helper.
    """
    rng = np.random.default_rng(0)
    best = _descend(problem, start)
    if problem.num_helpers > 1:
        for _ in range(min(RESTARTS // problem.num_owners**2, max_restarts)):
            helper = try_random_assignment(problem, rng)
            if helper is not None:
                candidate = _descend(problem, first_come_first_served(problem, helper))
                best = min(best, candidate, key=lambda workflow: workflow.makespan_s)
    return best


def _descend(problem: WorkflowProblem, start: Workflow) -> Workflow:
    """Return the local optimum that steps reach from one start."""
    queues = []
    for h in range(problem.num_helpers):
        times = HelperTimes(problem, h)
        owners = np.flatnonzero(start.helper == h).tolist()
        order = list(start.order[h]) if start.order else times.fifo_order(owners)
        queues.append(_Queue(times, order, times.end_s(order)))
    state = _SearchState(problem, queues)
    while state.step():
        pass
    helper = start.helper.copy()
    for h, queue in enumerate(state.queues):
        helper[queue.owners] = h
    return fixed_order(problem, helper, tuple(tuple(queue.order) for queue in state.queues))


@dataclass(frozen=True)
class _Queue:
    """The order of one helper's tasks, and the time at which its last owner is done, [s]."""

    times: HelperTimes
    order: list[Task]
    end_s: float

    @property
    def owners(self) -> list[int]:
        """Return the owners that the helper serves."""
        return [owner for owner, is_backward in self.order if not is_backward]

    def with_order(self, order: list[Task]) -> _Queue:
        """Return the queue with another order, which may have other owners."""
        return _Queue(self.times, order, self.times.end_s(order))

    def with_owners(self, owners: Sequence[int]) -> _Queue:
        """Return the queue of these owners in first-come or longest-tail order, whichever ends first."""
        rules = (self.times.fifo_order, self.times.longest_tail_first)
        return min((self.with_order(rule(owners)) for rule in rules), key=lambda queue: queue.end_s)

    def without(self, owner: int) -> _Queue:
        """Return the queue without an owner; the others keep their order."""
        return self.with_order([task for task in self.order if task[0] != owner])

    def neighbours(self) -> Iterator[_Queue]:
        """Yield the queue ordered by rule, then the queues with one task moved, the last task first."""
        yield self.with_owners(self.owners)
        for old in range(len(self.order) - 1, -1, -1):
            task = self.order[old]
            rest = self.order[:old] + self.order[old + 1 :]
            partner = rest.index((task[0], not task[1]))
            # An owner's backward task stays behind its forward task.
            positions = range(partner + 1, len(self.order)) if task[1] else range(partner + 1)
            for new in positions:
                if new != old:
                    yield self.with_order([*rest[:new], task, *rest[new:]])


class _Change(NamedTuple):
    """A change of two queues: that of the helper that ends last, and that of another helper."""

    longest: _Queue
    other_helper: int
    other: _Queue

    @property
    def end_s(self) -> float:
        """Return the time at which the later of the two queues ends, [s]."""
        return max(self.longest.end_s, self.other.end_s)


class _SearchState:
    """The present queues of all helpers, and the step that shortens the longest one."""

    def __init__(self, problem: WorkflowProblem, queues: list[_Queue]) -> None:
        self._memory_bits: list[float] = problem.memory_bits.tolist()
        self._limit_bits: list[float] = problem.limit_bits.tolist()
        self.queues = queues

    def step(self) -> bool:
        """Take a step that shortens the longest queue; return False if there is none.

        Changes within the queue are tried first, then moves of an owner, then swaps.
        """
        longest = max(range(len(self.queues)), key=lambda h: self.queues[h].end_s)
        limit_s = self.queues[longest].end_s * (1.0 - ROUNDING)
        for queue in self.queues[longest].neighbours():
            if queue.end_s < limit_s:
                self.queues[longest] = queue
                return True
        for changes in (self._moves(longest, limit_s), self._swaps(longest, limit_s)):
            # The best change of a kind is the one whose later queue ends first.
            best = min(changes, key=lambda change: change.end_s, default=None)
            if best is not None and best.other.end_s < limit_s:
                self.queues[longest], self.queues[best.other_helper] = best.longest, best.other
                return True
        return False

    def _moves(self, longest: int, limit_s: float) -> Iterator[_Change]:
        """Yield the changes in which an owner moves from the longest queue to another."""
        for owner in self.queues[longest].owners:
            shortened = self.queues[longest].without(owner)
            if shortened.end_s >= limit_s:
                continue
            for h, queue in enumerate(self.queues):
                new_owners = [*queue.owners, owner]
                if h != longest and self._fit(h, new_owners):
                    yield _Change(shortened, h, queue.with_owners(new_owners))

    def _swaps(self, longest: int, limit_s: float) -> Iterator[_Change]:
        """Yield the changes in which an owner of the longest queue swaps with one of another."""
        for h, queue in enumerate(self.queues):
            if h == longest:
                continue
            for owner, partner in product(self.queues[longest].owners, queue.owners):
                longest_owners = [*(i for i in self.queues[longest].owners if i != owner), partner]
                other_owners = [*(i for i in queue.owners if i != partner), owner]
                if not (self._fit(longest, longest_owners) and self._fit(h, other_owners)):
                    continue
                shortened = self.queues[longest].with_owners(longest_owners)
                if shortened.end_s < limit_s:
                    yield _Change(shortened, h, queue.with_owners(other_owners))

    def _fit(self, helper: int, owners: Sequence[int]) -> bool:
        """Return whether a helper has the memory for these owners."""
        return ordered_sum(self._memory_bits[owner] for owner in owners) <= self._limit_bits[helper]
