"""Laws of the optimal workflow and its bounds: no workflow is shorter, and no bound is higher."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cutlayer.sim.allocation.workflow import optimum as workflow_optimum
from cutlayer.sim.allocation.workflow.assignment import balanced_greedy
from cutlayer.sim.allocation.workflow.bounds import lower_bound_s, preemptive_end_s
from cutlayer.sim.allocation.workflow.local_search import search
from cutlayer.sim.allocation.workflow.optimum import optimal
from cutlayer.sim.allocation.workflow.problem import WorkflowProblem
from cutlayer.sim.allocation.workflow.schedule import first_come_first_served
from cutlayer.sim.planning_error import PlanningError
from tests.support.workflows import (
    assert_possible,
    every_assignment,
    plain_problem,
    random_problem,
    shortest_s,
)

SEEDS = st.integers(0, 2**32 - 1)
LONG_S = 60.0  # far longer than any search here


def solvable(seed: int, owners: int, helpers: int, *, whole: bool = True) -> WorkflowProblem:
    """Return a random problem for which some assignment fits into the memory."""
    problem = random_problem(seed, owners, helpers, whole=whole)
    assume(every_assignment(problem))
    return problem


@settings(max_examples=60)
@given(seed=SEEDS, owners=st.integers(1, 4), helpers=st.integers(1, 3), whole=st.booleans())
def test_no_assignment_and_order_is_shorter_than_the_optimum(
    seed: int, owners: int, helpers: int, whole: bool
) -> None:
    """The makespan is the least of all assignments and orders, and the bound equals it."""
    problem = solvable(seed, owners, helpers, whole=whole)
    workflow, bound_s = optimal(problem, time_limit_s=LONG_S)
    assert pytest.approx(shortest_s(problem), rel=1e-12) == workflow.makespan_s
    assert pytest.approx(workflow.makespan_s, rel=1e-12) == bound_s
    assert_possible(problem, workflow)


@settings(max_examples=60)
@given(seed=SEEDS, owners=st.integers(1, 4), helpers=st.integers(1, 3), whole=st.booleans())
def test_the_optimum_does_not_depend_on_the_start(seed: int, owners: int, helpers: int, whole: bool) -> None:
    """Starting from first come first served, without the local search, gives the same optimum."""
    problem = solvable(seed, owners, helpers, whole=whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflow_optimum, "search", lambda problem, start: start)
        workflow, bound_s = optimal(problem, time_limit_s=LONG_S)
    assert pytest.approx(shortest_s(problem), rel=1e-12) == workflow.makespan_s == bound_s


@settings(max_examples=25)
@given(seed=SEEDS, owners=st.integers(1, 7), helpers=st.integers(1, 3))
def test_bound_and_methods_are_ordered(seed: int, owners: int, helpers: int) -> None:
    """Lower bound ≤ optimum ≤ local search ≤ first come first served of balanced greedy."""
    problem = solvable(seed, owners, helpers)
    served = first_come_first_served(problem, balanced_greedy(problem))
    better = search(problem, served)
    best, bound_s = optimal(problem, time_limit_s=LONG_S)
    assert bound_s <= best.makespan_s <= better.makespan_s <= served.makespan_s
    assert lower_bound_s(problem) <= best.makespan_s * (1 + 1e-12)


@settings(max_examples=25)
@given(seed=SEEDS, owners=st.integers(1, 5), helpers=st.integers(1, 3))
def test_the_numbering_of_owners_and_helpers_does_not_matter(seed: int, owners: int, helpers: int) -> None:
    """Permuting owners and helpers leaves the shortest makespan unchanged."""
    problem = solvable(seed, owners, helpers)
    rng = np.random.default_rng(seed)
    i, h = rng.permutation(owners), rng.permutation(helpers)
    index = {"memory_bits": i, "capacity_bits": h}
    mixed = WorkflowProblem(
        *(getattr(problem, field.name)[index.get(field.name, np.ix_(i, h))] for field in fields(problem))
    )
    before, after = (optimal(each, time_limit_s=LONG_S)[0] for each in (problem, mixed))
    assert pytest.approx(before.makespan_s, rel=1e-12) == after.makespan_s


@settings(max_examples=25)
@given(seed=SEEDS, owners=st.integers(1, 5), helpers=st.integers(2, 3))
@pytest.mark.parametrize(
    "field", ["ready_s", "forward_s", "between_s", "backward_s", "update_s", "after_s", "capacity_bits"]
)
def test_shorter_tasks_or_more_memory_are_never_worse(
    seed: int, owners: int, helpers: int, field: str
) -> None:
    """Shortening any task or adding memory does not make the shortest makespan longer."""
    problem = solvable(seed, owners, helpers)
    scale = np.random.default_rng(seed).uniform(size=getattr(problem, field).shape)
    if field == "capacity_bits":
        scale = scale + 1.0
    easier = replace(problem, **{field: getattr(problem, field) * scale})
    before, after = (optimal(each, time_limit_s=LONG_S)[0] for each in (problem, easier))
    assert after.makespan_s <= before.makespan_s * (1 + 1e-12)


def test_equal_helpers_share_equal_owners() -> None:
    """Nine equal owners on three equal helpers are three each: six tasks of 1 s one after another."""
    best, bound_s = optimal(plain_problem([0.0] * 9, helpers=3), time_limit_s=LONG_S)
    assert 6.0 == best.makespan_s == bound_s
    assert 6.0 == pytest.approx(lower_bound_s(plain_problem([0.0] * 9, helpers=3)), rel=2e-6)


def test_without_time_there_are_still_a_workflow_and_a_bound() -> None:
    """A search without time returns the workflow of the local search and a bound at least lower_bound_s."""
    problem = random_problem(5, 9, 3, whole=False, capacity=(15, 20))
    workflow, bound_s = optimal(problem, time_limit_s=0.0)
    best, _ = optimal(problem, time_limit_s=LONG_S)
    start = search(problem, first_come_first_served(problem, balanced_greedy(problem)))
    assert start.makespan_s == workflow.makespan_s
    assert lower_bound_s(problem) <= bound_s <= best.makespan_s <= workflow.makespan_s
    assert bound_s < workflow.makespan_s


@given(
    tasks=st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 9), st.integers(-5, 20)), min_size=1, max_size=7
    )
)
def test_the_preemptive_end_is_the_maximum_over_all_sets_of_tasks(tasks: list[tuple[int, int, int]]) -> None:
    """It is the maximum of earliest arrival + total time + least tail over all sets (Carlier 1982), or 0."""
    sets = (subset for size in range(1, len(tasks) + 1) for subset in combinations(tasks, size))
    worst = max(min(r for r, _, _ in s) + sum(p for _, p, _ in s) + min(q for _, _, q in s) for s in sets)
    assert max(worst, 0) == preemptive_end_s(tasks)


def test_the_lower_bound_respects_memory() -> None:
    """The bound counts the time on the only helper with enough memory; without one there is an error."""
    problem = plain_problem([0.0], helpers=2)
    ten_s = np.array([[10.0, 1.0]])
    problem = replace(problem, forward_s=ten_s, backward_s=ten_s, capacity_bits=np.array([1.0, 0.5]))
    assert 20.0 == lower_bound_s(problem)
    for capacity in ([0.5, 0.5], [0.0, 0.0]):
        with pytest.raises(PlanningError, match="no assignment fits into the helpers' memory: 1 owners"):
            lower_bound_s(replace(problem, capacity_bits=np.array(capacity)))
    crowded = replace(plain_problem([0.0] * 3, helpers=2), capacity_bits=np.array([1.0, 1.5]))
    with pytest.raises(PlanningError, match="no assignment fits, even if owners could be divided,"):
        lower_bound_s(crowded)
