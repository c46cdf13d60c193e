"""Laws of brute force: no plan is shorter, and instances that are too large raise an error."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.sim.allocation.joint.brute_force import optimal
from cutlayer.sim.allocation.planner import plan
from cutlayer.sim.allocation.power import methods as power
from cutlayer.sim.allocation.problem import RoundWork, link_rates, round_time_s
from cutlayer.sim.allocation.subchannels.baselines import round_robin
from cutlayer.sim.planning_error import PlanningError
from cutlayer.sim.radio.rates import Band
from cutlayer.sim.radio.resources import RadioResources

RNG = np.random.default_rng(0)
SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.sampled_from([0.0, 0.3, 1.0])
PLAIN = RadioResources(Band(1.0, np.arange(4.0), 1.0, 1.0, 1.0), np.ones((2, 4)), np.ones(2), 2.0)


def shortest_s(problem: RadioResources, work_by_cut: dict[int, RoundWork]) -> float:
    """Return the shortest round over every cut and assignment, including unused subchannels, [s]."""
    clients, count = problem.gains.shape
    assignments = (np.array(client_of) for client_of in product(range(-1, clients), repeat=count))
    return min(
        round_time_s(work, link_rates(problem, client_of, power.optimal(problem, work, client_of)))
        for client_of in assignments
        if np.unique(client_of[client_of >= 0]).size == clients
        for work in work_by_cut.values()
    )


@pytest.mark.slow
@pytest.mark.parametrize("cap", [np.inf, 4.0])
@pytest.mark.parametrize("averaging", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("clients", "count", "fading"), [(2, 4, False), (2, 5, True), (3, 4, True)])
def test_the_optimum_is_that_of_all_assignments(
    instance: Callable[..., Any], clients: int, count: int, fading: bool, averaging: float, cap: float
) -> None:
    """The result equals the minimum of an enumeration that includes unused subchannels."""
    seed = clients + count
    problem, work_by_cut = instance(
        seed, clients, count, averaging_share=averaging, cap_bps_per_hz=cap, fading=fading
    )
    work_by_cut = {cut: work_by_cut[cut] for cut in (1, 3, 5)}
    assert (
        pytest.approx(shortest_s(problem, work_by_cut), rel=2e-9)
        == optimal(problem, work_by_cut, RNG).predicted_s
    )


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, averaging=SHARES)
def test_the_cut_is_the_best_of_all(instance: Callable[..., Any], seed: int, averaging: float) -> None:
    """The plan over all cuts equals the best plan of a single cut."""
    problem, work_by_cut = instance(seed, 3, 5, averaging_share=averaging, fading=bool(seed % 2))
    alone_s = {cut: optimal(problem, {cut: work}, RNG).predicted_s for cut, work in work_by_cut.items()}
    best = optimal(problem, work_by_cut, RNG)
    assert pytest.approx(min(alone_s.values()), rel=2e-9) == best.predicted_s
    assert pytest.approx(alone_s[best.cut], rel=2e-9) == best.predicted_s


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, averaging=SHARES, factor=st.floats(1.0, 4.0))
@pytest.mark.parametrize("grown", ["bandwidth", "clocks", "each power", "common power"])
def test_more_of_anything_is_never_worse(
    instance: Callable[..., Any], seed: int, averaging: float, factor: float, grown: str
) -> None:
    """More bandwidth, faster clocks or more power never lengthen the shortest round."""
    problem, work_by_cut = instance(seed, 3, 5, averaging_share=averaging, fading=bool(seed % 2))
    more, faster = problem, work_by_cut
    if grown == "bandwidth":
        more = replace(problem, band=replace(problem.band, subchannel_hz=1e7 * factor))
    elif grown == "clocks":
        faster = {
            cut: replace(
                work,
                before_uplink_s=work.before_uplink_s / factor,
                server_s=work.server_s / factor,
                after_downlink_s=work.after_downlink_s / factor,
            )
            for cut, work in work_by_cut.items()
        }
    elif grown == "each power":
        more = replace(problem, power_max_w=problem.power_max_w * factor)
    else:
        more = replace(problem, total_power_max_w=problem.total_power_max_w * factor)
    before_s = optimal(problem, work_by_cut, RNG).predicted_s
    assert optimal(more, faster, RNG).predicted_s <= before_s * (1 + 2e-9)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, averaging=SHARES)
def test_the_prediction_is_exact_and_limits_hold(
    instance: Callable[..., Any], seed: int, averaging: float
) -> None:
    """The prediction equals the round time of the allocation, incumbents fall to it, and limits hold."""
    problem, work_by_cut = instance(seed, 3, 6, averaging_share=averaging, fading=bool(seed % 2))
    best = optimal(problem, work_by_cut, RNG)
    rates = link_rates(problem, best.client_of, best.psd_w_per_hz)
    assert round_time_s(work_by_cut[best.cut], rates) == best.predicted_s
    assert (np.diff(best.history_s) < 0).all()
    assert best.predicted_s == best.history_s[-1]
    watts = best.psd_w_per_hz * problem.band.subchannel_hz
    each_w = np.bincount(best.client_of[best.client_of >= 0], watts[best.client_of >= 0], problem.num_clients)
    assert (each_w <= problem.power_max_w).all()
    assert each_w.sum() <= problem.total_power_max_w


def test_of_equal_subchannels_only_the_numbers_count() -> None:
    """Two clients share four equal subchannels; the one that computes longer gets three.

    Each subchannel carries 1 bit/s downlink: 12 bits take 12/n s. Client 0 then computes for 8 s,
    so three for client 0 take max(12/3 + 8, 12) = 12 s; two each take 14 s, one for client 0 20 s.
    """
    work = RoundWork(np.zeros(2), 0.0, 0.0, 0.0, 12.0, np.array([8.0, 0.0]))
    best = optimal(PLAIN, {1: work}, RNG)
    assert pytest.approx(12.0) == best.predicted_s
    np.testing.assert_array_equal([3, 1], np.bincount(best.client_of))


def test_one_client_gets_everything(instance: Callable[..., Any]) -> None:
    """A client alone has one assignment, for any number of subchannels."""
    problem, work_by_cut = instance(2, 1, 70)
    alone = plan(problem, work_by_cut, round_robin, power.optimal, cut=None, rng=RNG)
    assert pytest.approx(alone.predicted_s, rel=2e-9) == optimal(problem, work_by_cut, RNG).predicted_s


def test_too_many_assignments_are_refused(instance: Callable[..., Any]) -> None:
    """The error states the size and the limit, before any search."""
    problem, work_by_cut = instance(0, 200, 1000)
    with pytest.raises(PlanningError, match=r"200\^1000 assignments a cut; brute force takes 100,000"):
        optimal(problem, work_by_cut, RNG)
    problem, work_by_cut = instance(0, 5, 4)
    with pytest.raises(PlanningError, match="5 clients need at least one subchannel each; there are 4"):
        optimal(problem, work_by_cut, RNG)
