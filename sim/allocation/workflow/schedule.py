"""Schedules of the helpers' tasks: first come first served, or in a fixed order.

An owner has one forward and one backward task at its helper. A helper does one task at a time and does not
interrupt it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...planning_error import PlanningError
from .problem import WorkflowProblem

__all__ = [
    "HelperTimes",
    "Order",
    "Task",
    "Workflow",
    "first_come_first_served",
    "fixed_order",
]

Task: TypeAlias = tuple[int, bool]
"""An owner's number, and whether this is its backward task."""

Order: TypeAlias = tuple[tuple[Task, ...], ...]
"""The tasks of each helper, in the order in which it does them."""


@dataclass(frozen=True)
class Workflow:
    """A schedule of all owners' tasks on their helpers.

    Attributes
    ----------
    helper : ndarray of int, [num_owners]
        The helper of each owner, from 0.
    order : Order or None
        The tasks of each helper in order; None where helpers serve first come first served.
    makespan_s : float
        Time at which the last owner is done, [s].
    forward_start_s, backward_start_s : ndarray, [num_owners]
        Times at which the helper begins each owner's tasks, [s].
    """

    helper: NDArray[np.intp]
    order: Order | None
    makespan_s: float
    forward_start_s: NDArray[np.float64]
    backward_start_s: NDArray[np.float64]


def first_come_first_served(problem: WorkflowProblem, helper: NDArray[np.intp]) -> Workflow:
    """Return the workflow in which each helper serves tasks in the order in which they arrive.

    Of tasks that arrive at the same time, forward tasks go first, and of these that of the lower owner.

    Parameters
    ----------
    problem : WorkflowProblem
        Times and memory of each owner on each helper.
    helper : ndarray of int, [num_owners]
        The helper of each owner, from 0.

    Raises
    ------
    PlanningError
        If a helper does not exist or lacks the memory for its owners.
    """
    problem.check_memory(helper)
    served = [
        HelperTimes(problem, h).fifo_order(np.flatnonzero(helper == h).tolist())
        for h in range(problem.num_helpers)
    ]
    return _build_workflow(problem, helper, served, None)


def fixed_order(problem: WorkflowProblem, helper: NDArray[np.intp], order: Order) -> Workflow:
    """Return the workflow in which each helper keeps to its order, and waits for a task that is late.

    Parameters
    ----------
    problem : WorkflowProblem
        Times and memory of each owner on each helper.
    helper : ndarray of int, [num_owners]
        The helper of each owner, from 0.
    order : Order
        The tasks of each helper. Each of its owners has one forward task and, later, one backward task.

    Raises
    ------
    PlanningError
        If a helper does not exist or lacks the memory for its owners, or if its order is not one of their
        tasks.
    """
    problem.check_memory(helper)
    if len(order) != problem.num_helpers:
        raise PlanningError(f"{problem.num_helpers} helpers need an order each, not {len(order)} orders")
    for h, tasks in enumerate(order):
        owners = np.flatnonzero(helper == h).tolist()
        forward = [owner for owner, is_backward in tasks if not is_backward]
        backward = [owner for owner, is_backward in tasks if is_backward]
        early = [i for i in backward if i in forward and tasks.index((i, True)) < tasks.index((i, False))]
        if sorted(forward) != owners or sorted(backward) != owners or early:
            raise PlanningError(
                f"the order of helper {h} must have the forward task of each of its owners {owners} once,"
                f" and later its backward task once, not {list(tasks)}"
            )
    return _build_workflow(problem, helper, order, order)


def _build_workflow(
    problem: WorkflowProblem, helper: NDArray[np.intp], served: Sequence[Sequence[Task]], order: Order | None
) -> Workflow:
    """Return the workflow in which helpers serve tasks in the order ``served``."""
    starts_s = np.zeros((2, problem.num_owners))
    ends_s = []
    for h, tasks in enumerate(served):
        times = HelperTimes(problem, h)
        ends_s.append(times.end_s(tasks))
        for (owner, is_backward), start_s in zip(tasks, times.starts_s(tasks), strict=True):
            starts_s[int(is_backward), owner] = start_s
    return Workflow(helper, order, max(ends_s), starts_s[0], starts_s[1])


class HelperTimes:
    """The times of all owners' tasks at one helper, from which the end of its queue follows.

    Attributes
    ----------
    ready_s, forward_s, between_s, backward_s, after_s : list of float, [num_owners]
        As in the problem, for this helper, [s]. They are lists, because single numbers are read often.
    occupied_s : list of float, [num_owners]
        Time for which a backward task and its update occupy the helper, [s].
    """

    def __init__(self, problem: WorkflowProblem, helper: int) -> None:
        self.ready_s: list[float] = problem.ready_s[:, helper].tolist()
        self.forward_s: list[float] = problem.forward_s[:, helper].tolist()
        self.between_s: list[float] = problem.between_s[:, helper].tolist()
        self.backward_s: list[float] = problem.backward_s[:, helper].tolist()
        self.occupied_s: list[float] = (problem.backward_s + problem.update_s)[:, helper].tolist()
        self.after_s: list[float] = problem.after_s[:, helper].tolist()

    def fifo_order(self, owners: Iterable[int]) -> list[Task]:
        """Return the order in which the owners' tasks arrive if the helper serves them in that order.

        Of tasks that arrive at the same time, forward tasks go first, and of these that of the lower owner.
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

    def longest_tail_first(self, owners: Iterable[int]) -> list[Task]:
        """Return the order in which the helper always serves the waiting task with the longest tail."""
        arrivals = [(self.ready_s[owner], owner, False) for owner in owners]
        heapify(arrivals)
        waiting: list[tuple[float, int, bool]] = []
        order: list[Task] = []
        free_s = 0.0
        while arrivals or waiting:
            if not waiting:
                free_s = max(free_s, arrivals[0][0])
            while arrivals and arrivals[0][0] <= free_s:
                _, owner, is_backward = heappop(arrivals)
                heappush(waiting, (-self.tail_s(owner, is_backward), owner, is_backward))
            _, owner, is_backward = heappop(waiting)
            order.append((owner, is_backward))
            if is_backward:
                free_s += self.occupied_s[owner]
            else:
                free_s += self.forward_s[owner]
                heappush(arrivals, (free_s + self.between_s[owner], owner, True))
        return order

    def tail_s(self, owner: int, is_backward: bool) -> float:
        """Return the tail of a task: the least time from its end on the helper until its owner is done, [s].

        A backward task ends on the helper with the update, for which the owner does not wait. The tail is
        negative where the owner is done before the update.
        """
        back_s = self.backward_s[owner] + self.after_s[owner]
        return back_s - self.occupied_s[owner] if is_backward else self.between_s[owner] + back_s

    def starts_s(self, order: Sequence[Task]) -> list[float]:
        """Return the start of each task of an order, [s]; the helper waits for tasks that are late."""
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
        """Return the time at which the last owner of an order is done, [s]; 0 without owners."""
        end_s = 0.0
        for (owner, is_backward), start_s in zip(order, self.starts_s(order), strict=True):
            if is_backward:
                end_s = max(end_s, start_s + self.backward_s[owner] + self.after_s[owner])
        return end_s
