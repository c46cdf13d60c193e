"""The makespans of workflows over one hop, with one mini-batch per owner, by method.

The owners are single-board computers and laptops. The helpers are virtual machines and laptops in turn. Their
measured layer times come from the folder in the environment variable CUTLAYER_PROFILES. Each owner has its
own cuts and link rates. The helpers' memory would hold a third more owners. The baseline is that of
arXiv 2402.10092: a random assignment, served first come first served.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from measuring import Figure, show, timed
from numpy.typing import NDArray

from cutlayer.scenarios.model_costs.layer_profile import LayerProfile, read_layer_profile
from cutlayer.sim.allocation.workflow.assignment import balanced_greedy, random_assignment
from cutlayer.sim.allocation.workflow.bounds import lower_bound_s
from cutlayer.sim.allocation.workflow.local_search import search
from cutlayer.sim.allocation.workflow.optimum import optimal
from cutlayer.sim.allocation.workflow.problem import WorkflowProblem
from cutlayer.sim.allocation.workflow.schedule import first_come_first_served

__all__ = ["figures"]

MODELS = ("resnet101_cifar10", "vgg19_cifar10")
SIZES = ((8, 2), (12, 3), (50, 5))
EXACT_OWNERS_MAX = 12
INSTANCES = 20
RANDOM_ASSIGNMENTS = 20
OWNERS = ("raspberry_pi_4", "jetson_cpu", "jetson_gpu", "laptop")
HELPERS = ("vm", "laptop")
RATE_BPS = (20e6, 200e6)
FIRST_CUTS = {"resnet101_cifar10": (2, 4), "vgg19_cifar10": (3, 6)}
"""Range of the number of layers in an owner's first part; the end is exclusive."""
LAST_LAYERS = (1, 3)
"""The same for an owner's last part."""


def problem_of(
    profile: LayerProfile, cuts: tuple[int, int], owners: int, helpers: int, seed: int
) -> WorkflowProblem:
    """Return a problem with random owners, whose links have log-uniform rates."""
    rng = np.random.default_rng(seed)
    shape = (owners, helpers)
    rate_bps = np.exp(rng.uniform(np.log(RATE_BPS[0]), np.log(RATE_BPS[1]), shape))
    times: NDArray[np.float64] = np.zeros((6, *shape))
    memory_bits = np.zeros(owners)
    servers = [profile.times(HELPERS[h % len(HELPERS)]) for h in range(helpers)]
    for i in range(owners):
        owner = profile.times(str(rng.choice(OWNERS)))
        first, last = int(rng.integers(*cuts)), len(profile) - int(rng.integers(*LAST_LAYERS))
        smashed_s = profile.activation_bits[first - 1] / rate_bps[i]
        middle_s = profile.activation_bits[last - 1] / rate_bps[i]
        labels_s = (owner.forward_s + owner.backward_s + owner.update_s)[last:].sum()
        times[0, i] = owner.forward_s[:first].sum() + smashed_s
        times[1, i] = [server.forward_s[first:last].sum() for server in servers]
        times[2, i] = 2 * middle_s + labels_s
        times[3, i] = [server.backward_s[first:last].sum() for server in servers]
        times[4, i] = [server.update_s[first:last].sum() for server in servers]
        times[5, i] = smashed_s + (owner.backward_s + owner.update_s)[:first].sum()
        memory_bits[i] = (profile.activation_bits + profile.weight_bits)[first:last].sum()
    capacity_bits = np.full(helpers, memory_bits.max() * np.ceil(owners / helpers * 4 / 3))
    return WorkflowProblem(*[*times, memory_bits, capacity_bits])


def figures() -> list[Figure]:
    """Return the methods' makespans relative to the best one, and the time of the local search."""
    folder = os.environ.get("CUTLAYER_PROFILES")
    if folder is None:
        print("no workflows: set CUTLAYER_PROFILES to a folder with", *MODELS)
        return []
    figure_rows = []
    for model in MODELS:
        profile = read_layer_profile(Path(folder) / model)
        for owners, helpers in SIZES:
            rows: list[tuple[float, ...]] = []
            for seed in range(INSTANCES):
                rows.append(compared(problem_of(profile, FIRST_CUTS[model], owners, helpers, seed)))
            prefix = f"workflow: {model}, {owners} × {helpers}"
            names = {
                "random assignment, served as they come": "%",
                "balanced greedy, served as they come": "%",
                "local search": "%",
                "lower bound": "%",
                "balanced greedy against random": "%",
                "best against random": "%",
                "solved to the optimum": "%",
                "time of the local search": "ms",
            }
            for (name, unit), values in zip(names.items(), zip(*rows, strict=True), strict=True):
                figure_rows.append(Figure(f"{prefix}: {name}", values, unit))
    return figure_rows


def compared(problem: WorkflowProblem) -> tuple[float, ...]:
    """Return excess makespans and savings against random assignments, [%], and the search time, [ms]."""
    rng = np.random.default_rng(0)
    random_s = float(
        np.mean(
            [
                first_come_first_served(problem, random_assignment(problem, rng)).makespan_s
                for _ in range(RANDOM_ASSIGNMENTS)
            ]
        )
    )
    served = first_come_first_served(problem, balanced_greedy(problem))
    searched = search(problem, served)
    search_s = timed(lambda: search(problem, served))
    best, bound_s = searched, lower_bound_s(problem)
    if problem.num_owners <= EXACT_OWNERS_MAX:
        best, bound_s = optimal(problem, time_limit_s=10.0)
    excess = [
        100 * (t / best.makespan_s - 1) for t in (random_s, served.makespan_s, searched.makespan_s, bound_s)
    ]
    savings = [100 * (1 - t / random_s) for t in (served.makespan_s, best.makespan_s)]
    return (*excess, *savings, 100.0 * (bound_s >= best.makespan_s * (1 - 1e-9)), 1e3 * search_s)


if __name__ == "__main__":
    show(figures())
