"""The queue of one helper: when its tasks begin, in the order of their arrival or in any other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from .workflow_problem import WorkflowProblem

__all__ = ["HelperTimes", "Order", "Task"]

Task: TypeAlias = tuple[int, bool]
"""An owner, and whether it is its backward task."""

Order: TypeAlias = tuple[tuple[Task, ...], ...]
"""The tasks of each helper, in the order in which it does them."""


class HelperTimes:
    """The tasks of all owners at one helper, and how long its queue takes in a given order.

    Attributes
    ----------
    ready_s, forward_s, between_s, backward_s, after_s : [num_owners], list of float
        As in the problem, for this helper, [s]. Lists, since single numbers are read, and often.
    occupied_s : [num_owners], list of float
        How long a backward task and its update occupy the helper, [s].
    """

    def __init__(self, problem: WorkflowProblem, helper: int) -> None:
        self.ready_s: list[float] = problem.ready_s[:, helper].tolist()
        self.forward_s: list[float] = problem.forward_s[:, helper].tolist()
        self.between_s: list[float] = problem.between_s[:, helper].tolist()
        self.backward_s: list[float] = problem.backward_s[:, helper].tolist()
        self.occupied_s: list[float] = (problem.backward_s + problem.update_s)[:, helper].tolist()
        self.after_s: list[float] = problem.after_s[:, helper].tolist()

    def as_they_come(self, owners: Iterable[int]) -> list[Task]:
        """Return the order in which the owners' tasks arrive, each served when the helper is free.

        Of tasks that arrive at the same instant forward ones go first, and of these the lower owner's.
        """
        arrivals = [(self.ready_s[owner], False, owner) for owner in owners]
        heapify(arrivals)
        order: list[Task] = []
        free_s = 0.0
        while arrivals:
            arrival_s, is_backward, owner = heappop(arrivals)
            order.append((owner, is_backward))
            start_s = max(free_s, arrival_s)
            if is_backward:
                free_s = start_s + self.occupied_s[owner]
            else:
                free_s = start_s + self.forward_s[owner]
                heappush(arrivals, (free_s + self.between_s[owner], True, owner))
        return order

    def longest_first(self, owners: Iterable[int]) -> list[Task]:
        """Return the order in which, of the tasks that are there, the one with most to follow goes first."""
        coming = [(self.ready_s[owner], owner, False) for owner in owners]
        heapify(coming)
        waiting: list[tuple[float, int, bool]] = []
        order: list[Task] = []
        free_s = 0.0
        while coming or waiting:
            if not waiting:
                free_s = max(free_s, coming[0][0])
            while coming and coming[0][0] <= free_s:
                _, owner, is_backward = heappop(coming)
                heappush(waiting, (-self.follows_s(owner, is_backward), owner, is_backward))
            _, owner, is_backward = heappop(waiting)
            order.append((owner, is_backward))
            if is_backward:
                free_s += self.occupied_s[owner]
            else:
                free_s += self.forward_s[owner]
                heappush(coming, (free_s + self.between_s[owner], owner, True))
        return order

    def follows_s(self, owner: int, is_backward: bool) -> float:
        """Return the least time from when a task leaves the helper free until its owner is done, [s].

        It is negative where the helper is still busy with an update then.
        """
        back_s = self.backward_s[owner] + self.after_s[owner]
        return back_s - self.occupied_s[owner] if is_backward else self.between_s[owner] + back_s

    def starts_s(self, order: Sequence[Task]) -> list[float]:
        """Return when each task of an order begins, [s]; the helper waits for one that has not arrived."""
        arrival_s: dict[int, float] = {}
        starts_s = []
        free_s = 0.0
        for owner, is_backward in order:
            start_s = max(free_s, arrival_s[owner] if is_backward else self.ready_s[owner])
            starts_s.append(start_s)
            if is_backward:
                free_s = start_s + self.occupied_s[owner]
            else:
                free_s = start_s + self.forward_s[owner]
                arrival_s[owner] = free_s + self.between_s[owner]
        return starts_s

    def end_s(self, order: Sequence[Task]) -> float:
        """Return when the last owner is done if the helper keeps to an order, [s]; 0 without owners."""
        end_s = 0.0
        for (owner, is_backward), start_s in zip(order, self.starts_s(order), strict=True):
            if is_backward:
                end_s = max(end_s, start_s + self.backward_s[owner] + self.after_s[owner])
        return end_s
