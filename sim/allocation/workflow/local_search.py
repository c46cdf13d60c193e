"""Local search over who helps whom and in which order, for instances of any size.

Only the helper that ends last counts, so only its queue is worked on: tasks change places in it, an owner
leaves it for another helper, or changes places with an owner of another helper. A queue that gets new owners
is ordered by simple rules. A step ends that helper earlier, and no other as late as it ended before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ....scenarios.ordered_sum import ordered_sum
from .assignment import drawn_assignment
from .schedule import HelperTimes, Task, Workflow, WorkflowProblem, first_come_first_served, in_order

__all__ = ["improved"]

ROUNDING = 1e-12  # relative; a step that gains less is none
RESTARTS = 4000  # times owners squared
RESTARTS_MAX = 20


def improved(problem: WorkflowProblem, start: Workflow) -> Workflow:
    """Return the workflow that single steps lead to, with a makespan no longer than at the start.

    Small instances, where single steps get stuck more often, are searched again from random assignments, as
    far as memory allows. These are always the same.

    Parameters
    ----------
    problem : what each owner takes on each helper
    start : where to begin

    Returns
    -------
    Workflow
        With an order for each helper.
    """
    rng = np.random.default_rng(0)
    best = _stepped(problem, start)
    if problem.num_helpers > 1:
        for _ in range(min(RESTARTS // problem.num_owners**2, RESTARTS_MAX)):
            helper = drawn_assignment(problem, rng)
            if helper is not None:
                tried = _stepped(problem, first_come_first_served(problem, helper))
                best = min(best, tried, key=lambda workflow: workflow.makespan_s)
    return best


def _stepped(problem: WorkflowProblem, start: Workflow) -> Workflow:
    """Return the workflow that single steps lead to from one start."""
    queues = []
    for h in range(problem.num_helpers):
        times = HelperTimes(problem, h)
        owners = np.flatnonzero(start.helper == h).tolist()
        order = list(start.order[h]) if start.order else times.fifo_order(owners)
        queues.append(_Queue(times, order, times.end_s(order)))
    search = _Search(problem, queues)
    while search.step():
        pass
    helper = start.helper.copy()
    for h, queue in enumerate(search.queues):
        helper[queue.owners] = h
    return in_order(problem, helper, tuple(tuple(queue.order) for queue in search.queues))


@dataclass(frozen=True)
class _Queue:
    """The order of one helper, and when its last owner is done."""

    times: HelperTimes
    order: list[Task]
    end_s: float

    @property
    def owners(self) -> list[int]:
        """Return who is served."""
        return [owner for owner, is_backward in self.order if not is_backward]

    def ordered(self, order: list[Task]) -> _Queue:
        """Return the queue with another order, which may be of other owners."""
        return _Queue(self.times, order, self.times.end_s(order))

    def having(self, owners: Sequence[int]) -> _Queue:
        """Return the queue with these owners: as they come, or by what follows, whichever ends first."""
        return min(
            (self.ordered(rule(owners)) for rule in (self.times.fifo_order, self.times.longest_first)),
            key=lambda queue: queue.end_s,
        )

    def without(self, owner: int) -> _Queue:
        """Return the queue without an owner, the others in their order."""
        return self.ordered([task for task in self.order if task[0] != owner])

    def rearranged(self) -> Iterator[_Queue]:
        """Yield the queues in which one task has another place, later tasks first."""
        yield self.having(self.owners)
        for at in range(len(self.order) - 1, -1, -1):
            task = self.order[at]
            rest = self.order[:at] + self.order[at + 1 :]
            partner = rest.index((task[0], not task[1]))
            places = range(partner + 1, len(self.order)) if task[1] else range(partner + 1)
            for place in places:
                if place != at:
                    yield self.ordered([*rest[:place], task, *rest[place:]])


class _Search:
    """The queues as they are, and the step that shortens the longest one."""

    def __init__(self, problem: WorkflowProblem, queues: list[_Queue]) -> None:
        self._memory_bits: list[float] = problem.memory_bits.tolist()
        self._limit_bits: list[float] = problem.limit_bits.tolist()
        self.queues = queues

    def step(self) -> bool:
        """Take a step, if there is one that ends the longest queue earlier; the simplest kind first."""
        longest = max(range(len(self.queues)), key=lambda h: self.queues[h].end_s)
        limit_s = self.queues[longest].end_s * (1.0 - ROUNDING)
        for queue in self.queues[longest].rearranged():
            if queue.end_s < limit_s:
                self.queues[longest] = queue
                return True
        for trades in (self._moves(longest, limit_s), self._swaps(longest, limit_s)):
            # Of each kind the one by which the later of the two queues ends first.
            best = min(trades, key=lambda trade: max(trade[0].end_s, trade[2].end_s), default=None)
            if best is not None and best[2].end_s < limit_s:
                self.queues[longest], self.queues[best[1]] = best[0], best[2]
                return True
        return False

    def _moves(self, longest: int, limit_s: float) -> Iterator[tuple[_Queue, int, _Queue]]:
        """Yield what becomes of the longest queue, and of another, if an owner moves there."""
        for owner in self.queues[longest].owners:
            mine = self.queues[longest].without(owner)
            if mine.end_s >= limit_s:
                continue
            for h, queue in enumerate(self.queues):
                theirs = [*queue.owners, owner]
                if h != longest and self._fit(h, theirs):
                    yield mine, h, queue.having(theirs)

    def _swaps(self, longest: int, limit_s: float) -> Iterator[tuple[_Queue, int, _Queue]]:
        """Yield what becomes of the longest queue, and of another, if two owners change places."""
        for h, queue in enumerate(self.queues):
            if h == longest:
                continue
            for owner, back in product(self.queues[longest].owners, queue.owners):
                own = [*(other for other in self.queues[longest].owners if other != owner), back]
                theirs = [*(other for other in queue.owners if other != back), owner]
                if not (self._fit(longest, own) and self._fit(h, theirs)):
                    continue
                mine = self.queues[longest].having(own)
                if mine.end_s < limit_s:
                    yield mine, h, queue.having(theirs)

    def _fit(self, helper: int, owners: Sequence[int]) -> bool:
        return ordered_sum(self._memory_bits[owner] for owner in owners) <= self._limit_bits[helper]
