"""Racing: candidates are simulated in parallel, and those that are significantly worse drop out early.

After Maron and Moore, "Hoeffding races", 1994, with paired bootstrap resamples instead of Hoeffding's bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...scenarios.random_streams import stream
from .objectives import Objective
from .replications import NO_ROUNDS, SimulatedRounds

__all__ = ["Race", "RaceRules", "resamples"]

NUM_RESAMPLES = 400
"""Bootstrap resamples of the replications, by which the significance of a difference is judged."""
Simulate: TypeAlias = Callable[[int, int, int], SimulatedRounds | None]
"""Simulates a candidate, by its number, in the replications from one number to before another.

It returns None if a round of the candidate raises an error.
"""


@dataclass(frozen=True)
class RaceRules:
    """When a candidate drops out of a race, and when the race ends.

    Attributes
    ----------
    first, most : int
        Replications of every candidate, and the most replications of one; their number doubles in between.
    margin : float
        A candidate drops out if it is significantly more than this worse than the best one, relative. With a
        negative margin it drops out if it is not so much better, with significance.
    level : float
        Probability of a false decision about one candidate.
    """

    first: int = 24
    most: int = 96
    margin: float = -0.01
    level: float = 0.01


class Race:
    """A race of candidates with common random numbers.

    Parameters
    ----------
    num_candidates : int
        Candidates are numbers from 0.
    simulate : callable
        Simulates a candidate in some replications.

    Attributes
    ----------
    rounds : dict of int to SimulatedRounds
        The simulated rounds of each candidate.
    """

    def __init__(self, num_candidates: int, simulate: Simulate, objective: Objective, seed: int) -> None:
        self._simulate, self._objective, self._seed = simulate, objective, seed
        self.rounds: dict[int, SimulatedRounds] = dict.fromkeys(range(num_candidates), NO_ROUNDS)

    def run(self, rules: RaceRules) -> list[int]:
        """Return the candidates that are left, the best one first; none if all raise errors."""
        remaining = list(self.rounds)
        for number in _doubling(rules):
            remaining = [each for each in remaining if self._simulated_up_to(number, each)]
            if remaining:
                remaining = self._without_worse(remaining, number, rules)
            if len(remaining) <= 1:
                break
        return remaining

    def _simulated_up_to(self, number: int, candidate: int) -> bool:
        """Simulate a candidate in all replications before a number, and return whether none has failed."""
        known = self.rounds[candidate]
        later = self._simulate(candidate, len(known), number)
        if later is None:
            return False
        self.rounds[candidate] = known.joined(later)
        return True

    def _without_worse(self, candidates: Sequence[int], number: int, rules: RaceRules) -> list[int]:
        """Return the candidates that do not drop out, the best one first."""
        counts = resamples(number, self._seed)
        values = {each: self._objective.values_s(self.rounds[each], counts) for each in candidates}
        centre_s = {each: float(of_resamples[0]) for each, of_resamples in values.items()}
        order = sorted(candidates, key=centre_s.__getitem__)
        best = order[0]
        if math.isinf(centre_s[best]):
            return order
        remaining = [best]
        for candidate in order[1:]:
            with np.errstate(invalid="ignore"):
                excess = values[candidate] / values[best] - 1.0
            excess = np.where(np.isnan(excess), 0.0, excess)  # both infinite, in a resample
            least = float(np.quantile(excess, rules.level, method="nearest"))
            if least <= rules.margin:
                remaining.append(candidate)
        return remaining


def resamples(number: int, seed: int) -> NDArray[np.float64]:
    """Return the multiplicity of each replication in each resample, [num_resamples, number].

    The first resample has each of them once.
    """
    rng = stream(seed, "planning resamples", number)
    counts = rng.multinomial(number, np.full(number, 1.0 / number), size=NUM_RESAMPLES).astype(np.float64)
    counts[0] = 1.0
    return counts


def _doubling(rules: RaceRules) -> Iterator[int]:
    """Yield the rising numbers of replications."""
    number = rules.first
    while number < rules.most:
        yield number
        number *= 2
    yield rules.most
