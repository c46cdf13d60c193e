"""How far an assignment of subchannels is from a shorter round: a smooth measure that is cheap to update.

The ends T1 and T2 of the stages that clients send in are held where optimal power puts them for some
assignment. Another one then asks client i for the least powers P_i1 and P_i2 that meet the one and the other
end, of which the greater counts, P_i. With E_j the sum over clients of exp((P_ij − p_i^max) / (s_ij τ)), the
tension is, in seconds,

    τ log(exp((Σ_i P_i − p_th) / (S τ)) + E_1 E_2^a) + (1 − a) τ log Σ_i exp((t_i − t) / τ)

where s_ij is the power that an end later by a second saves client i, S what a round longer by a second saves
all, t_i is when client i has its gradients and has gone back, and t the latest of these. Each exponent is the
time by which a limit is passed, divided by τ. For τ → 0 the tension is, to first order, the change of the
round time; a greater τ also counts the clients that are nearly as late, so that an improvement may take
several steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .assignment import Assignment

__all__ = ["NOTHING", "ClientTerms", "SmoothedRoundTime", "least_power"]

LN2 = math.log(2.0)
STEEP = 60.0
STEEPEST = math.exp(STEEP)
HUGE, LITTLE = 1e30, 1e-300


class ClientTerms(NamedTuple):
    """What one client adds to the tension, or the sum of that over clients.

    Attributes
    ----------
    power_w : float
        The least power for both ends, [W].
    first, upload, late : float
        The exponentials of E_1, of E_2, and of the way back.
    """

    power_w: float
    first: float
    upload: float
    late: float

    def exchanged(self, removed: Iterable[ClientTerms], added: Iterable[ClientTerms]) -> ClientTerms:
        """Return this sum with some terms replaced."""
        power_w, first, upload, late = self
        for term in removed:
            power_w, first, upload, late = (
                power_w - term[0],
                first - term[1],
                upload - term[2],
                late - term[3],
            )
        for term in added:
            power_w, first, upload, late = (
                power_w + term[0],
                first + term[1],
                upload + term[2],
                late + term[3],
            )
        return ClientTerms(power_w, first, upload, late)


NOTHING = ClientTerms(0.0, 0.0, 0.0, 0.0)


class SmoothedRoundTime:
    """The tension at the ends of an assignment.

    Parameters
    ----------
    at : the assignment
    softness : float
        τ relative to the round time, [1].
    """

    def __init__(self, at: Assignment, softness: float) -> None:
        tables, work, problem = at.tables, at.work, at.tables.problem
        self.tau_s = softness * at.time_s or 1.0
        self._hz, self._cap_nats = problem.band.subchannel_hz, tables.cap_nats
        self._limit_w, self._limits_w = problem.total_power_max_w, problem.power_max_w.tolist()
        self._all_w = at.all_w_per_s * self.tau_s
        self._first_w, self._upload_w = (at.each_w_per_s * self.tau_s).tolist()
        self._share, self._latest_s = work.averaging_share, float(at.second_s.max())
        self._downlink_bits, self._after_s = work.downlink_bits, work.after_downlink_s.tolist()
        # Rates in nat/s/Hz.
        uplink_s = at.ends_s[0] - work.before_uplink_s
        self._first_nats = (work.uplink_bits / uplink_s * (LN2 / self._hz)).tolist()
        self._upload_nats, self._upload_end_s = float(at.bits[1]) * LN2 / self._hz, float(at.ends_s[1])

    def term(self, client: int, log_snr: list[float], downlink_bps: float) -> ClientTerms:
        """Return a client's term.

        Parameters
        ----------
        client : from 0
        log_snr : of the client's subchannels, as in :class:`.assignment.LinkTables`, in any order
        downlink_bps : float
            Their sum, [bit/s].
        """
        second_s = self._after_s[client]
        if self._downlink_bits:
            second_s += self._downlink_bits / downlink_bps
        limit_w = self._limits_w[client]
        power_w = self._least_w(log_snr, self._first_nats[client])
        first = _exp((power_w - limit_w) / self._first_w[client])
        upload = 1.0
        if self._upload_nats:
            least_s = 0.01 * self._upload_end_s
            left_s = self._upload_end_s - second_s
            # Nearer to the end the hyperbola goes on as its tangent: a client may be too late altogether.
            inverse = 1.0 / left_s if left_s > least_s else (2.0 - left_s / least_s) / least_s
            upload_w = self._least_w(log_snr, self._upload_nats * inverse)
            upload = _exp((upload_w - limit_w) / self._upload_w[client])
            power_w = max(power_w, upload_w)
        return ClientTerms(power_w, first, upload, _exp((second_s - self._latest_s) / self.tau_s))

    def value_s(self, total: ClientTerms) -> float:
        """Return the tension for the sum of all clients' terms, [s]."""
        over = _exp((total.power_w - self._limit_w) / self._all_w)
        over += max(total.first, 0.0) * max(total.upload, 0.0) ** self._share
        value = math.log(max(over, LITTLE))
        if self._share < 1.0:
            value += (1.0 - self._share) * math.log(max(total.late, LITTLE))
        return self.tau_s * value

    def weights(self, total: ClientTerms) -> ClientTerms:
        """Return the derivatives of the tension by the four sums, at the sums given."""
        all_over = _exp((total.power_w - self._limit_w) / self._all_w)
        upload = max(total.upload, LITTLE)
        per_first = upload**self._share
        per_upload = total.first * per_first * self._share / upload if upload > LITTLE else 0.0
        over = max(all_over + total.first * per_first, LITTLE)
        return ClientTerms(
            self.tau_s * all_over / over / self._all_w,
            self.tau_s * per_first / over,
            self.tau_s * per_upload / over,
            self.tau_s * (1.0 - self._share) / max(total.late, LITTLE),
        )

    def prices(self, at: Assignment) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the derivatives of the tension by each client's power and way back, where it was made.

        Parameters
        ----------
        at : the assignment that the tension was made for

        Returns
        -------
        power_s_per_w, back_s_per_s : [num_clients], float
            By the least power, [s/W], and by when the client has its gradients and has gone back, [s/s].
        """
        terms = self.terms(at)
        weights = self.weights(NOTHING.exchanged((), terms))
        _, first, upload, late = np.array(terms).T
        first_s_per_w = weights.first * first / self._first_w
        upload_s_per_w = weights.upload * upload / self._upload_w
        # A client that is later must upload faster.
        faster_s_per_w = upload_s_per_w + weights.power_w * at.second_binds
        upload_w_per_s = at.each_w_per_s[1] if self._upload_nats else 0.0
        return (
            weights.power_w + first_s_per_w + upload_s_per_w,
            weights.late * late / self.tau_s + faster_s_per_w * upload_w_per_s,
        )

    def terms(self, at: Assignment) -> list[ClientTerms]:
        """Return the terms of all clients with the subchannels of an assignment."""
        log_snr = at.tables.log_snr_lists
        rates_bps = at.downlink_bps.tolist()
        return [self.term(i, [log_snr[i][k] for k in own], rates_bps[i]) for i, own in enumerate(at.own())]

    def _least_w(self, log_snr: list[float], nats: float) -> float:
        return self._hz * least_power(log_snr, nats, self._cap_nats)


def least_power(log_snr: list[float], nats: float, cap_nats: float) -> float:
    """Return the least sum of power densities for a rate, by water-filling, [W/Hz].

    Parameters
    ----------
    log_snr : natural logarithms of the subchannels' Gγ/σ², in any order
    nats : float
        The rate, [nat/s/Hz].
    cap_nats : float
        The most on one subchannel, [nat/s/Hz].

    Returns
    -------
    float
        The sum; where it would be beyond all measure, or the rate cannot be had, a number that still grows
        with the rate.
    """
    if nats <= 0.0:
        return 0.0
    best_first = sorted(log_snr, reverse=True)
    full = 0.0  # on subchannels that carry the most there is
    while best_first:
        used, total, inverses, log_level = 0, 0.0, 0.0, math.inf
        for one in best_first:
            if log_level <= -one:
                break
            used += 1
            total += one
            inverses += math.exp(-one)
            log_level = (nats - total) / used
        if log_level + best_first[0] <= cap_nats:
            return full + used * _exp(log_level) - inverses
        full += math.expm1(cap_nats) * math.exp(-best_first.pop(0))
        nats -= cap_nats
        if nats <= 0.0:
            return full
    return HUGE * (1.0 + nats)


def _exp(exponent: float) -> float:
    """Return the exponential; where it is huge, its tangent, which still grows but never overflows."""
    return math.exp(exponent) if exponent < STEEP else STEEPEST * (1.0 + exponent - STEEP)
