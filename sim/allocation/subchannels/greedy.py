"""Subchannels one after another, each to where it helps: the paper's greedy rule, and marginal greedy.

Both reckon with uniform power: client i spreads min(p_i^max, p_th/C) flat over its own subchannels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...radio.rates import spectral_efficiency
from ...radio.resources import RadioResources, uniform_power_w
from ..problem import RoundWork, transfer_s
from .baselines import UNUSED, check_enough

__all__ = ["greedy", "marginal_greedy"]


class _Draft:
    """An assignment in the making, with the stage times that it gives under uniform power.

    Attributes
    ----------
    client_of : [num_subchannels], int
        The client of each subchannel, from 0; -1 where it is free.
    num_free : int
        Subchannels that are free.
    best : [num_clients], int
        Each client's best free subchannel: the same for both links, for both grow with the gain.
    stages_s : [num_stages, num_clients], float
        Each client's time in each stage, [s].
    """

    def __init__(self, problem: RadioResources, work: RoundWork) -> None:
        check_enough(problem)
        band, (clients, subchannels) = problem.band, problem.gains.shape
        self._work, self._hz, self._cap = work, band.subchannel_hz, band.efficiency_cap_bps_per_hz
        self._flat_w_per_hz = uniform_power_w(problem) / band.subchannel_hz  # on one subchannel
        self._snr_per_w_per_hz = band.snr_per_w_per_hz(problem.gains)
        self._downlink_w_per_hz = band.downlink_w_per_hz
        self._free_gains = problem.gains.copy()
        self._preferences, self._passed = problem.preferences, np.zeros(clients, dtype=np.intp)
        self._count = np.zeros(clients, dtype=np.intp)
        self._own_snr_per_w_per_hz = np.zeros(problem.gains.shape)  # the first ``count`` of each row
        # Rates on the own subchannels; the thinner uplink's power is spread over one more.
        self._thinner_bps, self._downlink_bps = np.zeros((2, clients))
        self.client_of = np.full(subchannels, UNUSED, dtype=np.intp)
        self.num_free = subchannels
        self.best = self._preferences[:, 0].copy()
        self.stages_s = np.zeros((3, clients))
        self._tried_s, self._stale = np.zeros((3, clients)), np.ones(clients, dtype=bool)
        # The slowest processor first, each with its best free subchannel; ties to the lowest index.
        for client in np.argsort(-work.before_uplink_s, kind="stable").tolist():
            self.give(client)

    def give(self, client: int) -> None:
        """Give a client its best free subchannel."""
        subchannel = int(self.best[client])
        self.client_of[subchannel] = client
        self.num_free -= 1
        count = int(self._count[client])
        snr_per_w_per_hz = self._snr_per_w_per_hz[client, subchannel]
        self._own_snr_per_w_per_hz[client, count] = snr_per_w_per_hz
        self._count[client] = count = count + 1
        spread_w_per_hz = self._flat_w_per_hz[client] / np.array([[count], [count + 1]])
        own_snr = spread_w_per_hz * self._own_snr_per_w_per_hz[client, :count]
        uplink_bps, thinner_bps = self._rate_bps(own_snr).sum(axis=1).tolist()
        downlink_bps = self._downlink_bps[client] + self._rate_bps(self._downlink_w_per_hz * snr_per_w_per_hz)
        self._thinner_bps[client], self._downlink_bps[client] = thinner_bps, downlink_bps
        work = self._work
        second_s = float(work.after_downlink_s[client])
        if work.downlink_bits:
            second_s += work.downlink_bits / downlink_bps
        self.stages_s[0, client] = float(work.before_uplink_s[client]) + work.uplink_bits / uplink_bps
        self.stages_s[1, client] = second_s
        self.stages_s[2, client] = second_s + work.model_upload_bits / uplink_bps
        self._stale[client] = True
        if not self.num_free:
            return
        self._free_gains[:, subchannel] = -np.inf
        late = np.flatnonzero(self.best == subchannel)  # it was their best, too
        self._stale[late] = True
        # Where clients agree on what is good, their next is mostly free: to look for it is far slower.
        self._passed[late] += 1
        self.best[late] = self._preferences[late, self._passed[late]]
        late = late[self.client_of[self.best[late]] != UNUSED]
        self.best[late] = self._free_gains[late].argmax(axis=1)

    def tried_s(self) -> NDArray[np.float64]:
        """Return each client's times as if it alone were given its best free subchannel, as ``stages_s``."""
        clients = np.flatnonzero(self._stale)
        self._stale[clients] = False
        snr_per_w_per_hz = self._snr_per_w_per_hz[clients, self.best[clients]]
        densities = np.full((2, len(clients)), self._downlink_w_per_hz)
        densities[0] = self._flat_w_per_hz[clients] / (self._count[clients] + 1)
        more_bps = self._rate_bps(densities * snr_per_w_per_hz)
        uplink_bps = self._thinner_bps[clients] + more_bps[0]
        downlink_bps = self._downlink_bps[clients] + more_bps[1]
        work = self._work
        second_s = transfer_s(work.downlink_bits, downlink_bps) + work.after_downlink_s[clients]
        self._tried_s[0, clients] = work.before_uplink_s[clients] + transfer_s(work.uplink_bits, uplink_bps)
        self._tried_s[1, clients] = second_s
        self._tried_s[2, clients] = second_s + transfer_s(work.model_upload_bits, uplink_bps)
        return self._tried_s

    def round_s(self) -> float:
        """Return the round time without what no assignment changes: the server's work and the broadcasts."""
        return float(_stage_weights(self._work) @ self.stages_s.max(axis=1))

    def _rate_bps(self, snr: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._hz * spectral_efficiency(snr, self._cap)


def greedy(problem: RadioResources, work: RoundWork, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the greedy assignment of Lin et al. 2024 (docs/model.md section 4): help the slowest.

    One subchannel each, the slowest processor first. Then, until none is free, with
    n1 = argmax(T_i^F + T_i^U) and n2 = argmax(T_i^D + T_i^B), the one with the longer phase gets its best
    free subchannel. Ties go to the lowest index. Where models are exchanged, the second phase has the
    share of the model's upload in it.

    Parameters
    ----------
    problem, work : the resources and what the round asks for
    rng : unused; there for methods that draw

    Returns
    -------
    client_of : [num_subchannels], int
        The client of each subchannel, from 0.

    Raises
    ------
    PlanningError
        If there are more clients than subchannels.
    """
    return _draft_greedily(problem, work).client_of


def marginal_greedy(problem: RadioResources, work: RoundWork, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the assignment that gives each subchannel where it lowers the round time most.

    It starts as :func:`greedy` does. Then every client's best free subchannel is tried, and the one that
    leaves the shortest round is given. A round waits for the slowest in each stage, so often no single
    subchannel shortens it, as when two clients are equally late: then a client that a stage waits for comes
    first, and among several the one whose own stages fall most, until the tie is broken. What would only
    lengthen the round stays unused. The rule looks one subchannel ahead; where the paper's rule ends with
    the shorter round, its assignment is returned.

    Parameters
    ----------
    problem, work : the resources and what the round asks for
    rng : unused; there for methods that draw

    Returns
    -------
    client_of : [num_subchannels], int
        The client of each subchannel, from 0; -1 where it is unused.

    Raises
    ------
    PlanningError
        If there are more clients than subchannels.
    """
    draft = _Draft(problem, work)
    weights = _stage_weights(work)
    stages_s = draft.stages_s
    while draft.num_free:
        tried_s = draft.tried_s()  # [num_stages, num_clients]
        longest_s = stages_s.max(axis=1, keepdims=True)
        round_s = weights @ np.maximum(_longest_of_others(stages_s), tried_s)  # [num_clients]
        if round_s.min() > weights @ longest_s[:, 0]:
            break
        waited_for = ((stages_s == longest_s) & (weights > 0)[:, np.newaxis]).any(axis=0)
        own_fall_s = weights @ (stages_s - tried_s)
        client = int(np.lexsort((-own_fall_s, ~waited_for, round_s))[0])
        draft.give(client)
    return min(draft, _draft_greedily(problem, work), key=_Draft.round_s).client_of


def _draft_greedily(problem: RadioResources, work: RoundWork) -> _Draft:
    draft = _Draft(problem, work)
    weights = _stage_weights(work)
    while draft.num_free:
        longer_s = np.maximum(draft.stages_s[0], weights[1:] @ draft.stages_s[1:])  # [num_clients]
        draft.give(int(longer_s.argmax()))
    return draft


def _stage_weights(work: RoundWork) -> NDArray[np.float64]:
    """Return what a second in each of the stages of :class:`_Draft` adds to the mean round, [1]."""
    return np.array([1.0, 1.0 - work.averaging_share, work.averaging_share])


def _longest_of_others(stages_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, for each stage and client, the longest time among the other clients."""
    num_stages, num_clients = stages_s.shape
    if num_clients == 1:
        return np.full_like(stages_s, -np.inf)
    slowest = stages_s.argmax(axis=1)
    second_s = np.partition(stages_s, -2, axis=1)[:, -2]
    others_s = np.repeat(stages_s.max(axis=1, keepdims=True), num_clients, axis=1)
    others_s[np.arange(num_stages), slowest] = second_s
    return others_s
