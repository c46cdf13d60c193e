"""Laws of the lower bound: no plan is shorter at any time limit, and the gap of small instances is small."""

import os
from collections.abc import Callable
from dataclasses import replace
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.sim.allocation.joint.brute_force import optimal
from cutlayer.sim.allocation.joint.milp_bound import lower_bound_s
from cutlayer.sim.allocation.planner import plan
from cutlayer.sim.allocation.power.methods import optimal as optimal_power
from cutlayer.sim.allocation.problem import RoundWork
from cutlayer.sim.allocation.subchannels.greedy import marginal_greedy
from cutlayer.sim.radio.rates import Band
from cutlayer.sim.radio.resources import RadioResources

RNG = np.random.default_rng(0)
SEEDS = st.integers(0, 2**32 - 1)
ROUNDING = 1 + 1e-9  # the precision of brute force


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    seed=SEEDS,
    clients=st.integers(1, 3),
    averaging=st.sampled_from([0.0, 0.3, 1.0]),
    fading=st.booleans(),
    cap=st.sampled_from([np.inf, 4.0]),
    time_s=st.sampled_from([0.0, 0.02, 0.2]),
)
def test_the_optimum_is_never_below_the_bound(
    instance: Callable[..., Any],
    seed: int,
    clients: int,
    averaging: float,
    fading: bool,
    cap: float,
    time_s: float,
) -> None:
    """The bound holds against brute force for every kind of instance and every time limit."""
    problem, work_by_cut = instance(
        seed, clients, 5, averaging_share=averaging, fading=fading, cap_bps_per_hz=cap
    )
    bound_s = lower_bound_s(problem, work_by_cut, time_limit_s=time_s)
    assert bound_s <= optimal(problem, work_by_cut, RNG).predicted_s * ROUNDING


@pytest.mark.slow
@pytest.mark.parametrize("averaging", [0.0, 0.5])
@pytest.mark.parametrize("fading", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_the_bound_is_tight_on_small_instances(
    instance: Callable[..., Any], seed: int, fading: bool, averaging: float
) -> None:
    """A finished bound is at most 0.05 % below the optimum: the margin for the tolerances of the solver."""
    problem, work_by_cut = instance(seed, 3, 6, averaging_share=averaging, fading=fading)
    best_s = optimal(problem, work_by_cut, RNG).predicted_s
    bound_s = lower_bound_s(problem, work_by_cut, time_limit_s=60.0)
    assert bound_s <= best_s * ROUNDING
    assert best_s <= 1.0005 * bound_s


def test_the_bound_is_the_least_over_cuts(instance: Callable[..., Any]) -> None:
    """A cut that is far worse than another does not change the bound; a cut without work sets it to 0."""
    problem, work_by_cut = instance(3, 3, 6)
    alone_s = lower_bound_s(problem, {3: work_by_cut[3]}, time_limit_s=60.0)
    expensive = replace(work_by_cut[3], server_s=work_by_cut[3].server_s + 100.0)
    assert pytest.approx(alone_s, rel=1e-6) == lower_bound_s(
        problem, {1: expensive, 3: work_by_cut[3]}, time_limit_s=60.0
    )
    free = RoundWork(np.zeros(3), 0.0, 0.0, 0.0, 0.0, np.zeros(3))
    assert 0.0 == lower_bound_s(problem, {1: free, 3: work_by_cut[3]})


def test_the_bound_by_hand() -> None:
    """Two equal clients share four equal subchannels of 1 Hz: an SNR of 1 at 0.5 W gives 1 bit/s on each.

    Each client spreads 1 W over two subchannels and has 2 bit/s, so 10 bits take 5 s in either direction.
    """
    band = Band(1.0, np.arange(4.0), 0.5, 1.0, 0.5)
    problem = RadioResources(band, np.ones((2, 4)), np.ones(2), 2.0)
    work = RoundWork(np.ones(2), 10.0, 3.0, 0.0, 10.0, np.ones(2))
    assert pytest.approx(6 + 3 + 6, rel=1e-5) == lower_bound_s(problem, {1: work}, time_limit_s=60.0)


@pytest.mark.slow
def test_the_bound_of_a_larger_instance_is_near_the_greedy_plan(instance: Callable[..., Any]) -> None:
    """For 5 clients and 20 subchannels with mean gains, the gap to the greedy plan is below 2 %."""
    problem, work_by_cut = instance(0, 5, 20)
    greedy_plan = plan(problem, work_by_cut, marginal_greedy, optimal_power, cut=None, rng=RNG)
    bound_s = lower_bound_s(problem, work_by_cut, time_limit_s=10.0)
    assert bound_s <= greedy_plan.predicted_s * ROUNDING
    assert greedy_plan.predicted_s <= 1.02 * bound_s


def test_more_clients_than_subchannels_have_no_plan(instance: Callable[..., Any]) -> None:
    """The bound is inf, because no plan exists."""
    problem, work_by_cut = instance(0, 4, 3)
    assert np.inf == lower_bound_s(problem, work_by_cut)


def test_nothing_is_printed(instance: Callable[..., Any], capfd: pytest.CaptureFixture[str]) -> None:
    """Standard output does not show the line of HiGHS that none of its options turns off."""
    problem, work_by_cut = instance(2, 3, 7)
    lower_bound_s(problem, work_by_cut)
    assert ("", "") == capfd.readouterr()


def test_output_of_other_threads_is_not_lost(
    instance: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """All lines that another thread writes during a solve reach standard output; some come late."""
    stop, lines = Event(), list[str]()

    def write() -> None:
        while not stop.wait(0.001):
            lines.append(f"line {len(lines)}\n")
            os.write(1, lines[-1].encode())

    thread = Thread(target=write)
    thread.start()
    try:
        problem, work_by_cut = instance(2, 3, 7)
        lower_bound_s(problem, work_by_cut)
    finally:
        stop.set()
        thread.join()
    assert lines
    assert sorted(lines) == sorted(capfd.readouterr().out.splitlines(keepends=True))
