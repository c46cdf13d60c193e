"""The time of planning, and the gap between the plans and the optimum.

The model is ResNet-18 with eleven cuts. The method ``bcd`` starts from a greedy assignment at each cut that a
lower bound does not exclude, and improves the best cuts by local search. The reference for its time is
HiGHS, which solves the mixed-integer program of the lower bound on a small instance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from measuring import Figure, interleaved, ratios, show, timed

from cutlayer.experiments.preparation import prepare
from cutlayer.scenarios.loading.loader import load_scenario
from cutlayer.sim.allocation.joint.bcd import bcd
from cutlayer.sim.allocation.joint.brute_force import optimal
from cutlayer.sim.allocation.joint.milp_bound import lower_bound_s
from cutlayer.sim.allocation.problem import RoundWork
from cutlayer.sim.radio.resources import RadioResources

__all__ = ["figures"]

REPEATS = 5
LARGE = {(50, 200): "≤ 100 ms", (200, 1000): "≤ 1000 ms"}  # targets by clients and subchannels
SCHEMES = ("psl", "epsl φ=1", "sfl")
SMALL = (3, 7)
INSTANCES = 40

Instance = tuple[RadioResources, Mapping[int, RoundWork]]


def instances(
    clients: int, subchannels: int, schemes: Sequence[str], seed: int = 0, *, rayleigh: bool = False
) -> list[Instance]:
    """Return one instance for each scheme, with positions after Lin et al. and optional Rayleigh fading."""
    overrides = [
        f"devices.count={clients}",
        f"radio.subchannels={subchannels}",
        "allocation={subchannels: round_robin, power: uniform}",
    ]
    experiment = prepare(load_scenario("timeline_only", overrides, seed=seed, schemes=schemes))
    problem = experiment.deployment.resources
    if rayleigh:
        fading = np.random.default_rng(seed).exponential(size=problem.gains.shape)
        problem = replace(problem, gains=problem.gains * fading)
    return [
        (problem, {cut: scheme.work(cut, experiment.deployment) for cut in scheme.cuts()})
        for scheme, _ in experiment.schemes
    ]


def large() -> list[Figure]:
    """Return the times of plans for many clients."""
    rows = []
    for (clients, subchannels), target in LARGE.items():
        for rayleigh in (False, True):
            gains = "Rayleigh" if rayleigh else "mean gains"
            for scheme in SCHEMES:
                ((problem, work_by_cut),) = instances(clients, subchannels, [scheme], rayleigh=rayleigh)
                (plan_s,) = interleaved(REPEATS, partial(plan_time_s, problem, work_by_cut))
                name = f"planning: bcd, {clients} × {subchannels}, {gains}, {scheme}"
                rows.append(Figure(name, milliseconds(plan_s), "ms", target))
    return rows


def plan_time_s(problem: RadioResources, work_by_cut: Mapping[int, RoundWork]) -> float:
    """Return the time of one plan, [s]."""
    return timed(lambda: bcd(problem, work_by_cut, np.random.default_rng(0)))


def milliseconds(values_s: tuple[float, ...]) -> tuple[float, ...]:
    """Return times in seconds as milliseconds."""
    return tuple(value_s * 1e3 for value_s in values_s)


def small() -> list[Figure]:
    """Return the gaps to brute force, and the time of HiGHS divided by the time of bcd."""
    rows = []
    for rayleigh, target in ((False, "≤ 0.1 %"), (True, "≤ 1 %")):
        gaps = []
        for seed in range(INSTANCES):
            ((problem, work_by_cut),) = instances(*SMALL, ["psl"], seed, rayleigh=rayleigh)
            rng = np.random.default_rng(seed)
            plan, best = bcd(problem, work_by_cut, rng), optimal(problem, work_by_cut, rng)
            gaps.append(plan.predicted_s / best.predicted_s - 1.0)
        name = f"planning: gap of bcd to the optimum, {'Rayleigh' if rayleigh else 'mean gains'}"
        rows.append(Figure(f"{name}, mean", (100 * float(np.mean(gaps)),), "%", target))
        rows.append(Figure(f"{name}, worst of {INSTANCES}", (100 * max(gaps),), "%"))
    ((problem, work_by_cut),) = instances(*SMALL, ["psl"])
    highs_s, plan_s = interleaved(
        REPEATS,
        lambda: timed(lambda: lower_bound_s(problem, work_by_cut, time_limit_s=60.0)),
        partial(plan_time_s, problem, work_by_cut),
    )
    rows.append(
        Figure("planning: HiGHS / bcd, 3 clients, 7 subchannels", ratios(highs_s, plan_s), "×", "≥ 100")
    )
    return rows


def figures() -> list[Figure]:
    """Return times, gaps and the ratio to HiGHS."""
    return [*large(), *small()]


if __name__ == "__main__":
    show(figures())
