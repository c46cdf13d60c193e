"""Laws of the power methods: the limits, the optimum by another solver, and no power without need."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from cutlayer.sim.allocation.power.methods import explicit_power, optimal, uniform
from cutlayer.sim.allocation.problem import RoundWork, link_rates, round_time_s, transfer_s
from cutlayer.sim.allocation.subchannels.baselines import random
from cutlayer.sim.planning_error import PlanningError
from cutlayer.sim.radio.rates import Band
from cutlayer.sim.radio.resources import RadioResources, uniform_power_w

SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.sampled_from([0.0, 0.2, 1.0])
CAPS = st.sampled_from([np.inf, 7.4, 2.0])


def power_w(problem: RadioResources, client_of: np.ndarray, psd_w_per_hz: np.ndarray) -> np.ndarray:
    """Return each client's power, [num_clients], [W]."""
    used = client_of >= 0
    weights = psd_w_per_hz[used] * problem.band.subchannel_hz
    return np.bincount(client_of[used], weights=weights, minlength=problem.num_clients)


def shortest_by_slsqp(problem: RadioResources, work: RoundWork, client_of: np.ndarray) -> float:
    """Return the shortest round that SLSQP finds over the powers and both stage ends, [s]."""
    band, count, clients = problem.band, len(client_of), problem.num_clients
    snr_per_w = band.snr_per_w_per_hz(problem.gains[client_of, np.arange(count)]) / band.subchannel_hz
    flat_w = uniform(problem, work, client_of) * band.subchannel_hz
    rates = link_rates(problem, client_of, flat_w / band.subchannel_hz)
    second_s = transfer_s(work.downlink_bits, rates.downlink_bps) + work.after_downlink_s
    upload_bits = work.model_upload_bits * (work.averaging_share > 0)

    def rate_slack(x: np.ndarray) -> np.ndarray:
        rate_bps = np.bincount(client_of, band.subchannel_hz * np.log2(1 + snr_per_w * x[:count]), clients)
        first = rate_bps - work.uplink_bits / (x[count] - work.before_uplink_s)
        second = rate_bps - upload_bits / (x[count + 1] - second_s)
        return np.concatenate((first, second)) / 1e8

    constraints = [
        {"type": "ineq", "fun": rate_slack},
        {"type": "ineq", "fun": lambda x: problem.power_max_w - np.bincount(client_of, x[:count], clients)},
        {"type": "ineq", "fun": lambda x: problem.total_power_max_w - x[:count].sum()},
    ]
    cap_snr = np.exp2(band.efficiency_cap_bps_per_hz) - 1
    most_w = np.minimum(problem.power_max_w[client_of], cap_snr / snr_per_w)
    starts_s = (work.before_uplink_s, second_s)
    ends_s = [
        (start_s + transfer_s(bits, rates.uplink_bps)).max()
        for start_s, bits in zip(starts_s, (work.uplink_bits, upload_bits), strict=True)
    ]
    solve: Any = minimize  # the hints of SciPy know no constraints as plain dictionaries
    solution = solve(
        lambda x: x[count] + work.averaging_share * x[count + 1],
        np.concatenate((0.9 * np.minimum(flat_w, most_w), 1.2 * np.array(ends_s))),
        method="SLSQP",
        bounds=[*((0, w) for w in most_w), *((s.max() + 1e-6, None) for s in starts_s)],
        constraints=constraints,
        options={"maxiter": 500, "ftol": 1e-13},
    )
    psd_w_per_hz = np.clip(solution.x[:count], 0, most_w) / band.subchannel_hz
    over = power_w(problem, client_of, psd_w_per_hz)
    psd_w_per_hz *= np.minimum(1, problem.power_max_w / over)[client_of]
    psd_w_per_hz *= min(1, problem.total_power_max_w / power_w(problem, client_of, psd_w_per_hz).sum())
    return round_time_s(work, link_rates(problem, client_of, psd_w_per_hz))


@pytest.mark.parametrize("cap", [np.inf, 3.0])
@pytest.mark.parametrize("averaging", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(12))
def test_optimal_power_is_what_a_general_solver_finds(
    instance: Callable[..., Any], seed: int, averaging: float, cap: float
) -> None:
    """SLSQP, started at uniform power, finds a round equal to 1e-6 and no shorter one, for all schemes."""
    problem, work_by_cut = instance(
        seed, 2 + seed % 4, 8, averaging_share=averaging, cap_bps_per_hz=cap, fading=bool(seed % 2)
    )
    work = work_by_cut[1 + seed % 5]
    # Large uploads and a scarce common limit, so that both stages compete for the power.
    work = replace(work, model_upload_bits=(1, 3, 10, 30)[seed % 4] * work.uplink_bits)
    problem = replace(problem, total_power_max_w=(0.1, 0.3, 0.8)[seed % 3] * float(problem.power_max_w.sum()))
    client_of = random(problem, work, np.random.default_rng(seed))
    planned_s = round_time_s(work, link_rates(problem, client_of, optimal(problem, work, client_of)))
    other_s = shortest_by_slsqp(problem, work, client_of)
    assert planned_s <= other_s * (1 + 1e-9)
    assert pytest.approx(other_s, rel=1e-6) == planned_s


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 6), averaging=SHARES, cap=CAPS)
def test_powers_meet_both_limits(
    instance: Callable[..., Any], seed: int, clients: int, averaging: float, cap: float
) -> None:
    """No power exceeds a client's limit or the common one, not even by a rounding error."""
    problem, work_by_cut = instance(seed, clients, 11, averaging_share=averaging, cap_bps_per_hz=cap)
    client_of = random(problem, work_by_cut[1], np.random.default_rng(seed))
    for method in (uniform, optimal):
        psd_w_per_hz = method(problem, work_by_cut[2], client_of)
        each_w = power_w(problem, client_of, psd_w_per_hz)
        assert (psd_w_per_hz >= 0).all()
        assert (each_w <= problem.power_max_w).all()
        assert each_w.sum() <= problem.total_power_max_w


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 6), averaging=SHARES, cap=CAPS)
def test_optimal_is_never_worse_than_uniform(
    instance: Callable[..., Any], seed: int, clients: int, averaging: float, cap: float
) -> None:
    """Uniform power meets the limits, so the optimal round is no longer, up to rounding."""
    problem, work_by_cut = instance(
        seed, clients, 11, averaging_share=averaging, cap_bps_per_hz=cap, fading=True
    )
    for work in work_by_cut.values():
        client_of = random(problem, work, np.random.default_rng(seed))
        optimal_s, uniform_s = (
            round_time_s(work, link_rates(problem, client_of, method(problem, work, client_of)))
            for method in (optimal, uniform)
        )
        assert optimal_s <= uniform_s * (1 + 1e-12)


@settings(deadline=None)
@given(seed=SEEDS, clients=st.integers(1, 6))
def test_all_clients_end_the_first_stage_together(
    instance: Callable[..., Any], seed: int, clients: int
) -> None:
    """Without a model upload the least powers let every client end at T_1 exactly."""
    problem, work_by_cut = instance(seed, clients, 11)
    client_of = random(problem, work_by_cut[1], np.random.default_rng(seed))
    rates = link_rates(problem, client_of, optimal(problem, work_by_cut[1], client_of))
    ends_s = work_by_cut[1].before_uplink_s + work_by_cut[1].uplink_bits / rates.uplink_bps
    np.testing.assert_allclose(ends_s, ends_s.max(), rtol=1e-9)


def test_a_limit_binds_at_the_optimum(instance: Callable[..., Any]) -> None:
    """The common limit binds if it is scarce; otherwise the limit of some client binds."""
    problem, work_by_cut = instance(1, 4, 11)
    client_of = random(problem, work_by_cut[1], np.random.default_rng(1))
    scarce = replace(problem, total_power_max_w=0.1)
    used_w = power_w(scarce, client_of, optimal(scarce, work_by_cut[1], client_of))
    assert pytest.approx(0.1, rel=1e-9) == used_w.sum()
    ample = replace(problem, total_power_max_w=1e3)
    used_w = power_w(ample, client_of, optimal(ample, work_by_cut[1], client_of))
    assert pytest.approx(1.0, rel=1e-9) == (used_w / ample.power_max_w).max()


def test_optimal_power_by_hand() -> None:
    """A client's limit binds in one stage, the common limit in the other; subchannels of 1 Hz, SNR = power.

    The second stage waits for the upload of client 0, 10 bit after 100 s. With its limit of 1 W it sends
    at log2(1 + 1) = 1 bit/s. Client 1, for which the first stage waits, has the other 7 W of 8 W:
    log2(1 + 7) = 3 bit/s, so 50 + 10/3 s. Then 100 + 10 s.
    """
    band = Band(1.0, np.ones(2), 1.0, 1.0, 1.0)
    problem = RadioResources(band, np.ones((2, 2)), np.array([1.0, 100.0]), 8.0)
    work = RoundWork(
        np.array([0.0, 50.0]), 10.0, 0.0, 0.0, 0.0, np.array([100.0, 0.0]), 10.0, averaging_share=1.0
    )
    psd_w_per_hz = optimal(problem, work, np.array([0, 1]))
    np.testing.assert_allclose([1.0, 7.0], psd_w_per_hz, rtol=1e-9)
    rates = link_rates(problem, np.array([0, 1]), psd_w_per_hz)
    assert pytest.approx(50 + 10 / 3 + 110, rel=1e-9) == round_time_s(work, rates)


def test_without_bits_to_send_no_power_is_used(instance: Callable[..., Any]) -> None:
    """The least power for zero bits is zero."""
    problem, work_by_cut = instance(0, 3, 7)
    work = replace(work_by_cut[1], uplink_bits=0.0)
    client_of = random(problem, work, np.random.default_rng(0))
    np.testing.assert_array_equal(np.zeros(7), optimal(problem, work, client_of))


def test_uniform_power_is_flat(instance: Callable[..., Any]) -> None:
    """Each client spreads min(p_i^max, p_th/C) evenly over its subchannels; unused ones carry no power."""
    problem, work_by_cut = instance(2, 3, 7)
    client_of = np.array([0, 1, 1, -1, 2, 2, 2])
    psd_w_per_hz = uniform(problem, work_by_cut[1], client_of)
    np.testing.assert_allclose(
        uniform_power_w(problem), power_w(problem, client_of, psd_w_per_hz), rtol=1e-12
    )
    assert psd_w_per_hz[3] == 0
    assert np.unique(psd_w_per_hz).size == 4


BAND = Band(10e6, np.full(3, 28e9), 1e-20, 10.0, 1e-8)
PROBLEM = RadioResources(BAND, np.full((2, 3), 1e-12), np.array([1.0, 2.0]), 2.5)
CLIENT_OF = np.array([0, 1, 1])


def test_explicit_densities_are_taken_as_they_are() -> None:
    """-70 dBm/Hz is 1e-10 W/Hz; a limit may be met exactly: -40 dBm/Hz on 10 MHz is 1 W."""
    np.testing.assert_allclose([1e-7, 1e-10, 1e-10], explicit_power([-40.0, -70.0], PROBLEM, CLIENT_OF))


@pytest.mark.parametrize(
    ("dbm_per_hz", "message"),
    [
        ([-60.0], "for 1 devices; there are 2"),
        ([-60.0, -30.0], "device 1: -30 dBm/Hz on its 2 subchannels is 20 W; its limit is 2 W"),
        ([-40.0, -40.1], r"all devices together ask for 2\.95447 W; their limit is 2\.5 W"),
    ],
)
def test_explicit_densities_beyond_a_limit_are_refused(dbm_per_hz: list[float], message: str) -> None:
    """The error states the device, the requested power and the allowed power."""
    with pytest.raises(PlanningError, match=message):
        explicit_power(dbm_per_hz, PROBLEM, CLIENT_OF)
