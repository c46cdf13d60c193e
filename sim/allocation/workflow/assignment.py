"""Assignments of owners to helpers within their memory: the balanced greedy rule, and random ones.

The balanced greedy rule is that of arXiv 2402.10092.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..linear_program import LinearProgram
from .problem import WorkflowProblem

__all__ = ["balanced_greedy", "random_assignment", "try_random_assignment"]

DRAWS_MAX = 100  # random assignments that are tried before an optimisation with random costs
SOLVER_S = 10.0  # wall-clock limit of the optimisation


def balanced_greedy(problem: WorkflowProblem) -> NDArray[np.intp]:
    """Return the paper's balanced greedy assignment: each owner goes to the helper with the fewest owners.

    Owners choose in the order of their numbers among the helpers that have the memory; ties go to the lowest
    helper. The speed of a helper does not count. Earlier choices may leave an owner without memory, for which
    the paper defines no rule. The result is then the assignment whose fullest helper has the fewest owners.

    Parameters
    ----------
    problem : WorkflowProblem
        Times and memory of each owner on each helper.

    Returns
    -------
    helper : ndarray of int, [num_owners]
        The helper of each owner, from 0.

    Raises
    ------
    PlanningError
        If no assignment fits into the helpers' memory.
    """
    counts = np.zeros(problem.num_helpers)
    free_bits = problem.limit_bits
    helper = np.zeros(problem.num_owners, dtype=np.intp)
    for owner, needed_bits in enumerate(problem.memory_bits):
        # Counts are infinite where the memory does not suffice.
        emptiest = np.where(free_bits >= needed_bits, counts, np.inf).argmin()
        if free_bits[emptiest] < needed_bits:
            return _solve_assignment(problem, np.zeros_like(problem.ready_s), evenness=1.0)
        helper[owner] = emptiest
        counts[emptiest] += 1
        free_bits[emptiest] -= needed_bits
    return helper


def random_assignment(problem: WorkflowProblem, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return a random assignment: in random order, each owner goes to any helper that has the memory.

    A draw that leaves an owner without memory is repeated, up to 100 times. After that the result is the
    assignment of least total cost, with random costs of each owner on each helper.

    Parameters
    ----------
    problem : WorkflowProblem
        Times and memory of each owner on each helper.
    rng : numpy.random.Generator
        Generator to draw from.

    Returns
    -------
    helper : ndarray of int, [num_owners]
        The helper of each owner, from 0.

    Raises
    ------
    PlanningError
        If no assignment fits into the helpers' memory.
    """
    for _ in range(DRAWS_MAX):
        helper = try_random_assignment(problem, rng)
        if helper is not None:
            return helper
    return _solve_assignment(problem, rng.uniform(size=problem.ready_s.shape), evenness=0.0)


def try_random_assignment(problem: WorkflowProblem, rng: np.random.Generator) -> NDArray[np.intp] | None:
    """Return one draw of :func:`random_assignment`, or None if it leaves an owner without memory."""
    free_bits = problem.limit_bits
    helper = np.zeros(problem.num_owners, dtype=np.intp)
    for owner in rng.permutation(problem.num_owners):
        candidates = np.flatnonzero(free_bits >= problem.memory_bits[owner])
        if not candidates.size:
            return None
        helper[owner] = rng.choice(candidates)
        free_bits[helper[owner]] -= problem.memory_bits[owner]
    return helper


def _solve_assignment(
    problem: WorkflowProblem, cost: NDArray[np.float64], evenness: float
) -> NDArray[np.intp]:
    """Return the assignment that minimises ``Σ cost x + evenness · (owners of the fullest helper)``.

    Parameters
    ----------
    problem : WorkflowProblem
        Memory of owners and helpers.
    cost : ndarray, [num_owners, num_helpers]
        Cost of each owner on each helper, [1].
    evenness : float
        Weight of the number of owners on the fullest helper, [1].

    Raises
    ------
    PlanningError
        If no assignment fits into the helpers' memory, or none is found in time.
    """
    owners, helpers = cost.shape
    # Columns of the program: x[owner, helper], 1 for the chosen helper; and the largest number of owners.
    x = np.arange(cost.size).reshape(owners, helpers)
    tiny = np.finfo(float).tiny
    memory_fraction = problem.memory_bits[:, np.newaxis] / np.maximum(problem.limit_bits, tiny)
    program = LinearProgram()
    program.add(-1.0, (x, -1.0))
    # A fraction of 2 excludes the pair already, so larger ones are capped there.
    program.add(1.0, (x.T, np.minimum(memory_fraction.T, 2.0)))
    program.add(0.0, (x.T, 1.0), (np.full((helpers, 1), cost.size), -1.0))
    solution = program.minimise(
        np.append(cost.ravel(), evenness),
        is_integer=np.append(np.ones(cost.size), 0),
        upper=np.append(np.ones(cost.size), owners),
        time_limit_s=SOLVER_S,
    )
    if solution.x is None:
        late = f"within {SOLVER_S:g} s no assignment was found that fits"
        raise problem.memory_error("no assignment fits" if solution.status == 2 else late)
    helper: NDArray[np.intp] = solution.x[:-1].reshape(owners, helpers).argmax(axis=1)
    problem.check_memory(helper)  # the solver may exceed a limit by its tolerance
    return helper
