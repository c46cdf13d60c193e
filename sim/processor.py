"""Processors: how long FLOPs take, also on a device that slows down and recovers."""

from __future__ import annotations

from bisect import bisect_right
from typing import Protocol

import numpy as np

__all__ = ["SlowdownTrace", "SpeedTrace"]


class SpeedTrace(Protocol):
    """The relative speed of a processor over time."""

    def duration_s(self, start_s: float, work_s: float) -> float:
        """Return how long work takes that would take ``work_s`` at full speed, if begun at ``start_s``."""

    def done(self, start_s: float, end_s: float) -> float:
        """Return the work done between two instants, as its time at full speed."""


class SlowdownTrace:
    """A two-state speed: normal and slow, with exponentially distributed stays (docs/model.md section 2.4).

    The first state is drawn from the stationary distribution, so that the mean speed is the same at
    every instant. The trace depends on its generator alone, not on what is run on the device: every
    scheme meets the same slow-downs at the same instants.

    Parameters
    ----------
    factor : float
        In the slow state, compute takes so many times longer.
    mean_normal_s, mean_slow_s : float
        Mean stays in the states, [s].
    rng : generator of this device's stream
    """

    def __init__(
        self, factor: float, mean_normal_s: float, mean_slow_s: float, rng: np.random.Generator
    ) -> None:
        self._slow_speed = 1.0 / factor
        self._means_s = (mean_normal_s, mean_slow_s)
        self._rng = rng
        self._slow_first = bool(rng.uniform() < mean_slow_s / (mean_normal_s + mean_slow_s))
        self._switches_s = [0.0]  # segment k lasts from switch k to switch k+1

    def duration_s(self, start_s: float, work_s: float) -> float:
        """Return how long work takes that would take ``work_s`` at full speed, if begun at ``start_s``."""
        self._extend_to(start_s)
        segment = bisect_right(self._switches_s, start_s) - 1
        now_s = start_s
        while True:
            self._extend_to(now_s)
            end_s = self._switches_s[segment + 1]
            speed = self._slow_speed if self._is_slow(segment) else 1.0
            if (end_s - now_s) * speed >= work_s:
                return now_s + work_s / speed - start_s
            work_s -= (end_s - now_s) * speed
            now_s = end_s
            segment += 1

    def done(self, start_s: float, end_s: float) -> float:
        """Return the work done between two instants, as its time at full speed."""
        self._extend_to(end_s)
        bounds = np.clip(self._switches_s, start_s, end_s)
        stays_s = np.diff(bounds)
        slow_s = float(stays_s[0 if self._slow_first else 1 :: 2].sum())
        return end_s - start_s - slow_s * (1.0 - self._slow_speed)

    def slow_share(self, end_s: float) -> float:
        """Return the share of the time from 0 to ``end_s`` that is spent in the slow state."""
        self._extend_to(end_s)
        bounds = np.minimum(self._switches_s, end_s)
        stays = np.diff(bounds)
        return float(stays[0 if self._slow_first else 1 :: 2].sum() / end_s)

    def _is_slow(self, segment: int) -> bool:
        return (segment % 2 == 0) == self._slow_first

    def _extend_to(self, time_s: float) -> None:
        switches = self._switches_s
        while switches[-1] <= time_s:
            mean_s = self._means_s[self._is_slow(len(switches) - 1)]
            switches.append(switches[-1] + float(self._rng.exponential(mean_s)))
