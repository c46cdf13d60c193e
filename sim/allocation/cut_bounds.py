"""Lower bounds on the round time of each cut, for any assignment of subchannels and any power.

The bound of a cut has a closed form. It assumes that every subchannel of a client is as good as its best one,
and that subchannels can be divided. Then a rate R at the spectral efficiency y [nat/s/Hz] needs the bandwidth
R ln 2 / y and the power (e^y − 1) R ln 2 / (g y). Let a subchannel of the bandwidth B have a price of λ
watts. The cheapest y for a bit/s solves (y − 1) e^y + 1 = λ g / B. At these
prices the demand of all clients costs at most the supply, p_th + λ M. This bounds the end of a stage for
every λ (weak duality; Boyd, Vandenberghe 2004, section 5.2.2), and the greatest of these bounds is used.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..radio.rates import broadcast_rate, spectral_efficiency
from ..radio.resources import RadioResources
from .problem import RoundWork, transfer_s

__all__ = ["cut_bounds"]

LN2 = np.log(2.0)
PRICES = np.geomspace(1e-3, 1e6, 46)  # of all subchannels together, in units of p_th
NEWTON_STEPS = 12  # of the ends from below, so that the bound holds after any number of steps
BOUND_MARGIN = 1e-9  # relative


def cut_bounds(problem: RadioResources, work_by_cut: Mapping[int, RoundWork]) -> dict[int, float]:
    """Return a lower bound on the round time of each cut, [s].

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work_by_cut : mapping of int to RoundWork
        The work of a round at each cut.
    """
    band, count = problem.band, problem.num_subchannels
    hz, cap = band.subchannel_hz, band.efficiency_cap_bps_per_hz
    snr_per_w_per_hz = band.snr_per_w_per_hz(problem.gains)
    best = snr_per_w_per_hz.max(axis=1)  # [num_clients]
    downlink_bps = hz * spectral_efficiency(band.downlink_w_per_hz * snr_per_w_per_hz, cap)
    # One client alone on the whole band.
    alone_w = np.minimum(problem.power_max_w, problem.total_power_max_w)
    alone_bps = hz * count * spectral_efficiency(alone_w * best / (hz * count), cap)
    price_w = (PRICES * problem.total_power_max_w / count)[:, np.newaxis]  # λ; [num_prices, 1]
    nats = _cheapest_nats(price_w * best / hz)  # [num_prices, num_clients]
    cost_w_per_bps = (np.expm1(nats) / best + price_w / hz) * (LN2 / nats)  # [num_prices, num_clients]
    budget_w = problem.total_power_max_w + price_w[:, 0] * count
    broadcast_bps = np.asarray(broadcast_rate(band, problem.gains))

    def upload_end(bits: float, start_s: NDArray[np.float64]) -> float:
        alone_s = start_s + transfer_s(bits, alone_bps)
        return max(float(alone_s.max()), _earliest_end(bits * cost_w_per_bps, budget_w, start_s))

    def bound(work: RoundWork) -> float:
        share = work.averaging_share
        backward_end_s = work.after_downlink_s + transfer_s(work.downlink_bits, downlink_bps.sum(axis=1))
        # Downlinks share the subchannels: each needs this many subchannels times seconds.
        subchannel_s = work.downlink_bits / downlink_bps.max(axis=1)
        second_s = max(
            float(backward_end_s.max()),
            _earliest_end(subchannel_s[np.newaxis], np.array([count]), work.after_downlink_s),
        )
        time_s = upload_end(work.uplink_bits, work.before_uplink_s) + (1.0 - share) * second_s
        if share > 0:
            time_s += share * max(second_s, upload_end(work.model_upload_bits, backward_end_s))
        broadcast_bits = work.broadcast_bits + share * work.model_broadcast_bits
        return time_s + work.server_s + float(transfer_s(broadcast_bits, broadcast_bps))

    return {cut: bound(work) * (1.0 - BOUND_MARGIN) for cut, work in work_by_cut.items()}


def _cheapest_nats(price: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the solutions y of ``(y − 1) e^y + 1 = price``; SciPy's Lambert function takes long to import.

    The left side is convex for y > 0, so Newton's method falls to the solution from any greater start.

    Parameters
    ----------
    price : ndarray, any shape
        Prices λ g / B, greater than 0, without a unit.
    """
    nats = np.minimum(np.sqrt(2.0 * price), 1.0 + np.log1p(price))
    for _ in range(NEWTON_STEPS):
        rising = nats * np.exp(nats)
        nats = nats - (rising - np.expm1(nats) - price) / rising
    return np.maximum(nats, 1e-9)


def _earliest_end(
    costs: NDArray[np.float64], budget: NDArray[np.float64], start_s: NDArray[np.float64]
) -> float:
    """Return a time T such that ``Σ_i costs_i / (T' − start_i) <= budget`` fails in some row for any T' < T.

    Parameters
    ----------
    costs : ndarray, [num_rows, num_clients]
        Cost of each client's transfer times its duration, in units of the budget times [s].
    budget : ndarray, [num_rows]
        Supply in each row, for example [W].
    start_s : ndarray, [num_clients]
        Starts of the transfers, [s].
    """
    if not costs.any():
        return float(start_s.max())
    end_s = (start_s + costs / budget[:, np.newaxis]).max(axis=1)  # as if each client had the whole budget
    for _ in range(NEWTON_STEPS):
        duration_s = end_s[:, np.newaxis] - start_s
        demand = costs / duration_s
        end_s = end_s + np.maximum(demand.sum(axis=1) - budget, 0.0) / (demand / duration_s).sum(axis=1)
    return float(end_s.max())
