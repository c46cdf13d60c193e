"""Processors: how long FLOPs take, also on a device that slows down and recovers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...scenarios.random_streams import stream
from ...scenarios.schema.scenario import Scenario, Slowdown
from ..nodes.on_off_process import OnOffProcess

__all__ = ["SlowdownTrace", "slowdown_traces"]


class SlowdownTrace:
    """A two-state speed: normal and slow, with exponentially distributed stays (docs/model.md section 2.4).

    The mean speed is the same at every instant. The trace depends on its generator alone, not on what is
    run on the device: every scheme meets the same slow-downs at the same instants.

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
        self._slow = OnOffProcess(mean_normal_s, mean_slow_s, rng)  # the second state is the slow one

    def duration_s(self, start_s: float, work_s: float) -> float:
        """Return how long work takes that would take ``work_s`` at full speed, if begun at ``start_s``."""
        trace, now_s = self._slow, start_s
        segment = trace.segment(start_s)
        while True:
            trace.extend_to(now_s)
            end_s = trace.switches_s[segment + 1]
            speed = self._slow_speed if trace.is_off(segment) else 1.0
            if (end_s - now_s) * speed >= work_s:
                return now_s + work_s / speed - start_s
            work_s -= (end_s - now_s) * speed
            now_s = end_s
            segment += 1

    def done(self, start_s: float, end_s: float) -> float:
        """Return the work done between two instants, as its time at full speed."""
        return end_s - start_s - self._slow_s(start_s, end_s) * (1.0 - self._slow_speed)

    def slow_share(self, end_s: float) -> float:
        """Return the share of the time from 0 to ``end_s`` that is spent in the slow state."""
        return self._slow_s(0.0, end_s) / end_s

    def _slow_s(self, start_s: float, end_s: float) -> float:
        """Return the time between two instants that is spent in the slow state, [s].

        Only the stays between them are looked at, however long the run is. Differences of sums from 0 on
        would be as quick, and lose the digits of what lies before.
        """
        trace = self._slow
        first, last = trace.segment(start_s), trace.segment(end_s)
        stays_s = np.diff(np.clip(trace.switches_s[first : last + 2], start_s, end_s))
        return float(stays_s[0 if trace.is_off(first) else 1 :: 2].sum())


def slowdown_traces(scenario: Scenario) -> Sequence[SlowdownTrace | None]:
    """Return each device's trace of slow-downs; None where the scenario has none."""
    count, stragglers = scenario.devices.count, scenario.stragglers
    slowdown = stragglers.slowdown if stragglers else None
    return [None] * count if slowdown is None else _SlowdownTraces(slowdown, count, scenario.seed)


class _SlowdownTraces(Sequence[SlowdownTrace]):
    """The devices' traces, each made when it is asked for: most devices of a population are never drawn."""

    def __init__(self, slowdown: Slowdown, count: int, seed: int) -> None:
        self._slowdown = slowdown
        self._count = count
        self._seed = seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, device: int) -> SlowdownTrace:  # type: ignore[override]  # a trace, never a slice
        slowdown, number = self._slowdown, range(self._count)[device]
        return SlowdownTrace(
            slowdown.factor,
            slowdown.mean_normal_s,
            slowdown.mean_slow_s,
            stream(self._seed, "slowdown", number),
        )
