"""Laws of water-filling: the optimality conditions, and the relations of level, rate and power."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.sim.allocation.power.water_filling import WaterFilling
from cutlayer.sim.allocation.subchannels.baselines import random
from cutlayer.sim.planning_error import PlanningError
from cutlayer.sim.radio.rates import uplink_rates

CASES = {
    "seed": st.integers(0, 2**32 - 1),
    "clients": st.integers(1, 4),
    "cap": st.sampled_from([np.inf, 7.4, 2.0]),
    "share": st.floats(0.01, 1.0),
}


@settings(deadline=None)
@given(**CASES)
def test_least_power_meets_the_optimality_conditions(
    instance: Callable[..., Any], seed: int, clients: int, cap: float, share: float
) -> None:
    """The rate is met, and dθ/dp is equal on all subchannels in use, and no greater on the others.

    These conditions of Karush, Kuhn and Tucker are sufficient, since the rate is concave in the power. Where
    the cap binds, dθ/dp may be greater.
    """
    problem, work_by_cut = instance(seed, clients, 9, cap_bps_per_hz=cap, fading=True)
    client_of = random(problem, work_by_cut[1], np.random.default_rng(seed))
    filling = WaterFilling(problem, client_of)
    rate_bps = share * filling.rate_max_bps
    psd_w_per_hz = filling.densities(filling.levels(rate_bps))
    assert (psd_w_per_hz >= 0).all()
    np.testing.assert_allclose(rate_bps, uplink_rates(problem.band, problem.gains, client_of, psd_w_per_hz))
    snr_per_w_per_hz = problem.band.snr_per_w_per_hz(problem.gains[client_of, np.arange(9)])
    slope = snr_per_w_per_hz / (1 + psd_w_per_hz * snr_per_w_per_hz)
    full = np.log2(1 + psd_w_per_hz * snr_per_w_per_hz) > cap * (1 - 1e-9)
    for client in range(clients):
        assigned = client_of == client
        used = assigned & (psd_w_per_hz > 0) & ~full
        if used.any():
            np.testing.assert_allclose(slope[used], slope[used][0], rtol=1e-9)
            assert (slope[assigned & (psd_w_per_hz == 0)] <= slope[used][0] * (1 + 1e-9)).all()
            assert (slope[assigned & full] >= slope[used][0] * (1 - 1e-9)).all()


@settings(deadline=None)
@given(**CASES)
def test_power_and_its_slope_follow_from_the_level(
    instance: Callable[..., Any], seed: int, clients: int, cap: float, share: float
) -> None:
    """Powers are sums of densities, full power gives the greatest rate, slopes are difference quotients."""
    problem, work_by_cut = instance(seed, clients, 9, cap_bps_per_hz=cap, fading=True)
    client_of = random(problem, work_by_cut[1], np.random.default_rng(seed))
    filling = WaterFilling(problem, client_of)
    levels = filling.levels(share * filling.rate_max_bps)
    density_sums = np.bincount(client_of, weights=filling.densities(levels)) * problem.band.subchannel_hz
    np.testing.assert_allclose(density_sums, filling.powers_w(levels))
    same_levels, same_w = filling.levels_and_powers_w(share * filling.rate_max_bps)
    np.testing.assert_array_equal(levels, same_levels)
    np.testing.assert_allclose(density_sums, same_w)
    all_w = filling.powers_w(filling.levels(filling.rate_max_bps))
    assert (all_w <= problem.power_max_w * (1 + 1e-12)).all()
    if cap == np.inf:
        np.testing.assert_allclose(problem.power_max_w, all_w)
        step_bps = 1e-5 * filling.rate_max_bps
        around_w = [
            filling.powers_w(filling.levels(share * filling.rate_max_bps * 0.9 + sign * step_bps))
            for sign in (-1, 1)
        ]
        middle = filling.levels(share * filling.rate_max_bps * 0.9)
        quotient = (around_w[1] - around_w[0]) / (2 * step_bps)
        np.testing.assert_allclose(quotient, filling.marginal_w_per_bps(middle), rtol=2e-3)


def test_rate_zero_takes_no_power(instance: Callable[..., Any]) -> None:
    """The least power for rate zero is zero."""
    problem, work_by_cut = instance(0, 3, 9)
    filling = WaterFilling(problem, random(problem, work_by_cut[1], np.random.default_rng(0)))
    np.testing.assert_array_equal(np.zeros(9), filling.densities(filling.levels(np.zeros(3))))


def test_a_client_without_subchannels_is_refused(instance: Callable[..., Any]) -> None:
    """The error states the client, for which no power gives a rate."""
    problem, _ = instance(0, 3, 4)
    with pytest.raises(PlanningError, match="client 1 has no subchannel"):
        WaterFilling(problem, np.array([0, 2, -1, 2]))
