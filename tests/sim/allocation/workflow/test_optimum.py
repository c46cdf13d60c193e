"""Laws of the best workflow and its bounds: nothing is shorter, and no bound is above it."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cutlayer.sim.allocation.workflow import optimum as workflow_optimum
from cutlayer.sim.allocation.workflow.assignment import balanced_greedy
from cutlayer.sim.allocation.workflow.bounds import lower_bound_s, shared_end_s
from cutlayer.sim.allocation.workflow.local_search import improved
from cutlayer.sim.allocation.workflow.optimum import optimal
from cutlayer.sim.allocation.workflow.schedule import WorkflowProblem, first_come_first_served
from cutlayer.sim.planning_error import PlanningError
from tests.support.workflows import (
    assert_possible,
    every_assignment,
    plain_problem,
    random_problem,
    shortest_s,
)

SEEDS = st.integers(0, 2**32 - 1)
LONG_S = 60.0  # no search here comes near it


def solvable(seed: int, owners: int, helpers: int, *, whole: bool = True) -> WorkflowProblem:
    """Return a random problem that some assignment fits."""
    problem = random_problem(seed, owners, helpers, whole=whole)
    assume(every_assignment(problem))
    return problem


@settings(max_examples=60)
@given(seed=SEEDS, owners=st.integers(1, 4), helpers=st.integers(1, 3), whole=st.booleans())
def test_the_optimum_is_that_of_all_assignments_and_orders(
    seed: int, owners: int, helpers: int, whole: bool
) -> None:
    """One by one, none is shorter and one is as short, and the search knows that it is done."""
    problem = solvable(seed, owners, helpers, whole=whole)
    found, bound_s = optimal(problem, time_limit_s=LONG_S)
    assert pytest.approx(shortest_s(problem), rel=1e-12) == found.makespan_s
    assert pytest.approx(found.makespan_s, rel=1e-12) == bound_s
    assert_possible(problem, found)


@settings(max_examples=60)
@given(seed=SEEDS, owners=st.integers(1, 4), helpers=st.integers(1, 3), whole=st.booleans())
def test_the_search_needs_no_good_start(seed: int, owners: int, helpers: int, whole: bool) -> None:
    """From first come first served alone, without the local search, the optimum is the same."""
    problem = solvable(seed, owners, helpers, whole=whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflow_optimum, "improved", lambda problem, start: start)
        found, bound_s = optimal(problem, time_limit_s=LONG_S)
    assert pytest.approx(shortest_s(problem), rel=1e-12) == found.makespan_s == bound_s


@settings(max_examples=25)
@given(seed=SEEDS, owners=st.integers(1, 7), helpers=st.integers(1, 3))
def test_bounds_and_methods_are_in_line(seed: int, owners: int, helpers: int) -> None:
    """Lower bound, optimum, local search, first come first served of balanced greedy: none above the next."""
    problem = solvable(seed, owners, helpers)
    served = first_come_first_served(problem, balanced_greedy(problem))
    better = improved(problem, served)
    best, bound_s = optimal(problem, time_limit_s=LONG_S)
    assert bound_s <= best.makespan_s <= better.makespan_s <= served.makespan_s
    assert lower_bound_s(problem) <= best.makespan_s * (1 + 1e-12)


@settings(max_examples=25)
@given(seed=SEEDS, owners=st.integers(1, 5), helpers=st.integers(1, 3))
def test_numbers_of_owners_and_helpers_do_not_matter(seed: int, owners: int, helpers: int) -> None:
    """In any other order of owners and helpers the shortest makespan is the same."""
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
def test_more_of_anything_is_never_worse(seed: int, owners: int, helpers: int, field: str) -> None:
    """With a shorter task or more memory somewhere the shortest makespan does not grow."""
    problem = solvable(seed, owners, helpers)
    scale = np.random.default_rng(seed).uniform(size=getattr(problem, field).shape)
    if field == "capacity_bits":
        scale = scale + 1.0
    easier = replace(problem, **{field: getattr(problem, field) * scale})
    before, after = (optimal(each, time_limit_s=LONG_S)[0] for each in (problem, easier))
    assert after.makespan_s <= before.makespan_s * (1 + 1e-12)


def test_equal_helpers_share_equal_owners() -> None:
    """Nine alike owners on three equal helpers: three each, six tasks of 1 s one after the other."""
    best, bound_s = optimal(plain_problem([0.0] * 9, helpers=3), time_limit_s=LONG_S)
    assert 6.0 == best.makespan_s == bound_s
    assert 6.0 == pytest.approx(lower_bound_s(plain_problem([0.0] * 9, helpers=3)), rel=2e-6)


def test_with_no_time_there_is_still_a_workflow_and_a_bound() -> None:
    """Cut short at once, the workflow is the local search's and the bound the linear program's or better."""
    problem = random_problem(5, 9, 3, whole=False, capacity=(15, 20))
    found, bound_s = optimal(problem, time_limit_s=0.0)
    best, _ = optimal(problem, time_limit_s=LONG_S)
    start = improved(problem, first_come_first_served(problem, balanced_greedy(problem)))
    assert start.makespan_s == found.makespan_s
    assert lower_bound_s(problem) <= bound_s <= best.makespan_s <= found.makespan_s
    assert bound_s < found.makespan_s


@given(
    jobs=st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 9), st.integers(-5, 20)), min_size=1, max_size=7
    )
)
def test_the_shared_end_is_that_of_the_worst_set_of_tasks(jobs: list[tuple[int, int, int]]) -> None:
    """It is ``max over sets (earliest + total + least that follows)`` (Carlier 1982), and at least 0."""
    sets = (chosen for size in range(1, len(jobs) + 1) for chosen in combinations(jobs, size))
    worst = max(min(r for r, _, _ in s) + sum(p for _, p, _ in s) + min(q for _, _, q in s) for s in sets)
    assert max(worst, 0) == shared_end_s(jobs)


def test_the_bound_knows_memory() -> None:
    """Where only the slow helper holds an owner it counts what that takes; where none does it is an error."""
    problem = plain_problem([0.0], helpers=2)
    ten_s = np.array([[10.0, 1.0]])
    problem = replace(problem, forward_s=ten_s, backward_s=ten_s, capacity_bits=np.array([1.0, 0.5]))
    assert 20.0 == lower_bound_s(problem)
    for capacity in ([0.5, 0.5], [0.0, 0.0]):
        with pytest.raises(PlanningError, match="no assignment fits into the helpers' memory: 1 owners"):
            lower_bound_s(replace(problem, capacity_bits=np.array(capacity)))
    crowded = replace(plain_problem([0.0] * 3, helpers=2), capacity_bits=np.array([1.0, 1.5]))
    with pytest.raises(PlanningError, match="not even parts of owners fit"):
        lower_bound_s(crowded)
