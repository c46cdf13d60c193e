"""How long shares with a cut per device and placement on a chain take, and how near the descent is.

Random times over some orders of magnitude. On shares the descent of the papers is held against the exact
optimum: where every cut uses the resource, and where a fifth of them does not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from measuring import Figure, interleaved, show, timed

from cutlayer.sim.allocation.placement import Objective, PlacementProblem, optimal_placement
from cutlayer.sim.allocation.shares.problem import SharePlan, ShareProblem
from cutlayer.sim.allocation.shares.solvers import alternating, brute_force, joint

__all__ = ["figures"]

REPEATS = 5
DEVICES, CUTS = 1000, 40
NODES, LAYERS = 10, 37
INSTANCES = 1000
METHODS: dict[str, Callable[[ShareProblem], SharePlan]] = {"joint": joint, "alternating": alternating}
OBJECTIVES: tuple[Objective, ...] = ("stage_sum", "slowest")


def share_problem(seed: int, devices: int, cuts: int, unused: float = 0.0) -> ShareProblem:
    """Return random times; a share of the cuts does not use the resource, and memory forbids a fifth."""
    rng = np.random.default_rng(seed)
    shape = (devices, cuts)
    shared_s = rng.lognormal(sigma=1.5, size=shape) * 10.0 ** rng.integers(-2, 1)
    shared_s[rng.random(shape) < unused] = 0.0
    allowed = rng.random(shape) < 0.8
    allowed[:, 0] = True
    return ShareProblem(rng.lognormal(size=shape), shared_s, allowed)


def placement_problem(*, equal: bool) -> PlacementProblem:
    """Return random layers on equal nodes without a limit, or on different ones with scarce memory."""
    rng = np.random.default_rng(0)
    speed = np.ones((NODES, 1)) if equal else rng.lognormal(sigma=0.7, size=(NODES, 1))
    forward_s, backward_s = rng.lognormal(sigma=0.7, size=(2, 1, LAYERS)) * speed
    capacity_bits = np.full(NODES, np.inf if equal else 8.0)
    return PlacementProblem(forward_s, backward_s, np.ones(LAYERS), 1, capacity_bits)


def milliseconds(work: Callable[[], object]) -> tuple[float, ...]:
    """Return the repeated times of one call, [ms]."""
    (values_s,) = interleaved(REPEATS, lambda: timed(work))
    return tuple(value_s * 1e3 for value_s in values_s)


def times() -> list[Figure]:
    """Return how long the methods take."""
    found = []
    for unused in (0.0, 0.2):
        problem = share_problem(0, DEVICES, CUTS, unused)
        for name, method in METHODS.items():
            what = (
                f"shares: {name}, {DEVICES} devices × {CUTS} cuts, {unused:.0%} of them without the resource"
            )
            found.append(Figure(what, milliseconds(partial(method, problem)), "ms", "≤ 100 ms"))
    for equal in (True, False):
        for objective in OBJECTIVES:
            what = (
                f"placement: {objective}, {LAYERS} layers, {NODES} {'equal' if equal else 'different'} nodes"
            )
            work = partial(optimal_placement, placement_problem(equal=equal), objective)
            found.append(Figure(what, milliseconds(work), "ms", "≤ 50 ms"))
    return found


def gaps() -> list[Figure]:
    """Return how much longer than the optimum the descent's times are, and joint's than brute force's."""
    found = []
    for unused, target in ((0.0, "≤ 1e-9 %"), (0.2, "")):
        above = []
        for seed in range(INSTANCES):
            problem = share_problem(seed, 2 + seed % 10, 2 + seed // 10 % 10, unused)
            above.append(100 * (alternating(problem).time_s / joint(problem).time_s - 1.0))
        what = f"shares: gap of alternating to joint, {unused:.0%} of the cuts without the resource"
        found.append(Figure(f"{what}, mean", (float(np.mean(above)),), "%", target))
        found.append(Figure(f"{what}, worst of {INSTANCES}", (max(above),), "%", target))
    above = []
    for seed in range(INSTANCES // 10):
        problem = share_problem(seed, 2 + seed % 3, 8, 0.2 * (seed % 2))
        above.append(100 * abs(joint(problem).time_s / brute_force(problem).time_s - 1.0))
    found.append(
        Figure(f"shares: joint against brute force, worst of {len(above)}", (max(above),), "%", "≤ 1e-10 %")
    )
    return found


def figures() -> list[Figure]:
    """Return times and gaps."""
    return [*times(), *gaps()]


if __name__ == "__main__":
    show(figures())
