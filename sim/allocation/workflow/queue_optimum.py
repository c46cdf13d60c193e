"""The best order of one helper's queue, by branch and bound."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from .bounds import Job, shared_end_s
from .schedule import HelperTimes, Task

__all__ = ["best_order", "queue_bound_s"]


def queue_bound_s(times: HelperTimes, owners: Sequence[int]) -> float:
    """Return a time that no order of the owners' tasks at a helper goes below, [s]."""
    return _Search(times, owners, 0.0, 0.0).bound_s


def best_order(
    times: HelperTimes, owners: Sequence[int], below_s: float, deadline_s: float
) -> tuple[list[Task] | None, float]:
    """Return the order that ends first, if it ends before ``below_s``, and a lower bound.

    Only orders are looked at in which no other task could be done before the next one begins: in any other,
    that task could go first and delay nothing (Giffler, Thompson 1960).

    Parameters
    ----------
    times : the tasks at the helper
    owners : who is served
    below_s : float
        Orders that are no shorter are of no interest, [s].
    deadline_s : float
        Instant of :func:`time.monotonic` at which the search ends, [s].

    Returns
    -------
    order : list of Task or None
        The best order found; None if none is below.
    bound_s : float
        What no order goes below, [s]; the end of the best order if the search was not cut short.
    """
    search = _Search(times, owners, below_s, deadline_s)
    root_s = search.bound_s
    if root_s >= below_s:
        return None, root_s
    search.explore(0.0, 0.0)
    return search.best, root_s if search.cut_short else search.best_s


class _Search:
    """A depth-first search over the orders of a queue.

    Attributes
    ----------
    best, best_s : the best order so far and its end
    cut_short : whether time ran out
    """

    def __init__(self, times: HelperTimes, owners: Sequence[int], below_s: float, deadline_s: float) -> None:
        self._times, self._deadline_s = times, deadline_s
        self._order: list[Task] = []
        self._forward = set(owners)  # that are still to do
        self._arrival_s: dict[int, float] = {}  # of backward tasks that are still to do
        self._seen: dict[frozenset[Task], list[tuple[float, ...]]] = {}
        self.best: list[Task] | None = None
        self.best_s = below_s
        self.cut_short = False

    @property
    def bound_s(self) -> float:
        """Return what no order goes below, [s]."""
        return shared_end_s(self._jobs(0.0))

    def explore(self, free_s: float, end_s: float) -> None:
        """Look at the orders that begin as the present one, which ends at ``end_s``, shortest bound first."""
        if not (self._forward or self._arrival_s):
            if end_s < self.best_s:
                self.best, self.best_s = list(self._order), end_s
            return
        if time.monotonic() > self._deadline_s:
            self.cut_short = True
            return
        if max(end_s, shared_end_s(self._jobs(free_s))) >= self.best_s or self._dominated(free_s, end_s):
            return
        times = self._times
        choices: list[tuple[float, float, Task]] = []  # start, end on the helper, task
        for owner in self._forward:
            start_s = max(free_s, times.ready_s[owner])
            choices.append((start_s, start_s + times.forward_s[owner], (owner, False)))
        for owner, arrival_s in self._arrival_s.items():
            start_s = max(free_s, arrival_s)
            choices.append((start_s, start_s + times.occupied_s[owner], (owner, True)))
        first_s = min(done_s for _, done_s, _ in choices)
        for start_s, done_s, (owner, is_backward) in sorted(choices):
            if start_s > first_s:
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

    def _jobs(self, free_s: float) -> Iterator[Job]:
        """Yield the tasks that are still to do, each as if the helper were idle once it is free."""
        times = self._times
        for owner in self._forward:
            start_s = max(free_s, times.ready_s[owner])
            yield start_s, times.forward_s[owner], times.follows_s(owner, False)
            arrival_s = start_s + times.forward_s[owner] + times.between_s[owner]
            yield arrival_s, times.occupied_s[owner], times.follows_s(owner, True)
        for owner, arrival_s in self._arrival_s.items():
            yield max(free_s, arrival_s), times.occupied_s[owner], times.follows_s(owner, True)

    def _dominated(self, free_s: float, end_s: float) -> bool:
        """Return whether the same tasks were done before at least as early, and note the present state."""
        state = (free_s, end_s, *(self._arrival_s[owner] for owner in sorted(self._arrival_s)))
        seen = self._seen.setdefault(frozenset(self._order), [])
        if any(all(a <= b for a, b in zip(other, state, strict=True)) for other in seen):
            return True
        seen.append(state)
        return False
