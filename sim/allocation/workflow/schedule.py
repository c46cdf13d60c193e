"""The queue of one helper: when its tasks begin, in the order of their arrival or in any other."""

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
    "WorkflowProblem",
    "first_come_first_served",
    "in_order",
]


@dataclass(frozen=True)
class Workflow:
    """A workflow, and when everything happens in it.

    Attributes
    ----------
    helper : [num_owners], int
        The helper of each owner, from 0.
    order : Order or None
        The tasks of each helper in order; None where it serves first come first served.
    makespan_s : float
        When the last owner is done, [s].
    forward_start_s, backward_start_s : [num_owners], float
        When the helper begins each owner's tasks, [s].
    """

    helper: NDArray[np.intp]
    order: Order | None
    makespan_s: float
    forward_start_s: NDArray[np.float64]
    backward_start_s: NDArray[np.float64]


def first_come_first_served(problem: WorkflowProblem, helper: NDArray[np.intp]) -> Workflow:
    """Return the workflow in which each helper serves tasks in the order in which they arrive.

    Of tasks that arrive at the same instant forward ones go first, and of these the lower owner's.

    Parameters
    ----------
    problem : what each owner takes on each helper
    helper : [num_owners], int
        The helper of each owner, from 0.

    Raises
    ------
    AllocationError
        If a helper lacks the memory for its owners.
    """
    problem.check_memory(helper)
    order = [
        HelperTimes(problem, h).fifo_order(np.flatnonzero(helper == h).tolist())
        for h in range(problem.num_helpers)
    ]
    return _timed(problem, helper, order, None)


def in_order(problem: WorkflowProblem, helper: NDArray[np.intp], order: Order) -> Workflow:
    """Return the workflow in which each helper keeps to its order, and waits for a task that is late.

    Parameters
    ----------
    problem, helper, raises : as for :func:`first_come_first_served`
    order : the tasks of each helper: of each of its owners the forward task, and later the backward task

    Raises
    ------
    AllocationError
        If a helper lacks the memory for its owners, or its order is not one of their tasks.
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
    return _timed(problem, helper, order, order)


def _timed(
    problem: WorkflowProblem, helper: NDArray[np.intp], served: Sequence[Sequence[Task]], order: Order | None
) -> Workflow:
    starts_s = np.zeros((2, problem.num_owners))
    ends_s = []
    for h, tasks in enumerate(served):
        times = HelperTimes(problem, h)
        ends_s.append(times.end_s(tasks))
        for (owner, is_backward), start_s in zip(tasks, times.starts_s(tasks), strict=True):
            starts_s[int(is_backward), owner] = start_s
    return Workflow(helper, order, max(ends_s), starts_s[0], starts_s[1])


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

    def fifo_order(self, owners: Iterable[int]) -> list[Task]:
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
