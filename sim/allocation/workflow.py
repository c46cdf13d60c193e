"""Who helps whom, and in which order: the workflow of one mini-batch an owner over one hop.

Owners hand the middle part of their model to helpers (Tirana et al. 2024, arXiv 2402.10092). A helper has two
tasks for each of its owners, forward and backward, does one at a time and never breaks one off. An owner's
backward task reaches the helper some time after its forward task has ended, for the last part of the model is
with the owner. The makespan is the time until the last owner has its gradient and is done with it; an update
that a helper is still busy with then is not waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .problem import AllocationError
from .workflow_problem import WorkflowProblem
from .workflow_queue import HelperTimes, Order, Task

__all__ = ["Order", "Task", "Workflow", "WorkflowProblem", "first_come_first_served", "in_order"]


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
        HelperTimes(problem, h).as_they_come(np.flatnonzero(helper == h).tolist())
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
        raise AllocationError(f"{problem.num_helpers} helpers need an order each, not {len(order)} orders")
    for h, tasks in enumerate(order):
        owners = np.flatnonzero(helper == h).tolist()
        forward = [owner for owner, is_backward in tasks if not is_backward]
        backward = [owner for owner, is_backward in tasks if is_backward]
        early = [i for i in backward if i in forward and tasks.index((i, True)) < tasks.index((i, False))]
        if sorted(forward) != owners or sorted(backward) != owners or early:
            raise AllocationError(
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
