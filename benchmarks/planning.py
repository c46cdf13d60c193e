"""How long planning takes, and how near the plans are to the optimum.

ResNet-18's eleven cuts. ``bcd`` drafts the cuts that a bound does not rule out, and exchanges on the best.
HiGHS solves the mixed-integer program behind the lower bound, on an instance that is small enough to end.
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
LARGE = {(50, 200): "≤ 100 ms", (200, 1000): "≤ 1000 ms"}  # half of it for the exchanges
SCHEMES = ("psl", "epsl φ=1", "sfl")
SMALL = (3, 7)
INSTANCES = 40

Instance = tuple[RadioResources, Mapping[int, RoundWork]]


def instances(
    clients: int, subchannels: int, schemes: Sequence[str], seed: int = 0, *, rayleigh: bool = False
) -> list[Instance]:
    """Return a placement after Lin et al. for each scheme, with Rayleigh fading or none."""
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
    """Return the times of whole plans."""
    found = []
    for (clients, subchannels), target in LARGE.items():
        for rayleigh in (False, True):
            gains = "Rayleigh" if rayleigh else "mean gains"
            for scheme in SCHEMES:
                ((problem, works),) = instances(clients, subchannels, [scheme], rayleigh=rayleigh)
                (plan_s,) = interleaved(REPEATS, partial(plan_time_s, problem, works))
                what = f"planning: bcd, {clients} × {subchannels}, {gains}, {scheme}"
                found.append(Figure(what, milli(plan_s), "ms", target))
    return found


def plan_time_s(problem: RadioResources, works: Mapping[int, RoundWork]) -> float:
    """Return the time of one plan."""
    return timed(lambda: bcd(problem, works, np.random.default_rng(0)))


def milli(values: tuple[float, ...]) -> tuple[float, ...]:
    """Return seconds in ms."""
    return tuple(value * 1e3 for value in values)


def small() -> list[Figure]:
    """Return the gaps to brute force, and the time of HiGHS over that of bcd."""
    found = []
    for rayleigh, target in ((False, "≤ 0.1 %"), (True, "≤ 1 %")):
        gaps = []
        for seed in range(INSTANCES):
            ((problem, works),) = instances(*SMALL, ["psl"], seed, rayleigh=rayleigh)
            rng = np.random.default_rng(seed)
            gaps.append(bcd(problem, works, rng).predicted_s / optimal(problem, works, rng).predicted_s - 1.0)
        name = f"planning: gap of bcd to the optimum, {'Rayleigh' if rayleigh else 'mean gains'}"
        found.append(Figure(f"{name}, mean", (100 * float(np.mean(gaps)),), "%", target))
        found.append(Figure(f"{name}, worst of {INSTANCES}", (100 * max(gaps),), "%"))
    ((problem, works),) = instances(*SMALL, ["psl"])
    highs_s, plan_s = interleaved(
        REPEATS,
        lambda: timed(lambda: lower_bound_s(problem, works, time_limit_s=60.0)),
        partial(plan_time_s, problem, works),
    )
    found.append(
        Figure("planning: HiGHS / bcd, 3 clients, 7 subchannels", ratios(highs_s, plan_s), "×", "≥ 100")
    )
    return found


def figures() -> list[Figure]:
    """Return times, gaps and the ratio to HiGHS."""
    return [*large(), *small()]


if __name__ == "__main__":
    show(figures())
