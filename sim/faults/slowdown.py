"""Slow-downs: a device's processor switches between a normal and a slow speed."""

from __future__ import annotations

import numpy as np

from ...scenarios.random_streams import stream
from ...scenarios.schema.scenario import Scenario
from ..nodes.capacity import PiecewiseCapacity
from ..nodes.fleet import Fleet
from ..nodes.on_off_process import OnOffProcess
from .effects import Fault

__all__ = ["SlowdownTrace", "slowdown_fault"]


def slowdown_fault(scenario: Scenario, fleet: Fleet) -> Fault | None:
    """Return the slow-downs of a scenario; None where it has none.

    A device's trace is made when the device takes part for the first time: most devices of a large population
    never do. Its random stream has the device's number, so that every scheme meets the same slow-downs.
    """
    slowdown = scenario.stragglers.slowdown if scenario.stragglers else None
    if slowdown is None:
        return None

    def trace(device: int) -> SlowdownTrace:
        rng = stream(scenario.seed, "slowdown", device)
        return SlowdownTrace(slowdown.factor, slowdown.mean_normal_s, slowdown.mean_slow_s, rng)

    return Fault(compute_capacity=trace)


class SlowdownTrace(PiecewiseCapacity):
    """A processor's relative speed with two states, normal and slow (docs/model.md section 2.4).

    The durations of both states are exponentially distributed, and the expected speed is the same at every
    instant. The trace depends only on its generator, and not on the work of the device.

    Parameters
    ----------
    factor : float
        Computations take this many times longer in the slow state.
    mean_normal_s, mean_slow_s : float
        The mean durations of the states, [s].
    """

    def __init__(
        self, factor: float, mean_normal_s: float, mean_slow_s: float, rng: np.random.Generator
    ) -> None:
        self._slow_speed = 1.0 / factor
        self._normal_slow = OnOffProcess(mean_normal_s, mean_slow_s, rng)  # the state "off" is the slow one

    def at(self, time_s: float) -> tuple[float, float]:
        """Return the relative speed at an instant, and the instant of the next change, [s]."""
        segment = self._normal_slow.segment(time_s)
        return self._slow_speed if self._normal_slow.is_off(segment) else 1.0, self._normal_slow.switches_s[
            segment + 1
        ]

    def duration_s(self, start_s: float, work: float) -> float:
        """Return the time that work takes if it begins at ``start_s``; work is time at full speed, [s]."""
        trace, now_s = self._normal_slow, start_s
        segment = trace.segment(start_s)
        while True:
            trace.extend_to(now_s)
            end_s = trace.switches_s[segment + 1]
            speed = self._slow_speed if trace.is_off(segment) else 1.0
            if (end_s - now_s) * speed >= work:
                return now_s + work / speed - start_s
            work -= (end_s - now_s) * speed
            now_s = end_s
            segment += 1

    def done(self, start_s: float, end_s: float) -> float:
        """Return the work that is done between two instants, as its time at full speed, [s]."""
        return end_s - start_s - self.slow_time_s(start_s, end_s) * (1.0 - self._slow_speed)

    def slow_time_s(self, start_s: float, end_s: float) -> float:
        """Return the time between two instants that the processor spends in the slow state, [s].

        It sums only the segments between the two instants, however long the run is. The difference of two
        sums from time 0 on would lose digits.
        """
        trace = self._normal_slow
        first, last = trace.segment(start_s), trace.segment(end_s)
        durations_s = np.diff(np.clip(trace.switches_s[first : last + 2], start_s, end_s))
        return float(durations_s[0 if trace.is_off(first) else 1 :: 2].sum())
