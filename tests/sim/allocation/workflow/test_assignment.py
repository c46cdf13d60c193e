"""Laws of assignments: they fit into the memory wherever any does, and each rule is what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from cutlayer.sim.allocation.workflow.assignment import balanced_greedy, random_assignment
from cutlayer.sim.allocation.workflow.schedule import WorkflowProblem
from cutlayer.sim.planning_error import PlanningError
from tests.support.workflows import every_assignment, plain_problem, random_problem

MIB = 8.0 * 2**20


def with_memory(memory_mib: list[float], capacity_mib: list[float]) -> WorkflowProblem:
    """Return a problem of owners and helpers that differ in memory alone."""
    plain = plain_problem([0.0] * len(memory_mib), helpers=len(capacity_mib))
    return replace(plain, memory_bits=np.array(memory_mib) * MIB, capacity_bits=np.array(capacity_mib) * MIB)


def test_owners_go_to_the_helper_with_the_fewest_that_has_room() -> None:
    """In the order of their numbers, to the lowest of equal helpers; a full helper is passed over."""
    unlimited = with_memory([1.0] * 7, [np.inf] * 3)
    np.testing.assert_array_equal([0, 1, 2, 0, 1, 2, 0], balanced_greedy(unlimited))
    one_full = with_memory([1.0] * 7, [np.inf, 1.0, np.inf])
    np.testing.assert_array_equal([0, 1, 2, 0, 2, 0, 2], balanced_greedy(one_full))
    large_second = with_memory([1.0, 3.0, 1.0, 1.0], [np.inf, 2.0])
    np.testing.assert_array_equal([0, 0, 1, 1], balanced_greedy(large_second))


def test_where_the_rule_gets_stuck_the_most_even_assignment_is_found() -> None:
    """Two small owners go to both helpers, and the large one fits nowhere then: the small ones share one."""
    assert balanced_greedy(with_memory([1.0, 1.0, 2.0], [2.0, 2.0])).tolist() in ([0, 0, 1], [1, 1, 0])
    even = balanced_greedy(with_memory([1.0, 2.0, 4.0, 5.0, 5.0], [13.0, 6.0]))  # four and one would fit too
    assert [3, 2] == np.bincount(even).tolist()


@given(seed=st.integers(0, 2**32 - 1), owners=st.integers(1, 5), helpers=st.integers(1, 3))
def test_one_is_found_wherever_one_fits(seed: int, owners: int, helpers: int) -> None:
    """Both rules give one of the assignments that fit; where there is none both say so."""
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


def test_without_limits_every_random_assignment_is_as_likely() -> None:
    """All 8 assignments of 3 owners to 2 helpers come equally often: a chi-square test at 1e-4."""
    problem = with_memory([1.0] * 3, [np.inf] * 2)
    rng = np.random.default_rng(7)
    drawn = [int(random_assignment(problem, rng) @ [4, 2, 1]) for _ in range(4000)]
    assert chisquare(np.bincount(drawn, minlength=8)).pvalue > 1e-4


def test_alike_owners_have_alike_chances_where_memory_is_scarce() -> None:
    """Of two owners, the only place on helper 0 goes to each in 3 of 8 draws: a chi-square test at 1e-4."""
    problem = with_memory([1.0, 1.0], [1.0, np.inf])
    rng = np.random.default_rng(11)
    drawn = [int(random_assignment(problem, rng) @ [2, 1]) for _ in range(4000)]
    counts = np.bincount(drawn, minlength=4)
    assert 0 == counts[0]
    assert chisquare(counts[1:], np.array([3, 3, 2]) * 500).pvalue > 1e-4


def test_random_assignments_are_found_where_few_fit() -> None:
    """Where 24 owners must pair up to fill 12 helpers exactly, hardly any draw does; one is found."""
    problem = with_memory([1.0, 3.0] * 12, [4.0] * 12)
    rng = np.random.default_rng(0)
    for _ in range(3):
        used = np.bincount(random_assignment(problem, rng), problem.memory_bits)
        np.testing.assert_array_equal(np.full(12, 4.0 * MIB), used)


def test_impossible_memory_is_an_error_with_all_numbers() -> None:
    """The error has what the owners need and what the helpers have, in MiB."""
    message = (
        r"no assignment fits into the helpers' memory: 3 owners need 5 MiB in all, and 2 MiB at most"
        r" each; the helpers have 2 MiB, 2 MiB"
    )
    with pytest.raises(PlanningError, match=message):
        balanced_greedy(with_memory([1.0, 2.0, 2.0], [2.0, 2.0]))
    with pytest.raises(PlanningError, match=message):
        random_assignment(with_memory([1.0, 2.0, 2.0], [2.0, 2.0]), np.random.default_rng(0))
