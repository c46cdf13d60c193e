"""Objectives of planning by simulation: the mean or a quantile of the round times of a long run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...scenarios.schema.allocation import Allocation
from .replications import SimulatedRounds

__all__ = ["MeanRound", "Objective", "QuantileRound", "mean_latency_s", "objective_of"]

Array = NDArray[np.float64]


class Objective(Protocol):
    """A value of simulated rounds that a plan makes small.

    A round in which only a share of the clients takes part counts as longer, by the inverse of the share: it
    trains on fewer samples.
    """

    def values_s(self, rounds: SimulatedRounds, counts: Array) -> Array:
        """Return the objective for each resample of the replications, [num_resamples], [s].

        Parameters
        ----------
        counts : ndarray, [num_resamples, num_replications]
            How often each replication is in each resample.
        """


@dataclass(frozen=True)
class MeanRound:
    """The mean time of a round over the mean share of the clients that take part."""

    def values_s(self, rounds: SimulatedRounds, counts: Array) -> Array:
        """Return the mean of each resample; infinity if no client takes part."""
        weights = rounds.weights
        time_s = counts @ (weights * rounds.latency_s).sum(axis=1)
        return _ratio(time_s, counts @ (weights * rounds.share).sum(axis=1))


@dataclass(frozen=True)
class QuantileRound:
    """A quantile of the times of rounds, each over the share of the clients that took part."""

    quantile: float

    def values_s(self, rounds: SimulatedRounds, counts: Array) -> Array:
        """Return the quantile of each resample: the shortest time that this share of the rounds is within."""
        times_s = _ratio(rounds.latency_s, rounds.share).ravel()
        order = np.argsort(times_s, kind="stable")
        blocks = rounds.latency_s.shape[1]
        weights = np.repeat(counts, blocks, axis=1) * rounds.weights.ravel()
        below = np.cumsum(weights[:, order], axis=1)
        position = (below < self.quantile * below[:, -1:]).sum(axis=1)
        quantiles: Array = times_s[order][np.minimum(position, len(order) - 1)]
        return quantiles


def objective_of(allocation: Allocation) -> Objective:
    """Return the objective that a scenario's section ``allocation`` states."""
    section = allocation.objective
    return MeanRound() if isinstance(section, str) else QuantileRound(section.quantile)


def mean_latency_s(rounds: SimulatedRounds, counts: Array) -> Array:
    """Return the mean time of a round for each resample, whoever takes part, [num_resamples], [s]."""
    weights = rounds.weights
    return _ratio(counts @ (weights * rounds.latency_s).sum(axis=1), counts @ weights.sum(axis=1))


def _ratio(numerator: Array, denominator: Array) -> Array:
    """Return the ratio; infinity where the denominator is 0."""
    safe = np.where(denominator > 0, denominator, 1.0)
    return np.where(denominator > 0, numerator / safe, np.inf)
