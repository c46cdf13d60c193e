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
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..radio.rates import broadcast_rate, spectral_efficiency
from .problem import RadioProblem, RoundWork, transfer_s
from .stage_ends import Needs, shortest_ends

__all__ = ["NOTHING", "Assignment", "Tables", "Tension", "Term", "least_power"]

LN2 = math.log(2.0)
TOLERANCE = 1e-10  # relative; of the round time
LEAST = 1e-9  # relative; nobody saves less power than this by a second more
STEEP = 60.0
STEEPEST = math.exp(STEEP)
HUGE, LITTLE = 1e30, 1e-300


@dataclass(frozen=True)
class Tables:
    """What one client gets of one subchannel: the same for every cut.

    Attributes
    ----------
    problem : the resources
    log_snr : [num_clients, num_subchannels], float
        Natural logarithm of Gγ/σ², the signal-to-noise ratio of 1 W/Hz.
    downlink_bps : [num_clients, num_subchannels], float
        Downlink rates, [bit/s].
    """

    problem: RadioProblem
    log_snr: NDArray[np.float64]
    downlink_bps: NDArray[np.float64]

    @staticmethod
    def of(problem: RadioProblem) -> Tables:
        """Return the tables of a problem."""
        band = problem.band
        snr_per_w_per_hz = band.snr_per_w_per_hz(problem.gains)
        efficiency = spectral_efficiency(
            band.downlink_w_per_hz * snr_per_w_per_hz, band.efficiency_cap_bps_per_hz
        )
        return Tables(problem, np.log(snr_per_w_per_hz), band.subchannel_hz * efficiency)

    @cached_property
    def cap_nats(self) -> float:
        """Return the most that a modem carries, [nat/s/Hz]."""
        return self.problem.band.efficiency_cap_bps_per_hz * LN2

    @cached_property
    def broadcast_bps(self) -> NDArray[np.float64]:
        """Return the broadcast rate R^B, [], [bit/s]."""
        return np.asarray(broadcast_rate(self.problem.band, self.problem.gains))

    # Single numbers are read from lists: from arrays that takes four times as long.

    @cached_property
    def log_snr_lists(self) -> list[list[float]]:
        """Return ``log_snr`` as lists."""
        lists: list[list[float]] = self.log_snr.tolist()
        return lists

    @cached_property
    def downlink_lists(self) -> list[list[float]]:
        """Return ``downlink_bps`` as lists."""
        lists: list[list[float]] = self.downlink_bps.tolist()
        return lists

    @cached_property
    def preferences(self) -> list[list[int]]:
        """Return each client's subchannels, best first."""
        lists: list[list[int]] = self.problem.preferences.tolist()
        return lists


class Assignment:
    """An assignment of subchannels with its optimal powers.

    Attributes
    ----------
    tables, work : what it is for
    owner : [num_subchannels], int
        The client of each subchannel, from 0.
    ends_s : [num_stages], float
        Ends of the stages that clients send in, [s]; inf where there is nothing to send.
    bits : [num_stages], float
        What a client sends in them, [bit].
    power_w : [num_clients], float
        The least powers that meet the ends, [W].
    log_level : [num_clients], float
        Natural logarithm of the water levels, of [W/Hz].
    downlink_bps, second_s : [num_clients], float
        Downlink rates, [bit/s], and when each client has gone back, [s].
    second_binds : [num_clients], bool
        Whether a client's rate is the one that the second stage needs.
    each_w_per_s : [num_stages, num_clients], float
        What an end later by a second saves each client if the other stage needed no power, [W/s].
    all_w_per_s : float
        What a round longer by a second saves all of them, [W/s].
    time_s : float
        What the assignment decides of the round time: all but the server's work and the broadcasts, [s].
    round_s : float
        The round time, [s].
    """

    def __init__(self, tables: Tables, work: RoundWork, owner: NDArray[np.intp]) -> None:
        self.tables, self.work, self.owner = tables, work, owner
        share = work.averaging_share
        needs = Needs(tables.problem, work, owner)
        self.ends_s, self.bits = shortest_ends(needs, share, TOLERANCE), needs.bits
        strain = needs.strain(self.ends_s)
        self.power_w, self.log_level = strain.power_w, needs.filling.log_levels(strain.levels)
        self.second_binds = strain.rate_bps[1] > strain.rate_bps[0]
        # A second of the round is one of the first stage, or 1/a of the second.
        saved = strain.saved_w_per_s.sum(axis=1) / np.array([1.0, share or 1.0])
        self.all_w_per_s = float(saved.max()) or 1.0
        alone = (
            needs.strain(np.where(np.arange(2) == stage, self.ends_s, np.inf)).saved_w_per_s.sum(axis=0)
            for stage in range(2)
        )
        self.each_w_per_s = np.maximum(np.stack(tuple(alone)), LEAST * self.all_w_per_s)
        self.second_s = needs.starts_s[1]
        own_bps = tables.downlink_bps[owner, np.arange(len(owner))]
        self.downlink_bps = np.bincount(owner, weights=own_bps, minlength=len(self.power_w))
        latest_s = np.array([work.before_uplink_s.max(), self.second_s.max()])
        first_s, upload_s = np.where(self.bits > 0, self.ends_s, latest_s)
        self.time_s = float(first_s + (1.0 - share) * latest_s[1] + share * upload_s)
        broadcast_bits = work.broadcast_bits + share * work.model_broadcast_bits
        self.round_s = self.time_s + work.server_s + float(transfer_s(broadcast_bits, tables.broadcast_bps))

    def own(self) -> list[list[int]]:
        """Return each client's subchannels."""
        lists: list[list[int]] = [[] for _ in self.power_w]
        for subchannel, client in enumerate(self.owner.tolist()):
            lists[client].append(subchannel)
        return lists


class Term(NamedTuple):
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

    def exchanged(self, removed: Iterable[Term], added: Iterable[Term]) -> Term:
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
        return Term(power_w, first, upload, late)


NOTHING = Term(0.0, 0.0, 0.0, 0.0)


class Tension:
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

    def term(self, client: int, log_snr: list[float], downlink_bps: float) -> Term:
        """Return a client's term.

        Parameters
        ----------
        client : from 0
        log_snr : of the client's subchannels, as in :class:`Tables`, in any order
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
        return Term(power_w, first, upload, _exp((second_s - self._latest_s) / self.tau_s))

    def value_s(self, total: Term) -> float:
        """Return the tension for the sum of all clients' terms, [s]."""
        over = _exp((total.power_w - self._limit_w) / self._all_w)
        over += max(total.first, 0.0) * max(total.upload, 0.0) ** self._share
        value = math.log(max(over, LITTLE))
        if self._share < 1.0:
            value += (1.0 - self._share) * math.log(max(total.late, LITTLE))
        return self.tau_s * value

    def weights(self, total: Term) -> Term:
        """Return the derivatives of the tension by the four sums, at the sums given."""
        all_over = _exp((total.power_w - self._limit_w) / self._all_w)
        upload = max(total.upload, LITTLE)
        per_first = upload**self._share
        per_upload = total.first * per_first * self._share / upload if upload > LITTLE else 0.0
        over = max(all_over + total.first * per_first, LITTLE)
        return Term(
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

    def terms(self, at: Assignment) -> list[Term]:
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
