"""Compute noise: each computation of a device takes a random time (docs/model.md section 2.4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...scenarios.random_streams import stream
from ...scenarios.schema.scenario import Scenario
from ...scenarios.schema.stragglers import ComputeNoise as ComputeNoiseSection
from ..nodes.fleet import Fleet
from .effects import Fault
from .mean_durations import MeanDuration

__all__ = ["BLOCK_DRAWS", "RandomDelays", "RandomFactors", "compute_noise_fault"]

Array: TypeAlias = NDArray[np.float64]
Sampler: TypeAlias = Callable[[np.random.Generator, int], Array]
"""From a generator and a number of draws to the draws."""

BLOCK_DRAWS = 256
"""Draws of one block. Each block has a random stream of its own, so that a checkpoint needs no generator."""


class _NumberedDraws(ABC):
    """The draws of one device, in the order of its computations.

    Draw n is draw ``n % BLOCK_DRAWS`` of the random stream of block ``n // BLOCK_DRAWS``. So the number of
    draws so far is the whole state.

    Parameters
    ----------
    seed : int
        The scenario's seed.
    device : int
        The device's number.
    sample : callable
        Draws a block.
    """

    def __init__(self, seed: int, device: int, sample: Sampler) -> None:
        self._seed, self._device, self._sample = seed, device, sample
        self._number = 0
        self._block: list[float] = []

    @abstractmethod
    def duration_s(self, duration_s: float) -> float:
        """Return the time of the next computation, whose time without noise is ``duration_s``, [s]."""

    def state(self) -> int:
        """Return the number of draws so far."""
        return self._number

    def restore(self, state: int) -> None:
        """Continue after this number of draws."""
        self._number = state
        if state % BLOCK_DRAWS:
            self._draw_block()

    def _next(self) -> float:
        position = self._number % BLOCK_DRAWS
        if position == 0:
            self._draw_block()
        self._number += 1
        return self._block[position]

    def _draw_block(self) -> None:
        rng = stream(self._seed, "compute noise", self._device, self._number // BLOCK_DRAWS)
        self._block = self._sample(rng, BLOCK_DRAWS).tolist()


class RandomFactors(_NumberedDraws):
    """Multiplies the time of each computation by a random factor."""

    def duration_s(self, duration_s: float) -> float:
        """Return the time of the next computation, whose time without noise is ``duration_s``, [s]."""
        return duration_s * self._next()


class RandomDelays(_NumberedDraws):
    """Adds a random delay to the time of each computation."""

    def duration_s(self, duration_s: float) -> float:
        """Return the time of the next computation, whose time without noise is ``duration_s``, [s]."""
        return duration_s + self._next()


def compute_noise_fault(scenario: Scenario, fleet: Fleet) -> Fault | None:
    """Return the compute noise of a scenario; None where it has none, or where it has no variance.

    Only devices have noise, not the server. A device's draws depend on the seed, its number and the number
    of its computation alone.
    """
    section = scenario.stragglers.compute_noise if scenario.stragglers else None
    if section is None:
        return None
    noise = _noise(section)
    if noise is None:
        return None
    kind, sample = noise
    delay_s = section.exponential.mean_s if section.exponential is not None else 0.0

    def mean_duration(device: int) -> MeanDuration:
        return lambda work_s: work_s + delay_s  # factors have the mean 1

    return Fault(
        compute_noise=lambda device: kind(scenario.seed, device, sample), mean_duration=mean_duration
    )


def _noise(section: ComputeNoiseSection) -> tuple[type[_NumberedDraws], Sampler] | None:
    """Return the class of a section's noise and its sampler; None without noise.

    The log-normal factor is exp(σZ − σ²/2) with a standard normal Z. The Pareto factor of shape α lies above
    (α−1)/α. Both have mean 1.
    """
    if section.lognormal is not None:
        sigma = section.lognormal.sigma
        if sigma == 0:
            return None
        return RandomFactors, lambda rng, count: np.exp(sigma * rng.standard_normal(count) - sigma**2 / 2)
    if section.pareto is not None:
        shape = section.pareto.shape
        return RandomFactors, lambda rng, count: (shape - 1) / shape * (1 + rng.pareto(shape, count))
    assert section.exponential is not None  # the section requires exactly one distribution
    mean_s = section.exponential.mean_s
    if mean_s == 0:
        return None
    return RandomDelays, lambda rng, count: mean_s * rng.standard_exponential(count)
