"""Laws of the placement on a chain: optimality over all bounds, and the published placements."""

import csv
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.sim.allocation.placement import Objective, Placement, PlacementProblem, optimal_placement
from cutlayer.sim.planning_error import PlanningError

SEEDS = st.integers(0, 2**32 - 1)
OBJECTIVES = st.sampled_from(["stage_sum", "slowest"])
MIB = 8.0 * 2**20


def placements(problem: PlacementProblem) -> Iterator[Placement]:
    """Yield every placement that fits, the lowest bounds first."""
    nodes, layers = problem.forward_s.shape
    for inner in combinations(range(1, layers), nodes - 1):
        bounds = (0, *inner, layers)
        parts = [slice(*bounds[node : node + 2]) for node in range(nodes)]
        needed = np.array([problem.num_owners * problem.memory_bits[part].sum() for part in parts])
        if (needed <= problem.capacity_bits).all():
            forward_s = np.array([problem.forward_s[node, part].sum() for node, part in enumerate(parts)])
            backward_s = np.array([problem.backward_s[node, part].sum() for node, part in enumerate(parts)])
            yield Placement(bounds, forward_s, backward_s)


def objectives_s(placement: Placement, objective: Objective) -> tuple[float, float]:
    """Return the value that is minimised and the value that decides ties."""
    both_s = placement.stage_sum_s, placement.slowest_s
    return both_s if objective == "stage_sum" else both_s[::-1]


def random_problem(seed: int, nodes: int, layers: int, *, whole: bool = False) -> PlacementProblem:
    """Return nodes with different times and memories; times in whole seconds have many ties."""
    rng = np.random.default_rng(seed)
    forward_s, backward_s = rng.lognormal(size=(2, nodes, layers))
    if whole:
        forward_s, backward_s = rng.integers(0, 4, (2, nodes, layers)).astype(float)
    capacity_bits = rng.uniform(0.5, 3.0, nodes) * 3 * layers / nodes
    capacity_bits[rng.random(nodes) < 0.3] = np.inf
    return PlacementProblem(forward_s, backward_s, rng.integers(0, 3, layers).astype(float), 3, capacity_bits)


def equal_nodes(problem: PlacementProblem, nodes: int) -> PlacementProblem:
    """Return the problem with equal nodes, copies of the first."""
    forward_s, backward_s = (
        np.tile(times_s[:1], (nodes, 1)) for times_s in (problem.forward_s, problem.backward_s)
    )
    capacity_bits = np.full(nodes, np.inf)
    return replace(problem, forward_s=forward_s, backward_s=backward_s, capacity_bits=capacity_bits)


@given(seed=SEEDS, nodes=st.integers(1, 4), more=st.integers(0, 6), objective=OBJECTIVES, whole=st.booleans())
def test_the_placement_is_the_best_of_all(
    seed: int, nodes: int, more: int, objective: Objective, whole: bool
) -> None:
    """No bounds that fit have a lower objective; the other objective decides ties, then the lowest bounds.

    Sums of whole seconds are exact, so ties are exact. If nothing fits, an error says so.
    """
    problem = random_problem(seed, nodes, nodes + more, whole=whole)
    candidates = list(placements(problem))
    if not candidates:
        with pytest.raises(PlanningError, match="fits"):
            optimal_placement(problem, objective)
        return
    best = min(candidates, key=lambda each: objectives_s(each, objective))
    placement = optimal_placement(problem, objective)
    assert pytest.approx(objectives_s(best, objective), rel=1e-12) == objectives_s(placement, objective)
    if whole:
        assert best.bounds == placement.bounds


@given(seed=SEEDS, nodes=st.integers(1, 6), more=st.integers(0, 20), objective=OBJECTIVES)
def test_each_node_has_the_times_of_its_layers(
    seed: int, nodes: int, more: int, objective: Objective
) -> None:
    """The bounds rise from 0 to the number of layers; tf and tb are sums over the layers between them."""
    problem = random_problem(seed, nodes, nodes + more)
    problem = replace(problem, capacity_bits=np.full(nodes, np.inf))
    placement = optimal_placement(problem, objective)
    assert (0, nodes + more) == (placement.bounds[0], placement.bounds[-1])
    assert nodes + 1 == len(set(placement.bounds)) == len(placement.bounds)
    for node, (first, end) in enumerate(zip(placement.bounds[:-1], placement.bounds[1:], strict=True)):
        assert first < end
        assert pytest.approx(problem.forward_s[node, first:end].sum()) == placement.forward_s[node]
        assert pytest.approx(problem.backward_s[node, first:end].sum()) == placement.backward_s[node]


@given(seed=SEEDS, layers=st.integers(1, 20), objective=OBJECTIVES)
def test_one_more_equal_node_is_never_worse(seed: int, layers: int, objective: Objective) -> None:
    """One more equal node never raises the objective, which is at least the mean time of a node."""
    problem = random_problem(seed, 1, layers)
    total_s = problem.forward_s.sum() + problem.backward_s.sum()
    before_s = np.inf
    for nodes in range(1, layers + 1):
        least_s, _ = objectives_s(optimal_placement(equal_nodes(problem, nodes), objective), objective)
        assert total_s / nodes * (1 - 1e-12) <= least_s <= before_s * (1 + 1e-12)
        before_s = least_s


@given(seed=SEEDS, nodes=st.integers(1, 6), more=st.integers(0, 20))
def test_each_objective_bounds_the_other(seed: int, nodes: int, more: int) -> None:
    """max(tf + tb) ≤ max tf + max tb ≤ 2 max(tf + tb), and each is least when it is the objective."""
    problem = random_problem(seed, nodes, nodes + more)
    problem = replace(problem, capacity_bits=np.full(nodes, np.inf))
    by_sum, by_slowest = optimal_placement(problem, "stage_sum"), optimal_placement(problem, "slowest")
    assert by_slowest.slowest_s <= by_sum.slowest_s * (1 + 1e-12)
    assert by_sum.stage_sum_s <= by_slowest.stage_sum_s * (1 + 1e-12)
    assert by_slowest.slowest_s <= by_sum.stage_sum_s <= 2 * by_slowest.slowest_s * (1 + 1e-12)


@given(seed=SEEDS, nodes=st.integers(2, 5), more=st.integers(0, 10), objective=OBJECTIVES)
def test_reversing_the_chain_keeps_the_objective(
    seed: int, nodes: int, more: int, objective: Objective
) -> None:
    """The least objective is the same with nodes and layers both in reverse order."""
    problem = random_problem(seed, nodes, nodes + more)
    problem = replace(problem, capacity_bits=np.full(nodes, np.inf))
    mirrored = replace(
        problem,
        forward_s=problem.forward_s[::-1, ::-1],
        backward_s=problem.backward_s[::-1, ::-1],
        memory_bits=problem.memory_bits[::-1],
    )
    forwards_s, reversed_s = (
        objectives_s(optimal_placement(each, objective), objective) for each in (problem, mirrored)
    )
    assert pytest.approx(forwards_s, rel=1e-12) == reversed_s


def test_more_owners_need_more_memory() -> None:
    """A fast node with 2 bit holds two layers of 1 bit for one owner; a slow node holds the third.

    For two owners the fast node holds one layer, and the slow node two.
    """
    times_s = np.array([[1.0, 1.0, 1.0], [9.0, 9.0, 9.0]])
    problem = PlacementProblem(times_s, times_s, np.ones(3), 1, np.array([2.0, np.inf]))
    assert (0, 2, 3) == optimal_placement(problem, "slowest").bounds
    assert (0, 1, 3) == optimal_placement(replace(problem, num_owners=2), "slowest").bounds


PLAIN = PlacementProblem(
    np.ones((2, 3)), np.ones((2, 3)), np.array([1, 3, 1]) * MIB, 10, np.full(2, 30 * MIB)
)


@pytest.mark.parametrize(
    ("owners", "message"),
    [
        (11, "layer 1 fits no node: the copies of 11 owners need 33 MiB, and the largest node has 30 MiB"),
        (8, "of 8 owners need 40 MiB in all, in layers of up to 24 MiB, and the nodes have 30, 30 MiB"),
    ],
)
def test_layers_that_do_not_fit_are_refused(owners: int, message: str) -> None:
    """The error names the layer that is too large, or all needs and capacities, in MiB.

    The copies of eight owners need 8, 24 and 8 MiB: 40 of 60 MiB, but one node of 30 MiB would hold 32 MiB.
    """
    with pytest.raises(PlanningError, match=message):
        optimal_placement(replace(PLAIN, num_owners=owners), "stage_sum")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"forward_s": np.ones((3, 2))}, r"forward_s has the shape \(3, 2\); 2 nodes .* and 3 layers"),
        (
            {"backward_s": -np.ones((2, 3))},
            "backward_s of layer 0 on node 0 must be finite and at least 0, not -1",
        ),
        ({"memory_bits": np.array([0, np.inf, 0])}, "memory_bits of layer 1 must be finite"),
        ({"capacity_bits": np.array([1, np.nan])}, "capacity_bits of node 1 must be at least 0, not nan"),
        ({"num_owners": 0}, "num_owners must be at least 1, not 0"),
        (
            {
                "forward_s": np.ones((2, 1)),
                "backward_s": np.ones((2, 1)),
                "memory_bits": np.ones(1),
            },
            "each node needs a layer, and there must be one: 1 layers, 2 nodes",
        ),
    ],
)
def test_impossible_problems_are_refused(wrong: dict[str, object], message: str) -> None:
    """The error names the value, its position and the broken rule."""
    with pytest.raises(PlanningError, match=message):
        replace(PLAIN, **wrong)  # type: ignore[arg-type]


@pytest.fixture
def measured() -> PlacementProblem:
    """Return the middle part of ResNet-101, rows 2 to 35, on one node of the MP-SL test bed."""
    if "CUTLAYER_PROFILES" not in os.environ:
        pytest.skip("CUTLAYER_PROFILES names no folder with the measured profiles of MP-SL")
    table = Path(os.environ["CUTLAYER_PROFILES"]) / "resnet101_cifar10" / "vm.csv"
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[2:36]
    forward_s = np.array([[float(row["forward_ms"]) / 1e3 for row in rows]])
    backward_s = np.array([[(float(row["backward_ms"]) + float(row["update_ms"])) / 1e3 for row in rows]])
    return PlacementProblem(forward_s, backward_s, np.zeros(len(rows)), 100, np.array([np.inf]))


@pytest.mark.parametrize(
    ("objective", "rows", "sum_ms", "slowest_ms"),
    [
        ("stage_sum", (2, 18, 31, 36), 711.46, 702.15),
        ("stage_sum", (2, 16, 26, 33, 36), 560.85, 560.85),
        ("stage_sum", (2, 12, 20, 28, 33, 36), 438.46, 432.46),
        ("slowest", (2, 18, 30, 36), None, 672.9),
        ("slowest", (2, 15, 25, 33, 36), None, 560.0),
        ("slowest", (2, 13, 21, 28, 33, 36), None, 415.8),
    ],
)
def test_measured_layers_are_placed_as_published(
    measured: PlacementProblem,
    objective: Objective,
    rows: tuple[int, ...],
    sum_ms: float | None,
    slowest_ms: float,
) -> None:
    """On three to five equal nodes, bounds, L_fwd + L_back and max(tf + tb) are the published ones."""
    placement = optimal_placement(equal_nodes(measured, len(rows) - 1), objective)
    assert rows == tuple(bound + rows[0] for bound in placement.bounds)
    digits = 2 if sum_ms else 1
    assert slowest_ms == round(placement.slowest_s * 1e3, digits)
    if sum_ms:
        assert sum_ms == round(placement.stage_sum_s * 1e3, digits)
