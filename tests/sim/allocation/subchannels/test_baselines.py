"""Laws of the simple subchannel methods: examples by hand, and properties of all methods."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cutlayer.sim.allocation.power.methods import uniform
from cutlayer.sim.allocation.problem import RoundWork, link_rates, round_time_s
from cutlayer.sim.allocation.subchannels import baselines as subchannels
from cutlayer.sim.allocation.subchannels.baselines import explicit_assignment, round_robin
from cutlayer.sim.allocation.subchannels.greedy import greedy, marginal_greedy
from cutlayer.sim.planning_error import PlanningError
from cutlayer.sim.radio.rates import Band
from cutlayer.sim.radio.resources import RadioResources

METHODS: list[Callable[..., Any]] = [greedy, marginal_greedy, round_robin, subchannels.random]
RNG = np.random.default_rng(0)
SEEDS = st.integers(0, 2**32 - 1)

# Uniform power is 3 W a client (9 W for three), spread over subchannels of 1 Hz; noise is 1 W/Hz.
HAND = RadioResources(
    Band(1.0, np.arange(1.0, 6.0), 1.0, 1.0, 3.0),
    np.array([[5, 1, 1, 1, 1], [1, 5, 1, 21, 1], [1, 5, 5, 1, 1 / 3]]),
    np.full(3, 3.0),
    9.0,
)
HAND_WORK = RoundWork(np.array([1.0, 3.0, 2.0]), 12.0, 0.0, 0.0, 12.0, np.array([0.0, 1.0, 2.0]))


def round_s(problem: RadioResources, work: RoundWork, client_of: np.ndarray) -> float:
    """Return the round time of an assignment with uniform power, by the formulas of the planner, [s]."""
    return round_time_s(work, link_rates(problem, client_of, uniform(problem, work, client_of)))


def shortest_by_brute_force(problem: RadioResources, work: RoundWork) -> float:
    """Return the shortest round over every assignment that serves all clients, [s]."""
    clients, count = problem.gains.shape
    assignments = (np.array(client_of) for client_of in product(range(clients), repeat=count))
    return min(
        round_s(problem, work, client_of) for client_of in assignments if np.unique(client_of).size == clients
    )


def test_greedy_by_hand() -> None:
    """The rule of Lin et al. on three clients and five subchannels, step by step.

    Start: the slowest processor is client 1 (3 s): its best is subchannel 3 (gain 21). Then client 2 (2 s):
    subchannels 1 and 2 are equal (5), so 1. Then client 0: subchannel 0 (5).
    One subchannel each: SNRs 3·5, 3·21, 3·5, so 4, 6, 4 bit/s in both directions. First phases 1 + 3,
    3 + 2, 2 + 3 = 4, 5, 5 s; second phases 3 + 0, 2 + 1, 3 + 2 = 3, 3, 5 s.
    Fourth subchannel: n1 = 1 (the first of two at 5 s), n2 = 2 (5 s), equally long, so client 1; 2 and 4 are
    equal for it (1), so 2. Client 1 now has log2(1 + 1.5·21) + log2(1 + 1.5) = 6.34 bit/s: 3 + 1.89 s, and
    6 + 2 bit/s: 1.5 + 1 s.
    Fifth: first phases 4, 4.89, 5 s, second 3, 2.5, 5 s: client 2 in both, and 4 is left.
    """
    np.testing.assert_array_equal([0, 2, 1, 1, 2], greedy(HAND, HAND_WORK, RNG))


def test_marginal_greedy_by_hand() -> None:
    """The same instance, each subchannel where it shortens the round of 5 + 5 s most.

    Fourth: client 0 or 1 leaves 10 s, for client 2 is as late as before. Client 2 with subchannel 2 (gain 5)
    has 2·log2(1 + 1.5·5) = 6.17 bit/s: 2 + 1.94 s, and 8 bit/s: 1.5 + 2 s; client 1 is at 5 s: 5 + 3.5 s.
    Fifth: client 0 leaves 8.5 s; client 1 (gain 1) 4.89 + 3.5 = 8.39 s; client 2 (gain 1/3) has 9 bit/s down:
    5 + 3.33 s, the shortest.
    """
    np.testing.assert_array_equal([0, 2, 2, 1, 2], marginal_greedy(HAND, HAND_WORK, RNG))
    assert pytest.approx(5 + 2 + 12 / 9) == round_s(HAND, HAND_WORK, np.array([0, 2, 2, 1, 2]))


def test_marginal_greedy_passes_a_plateau() -> None:
    """For four equal clients no single subchannel shortens the round, yet each client gets two."""
    problem = RadioResources(Band(1.0, np.arange(8.0), 1.0, 1.0, 1.0), np.ones((4, 8)), np.ones(4), 4.0)
    work = RoundWork(np.ones(4), 5.0, 0.0, 0.0, 5.0, np.ones(4))
    np.testing.assert_array_equal([2, 2, 2, 2], np.bincount(marginal_greedy(problem, work, RNG)))


def test_marginal_greedy_serves_the_latest_clients_first() -> None:
    """If no subchannel shortens the round, a client that is not the latest gets none, whatever its gain.

    Downlinks at 1 bit/s end the second stage of clients 0 and 1 after 1 + 10 s. Client 2's, at
    log2(1.08) = 0.11 bit/s, takes 9 s, and would take half of that with another subchannel. The first stage
    waits 100 s for client 3, which sends nothing: the paper's rule would give it all that is left.
    """
    gains = np.repeat([[1.0], [1.0], [0.08], [1e6]], 6, axis=1)
    problem = RadioResources(Band(1.0, np.arange(6.0), 1.0, 1.0, 1.0), gains, np.ones(4), 4.0)
    before_s, after_s = np.array([0.0, 0.0, 0.0, 100.0]), np.array([10.0, 10.0, 0.0, 0.0])
    work = RoundWork(before_s, 0.0, 0.0, 0.0, 1.0, after_s)
    np.testing.assert_array_equal([2, 2, 1, 1], np.bincount(marginal_greedy(problem, work, RNG)))
    np.testing.assert_array_equal([1, 1, 1, 3], np.bincount(greedy(problem, work, RNG)))


def test_marginal_greedy_leaves_harmful_subchannels_unused() -> None:
    """Flat power on a second, far worse subchannel lowers the rate; only the paper's rule takes it."""
    band = Band(1.0, np.arange(2.0), 1.0, 1.0, 1.0)
    problem = RadioResources(band, np.array([[1e3, 1e-6]]), np.ones(1), 1.0)
    work = RoundWork(np.ones(1), 5.0, 0.0, 0.0, 0.0, np.ones(1))
    np.testing.assert_array_equal([0, -1], marginal_greedy(problem, work, RNG))
    np.testing.assert_array_equal([0, 0], greedy(problem, work, RNG))


@settings(deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 6), more=st.integers(0, 8), averaging=st.sampled_from([0, 0.5, 1]))
@pytest.mark.parametrize("method", METHODS)
def test_every_client_is_served_and_every_subchannel_used_once(
    instance: Callable[..., Any], method: Any, seed: int, clients: int, more: int, averaging: float
) -> None:
    """Every method gives each client a subchannel, and none but marginal greedy leaves one unused."""
    problem, work_by_cut = instance(seed, clients, clients + more, averaging_share=averaging, fading=True)
    client_of = method(problem, work_by_cut[2], np.random.default_rng(seed))
    assert (clients + more,) == client_of.shape
    np.testing.assert_array_equal(np.arange(clients), np.unique(client_of[client_of >= 0]))
    assert method is marginal_greedy or (client_of >= 0).all()


@settings(deadline=None)
@given(seed=SEEDS, clients=st.integers(2, 8), averaging=st.sampled_from([0, 0.5, 1]))
def test_marginal_greedy_is_never_worse_than_the_papers_rule(
    instance: Callable[..., Any], seed: int, clients: int, averaging: float
) -> None:
    """With uniform power, which both rules assume, its round is no longer, up to rounding."""
    problem, work_by_cut = instance(seed, clients, 12, averaging_share=averaging, fading=bool(seed % 2))
    for work in work_by_cut.values():
        papers_s = round_s(problem, work, greedy(problem, work, RNG))
        assert round_s(problem, work, marginal_greedy(problem, work, RNG)) <= papers_s * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_brute_force_bounds_every_method(instance: Callable[..., Any], seed: int) -> None:
    """No method beats every assignment tried; on mean gains marginal greedy is within 0.5 % of the best."""
    problem, work_by_cut = instance(seed, 2 + seed % 2, 6)
    work = work_by_cut[1 + seed % 5]
    best_s = shortest_by_brute_force(problem, work)
    for method in METHODS:
        method_s = round_s(problem, work, method(problem, work, np.random.default_rng(seed)))
        assert best_s <= method_s * (1 + 1e-12)
    assert round_s(problem, work, marginal_greedy(problem, work, RNG)) <= 1.005 * best_s


def test_greedy_weighs_the_models_upload_where_models_are_averaged() -> None:
    """A client that is late only through the model's upload gets the subchannel in a scheme that averages."""
    problem = RadioResources(
        Band(1.0, np.arange(3.0), 1.0, 1.0, 1.0), np.ones((2, 3)), np.array([1, 0.3]), 9.0
    )
    plain = RoundWork(np.array([9.0, 0.0]), 1.0, 0.0, 0.0, 1.0, np.array([9.0, 0.0]), 100.0, 100.0)
    averaging = RoundWork(np.array([9.0, 0.0]), 1.0, 0.0, 0.0, 1.0, np.array([9.0, 0.0]), 100.0, 100.0, 1.0)
    np.testing.assert_array_equal([2, 1], np.bincount(greedy(problem, plain, RNG)))
    np.testing.assert_array_equal([1, 2], np.bincount(greedy(problem, averaging, RNG)))


def test_round_robin_deals_in_turn() -> None:
    """Subchannel k goes to client k mod C."""
    np.testing.assert_array_equal([0, 1, 2, 0, 1], round_robin(HAND, HAND_WORK, RNG))


def test_random_assignments_are_even_and_follow_the_generator() -> None:
    """Each client gets a subchannel with equal probability; equal generators give equal assignments."""
    draws = np.stack([subchannels.random(HAND, HAND_WORK, np.random.default_rng(s)) for s in range(600)])
    assert stats.chisquare(np.bincount(draws[:, 0])).pvalue > 0.01
    assert stats.chisquare(np.bincount(draws[:, 4])).pvalue > 0.01
    again = subchannels.random(HAND, HAND_WORK, np.random.default_rng(3))
    np.testing.assert_array_equal(draws[3], again)


@pytest.mark.parametrize("method", METHODS)
def test_more_clients_than_subchannels_are_refused(instance: Callable[..., Any], method: Any) -> None:
    """The error names both numbers."""
    problem, work_by_cut = instance(0, 5, 4)
    with pytest.raises(PlanningError, match=r"5 clients .* there are 4"):
        method(problem, work_by_cut[1], np.random.default_rng(0))


def test_an_explicit_assignment_is_taken_as_it_is() -> None:
    """A subchannel that is in no list stays unused."""
    np.testing.assert_array_equal([1, 0, -1, 1], explicit_assignment([[1], [3, 0]], 2, 4))


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ([[0, 1]], "for 1 devices; there are 2"),
        ([[0], []], "device 1 has no subchannel"),
        ([[0], [4]], "device 1: subchannel 4 is outside 0 to 3"),
        ([[-1], [2]], "device 0: subchannel -1 is outside 0 to 3"),
        ([[0, 2], [2]], "subchannel 2 is given to device 0 and to device 1"),
        ([[0, 0], [2]], "subchannel 0 is given to device 0 and to device 0"),
    ],
)
def test_faulty_explicit_assignments_are_refused(lists: list[list[int]], message: str) -> None:
    """The error names the device, the subchannel and the rule."""
    with pytest.raises(PlanningError, match=message):
        explicit_assignment(lists, 2, 4)
