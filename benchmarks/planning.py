"""The time of planning, and the gap between the plans and the optimum.

The model is ResNet-18 with eleven cuts. The method ``bcd`` starts from a greedy assignment at each cut that a
lower bound does not exclude, and improves the best cuts by local search. The reference for its time is
HiGHS, which solves the mixed-integer program of the lower bound on a small instance. The reference for
SplitFed is PSL in the same run.

``python benchmarks/planning.py --methods SEEDS`` prints the tables of docs/planning.md instead: the methods
that a scenario may name, on five devices and twenty subchannels.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from measuring import Figure, interleaved, ratios, show, timed
from tabulate import tabulate

from cutlayer.experiments.preparation import prepare
from cutlayer.scenarios.loading.loader import load_scenario
from cutlayer.scenarios.registry import lookup
from cutlayer.sim.allocation.joint.bcd import bcd
from cutlayer.sim.allocation.joint.brute_force import optimal
from cutlayer.sim.allocation.joint.milp_bound import lower_bound_s
from cutlayer.sim.allocation.planner import plan
from cutlayer.sim.allocation.power.methods import optimal as optimal_power
from cutlayer.sim.allocation.problem import RoundWork
from cutlayer.sim.radio.resources import RadioResources

__all__ = ["figures", "methods"]

REPEATS = 5
LARGE = {(50, 200): "≤ 100 ms", (200, 1000): "≤ 1000 ms"}  # targets by clients and subchannels
SCHEMES = ("psl", "epsl φ=1", "sfl")
SMALL = (3, 7)
INSTANCES = 40
SMALL_GAINS: Sequence[tuple[str, Mapping[str, Any], str]] = (
    ("mean gains", {}, "≤ 0.1 %"),
    ("Rayleigh", {"rayleigh": True}, "≤ 1 %"),
    ("gains over 35 dB", {"spread_db": 35.0}, "≤ 1 %"),
)
MIDDLE = (5, 20)
FIXED_CUT = 2
COMPARED_SCHEMES = ("psl", "epsl φ=0.5", "epsl φ=1", "sfl", "fl")
COMPARED_METHODS = ("greedy", "marginal_greedy", "exchange", "bcd")
COMPARED_VALUES = (
    "Mean excess of the round time, %",
    "Greatest excess of the round time, %",
    "Median processor time of a plan, ms",
)

Instance = tuple[RadioResources, Mapping[int, RoundWork]]


def instances(
    clients: int,
    subchannels: int,
    schemes: Sequence[str],
    seed: int = 0,
    *,
    rayleigh: bool = False,
    spread_db: float = 0.0,
) -> list[Instance]:
    """Return one instance for each scheme, with positions after Lin et al.

    Fading is optional, and so are further losses of up to ``spread_db``, independent for each subchannel.
    """
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
    if spread_db:
        loss_db = np.random.default_rng(seed).uniform(0.0, spread_db, problem.gains.shape)
        problem = replace(problem, gains=problem.gains * 10 ** (-loss_db / 10))
    return [
        (problem, {cut: scheme.work(cut, experiment.deployment) for cut in scheme.cuts()})
        for scheme, _ in experiment.schemes
    ]


def large() -> list[Figure]:
    """Return the times of plans for many clients."""
    rows = []
    for (clients, subchannels), target in LARGE.items():
        for rayleigh in (False, True):
            name = f"planning: bcd, {clients} × {subchannels}, {'Rayleigh' if rayleigh else 'mean gains'}"
            plans = [
                partial(plan_time_s, *instance)
                for scheme in SCHEMES
                for instance in instances(clients, subchannels, [scheme], rayleigh=rayleigh)
            ]
            times_s = dict(zip(SCHEMES, interleaved(REPEATS, *plans), strict=True))
            rows += [
                Figure(f"{name}, {scheme}", milliseconds(times_s[scheme]), "ms", target) for scheme in SCHEMES
            ]
            rows.append(Figure(f"{name}, sfl / psl", ratios(times_s["sfl"], times_s["psl"])))
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
    for kind, options, target in SMALL_GAINS:
        gaps = []
        for seed in range(INSTANCES):
            ((problem, work_by_cut),) = instances(*SMALL, ["psl"], seed, **options)
            rng = np.random.default_rng(seed)
            found, best = bcd(problem, work_by_cut, rng), optimal(problem, work_by_cut, rng)
            gaps.append(found.predicted_s / best.predicted_s - 1.0)
        name = f"planning: gap of bcd to the optimum, {kind}"
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


def methods(seeds: int) -> str:
    """Return three tables in Markdown: two of each method's excess round time, one of its planning time.

    Parameters
    ----------
    seeds : int
        Number of seeds; each is planned for with mean gains and with Rayleigh fading.
    """
    tables: dict[str, list[list[str]]] = {title: [] for title in COMPARED_VALUES}
    for scheme in COMPARED_SCHEMES:
        for cut in (None,) if scheme == "fl" else (None, FIXED_CUT):
            cases = [
                instance
                for seed in range(seeds)
                for rayleigh in (False, True)
                for instance in instances(*MIDDLE, [scheme], seed, rayleigh=rayleigh)
            ]
            if cut is not None:
                cases = [(problem, {cut: work_by_cut[cut]}) for problem, work_by_cut in cases]
            rounds_s = {name: [plan_with(name, *case) for case in cases] for name in COMPARED_METHODS}
            predicted_s = {
                name: np.array([predicted for predicted, _ in values]) for name, values in rounds_s.items()
            }
            best_s = np.min(list(predicted_s.values()), axis=0)
            excesses = [100 * (predicted_s[name] / best_s - 1.0) for name in rounds_s]
            plans_ms = [1e3 * np.median([time_s for _, time_s in values]) for values in rounds_s.values()]
            cells = (
                [f"{excess.mean():.2f}" for excess in excesses],
                [f"{excess.max():.1f}" for excess in excesses],
                [f"{plan_ms:.0f}" for plan_ms in plans_ms],
            )
            for rows, values in zip(tables.values(), cells, strict=True):
                rows.append([scheme, "best" if cut is None else str(cut), *values])
    headings = ["scheme", "cut", *COMPARED_METHODS]
    return "\n\n".join(
        f"{title}:\n\n{tabulate(rows, headings, tablefmt='github', disable_numparse=True)}"
        for title, rows in tables.items()
    )


def plan_with(
    method: str, problem: RadioResources, work_by_cut: Mapping[int, RoundWork]
) -> tuple[float, float]:
    """Return the round time of a method's plan with optimal power, and the time of planning, [s]."""
    result = []

    def work() -> None:
        rng = np.random.default_rng(0)
        if method == "bcd":
            result.append(bcd(problem, work_by_cut, rng))
        else:
            subchannels = lookup("subchannels", method).load()
            result.append(plan(problem, work_by_cut, subchannels, optimal_power, cut=None, rng=rng))

    time_s = timed(work)
    return result[0].predicted_s, time_s


def figures() -> list[Figure]:
    """Return times, gaps and the ratio to HiGHS."""
    return [*large(), *small()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The time of planning, and the gap to the optimum.")
    parser.add_argument("--methods", type=int, metavar="SEEDS", help="compare the methods over these seeds")
    seeds = parser.parse_args().methods
    if seeds is None:
        show(figures())
    else:
        print(methods(seeds))
