"""Greedy subchannel methods: the rule of Lin et al. 2024, and marginal greedy.

Both assume uniform power: client i spreads min(p_i^max, p_th/C) evenly over its subchannels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ...radio.rates import spectral_efficiency
from ...radio.resources import RadioResources, uniform_power_w
from ..problem import RoundWork, transfer_s
from .baselines import UNUSED, check_enough

__all__ = ["greedy", "marginal_greedy"]


class _PartialAssignment:
    """A partial assignment, with the stage times of its clients under uniform power.

    Attributes
    ----------
    client_of : ndarray of int, [num_subchannels]
        Client of each subchannel, from 0; -1 where it is free.
    num_free : int
        Number of free subchannels.
    best : ndarray of int, [num_clients]
        Each client's best free subchannel, which is the same for uplink and downlink.
    stages_s : ndarray, [3, num_clients]
        Each client's time in the first stage, in the second, and in the second with the model upload, [s].
    """

    def __init__(self, problem: RadioResources, work: RoundWork) -> None:
        check_enough(problem)
        band, (clients, subchannels) = problem.band, problem.gains.shape
        self._work, self._hz, self._cap = work, band.subchannel_hz, band.efficiency_cap_bps_per_hz
        self._one_w_per_hz = uniform_power_w(problem) / band.subchannel_hz  # all power on one subchannel
        self._snr_per_w_per_hz = band.snr_per_w_per_hz(problem.gains)
        self._downlink_w_per_hz = band.downlink_w_per_hz
        self._free_gains = problem.gains.copy()
        self._preferences, self._num_skipped = problem.preferences, np.zeros(clients, dtype=np.intp)
        self._count = np.zeros(clients, dtype=np.intp)
        self._assigned_snr_per_w_per_hz = np.zeros(problem.gains.shape)  # the first ``count`` of each row
        # Rates on the assigned subchannels; the diluted uplink spreads its power over one more subchannel.
        self._diluted_bps, self._downlink_bps = np.zeros((2, clients))
        self.client_of = np.full(subchannels, UNUSED, dtype=np.intp)
        self.num_free = subchannels
        self.best = self._preferences[:, 0].copy()
        self.stages_s = np.zeros((3, clients))
        self._trial_s, self._stale = np.zeros((3, clients)), np.ones(clients, dtype=bool)
        # Each client takes its best free subchannel, the slowest processor first; ties: lowest index first.
        for client in np.argsort(-work.before_uplink_s, kind="stable").tolist():
            self.assign(client)

    def assign(self, client: int) -> None:
        """Assign to a client its best free subchannel."""
        subchannel = int(self.best[client])
        self.client_of[subchannel] = client
        self.num_free -= 1
        count = int(self._count[client])
        snr_per_w_per_hz = self._snr_per_w_per_hz[client, subchannel]
        self._assigned_snr_per_w_per_hz[client, count] = snr_per_w_per_hz
        self._count[client] = count = count + 1
        spread_w_per_hz = self._one_w_per_hz[client] / np.array([[count], [count + 1]])
        assigned_snr = spread_w_per_hz * self._assigned_snr_per_w_per_hz[client, :count]
        uplink_bps, diluted_bps = self._rate_bps(assigned_snr).sum(axis=1).tolist()
        downlink_bps = self._downlink_bps[client] + self._rate_bps(self._downlink_w_per_hz * snr_per_w_per_hz)
        self._diluted_bps[client], self._downlink_bps[client] = diluted_bps, downlink_bps
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
        affected = np.flatnonzero(self.best == subchannel)  # it was their best free subchannel, too
        self._stale[affected] = True
        # The next preference is free in most cases, and looking at it is far faster than a search.
        self._num_skipped[affected] += 1
        self.best[affected] = self._preferences[affected, self._num_skipped[affected]]
        affected = affected[self.client_of[self.best[affected]] != UNUSED]
        self.best[affected] = self._free_gains[affected].argmax(axis=1)

    def trial_s(self) -> NDArray[np.float64]:
        """Return ``stages_s`` after each client alone has got its best free subchannel, [3, num_clients]."""
        clients = np.flatnonzero(self._stale)
        self._stale[clients] = False
        snr_per_w_per_hz = self._snr_per_w_per_hz[clients, self.best[clients]]
        densities = np.full((2, len(clients)), self._downlink_w_per_hz)
        densities[0] = self._one_w_per_hz[clients] / (self._count[clients] + 1)
        added_bps = self._rate_bps(densities * snr_per_w_per_hz)
        uplink_bps = self._diluted_bps[clients] + added_bps[0]
        downlink_bps = self._downlink_bps[clients] + added_bps[1]
        work = self._work
        second_s = transfer_s(work.downlink_bits, downlink_bps) + work.after_downlink_s[clients]
        self._trial_s[0, clients] = work.before_uplink_s[clients] + transfer_s(work.uplink_bits, uplink_bps)
        self._trial_s[1, clients] = second_s
        self._trial_s[2, clients] = second_s + transfer_s(work.model_upload_bits, uplink_bps)
        return self._trial_s

    def round_s(self) -> float:
        """Return the part of the round time that the assignment decides, [s]."""
        return float(_stage_weights(self._work) @ self.stages_s.max(axis=1))

    def _rate_bps(self, snr: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._hz * spectral_efficiency(snr, self._cap)


def greedy(problem: RadioResources, work: RoundWork, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the greedy assignment of Lin et al. 2024 (docs/model.md, section 4).

    First each client takes one subchannel, the slowest processor first. Then, until no subchannel is free,
    the rule compares the clients n1 = argmax(T_i^F + T_i^U) and n2 = argmax(T_i^D + T_i^B). The one with the
    longer phase takes its best free subchannel. Ties go to the lowest index. In schemes that average models
    the second phase includes the model upload, weighted with the averaging share.

    Parameters
    ----------
    problem : RadioResources
        Subchannels, gains and power limits.
    work : RoundWork
        Computation and traffic of a round.
    rng : numpy.random.Generator
        Unused; the signature is that of every subchannel method.

    Returns
    -------
    ndarray of int, [num_subchannels]
        Client of each subchannel, from 0.

    Raises
    ------
    PlanningError
        If there are more clients than subchannels.
    """
    return _by_longest_phase(problem, work).client_of


class _MarginalGreedy:
    """Each subchannel goes to the client where it shortens the round most, with uniform power."""

    def __call__(
        self, problem: RadioResources, work: RoundWork, rng: np.random.Generator
    ) -> NDArray[np.intp]:
        """Return the assignment that gives each subchannel to the client where it shortens the round most.

        The first subchannels are assigned as in :func:`greedy`. Then each step compares all clients, each
        with its best free subchannel, and chooses the one with the shortest round. Often no single subchannel
        shortens the round, for example when two clients are equally late. Then a client that determines a
        stage's length comes first, and among several the one whose stages shrink most. A subchannel that
        would lengthen the round stays unused. The rule looks one subchannel ahead. Where :func:`greedy` ends
        with the shorter round, with uniform power, its assignment is returned.

        Parameters
        ----------
        problem : RadioResources
            Subchannels, gains and power limits.
        work : RoundWork
            Computation and traffic of a round.
        rng : numpy.random.Generator
            Unused; the signature is that of every subchannel method.

        Returns
        -------
        ndarray of int, [num_subchannels]
            Client of each subchannel, from 0; -1 where it is unused.

        Raises
        ------
        PlanningError
            If there are more clients than subchannels.
        """
        return min(_both(problem, work), key=_PartialAssignment.round_s).client_of

    def candidates(
        self, problem: RadioResources, work_by_cut: Mapping[int, RoundWork], rng: np.random.Generator
    ) -> dict[int, list[NDArray[np.intp]]]:
        """Return the assignments of this rule and of :func:`greedy` for each cut.

        Which of both has the shorter round depends on the power method, so that the planner chooses.

        Parameters
        ----------
        problem : RadioResources
            Subchannels, gains and power limits.
        work_by_cut : mapping of int to RoundWork
            The work of a round at each cut.
        rng : numpy.random.Generator
            Unused; the signature is that of every method.

        Returns
        -------
        dict of int to list of ndarray of int, [num_subchannels]
            For each cut, the client of each subchannel, from 0; -1 where it is unused.

        Raises
        ------
        PlanningError
            If there are more clients than subchannels.
        """
        return {
            cut: [partial.client_of for partial in _both(problem, work)] for cut, work in work_by_cut.items()
        }


marginal_greedy = _MarginalGreedy()


def _both(problem: RadioResources, work: RoundWork) -> tuple[_PartialAssignment, _PartialAssignment]:
    """Return the assignments of both rules, marginal greedy first."""
    return _by_shortest_round(problem, work), _by_longest_phase(problem, work)


def _by_shortest_round(problem: RadioResources, work: RoundWork) -> _PartialAssignment:
    """Return the assignment of marginal greedy alone."""
    partial = _PartialAssignment(problem, work)
    weights = _stage_weights(work)
    stages_s = partial.stages_s
    while partial.num_free:
        trial_s = partial.trial_s()  # [num_stages, num_clients]
        longest_s = stages_s.max(axis=1, keepdims=True)
        round_s = weights @ np.maximum(_longest_of_others(stages_s), trial_s)  # [num_clients]
        if round_s.min() > weights @ longest_s[:, 0]:
            break
        is_latest = ((stages_s == longest_s) & (weights > 0)[:, np.newaxis]).any(axis=0)
        fall_s = weights @ (stages_s - trial_s)
        client = int(np.lexsort((-fall_s, ~is_latest, round_s))[0])
        partial.assign(client)
    return partial


def _by_longest_phase(problem: RadioResources, work: RoundWork) -> _PartialAssignment:
    """Return the complete assignment of :func:`greedy`."""
    partial = _PartialAssignment(problem, work)
    weights = _stage_weights(work)
    while partial.num_free:
        longer_s = np.maximum(partial.stages_s[0], weights[1:] @ partial.stages_s[1:])  # [num_clients]
        partial.assign(int(longer_s.argmax()))
    return partial


def _stage_weights(work: RoundWork) -> NDArray[np.float64]:
    """Return the weight of each stage of :class:`_PartialAssignment` in the mean round time, [3]."""
    return np.array([1.0, 1.0 - work.averaging_share, work.averaging_share])


def _longest_of_others(stages_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the longest time among the other clients, for each stage and client, [s]."""
    num_stages, num_clients = stages_s.shape
    if num_clients == 1:
        return np.full_like(stages_s, -np.inf)
    slowest = stages_s.argmax(axis=1)
    second_s = np.partition(stages_s, -2, axis=1)[:, -2]
    others_s = np.repeat(stages_s.max(axis=1, keepdims=True), num_clients, axis=1)
    others_s[np.arange(num_stages), slowest] = second_s
    return others_s
