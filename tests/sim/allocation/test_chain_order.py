"""Laws of the search for the order of a chain: optimal over all orders, and never worse than the list."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.sim.allocation import chain_order
from cutlayer.sim.allocation.chain_order import ChainPlacement, ChainProblem, best_chain
from cutlayer.sim.allocation.placement import Objective, PlacementProblem, optimal_placement
from cutlayer.sim.planning_error import PlanningError

SEEDS = st.integers(0, 2**32 - 1)
OBJECTIVES: st.SearchStrategy[Objective] = st.sampled_from(["stage_sum", "slowest"])


def random_chain(
    seed: int, nodes: int, layers: int, *, wires: float = 0.3, repeated: bool = False
) -> ChainProblem:
    """Return nodes with different times, memories and wires; some of them equal if ``repeated``."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, min(2, nodes), nodes) if repeated else np.arange(nodes)
    forward_s, backward_s = rng.lognormal(size=(2, nodes, layers))
    capacity_bits = rng.uniform(0.8, 3.0, nodes) * 3 * (layers + 4) / nodes
    capacity_bits[rng.random(nodes) < 0.3] = np.inf
    ends_bits = rng.uniform(0, 1, (2, layers + 1))
    placement = PlacementProblem(
        forward_s[kinds],
        backward_s[kinds],
        rng.integers(0, 3, layers).astype(float),
        2,
        capacity_bits[kinds],
        *ends_bits,
    )
    wires_s = wires * rng.lognormal(size=(2, nodes + 1, nodes + 1, layers + 1))
    if repeated:
        wires_s = np.broadcast_to(wires_s[:, :1, :1], wires_s.shape)
    return ChainProblem(placement, *wires_s)


def values_s(
    problem: ChainProblem, order: tuple[int, ...], bounds: tuple[int, ...], objective: Objective
) -> tuple[float, float]:
    """Return the objective and the value that decides ties, computed stage by stage."""
    placement, access_point = problem.placement, len(order)
    stops = (access_point, *order, access_point)
    parts = [(node, slice(*bounds[p : p + 2])) for p, node in enumerate(order)]
    forward = [float(placement.forward_s[node, part].sum()) for node, part in parts]
    backward = [float(placement.backward_s[node, part].sum()) for node, part in parts]
    both = [f + b for f, b in zip(forward, backward, strict=True)]
    for p, bound in enumerate(bounds):
        there = float(problem.forward_s[stops[p], stops[p + 1], bound])
        back = float(problem.backward_s[stops[p], stops[p + 1], bound])
        forward.append(there)
        backward.append(back)
        both += [there, back]
    values = max(forward) + max(backward), max(both)
    return values if objective == "stage_sum" else values[::-1]


def fits(problem: ChainProblem, order: tuple[int, ...], bounds: tuple[int, ...]) -> bool:
    """Return whether each node's layers fit into its memory."""
    placement = problem.placement
    assert placement.begin_bits is not None
    assert placement.end_bits is not None
    for p, node in enumerate(order):
        first, end = bounds[p : p + 2]
        bits = placement.memory_bits[first:end].sum() + placement.begin_bits[first] + placement.end_bits[end]
        if placement.num_owners * bits > placement.capacity_bits[node] * (1 + 1e-12):
            return False
    return True


def chains(problem: ChainProblem) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield every order with every placement that fits."""
    nodes, layers = problem.placement.forward_s.shape
    for order in permutations(range(nodes)):
        for inner in combinations(range(1, layers), nodes - 1):
            bounds = (0, *inner, layers)
            if fits(problem, order, bounds):
                yield order, bounds


def assert_valued(problem: ChainProblem, chain: ChainPlacement, objective: Objective) -> None:
    """Assert that a chain fits, and that its values are those of its stages."""
    assert fits(problem, chain.order, chain.bounds)
    assert pytest.approx(values_s(problem, chain.order, chain.bounds, objective)) == chain.values_s


@settings(deadline=None)
@given(
    seed=SEEDS,
    nodes=st.integers(1, 4),
    more=st.integers(0, 3),
    objective=OBJECTIVES,
    repeated=st.booleans(),
    wires=st.sampled_from([0.0, 0.3, 3.0]),
)
def test_the_chain_is_the_best_of_all(
    seed: int, nodes: int, more: int, objective: Objective, repeated: bool, wires: float
) -> None:
    """No order with any placement that fits has lower stages; if nothing fits, an error says so."""
    problem = random_chain(seed, nodes, nodes + more, wires=wires, repeated=repeated)
    best = min((values_s(problem, *chain, objective) for chain in chains(problem)), default=None)
    if best is None:
        with pytest.raises(PlanningError, match="fits"):
            best_chain(problem, objective)
        return
    chain = best_chain(problem, objective)
    assert_valued(problem, chain, objective)
    assert pytest.approx(best, rel=1e-9) == chain.values_s


@settings(deadline=None, max_examples=30)
@given(seed=SEEDS, nodes=st.integers(2, 6), more=st.integers(0, 6), objective=OBJECTIVES, exact=st.booleans())
def test_no_chain_is_worse_than_the_listed_one(
    seed: int, nodes: int, more: int, objective: Objective, exact: bool
) -> None:
    """Exact or by exchanges, the objective is at most that of the best placement in the listed order."""
    problem = random_chain(seed, nodes, nodes + more)
    listed = tuple(range(nodes))
    try:
        bounds = optimal_placement(problem.placement, objective).bounds
    except PlanningError:
        return
    with pytest.MonkeyPatch.context() as patch:
        if not exact:
            patch.setattr(chain_order, "MOST_STATES", 1)
        chain = best_chain(problem, objective)
    assert_valued(problem, chain, objective)
    assert chain.objective_s <= values_s(problem, listed, bounds, objective)[0] * (1 + 1e-9)


@settings(deadline=None, max_examples=30)
@given(seed=SEEDS, nodes=st.integers(1, 20), more=st.integers(0, 10), objective=OBJECTIVES)
def test_equal_nodes_keep_the_listed_order(seed: int, nodes: int, more: int, objective: Objective) -> None:
    """With equal nodes and quick wires the chain is the paper's: the listed order, with its placement."""
    problem = random_chain(seed, nodes, nodes + more, wires=0.0)
    one = problem.placement
    equal = replace(
        one,
        forward_s=np.tile(one.forward_s[:1], (nodes, 1)),
        backward_s=np.tile(one.backward_s[:1], (nodes, 1)),
        capacity_bits=np.full(nodes, np.inf),
    )
    chain = best_chain(replace(problem, placement=equal), objective)
    assert tuple(range(nodes)) == chain.order
    assert optimal_placement(equal, objective).bounds == chain.bounds


def test_the_slowest_stage_falls_on_unlike_nodes() -> None:
    """On random unlike nodes the slowest stage of the best order is shorter, in the median."""
    shares = []
    for seed in range(40):
        problem = random_chain(seed, 5, 20, wires=0.0)
        free = replace(problem.placement, capacity_bits=np.full(5, np.inf))
        best = best_chain(replace(problem, placement=free), "slowest")
        shares.append(best.objective_s / optimal_placement(free, "slowest").slowest_s)
    assert max(shares) <= 1 + 1e-12
    assert np.median(shares) < 0.97


def test_ten_unlike_nodes_are_searched_exactly() -> None:
    """The exact search is at least as good as exchanges of nodes, and takes less than 60 s.

    This bound is a guard against an exponential search, and no target of speed.
    """
    problem = random_chain(1, 10, 20, wires=0.01)
    start_s = time.perf_counter()
    exact = best_chain(problem, "stage_sum")
    assert time.perf_counter() - start_s < 60
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chain_order, "MOST_STATES", 1)
        exchanged = best_chain(problem, "stage_sum")
    assert exact.objective_s <= exchanged.objective_s * (1 + 1e-9)
