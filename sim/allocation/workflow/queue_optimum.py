"""The optimal order of one helper's tasks, by branch and bound."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from .bounds import TaskTimes, preemptive_end_s
from .schedule import HelperTimes, Task

__all__ = ["best_order", "queue_bound_s"]


def queue_bound_s(times: HelperTimes, owners: Sequence[int]) -> float:
    """Return a lower bound on the end of all orders of the owners' tasks at a helper, [s]."""
    return _QueueSearch(times, owners, 0.0, 0.0).bound_s


def best_order(
    times: HelperTimes, owners: Sequence[int], below_s: float, deadline_s: float
) -> tuple[list[Task] | None, float]:
    """Return the order that ends first, if it ends before ``below_s``, and a lower bound.

    The search is over active orders: no other task could be completed before the next one begins. In any
    other order such a task could go first without delaying another (Giffler, Thompson 1960).

    Parameters
    ----------
    times : HelperTimes
        Times of the tasks at the helper.
    owners : sequence of int
        The owners that the helper serves.
    below_s : float
        Orders that end at this time or later are ignored, [s].
    deadline_s : float
        Time of :func:`time.monotonic` at which the search stops, [s].

    Returns
    -------
    order : list of Task or None
        The best order of the search; None if no order ends before ``below_s``.
    bound_s : float
        Lower bound on the end of all orders, [s]. After a complete search it is the end of the best order.
    """
    search = _QueueSearch(times, owners, below_s, deadline_s)
    root_s = search.bound_s
    if root_s >= below_s:
        return None, root_s
    search.explore(0.0, 0.0)
    return search.best, root_s if search.out_of_time else search.best_s


class _QueueSearch:
    """A depth-first search over the orders of one helper's tasks.

    Attributes
    ----------
    best : list of Task or None
        The best order so far.
    best_s : float
        Its end, [s].
    out_of_time : bool
        Whether the search stopped at the deadline.
    """

    def __init__(self, times: HelperTimes, owners: Sequence[int], below_s: float, deadline_s: float) -> None:
        self._times, self._deadline_s = times, deadline_s
        self._order: list[Task] = []
        self._forward = set(owners)  # owners whose forward task remains
        self._arrival_s: dict[int, float] = {}  # of the backward tasks that remain
        self._states: dict[frozenset[Task], list[tuple[float, ...]]] = {}
        self.best: list[Task] | None = None
        self.best_s = below_s
        self.out_of_time = False

    @property
    def bound_s(self) -> float:
        """Return a lower bound on the end of all orders, [s]."""
        return preemptive_end_s(self._remaining_tasks(0.0))

    def explore(self, free_s: float, end_s: float) -> None:
        """Search the orders that begin with the present one, the earliest next task first.

        Parameters
        ----------
        free_s : float
            Time at which the present tasks leave the helper free, [s].
        end_s : float
            Time at which the owners whose tasks are all in the order are done, [s].
        """
        if not (self._forward or self._arrival_s):
            if end_s < self.best_s:
                self.best, self.best_s = list(self._order), end_s
            return
        if time.monotonic() > self._deadline_s:
            self.out_of_time = True
            return
        bound_s = max(end_s, preemptive_end_s(self._remaining_tasks(free_s)))
        if bound_s >= self.best_s or self._dominated(free_s, end_s):
            return
        times = self._times
        choices: list[tuple[float, float, Task]] = []  # start and end on the helper, task
        for owner in self._forward:
            start_s = max(free_s, times.ready_s[owner])
            choices.append((start_s, start_s + times.forward_s[owner], (owner, False)))
        for owner, arrival_s in self._arrival_s.items():
            start_s = max(free_s, arrival_s)
            choices.append((start_s, start_s + times.occupied_s[owner], (owner, True)))
        first_end_s = min(done_s for _, done_s, _ in choices)
        for start_s, done_s, (owner, is_backward) in sorted(choices):
            if start_s > first_end_s:
                break
            self._order.append((owner, is_backward))
            if is_backward:
                arrival_s = self._arrival_s.pop(owner)
                owner_s = start_s + times.backward_s[owner] + times.after_s[owner]
                self.explore(done_s, max(end_s, owner_s))
                self._arrival_s[owner] = arrival_s
            else:
                self._forward.remove(owner)
                self._arrival_s[owner] = done_s + times.between_s[owner]
                self.explore(done_s, end_s)
                del self._arrival_s[owner]
                self._forward.add(owner)
            self._order.pop()

    def _remaining_tasks(self, free_s: float) -> Iterator[TaskTimes]:
        """Yield the remaining tasks, each with its times if the helper were idle from ``free_s``."""
        times = self._times
        for owner in self._forward:
            start_s = max(free_s, times.ready_s[owner])
            yield start_s, times.forward_s[owner], times.tail_s(owner, False)
            arrival_s = start_s + times.forward_s[owner] + times.between_s[owner]
            yield arrival_s, times.occupied_s[owner], times.tail_s(owner, True)
        for owner, arrival_s in self._arrival_s.items():
            yield max(free_s, arrival_s), times.occupied_s[owner], times.tail_s(owner, True)

    def _dominated(self, free_s: float, end_s: float) -> bool:
        """Return whether another order of the same tasks was at least as early; if not, store this one."""
        state = (free_s, end_s, *(self._arrival_s[owner] for owner in sorted(self._arrival_s)))
        states = self._states.setdefault(frozenset(self._order), [])
        if any(all(a <= b for a, b in zip(other, state, strict=True)) for other in states):
            return True
        states.append(state)
        return False
