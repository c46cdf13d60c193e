"""Laws of assignments: an assignment that fits is found where there is one, and each rule holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from cutlayer.sim.allocation.workflow.assignment import balanced_greedy, random_assignment
from cutlayer.sim.allocation.workflow.problem import WorkflowProblem
from cutlayer.sim.planning_error import PlanningError
from tests.support.workflows import every_assignment, plain_problem, random_problem

MIB = 8.0 * 2**20


def with_memory(memory_mib: list[float], capacity_mib: list[float]) -> WorkflowProblem:
    """Return a problem of owners and helpers that differ in memory alone."""
    plain = plain_problem([0.0] * len(memory_mib), helpers=len(capacity_mib))
    return replace(plain, memory_bits=np.array(memory_mib) * MIB, capacity_bits=np.array(capacity_mib) * MIB)


def test_owners_go_to_the_helper_with_the_fewest_owners_and_enough_memory() -> None:
    """Owners choose in order of their numbers, ties go to the lowest helper, and full helpers are skipped."""
    unlimited = with_memory([1.0] * 7, [np.inf] * 3)
    np.testing.assert_array_equal([0, 1, 2, 0, 1, 2, 0], balanced_greedy(unlimited))
    one_full = with_memory([1.0] * 7, [np.inf, 1.0, np.inf])
    np.testing.assert_array_equal([0, 1, 2, 0, 2, 0, 2], balanced_greedy(one_full))
    large_second = with_memory([1.0, 3.0, 1.0, 1.0], [np.inf, 2.0])
    np.testing.assert_array_equal([0, 0, 1, 1], balanced_greedy(large_second))


def test_the_most_even_assignment_replaces_a_rule_that_fails() -> None:
    """Two small owners on two helpers would leave no memory for a large one, so they share a helper."""
    assert balanced_greedy(with_memory([1.0, 1.0, 2.0], [2.0, 2.0])).tolist() in ([0, 0, 1], [1, 1, 0])
    even = balanced_greedy(
        with_memory([1.0, 2.0, 4.0, 5.0, 5.0], [13.0, 6.0])
    )  # four and one owners would fit too
    assert [3, 2] == np.bincount(even).tolist()


@given(seed=st.integers(0, 2**32 - 1), owners=st.integers(1, 5), helpers=st.integers(1, 3))
def test_both_rules_find_an_assignment_that_fits(seed: int, owners: int, helpers: int) -> None:
    """Both rules return one of the assignments that fit, and raise an error where there is none."""
    problem = random_problem(seed, owners, helpers, capacity=(0, 12))
    fitting = [helper.tolist() for helper in every_assignment(problem)]
    rng = np.random.default_rng(seed)
    if fitting:
        assert balanced_greedy(problem).tolist() in fitting
        assert random_assignment(problem, rng).tolist() in fitting
    else:
        with pytest.raises(PlanningError, match="no assignment fits"):
            balanced_greedy(problem)
        with pytest.raises(PlanningError, match="no assignment fits"):
            random_assignment(problem, rng)


def test_random_assignments_are_uniform_without_memory_limits() -> None:
    """All 8 assignments of 3 owners to 2 helpers are equally likely, by a chi-square test at 1e-4."""
    problem = with_memory([1.0] * 3, [np.inf] * 2)
    rng = np.random.default_rng(7)
    codes = [int(random_assignment(problem, rng) @ [4, 2, 1]) for _ in range(4000)]
    assert chisquare(np.bincount(codes, minlength=8)).pvalue > 1e-4


def test_equal_owners_are_equally_likely_to_get_scarce_memory() -> None:
    """Each of two owners gets the memory of helper 0 in 3 of 8 draws, by a chi-square test at 1e-4."""
    problem = with_memory([1.0, 1.0], [1.0, np.inf])
    rng = np.random.default_rng(11)
    codes = [int(random_assignment(problem, rng) @ [2, 1]) for _ in range(4000)]
    counts = np.bincount(codes, minlength=4)
    assert 0 == counts[0]
    assert chisquare(counts[1:], np.array([3, 3, 2]) * 500).pvalue > 1e-4


def test_random_assignments_are_found_where_few_fit() -> None:
    """An assignment is found where 24 owners must fill 12 helpers exactly, which hardly any draw does."""
    problem = with_memory([1.0, 3.0] * 12, [4.0] * 12)
    rng = np.random.default_rng(0)
    for _ in range(3):
        used = np.bincount(random_assignment(problem, rng), problem.memory_bits)
        np.testing.assert_array_equal(np.full(12, 4.0 * MIB), used)


def test_owners_that_do_not_fit_are_refused() -> None:
    """The error has the memory that the owners need and that the helpers have, in MiB."""
    message = (
        r"no assignment fits into the helpers' memory: 3 owners need 5 MiB in all, and 2 MiB at most"
        r" each; the helpers have 2 MiB, 2 MiB"
    )
    with pytest.raises(PlanningError, match=message):
        balanced_greedy(with_memory([1.0, 2.0, 2.0], [2.0, 2.0]))
    with pytest.raises(PlanningError, match=message):
        random_assignment(with_memory([1.0, 2.0, 2.0], [2.0, 2.0]), np.random.default_rng(0))
