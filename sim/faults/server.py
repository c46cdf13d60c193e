"""Slow-downs and failures of the server; after a failure its work continues where it stopped."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ...scenarios.random_streams import stream
from ...scenarios.schema.scenario import Scenario
from ..nodes.capacity import PiecewiseCapacity
from ..nodes.fleet import Fleet
from ..nodes.on_off_process import OnOffProcess
from ..timeline.event_log import EventKind, State
from .effects import Fault
from .slowdown import SlowdownTrace

__all__ = ["FailureTrace", "server_failure_fault", "server_slowdown_fault"]


def server_slowdown_fault(scenario: Scenario, fleet: Fleet) -> Fault | None:
    """Return the slow-downs of a scenario's server; None where it is never slow."""
    server = scenario.faults.server if scenario.faults else None
    slowdown = server.slowdown if server else None
    if slowdown is None or slowdown.factor == 1 or math.isinf(slowdown.mean_normal_s):
        return None
    rng = stream(scenario.seed, "server slowdown")
    trace = SlowdownTrace(slowdown.factor, slowdown.mean_normal_s, slowdown.mean_slow_s, rng)
    return Fault(server_capacity=trace)


def server_failure_fault(scenario: Scenario, fleet: Fleet) -> Fault | None:
    """Return the failures of a scenario's server; None where it never fails."""
    server = scenario.faults.server if scenario.faults else None
    if server is None or server.mean_up_s is None or server.mean_down_s is None:
        return None
    if math.isinf(server.mean_up_s):
        return None
    rng = stream(scenario.seed, "server failures")
    return Fault(server_capacity=FailureTrace(server.mean_up_s, server.mean_down_s, rng))


class FailureTrace(PiecewiseCapacity):
    """The relative speed of a processor that fails at times: 0 while it is down, and else 1.

    The times up and down are exponentially distributed. The first state is drawn from the stationary
    distribution, so that the probability of a failure is the same at every instant.

    Parameters
    ----------
    mean_up_s, mean_down_s : float
        The mean time between two failures, and the mean duration of a failure, [s].
    """

    def __init__(self, mean_up_s: float, mean_down_s: float, rng: np.random.Generator) -> None:
        self._up_down = OnOffProcess(mean_up_s, mean_down_s, rng)

    def at(self, time_s: float) -> tuple[float, float]:
        """Return the relative speed at an instant, and the instant of the next change, [s]."""
        segment = self._up_down.segment(time_s)
        return 0.0 if self._up_down.is_off(segment) else 1.0, self._up_down.switches_s[segment + 1]

    def states(self, start_s: float, end_s: float) -> Iterator[State]:
        """Yield the failures between two instants, cut at both."""
        for first_s, last_s in self._up_down.times_off(start_s, end_s):
            yield State(first_s, last_s, EventKind.DOWN)
