"""Slow-downs: a device's processor switches between a normal and a slow speed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from ...scenarios.errors import KeyPathError
from ...scenarios.random_streams import stream
from ...scenarios.schema.fields import DURATION_RANGE_S, FACTOR_RANGE, draw
from ...scenarios.schema.scenario import Scenario
from ..nodes.capacity import PiecewiseCapacity
from ..nodes.fleet import Fleet
from ..nodes.on_off_process import OnOffProcess
from ..timeline.event_log import EventKind, State
from .effects import Fault
from .mean_durations import MeanDuration, slowdown_mean_s

__all__ = ["SlowdownTrace", "Slowdowns", "draw_slowdowns", "slowdown_fault", "with_drawn_slowdowns"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Slowdowns:
    """The parameters of the slow-downs of all devices; every array is [num_devices].

    Attributes
    ----------
    factor : ndarray
        The factor by which computations take longer in the slow state, [1].
    mean_normal_s, mean_slow_s : ndarray
        The mean durations of the states, [s]; a normal state of infinite duration never ends.
    """

    factor: Array
    mean_normal_s: Array
    mean_slow_s: Array

    def has_effect(self, device: int) -> bool:
        """Return whether a device is ever slower than normal."""
        return bool(self.factor[device] > 1 and math.isfinite(self.mean_normal_s[device]))

    @property
    def has_any_effect(self) -> bool:
        """Return whether any device is ever slower than normal."""
        return bool(((self.factor > 1) & np.isfinite(self.mean_normal_s)).any())


def draw_slowdowns(scenario: Scenario) -> Slowdowns | None:
    """Return the parameters of the slow-downs of all devices; None where the scenario has none.

    Each parameter has a random stream of its own, which only a distribution uses.

    Raises
    ------
    KeyPathError
        If a distribution gives a device a duration that is not allowed.
    """
    section = scenario.stragglers.slowdown if scenario.stragglers else None
    if section is None:
        return None

    def values(name: str, smallest: float, largest: float) -> Array:
        rng = stream(scenario.seed, f"stragglers.slowdown.{name}")
        try:
            count = scenario.devices.count
            return draw(getattr(section, name), count, rng, smallest=smallest, largest=largest)
        except ValueError as error:
            raise KeyPathError(str(error), ("stragglers", "slowdown", name)) from None

    factor = np.maximum(values("factor", -math.inf, FACTOR_RANGE[1]), FACTOR_RANGE[0])
    return Slowdowns(
        factor, values("mean_normal_s", *DURATION_RANGE_S), values("mean_slow_s", *DURATION_RANGE_S)
    )


def with_drawn_slowdowns(scenario: Scenario) -> Scenario:
    """Return the scenario with the slow-downs' parameters of each device in place of their distributions.

    With another seed, such a scenario has other traces of the same devices.
    """
    slowdowns, stragglers = draw_slowdowns(scenario), scenario.stragglers
    if slowdowns is None or stragglers is None or stragglers.slowdown is None:
        return scenario
    values = {field.name: tuple(getattr(slowdowns, field.name).tolist()) for field in fields(slowdowns)}
    section = stragglers.slowdown.model_copy(update=values)
    return scenario.model_copy(update={"stragglers": stragglers.model_copy(update={"slowdown": section})})


def slowdown_fault(scenario: Scenario, fleet: Fleet) -> Fault | None:
    """Return the slow-downs of a scenario; None where no device is ever slow.

    A device's trace is made when the device takes part for the first time: most devices of a large population
    never do. Its random stream has the device's number, so that every scheme meets the same slow-downs.
    """
    slowdowns = draw_slowdowns(scenario)
    if slowdowns is None or not slowdowns.has_any_effect:
        return None

    @cache  # the record of states asks for the trace that the processor has
    def trace(device: int) -> SlowdownTrace | None:
        if not slowdowns.has_effect(device):
            return None
        return SlowdownTrace(
            float(slowdowns.factor[device]),
            float(slowdowns.mean_normal_s[device]),
            float(slowdowns.mean_slow_s[device]),
            stream(scenario.seed, "slowdown", device),
        )

    def mean_duration(device: int) -> MeanDuration | None:
        if not slowdowns.has_effect(device):
            return None
        return partial(
            slowdown_mean_s,
            factor=float(slowdowns.factor[device]),
            mean_normal_s=float(slowdowns.mean_normal_s[device]),
            mean_slow_s=float(slowdowns.mean_slow_s[device]),
        )

    return Fault(compute_capacity=trace, mean_duration=mean_duration)


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
        if math.isinf(work) or math.isinf(start_s):
            return work  # it never ends, or never begins
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

    def states(self, start_s: float, end_s: float) -> Iterator[State]:
        """Yield the slow states between two instants, cut at both; their value is the relative speed."""
        for first_s, last_s in self._normal_slow.times_off(start_s, end_s):
            yield State(first_s, last_s, EventKind.SLOW, self._slow_speed)
