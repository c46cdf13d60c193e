"""Times that no workflow goes below: of one helper's queue, and of all assignments and orders."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..joint.milp_bound import LinearProgram
from .problem import WorkflowProblem

__all__ = ["Job", "lower_bound_s", "shared_end_s"]

Floats: TypeAlias = NDArray[np.float64]
Job: TypeAlias = tuple[float, float, float]
"""When a task is there, how long it occupies the helper, and what follows until its owner is done, [s]."""

MARGIN = 1e-6  # relative; HiGHS meets a program of numbers of about 1 to 1e-7


def shared_end_s(jobs: Iterable[Job]) -> float:
    """Return when the last owner is done if tasks could be broken off and resumed, [s].

    The helper does what has most to follow of the tasks that are there, which is then optimal (Jackson's
    preemptive schedule: Carlier 1982). No order without interruptions is shorter.

    Parameters
    ----------
    jobs : the tasks, each with what comes before and after it at the earliest
    """
    waiting: list[tuple[float, float]] = []  # what follows, negative for the heap, and what is left to do
    now_s = end_s = 0.0
    arriving = sorted(jobs, reverse=True)
    while arriving or waiting:
        if not waiting:
            now_s = max(now_s, arriving[-1][0])
        while arriving and arriving[-1][0] <= now_s:
            _, occupied_s, follows_s = arriving.pop()
            heappush(waiting, (-follows_s, occupied_s))
        follows_s, left_s = heappop(waiting)
        if arriving and arriving[-1][0] < now_s + left_s:
            heappush(waiting, (follows_s, now_s + left_s - arriving[-1][0]))
            now_s = arriving[-1][0]
        else:
            now_s += left_s
            end_s = max(end_s, now_s - follows_s)
    return end_s


def lower_bound_s(problem: WorkflowProblem) -> float:
    """Return a time that the makespan of no assignment and no order goes below, [s].

    A program shares owners out to helpers, in parts, as their memory allows. No owner is done before the time
    that it takes alone. And a helper does one task at a time: from the earliest instant at which one of its
    tasks may be there they take their total time, and then comes the least that follows one. That holds for
    all tasks of a helper, and for its forward and its backward tasks alone. Whether a helper is used must be
    whole.

    Parameters
    ----------
    problem : what each owner takes on each helper

    Raises
    ------
    AllocationError
        If not even parts of owners fit into the helpers' memory.
    """
    owners, helpers = problem.ready_s.shape
    fits = problem.memory_bits[:, np.newaxis] <= problem.limit_bits  # [num_owners, num_helpers]
    if not fits.any(axis=1).all():
        raise problem.memory_error("no assignment fits")
    alone_s = problem.alone_s()
    longest_s = float(np.where(fits, alone_s, np.inf).min(axis=1).max())
    unit_s = float((alone_s + problem.update_s).max()) or 1.0
    # Columns: x[owner, helper], the part; y[helper], whether it is used; the makespan, in units.
    x = np.arange(owners * helpers).reshape(owners, helpers)
    y, makespan = x.size + np.arange(helpers)[:, np.newaxis], x.size + helpers
    share = problem.memory_bits[:, np.newaxis] / np.maximum(problem.limit_bits, np.finfo(float).tiny)
    rows = LinearProgram()
    rows.add(-1.0, (x, -1.0))
    rows.add(1.0, (x.T, np.where(fits, share, 0.0).T))
    rows.add(0.0, (x.T, 1.0), (y, -owners))
    rows.add(0.0, (x, alone_s / unit_s), (np.full((owners, 1), makespan), -1.0))
    for before_s, occupied_s, follows_s in _families(problem):
        around_s = np.where(fits, before_s, np.inf).min(axis=0) + np.where(fits, follows_s, np.inf).min(
            axis=0
        )
        around_s = np.where(np.isfinite(around_s), around_s, 0.0)[:, np.newaxis]  # where nobody fits
        last = np.full((helpers, 1), makespan)
        rows.add(0.0, (x.T, occupied_s.T / unit_s), (y, around_s / unit_s), (last, -1.0))
    found = rows.minimise(
        np.append(np.zeros(makespan), 1.0),
        is_integer=np.append(np.zeros(x.size), np.append(np.ones(helpers), 0.0)),
        upper=np.append(fits.ravel(), np.append(np.ones(helpers), np.inf)),
    )
    if found.status == 2:
        raise problem.memory_error("not even parts of owners fit")
    return max(longest_s, float(found.mip_dual_bound or 0.0) * unit_s * (1.0 - MARGIN))


def _families(problem: WorkflowProblem) -> list[tuple[Floats, Floats, Floats]]:
    """Return what comes before, in and after an owner's tasks: both, the forward one, the backward one."""
    until_back_s = problem.ready_s + problem.forward_s + problem.between_s
    occupied_s = problem.backward_s + problem.update_s
    follows_s = problem.after_s - problem.update_s  # the last update is not waited for
    return [
        (problem.ready_s, problem.forward_s + occupied_s, follows_s),
        (problem.ready_s, problem.forward_s, problem.between_s + problem.backward_s + problem.after_s),
        (until_back_s, occupied_s, follows_s),
    ]
