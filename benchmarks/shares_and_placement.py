"""The time of planning shares with one cut per device, and of placing layers on a chain of nodes.

The instances have random times over several orders of magnitude. For shares, the alternating descent of the
papers is compared with the exact optimum: if every cut uses the shared resource, and if a fifth of them does
not.
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


def share_problem(seed: int, devices: int, cuts: int, unused_share: float = 0.0) -> ShareProblem:
    """Return a random problem: a share of the cuts does not use the resource, and memory forbids a fifth."""
    rng = np.random.default_rng(seed)
    shape = (devices, cuts)
    shared_s = rng.lognormal(sigma=1.5, size=shape) * 10.0 ** rng.integers(-2, 1)
    shared_s[rng.random(shape) < unused_share] = 0.0
    allowed = rng.random(shape) < 0.8
    allowed[:, 0] = True
    return ShareProblem(rng.lognormal(size=shape), shared_s, allowed)


def placement_problem(*, equal: bool) -> PlacementProblem:
    """Return random layers on equal nodes without memory limits, or on different nodes with scarce memory."""
    rng = np.random.default_rng(0)
    speed = np.ones((NODES, 1)) if equal else rng.lognormal(sigma=0.7, size=(NODES, 1))
    forward_s, backward_s = rng.lognormal(sigma=0.7, size=(2, 1, LAYERS)) * speed
    capacity_bits = np.full(NODES, np.inf if equal else 8.0)
    return PlacementProblem(forward_s, backward_s, np.ones(LAYERS), 1, capacity_bits)


def repeated_ms(work: Callable[[], object]) -> tuple[float, ...]:
    """Return the time of each repeated call, [ms]."""
    (values_s,) = interleaved(REPEATS, lambda: timed(work))
    return tuple(value_s * 1e3 for value_s in values_s)


def times() -> list[Figure]:
    """Return the times of the methods."""
    rows = []
    for unused_share in (0.0, 0.2):
        problem = share_problem(0, DEVICES, CUTS, unused_share)
        for method_name, method in METHODS.items():
            name = (
                f"shares: {method_name}, {DEVICES} devices × {CUTS} cuts,"
                f" {unused_share:.0%} of them without the resource"
            )
            rows.append(Figure(name, repeated_ms(partial(method, problem)), "ms", "≤ 100 ms"))
    for equal in (True, False):
        for objective in OBJECTIVES:
            name = (
                f"placement: {objective}, {LAYERS} layers, {NODES} {'equal' if equal else 'different'} nodes"
            )
            work = partial(optimal_placement, placement_problem(equal=equal), objective)
            rows.append(Figure(name, repeated_ms(work), "ms", "≤ 50 ms"))
    return rows


def gaps() -> list[Figure]:
    """Return the gaps of alternating to joint, and of joint to brute force, [%]."""
    rows = []
    for unused_share, target in ((0.0, "≤ 1e-9 %"), (0.2, "")):
        gaps_percent = []
        for seed in range(INSTANCES):
            problem = share_problem(seed, 2 + seed % 10, 2 + seed // 10 % 10, unused_share)
            gaps_percent.append(100 * (alternating(problem).time_s / joint(problem).time_s - 1.0))
        name = f"shares: gap of alternating to joint, {unused_share:.0%} of the cuts without the resource"
        rows.append(Figure(f"{name}, mean", (float(np.mean(gaps_percent)),), "%", target))
        rows.append(Figure(f"{name}, worst of {INSTANCES}", (max(gaps_percent),), "%", target))
    gaps_percent = []
    for seed in range(INSTANCES // 10):
        problem = share_problem(seed, 2 + seed % 3, 8, 0.2 * (seed % 2))
        gaps_percent.append(100 * abs(joint(problem).time_s / brute_force(problem).time_s - 1.0))
    rows.append(
        Figure(
            f"shares: joint against brute force, worst of {len(gaps_percent)}",
            (max(gaps_percent),),
            "%",
            "≤ 1e-10 %",
        )
    )
    return rows


def figures() -> list[Figure]:
    """Return times and gaps."""
    return [*times(), *gaps()]


if __name__ == "__main__":
    show(figures())
