"""Queueing theory: with open arrivals, nodes and media have the waiting times of the textbooks."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from simpy import Environment

from tests.support.queueing import (
    Station,
    Work,
    compute_nodes,
    deterministic,
    equal_rates,
    exponential,
    observe,
    pareto,
    single_server,
    tdma,
    work_conserving,
)
from tests.support.queueing_laws import System, compare, erlang_c, systems

CONFIDENCE = 0.999
"""Level of each interval, so that all laws of a correct simulation hold together in most seeds."""
SYSTEMS = {system.name: system for system in systems(0.5)}
STATIONS: dict[str, Callable[[Environment], Station]] = {
    "server": single_server,
    "nodes": compute_nodes(3),
    "equal rates": equal_rates,
    "tdma": tdma(0.1),
    "work-conserving": work_conserving,
}


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_simulations_obey_queueing_theory(system: System) -> None:
    """The theory lies in the confidence interval of each quantity, after the warm-up is removed."""
    for comparison in compare(system, replications=10, length_s=2000.0):
        mean, low, high = comparison.interval
        law = f"{comparison.law.quantity}: theory {comparison.law.theory:.4g}, measured {mean:.4g}"
        assert comparison.holds(CONFIDENCE), law
        assert (high - low) / mean < 0.6, f"the interval is too wide to find an error: {law}"


@pytest.mark.parametrize("station", STATIONS.values(), ids=STATIONS)
@pytest.mark.parametrize("work", [exponential, deterministic, pareto])
def test_littles_law_is_exact_between_two_empty_instants(
    station: Callable[[Environment], Station], work: Work
) -> None:
    """The integral of the number of customers equals the sum of their times in the system."""
    seen = observe(station, 0.5, work, warm_up_s=0.0, length_s=300.0, until_empty=True)
    assert len(seen.sojourn_s) > 100
    assert math.isclose(float(seen.sojourn_s.sum()), seen.mean_number * seen.length_s, rel_tol=1e-9)


@pytest.mark.parametrize("work", [exponential, deterministic, pareto])
def test_busy_time_is_the_work_where_nothing_is_wasted(work: Work) -> None:
    """One server is busy for exactly as long as there is work, whatever shares its customers have."""
    for station in (single_server, equal_rates, tdma(0.1), work_conserving):
        seen = observe(station, 0.5, work, warm_up_s=0.0, length_s=300.0, until_empty=True)
        assert math.isclose(float(seen.work_s.sum()), seen.busy_share * seen.length_s, rel_tol=1e-9)


def test_one_compute_node_waits_as_lindleys_recursion_says() -> None:
    """First come first served: W(n+1) = max(0, W(n) + S(n) − A(n)), exactly."""
    for station in (single_server, compute_nodes(1)):
        seen = observe(station, 0.8, exponential, warm_up_s=0.0, length_s=300.0, until_empty=True)
        waits_s = [0.0]
        gaps_s = np.diff(seen.arrived_s)
        for work_s, gap_s in zip(seen.work_s, gaps_s, strict=False):
            waits_s.append(max(0.0, waits_s[-1] + float(work_s) - float(gap_s)))
        np.testing.assert_allclose(waits_s, seen.wait_s, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(seen.wait_s + seen.work_s, seen.sojourn_s, rtol=1e-9)


def test_tdma_tends_to_processor_sharing() -> None:
    """With slots ten times shorter, each customer departs closer to its time under equal rates."""
    errors = []
    for slot_s in (0.3, 0.03):
        ends = [
            observe(station, 0.7, exponential, warm_up_s=0.0, length_s=300.0, until_empty=True).sojourn_s
            for station in (tdma(slot_s), equal_rates)
        ]
        errors.append(float(np.abs(ends[0] - ends[1]).mean()))
    assert errors[1] < errors[0] / 5


def test_erlangs_formula_has_its_published_values() -> None:
    """One server waits with probability ρ; two with 2ρ²/(1 + ρ)."""
    for load in (0.1, 0.5, 0.9):
        assert math.isclose(load, erlang_c(1, load), rel_tol=1e-12)
        assert math.isclose(2 * load**2 / (1 + load), erlang_c(2, load), rel_tol=1e-12)
