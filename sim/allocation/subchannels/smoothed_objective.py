"""Smoothed change of the round time: the objective Φ of the local search over subchannels.

The objective keeps the stage ends T_1 and T_2 of one assignment fixed. For any other assignment it estimates
how far these ends must move so that all power limits hold (docs/model.md, equations P11 to P19). It replaces
each maximum over clients by a soft-max with the temperature τ, and it depends on four sums over clients:

    Φ = τ ln(exp((X − p_th)/(V τ)) + E_1 E_2^a) + (1 − a) τ ln L    [s]

For τ → 0 the objective tends to the first-order change of the round time. A greater τ also counts the clients
that are nearly as late as the latest one, so that an improvement may take several steps.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .assignment import Assignment

__all__ = ["ClientTerms", "SmoothedRoundTime", "least_power", "sum_terms"]

LN2 = math.log(2.0)
EXPONENT_MAX = 60.0  # beyond it an exponential goes on as its tangent
EXP_OF_MAX = math.exp(EXPONENT_MAX)
UNREACHABLE_W_PER_HZ = 1e30  # the power of a rate that all subchannels at their cap do not carry
_ROUNDING = 1e-9
SMALLEST_SUM = 1e-300  # keeps logarithms and quotients finite


class ClientTerms(NamedTuple):
    """The terms of one client in the four sums of the objective, or the sums themselves (P13).

    Attributes
    ----------
    power_w : float
        Least power that meets both stage ends, P_i; its sum is X, [W].
    exp_first, exp_upload : float
        Exponentials e_i1 and e_i2 of the excess over the client's power limit; their sums are E_1 and E_2.
    exp_late : float
        Exponential l_i of the delay of the client's backward pass; its sum is L.
    """

    power_w: float
    exp_first: float
    exp_upload: float
    exp_late: float

    def with_replaced(self, removed: Iterable[ClientTerms], added: Iterable[ClientTerms]) -> ClientTerms:
        """Return these sums after some clients' terms are replaced."""
        power_w, exp_first, exp_upload, exp_late = self
        for term in removed:
            power_w, exp_first, exp_upload, exp_late = (
                power_w - term[0],
                exp_first - term[1],
                exp_upload - term[2],
                exp_late - term[3],
            )
        for term in added:
            power_w, exp_first, exp_upload, exp_late = (
                power_w + term[0],
                exp_first + term[1],
                exp_upload + term[2],
                exp_late + term[3],
            )
        return ClientTerms(power_w, exp_first, exp_upload, exp_late)


def sum_terms(terms: Iterable[ClientTerms]) -> ClientTerms:
    """Return the four sums over the terms of all clients."""
    return ClientTerms(0.0, 0.0, 0.0, 0.0).with_replaced((), terms)


class SmoothedRoundTime:
    """The objective Φ at the stage ends of one assignment (P14).

    Parameters
    ----------
    reference : Assignment
        Its stage ends and power savings are the constants of the objective.
    temperature : float
        The temperature τ, relative to the round time of the reference.
    """

    def __init__(self, reference: Assignment, temperature: float) -> None:
        tables, work, problem = reference.tables, reference.work, reference.tables.problem
        self.tau_s = temperature * reference.time_s or 1.0
        self._hz, self._cap_nats = problem.band.subchannel_hz, tables.cap_nats
        self._total_limit_w, self._limits_w = problem.total_power_max_w, problem.power_max_w.tolist()
        # The denominators of the exponents: V τ, v_i1 τ and v_i2 τ.
        self._total_scale_w = reference.total_saving_w_per_s * self.tau_s
        self._first_scale_w, self._upload_scale_w = (reference.saving_w_per_s * self.tau_s).tolist()
        self._share, self._latest_s = work.averaging_share, float(reference.backward_end_s.max())
        self._downlink_bits, self._after_s = work.downlink_bits, work.after_downlink_s.tolist()
        # The efficiencies ν_i1 that the first stage needs, and those of the second times its duration.
        uplink_s = reference.ends_s[0] - work.before_uplink_s
        self._first_nats = (work.uplink_bits / uplink_s * (LN2 / self._hz)).tolist()
        self._upload_nats = float(reference.bits[1]) * LN2 / self._hz
        self._upload_end_s = float(reference.ends_s[1])

    def term(self, client: int, log_snr: list[float], downlink_bps: float) -> ClientTerms:
        """Return a client's terms for a set of subchannels.

        Parameters
        ----------
        client : int
            Index of the client, from 0.
        log_snr : list of float
            ln g_ik of the subchannels, in any order, as in :class:`.assignment.LinkTables`.
        downlink_bps : float
            Downlink rate of all these subchannels, [bit/s].
        """
        backward_end_s = self._after_s[client]
        if self._downlink_bits:
            backward_end_s += self._downlink_bits / downlink_bps
        limit_w = self._limits_w[client]
        best_first = sorted(log_snr, reverse=True)
        power_w = self._hz * least_power(best_first, self._first_nats[client], self._cap_nats)
        exp_first = _exp((power_w - limit_w) / self._first_scale_w[client])
        exp_upload = 1.0
        if self._upload_nats:
            least_s = 0.01 * self._upload_end_s
            remaining_s = self._upload_end_s - backward_end_s
            # Near the end the hyperbola goes on as its tangent, since a client may be too late altogether.
            inverse = 1.0 / remaining_s if remaining_s > least_s else (2.0 - remaining_s / least_s) / least_s
            upload_w = self._hz * least_power(best_first, self._upload_nats * inverse, self._cap_nats)
            exp_upload = _exp((upload_w - limit_w) / self._upload_scale_w[client])
            power_w = max(power_w, upload_w)
        exp_late = _exp((backward_end_s - self._latest_s) / self.tau_s)
        return ClientTerms(power_w, exp_first, exp_upload, exp_late)

    def value_s(self, total: ClientTerms) -> float:
        """Return Φ for the four sums, [s] (P14)."""
        outer = _exp((total.power_w - self._total_limit_w) / self._total_scale_w)
        # Differences of sums may round to less than zero.
        outer += max(total.exp_first, 0.0) * max(total.exp_upload, 0.0) ** self._share
        value = math.log(max(outer, SMALLEST_SUM))
        if self._share < 1.0:
            value += (1.0 - self._share) * math.log(max(total.exp_late, SMALLEST_SUM))
        return self.tau_s * value

    def gradients(self, total: ClientTerms) -> ClientTerms:
        """Return the derivatives of Φ by the four sums, [s/W] and three times [s] (P16)."""
        common = _exp((total.power_w - self._total_limit_w) / self._total_scale_w)
        upload = max(total.exp_upload, SMALLEST_SUM)
        by_first = upload**self._share
        by_upload = total.exp_first * by_first * self._share / upload if upload > SMALLEST_SUM else 0.0
        outer = max(common + total.exp_first * by_first, SMALLEST_SUM)
        return ClientTerms(
            self.tau_s * common / outer / self._total_scale_w,
            self.tau_s * by_first / outer,
            self.tau_s * by_upload / outer,
            self.tau_s * (1.0 - self._share) / max(total.exp_late, SMALLEST_SUM),
        )

    def shadow_prices(self, reference: Assignment) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the derivatives of Φ by each client's power and by the end of its backward pass (P19).

        Parameters
        ----------
        reference : Assignment
            The assignment that the objective was built for.

        Returns
        -------
        power_s_per_w : ndarray, [num_clients]
            Shadow price λ_i = λ_0 + λ_i1 + λ_i2 of the client's least power, [s/W].
        backward_s_per_s : ndarray, [num_clients]
            Derivative q_i by the end t_i of the client's backward pass, [s/s].
        """
        terms = self.terms(reference)
        gradients = self.gradients(sum_terms(terms))
        _, exp_first, exp_upload, exp_late = np.array(terms).T
        first_s_per_w = gradients.exp_first * exp_first / self._first_scale_w
        upload_s_per_w = gradients.exp_upload * exp_upload / self._upload_scale_w
        # A client whose backward pass ends later must upload faster.
        second_s_per_w = upload_s_per_w + gradients.power_w * reference.second_stage_binds
        upload_w_per_s = reference.saving_w_per_s[1] if self._upload_nats else 0.0
        return (
            gradients.power_w + first_s_per_w + upload_s_per_w,
            gradients.exp_late * exp_late / self.tau_s + second_s_per_w * upload_w_per_s,
        )

    def terms(self, assignment: Assignment) -> list[ClientTerms]:
        """Return the terms of all clients for an assignment."""
        log_snr = assignment.tables.log_snr_lists
        rates_bps = assignment.downlink_bps.tolist()
        return [
            self.term(i, [log_snr[i][k] for k in subchannels], rates_bps[i])
            for i, subchannels in enumerate(assignment.subchannels_by_client())
        ]


def least_power(best_first: list[float], nats: float, cap_nats: float) -> float:
    """Return the least sum of power densities for a spectral efficiency, by water-filling, [W/Hz] (P1).

    Parameters
    ----------
    best_first : list of float
        ln g_ik of the client's subchannels, the greatest first; g_ik in [Hz/W].
    nats : float
        Spectral efficiency ν, summed over the subchannels, [nat/s/Hz].
    cap_nats : float
        Greatest spectral efficiency of one subchannel, ŷ, [nat/s/Hz].

    Returns
    -------
    float
        The sum P_i/B. Where the sum is huge or the rate cannot be reached, a finite number that still grows
        with the rate.
    """
    if nats <= 0.0:
        return 0.0
    used, inverse_sum, log_level = _water_level(best_first, nats)
    if used and log_level + best_first[0] <= cap_nats:
        return used * _exp(log_level) - inverse_sum
    return _least_power_with_cap(best_first, nats, cap_nats)


def _water_level(best_first: list[float], nats: float) -> tuple[int, float, float]:
    """Return the water level without a cap.

    Returns
    -------
    used : int
        The number of subchannels that carry anything.
    inverse_sum : float
        The sum of 1/g_ik over them, [W/Hz].
    log_level : float
        The logarithm of the water level, whose unit is [W/Hz].
    """
    used, log_snr_sum, inverse_sum, log_level = 0, 0.0, 0.0, math.inf
    exp = math.exp
    for one in best_first:
        if log_level <= -one:
            break
        used += 1
        log_snr_sum += one
        inverse_sum += exp(-one)
        log_level = (nats - log_snr_sum) / used
    return used, inverse_sum, log_level


def _least_power_with_cap(best_first: list[float], nats: float, cap_nats: float) -> float:
    """Return the least power where the best subchannel would carry more than the cap, [W/Hz].

    The subchannels at the cap are the best ones. If their number is large enough, the best one of the others
    stays below the cap; so a bisection finds the smallest such number.
    """
    remaining = [nats]  # by the number of subchannels at the cap, while any efficiency remains
    while remaining[-1] > 0.0 and len(remaining) <= len(best_first):
        remaining.append(remaining[-1] - cap_nats)

    def stays_below(num_at_cap: int) -> bool:
        _, _, log_level = _water_level(best_first[num_at_cap:], remaining[num_at_cap])
        return log_level + best_first[num_at_cap] <= cap_nats

    last = len(remaining) - 1
    numbers = range(1, last)
    if abs(remaining[last]) > _ROUNDING * nats:
        num_at_cap = 1 + bisect.bisect_left(numbers, True, key=stays_below)
    else:  # nearly all subchannels are at the cap, so that rounding decides, which no bisection can rely on
        num_at_cap = next((number for number in numbers if stays_below(number)), last)
    at_cap = 0.0
    for best in best_first[:num_at_cap]:
        at_cap += math.expm1(cap_nats) * math.exp(-best)
    if num_at_cap < last:
        used, inverse_sum, log_level = _water_level(best_first[num_at_cap:], remaining[num_at_cap])
        return at_cap + used * _exp(log_level) - inverse_sum
    return at_cap if remaining[last] <= _ROUNDING * nats else UNREACHABLE_W_PER_HZ * (1.0 + remaining[last])


def _exp(exponent: float) -> float:
    """Return the exponential, or its tangent where it is huge, which still grows but never overflows."""
    if exponent < EXPONENT_MAX:
        return math.exp(exponent)
    return EXP_OF_MAX * (1.0 + exponent - EXPONENT_MAX)
