"""Lower bounds on the makespan: of one helper's queue, and of all assignments and orders."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..linear_program import LinearProgram
from .problem import WorkflowProblem

__all__ = ["TaskTimes", "lower_bound_s", "preemptive_end_s"]

Floats: TypeAlias = NDArray[np.float64]
TaskTimes: TypeAlias = tuple[float, float, float]
"""A task's arrival, the time for which it occupies the helper, and its tail until its owner is done, [s]."""

MARGIN = 1e-6  # relative; HiGHS satisfies a program with coefficients of about 1 to within 1e-7


def preemptive_end_s(tasks: Iterable[TaskTimes]) -> float:
    """Return the time at which the last owner is done if tasks could be interrupted and resumed, [s].

    The helper always works on the waiting task with the longest tail, which is then optimal (Jackson's
    preemptive schedule: Carlier 1982). No order without interruptions ends earlier.

    Parameters
    ----------
    tasks : iterable of TaskTimes
        The tasks, each with its earliest arrival and its shortest tail, [s].
    """
    # The negative tail, since the heap pops the least, and the remaining time on the helper.
    waiting: list[tuple[float, float]] = []
    now_s = end_s = 0.0
    arriving = sorted(tasks, reverse=True)
    while arriving or waiting:
        if not waiting:
            now_s = max(now_s, arriving[-1][0])
        while arriving and arriving[-1][0] <= now_s:
            _, occupied_s, tail_s = arriving.pop()
            heappush(waiting, (-tail_s, occupied_s))
        negative_tail_s, remaining_s = heappop(waiting)
        if arriving and arriving[-1][0] < now_s + remaining_s:
            heappush(waiting, (negative_tail_s, now_s + remaining_s - arriving[-1][0]))
            now_s = arriving[-1][0]
        else:
            now_s += remaining_s
            end_s = max(end_s, now_s - negative_tail_s)
    return end_s


def lower_bound_s(problem: WorkflowProblem) -> float:
    """Return a lower bound on the makespan of all assignments and orders, [s].

    It is the optimum of a relaxed program, in which owners may be split among helpers within their memory.
    Only the use of a helper, 0 or 1, is an integer. Two rules bound the makespan T:

    - An owner is not done before the time that it takes alone.
    - A helper does one task at a time: T is at least the earliest arrival of its tasks, plus their total
      duration, plus their shortest tail. This holds for all tasks of a helper, and for its forward tasks and
      its backward tasks separately.

    Parameters
    ----------
    problem : WorkflowProblem
        Times and memory of each owner on each helper.

    Raises
    ------
    PlanningError
        If an owner fits no helper, or even split owners do not fit into the helpers' memory.
    """
    owners, helpers = problem.ready_s.shape
    fits = problem.memory_bits[:, np.newaxis] <= problem.limit_bits  # [num_owners, num_helpers]
    if not fits.any(axis=1).all():
        raise problem.memory_error("no assignment fits")
    alone_s = problem.alone_s()
    longest_s = float(np.where(fits, alone_s, np.inf).min(axis=1).max())
    unit_s = float((alone_s + problem.update_s).max()) or 1.0
    # Columns of the program: x[owner, helper], the fraction of an owner on a helper; y[helper], 1 where the
    # helper is used; and the makespan divided by unit_s, so that coefficients are about 1.
    x = np.arange(owners * helpers).reshape(owners, helpers)
    y, makespan = x.size + np.arange(helpers)[:, np.newaxis], x.size + helpers
    tiny = np.finfo(float).tiny
    memory_fraction = problem.memory_bits[:, np.newaxis] / np.maximum(problem.limit_bits, tiny)
    program = LinearProgram()
    program.add(-1.0, (x, -1.0))
    program.add(1.0, (x.T, np.where(fits, memory_fraction, 0.0).T))
    program.add(0.0, (x.T, 1.0), (y, -owners))
    program.add(0.0, (x, alone_s / unit_s), (np.full((owners, 1), makespan), -1.0))
    for arrival_s, occupied_s, tail_s in _task_groups(problem):
        least_arrival_s = np.where(fits, arrival_s, np.inf).min(axis=0)
        around_s = least_arrival_s + np.where(fits, tail_s, np.inf).min(axis=0)
        # Helpers that no owner fits are never used.
        around_s = np.where(np.isfinite(around_s), around_s, 0.0)[:, np.newaxis]
        last = np.full((helpers, 1), makespan)
        program.add(0.0, (x.T, occupied_s.T / unit_s), (y, around_s / unit_s), (last, -1.0))
    solution = program.minimise(
        np.append(np.zeros(makespan), 1.0),
        is_integer=np.append(np.zeros(x.size), np.append(np.ones(helpers), 0.0)),
        upper=np.append(fits.ravel(), np.append(np.ones(helpers), np.inf)),
    )
    if solution.status == 2:
        raise problem.memory_error("no assignment fits, even if owners could be divided,")
    return max(longest_s, float(solution.mip_dual_bound or 0.0) * unit_s * (1.0 - MARGIN))


def _task_groups(problem: WorkflowProblem) -> list[tuple[Floats, Floats, Floats]]:
    """Return arrival, duration and tail of both tasks of an owner, of its forward and of its backward task.

    Each is an array, [num_owners, num_helpers], [s].
    """
    backward_arrival_s = problem.ready_s + problem.forward_s + problem.between_s
    occupied_s = problem.backward_s + problem.update_s
    tail_s = problem.after_s - problem.update_s  # an owner does not wait for the update
    return [
        (problem.ready_s, problem.forward_s + occupied_s, tail_s),
        (problem.ready_s, problem.forward_s, problem.between_s + problem.backward_s + problem.after_s),
        (backward_arrival_s, occupied_s, tail_s),
    ]
