"""Assignments of owners to helpers whose memory holds them: the paper's balanced greedy rule, and chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..joint.milp_bound import LinearProgram
from .problem import WorkflowProblem

__all__ = ["balanced_greedy", "drawn_assignment", "random_assignment"]

DRAWS_MAX = 100
SEARCH_S = 10.0


def balanced_greedy(problem: WorkflowProblem) -> NDArray[np.intp]:
    """Return the paper's balanced-greedy assignment: each owner to the helper that has the fewest.

    Owners choose in the order of their numbers, among the helpers that have the memory; of equal helpers the
    lowest. How fast a helper is does not count. The paper leaves open what happens where an owner finds no
    memory that another choice would have left; here the most even assignment of all is looked for then.

    Parameters
    ----------
    problem : what each owner takes on each helper

    Returns
    -------
    helper : [num_owners], int
        The helper of each owner, from 0.

    Raises
    ------
    AllocationError
        If no assignment fits into the helpers' memory.
    """
    counts = np.zeros(problem.num_helpers)
    left_bits = problem.limit_bits
    helper = np.zeros(problem.num_owners, dtype=np.intp)
    for owner, needed_bits in enumerate(problem.memory_bits):
        # [num_helpers] infinite where the memory does not suffice
        chosen = np.where(left_bits >= needed_bits, counts, np.inf).argmin()
        if left_bits[chosen] < needed_bits:
            return _fitting(problem, np.zeros_like(problem.ready_s), evenness=1.0)
        helper[owner] = chosen
        counts[chosen] += 1
        left_bits[chosen] -= needed_bits
    return helper


def random_assignment(problem: WorkflowProblem, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return a random assignment: owners in random order, each to any helper that has the memory.

    Where that leaves an owner without memory it is drawn anew, up to 100 times; after that the assignment
    that costs least is taken, by random costs.

    Parameters
    ----------
    problem : what each owner takes on each helper
    rng : generator to draw from

    Returns
    -------
    helper : [num_owners], int
        The helper of each owner, from 0.

    Raises
    ------
    AllocationError
        If no assignment fits into the helpers' memory.
    """
    for _ in range(DRAWS_MAX):
        helper = drawn_assignment(problem, rng)
        if helper is not None:
            return helper
    return _fitting(problem, rng.uniform(size=problem.ready_s.shape), evenness=0.0)


def drawn_assignment(problem: WorkflowProblem, rng: np.random.Generator) -> NDArray[np.intp] | None:
    """Return one draw of :func:`random_assignment`, None where it leaves an owner without memory."""
    left_bits = problem.limit_bits
    helper = np.zeros(problem.num_owners, dtype=np.intp)
    for owner in rng.permutation(problem.num_owners):
        roomy = np.flatnonzero(left_bits >= problem.memory_bits[owner])
        if not roomy.size:
            return None
        helper[owner] = rng.choice(roomy)
        left_bits[helper[owner]] -= problem.memory_bits[owner]
    return helper


def _fitting(problem: WorkflowProblem, cost: NDArray[np.float64], evenness: float) -> NDArray[np.intp]:
    """Return the assignment of least cost, plus the owners of the fullest helper times the evenness."""
    owners, helpers = cost.shape
    x = np.arange(cost.size).reshape(owners, helpers)  # columns; the last is the fullest helper's count
    share = problem.memory_bits[:, np.newaxis] / np.maximum(problem.limit_bits, np.finfo(float).tiny)
    rows = LinearProgram()
    rows.add(-1.0, (x, -1.0))
    rows.add(1.0, (x.T, np.minimum(share.T, 2.0)))  # more than all of the memory is too much, however much
    rows.add(0.0, (x.T, 1.0), (np.full((helpers, 1), cost.size), -1.0))
    found = rows.minimise(
        np.append(cost.ravel(), evenness),
        is_integer=np.append(np.ones(cost.size), 0),
        upper=np.append(np.ones(cost.size), owners),
        time_limit_s=SEARCH_S,
    )
    if found.x is None:
        raise problem.memory_error(
            "no assignment fits" if found.status == 2 else f"within {SEARCH_S:g} s none was found that fits"
        )
    helper: NDArray[np.intp] = found.x[:-1].reshape(owners, helpers).argmax(axis=1)
    problem.check_memory(helper)  # a solver may pass a limit by its tolerance
    return helper
