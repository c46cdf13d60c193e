"""Optimal power agrees with a convex solver, Clarabel by CVXPY, on the problem as the papers write it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

from cutlayer.sim.allocation.power.methods import optimal
from cutlayer.sim.allocation.problem import RoundWork, link_rates, round_time_s, transfer_s
from cutlayer.sim.allocation.subchannels.baselines import random
from cutlayer.sim.radio.rates import downlink_rates
from cutlayer.sim.radio.resources import RadioResources

MEGA = 1e6


def shortest_s(problem: RadioResources, work: RoundWork, client_of: np.ndarray) -> float:
    """Return the shortest round over the powers, the minimum of T_1 + a T_2 plus a constant, [s].

    Rates are concave in power and times convex in rates. Rates are in Mbit/s, so that numbers are near 1.
    """
    band, share = problem.band, work.averaging_share
    snr_per_w = (
        band.snr_per_w_per_hz(problem.gains[client_of, np.arange(len(client_of))]) / band.subchannel_hz
    )
    power_w = cp.Variable(len(client_of), nonneg=True)
    is_clients = (client_of == np.arange(problem.num_clients)[:, np.newaxis]).astype(float)
    rate_mbps = is_clients @ (
        band.subchannel_hz / MEGA / np.log(2) * cp.log1p(cp.multiply(snr_per_w, power_w))
    )
    second_s = (
        transfer_s(work.downlink_bits, downlink_rates(band, problem.gains, client_of)) + work.after_downlink_s
    )
    upload_bits = work.model_upload_bits if share > 0 else 0.0
    first = cp.max(work.before_uplink_s + work.uplink_bits / MEGA * cp.inv_pos(rate_mbps))
    second = cp.max(second_s + upload_bits / MEGA * cp.inv_pos(rate_mbps))
    limits = [is_clients @ power_w <= problem.power_max_w, cp.sum(power_w) <= problem.total_power_max_w]
    program = cp.Problem(cp.Minimize(first + share * second), limits)
    program.solve(solver=cp.CLARABEL)
    # The rest of the round is the same for all powers, so any powers serve to compute it.
    full = link_rates(
        problem, client_of, np.full(len(client_of), problem.power_max_w.min() / band.subchannel_hz)
    )
    first_s = (work.before_uplink_s + transfer_s(work.uplink_bits, full.uplink_bps)).max()
    upload_s = (second_s + transfer_s(upload_bits, full.uplink_bps)).max()
    rest_s = round_time_s(work, full) - first_s - share * upload_s
    return float(program.value + rest_s)


@pytest.mark.parametrize("scarce", [0.1, 0.5, 1.5], ids=["common limit", "both limits", "own limits"])
@pytest.mark.parametrize("averaging", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_optimal_power_is_the_convex_optimum(
    instance: Callable[..., Any], seed: int, averaging: float, scarce: float
) -> None:
    """Both round times agree to 1e-6, with and without averaging, whichever limits bind."""
    clients = 2 + seed
    problem, work_by_cut = instance(seed, clients, 9, averaging_share=averaging, fading=bool(seed % 2))
    work = replace(
        work_by_cut[1 + seed], model_upload_bits=(1, 3, 10, 30)[seed] * work_by_cut[1 + seed].uplink_bits
    )
    problem = replace(problem, total_power_max_w=scarce * float(problem.power_max_w.sum()))
    client_of = random(problem, work, np.random.default_rng(seed))
    planned_s = round_time_s(work, link_rates(problem, client_of, optimal(problem, work, client_of)))
    assert pytest.approx(shortest_s(problem, work, client_of), rel=1e-6) == planned_s
