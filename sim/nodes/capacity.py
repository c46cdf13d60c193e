"""The capacity of a processor or link over time, and the physics of an activity that uses it.

An activity does a fixed amount of work: seconds at full speed on a processor, bits on a link. These functions
say when it ends, and how much of it is done if it is stopped early. Single activities and batches of
activities use the same functions, so that both give the same bits.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..timeline.phases import LaneName

__all__ = [
    "CapacityTrace",
    "CombinedCapacity",
    "ComputeNoise",
    "PiecewiseCapacity",
    "completed_fraction",
    "fractions_at",
    "piecewise_duration_s",
    "stretched_s",
]

Array: TypeAlias = NDArray[np.float64]


class Progress(Protocol):
    """The work that is done over time."""

    def done(self, start_s: float, end_s: float) -> float:
        """Return the work that is done between two instants."""


class CapacityTrace(Progress, Protocol):
    """The capacity of one lane over time.

    A processor's trace is its relative speed, so that work is its duration at full speed, [s]. A link's trace
    is its rate, so that work is in bits.
    """

    def duration_s(self, start_s: float, work: float) -> float:
        """Return the time that this work takes if it begins at ``start_s``, [s]."""


class ComputeNoise(Protocol):
    """Draws the random times of one device's computations.

    Its draws are numbered, so that a checkpoint needs only the number of the next one.
    """

    def duration_s(self, duration_s: float) -> float:
        """Return the time of the next computation, whose time without noise is ``duration_s``, [s]."""

    def state(self) -> int:
        """Return the number of draws so far."""

    def restore(self, state: int) -> None:
        """Continue after this number of draws."""


class PiecewiseCapacity(ABC):
    """A capacity that is constant from one change to the next; a subclass must define :meth:`at`.

    It may override the other methods with faster ones of the same result.

    Attributes
    ----------
    ends_because : str or None
        The reason for which the capacity stays 0 from some instant on, for messages; None if it does not.
    """

    ends_because: str | None = None

    @abstractmethod
    def at(self, time_s: float) -> tuple[float, float]:
        """Return the capacity at an instant, and the later instant up to which it stays, [s]."""

    def duration_s(self, start_s: float, work: float) -> float:
        """Return the time that this work takes if it begins at ``start_s``, [s]."""
        return piecewise_duration_s(self.at, start_s, work)

    def done(self, start_s: float, end_s: float) -> float:
        """Return the work that is done between two instants: the integral of the capacity."""
        now_s, work = start_s, 0.0
        while now_s < end_s:
            capacity, until_s = self.at(now_s)
            until_s = min(until_s, end_s)
            work += capacity * (until_s - now_s)
            now_s = until_s
        return work


class CombinedCapacity(PiecewiseCapacity):
    """The product of several relative speeds, for a processor that several faults slow down."""

    def __init__(self, traces: Sequence[PiecewiseCapacity]) -> None:
        self._traces = traces
        reasons = [trace.ends_because for trace in traces if trace.ends_because is not None]
        self.ends_because = reasons[0] if reasons else None

    def at(self, time_s: float) -> tuple[float, float]:
        """Return the product at an instant, and a later instant up to which it stays, [s].

        While a factor is 0, the product is 0, whatever the other factors do. So a processor that has stopped
        for good is not followed through all later changes of the others.
        """
        each = [trace.at(time_s) for trace in self._traces]
        if stopped_s := [until_s for capacity, until_s in each if capacity == 0]:
            return 0.0, max(stopped_s)
        return math.prod(capacity for capacity, _ in each), min(until_s for _, until_s in each)


def piecewise_duration_s(
    capacity_at: Callable[[float], tuple[float, float]], start_s: float, work: float
) -> float:
    """Return the time in which the integral of a capacity from ``start_s`` on reaches ``work``, [s].

    Parameters
    ----------
    capacity_at : callable
        From an instant to the capacity and the instant up to which it stays, [s].
    """
    if math.isinf(work) or math.isinf(start_s):
        return work  # it never ends, or never begins
    now_s, remaining = start_s, work
    while True:
        capacity, until_s = capacity_at(now_s)
        if capacity > 0 and remaining <= capacity * (until_s - now_s):
            return now_s - start_s + remaining / capacity
        if math.isinf(until_s):
            return math.inf if remaining else 0.0
        remaining -= capacity * (until_s - now_s)
        now_s = until_s


def stretched_s(traces: Sequence[CapacityTrace | None], start_s: Array, full_speed_s: Array) -> Array:
    """Return the durations of computations on processors that may slow down, [num_activities], [s].

    Parameters
    ----------
    traces : sequence, [num_activities]
        The relative speed of each processor; None for full speed.
    start_s, full_speed_s : ndarray, [num_activities]
        The start of each computation, and its duration at full speed, [s].
    """
    durations_s = full_speed_s.copy()
    for index, trace in enumerate(traces):
        if trace is not None:
            durations_s[index] = trace.duration_s(float(start_s[index]), float(full_speed_s[index]))
    return durations_s


def completed_fraction(
    trace: Progress, start_s: float, time_s: float, end_s: float, work: float = math.nan
) -> float:
    """Return the fraction of an activity from ``start_s`` to ``end_s`` that is done at an instant.

    Parameters
    ----------
    work : float, optional
        The activity's whole work, which is needed if the activity never ends: the capacity then stays 0.
    """
    whole = work if math.isinf(end_s) and math.isfinite(work) else trace.done(start_s, end_s)
    return trace.done(start_s, time_s) / whole if whole else 1.0  # work so small that rounding removes it


def fractions_at(
    time_s: float,
    start_s: Array,
    end_s: Array,
    traces: Sequence[CapacityTrace | None],
    lane: LaneName,
    full_speed_s: Array | None = None,
) -> tuple[Array, Array]:
    """Return the fractions of work and of energy of activities that are stopped at an instant.

    A processor pays for each FLOP, so both fractions are equal. A transmitter pays for each second.

    Parameters
    ----------
    time_s : float
        The instant, after the start and before the end of each activity, [s].
    start_s, end_s : ndarray, [num_activities]
        The start of each activity, and its planned end, [s].
    traces : sequence, [num_activities]
        The capacity that each activity has; None where it is constant.
    lane : str
        The lane that all of the activities use.
    full_speed_s : ndarray, [num_activities], optional
        The durations of computations at full speed, [s]; needed for computations that never end.

    Returns
    -------
    work, energy : ndarray, [num_activities]
        Fractions from 0 to 1.
    """
    elapsed: Array = (time_s - start_s) / (end_s - start_s)
    work = elapsed.copy()
    for index, trace in enumerate(traces):
        if trace is not None:
            whole = math.nan if full_speed_s is None else float(full_speed_s[index])
            work[index] = completed_fraction(trace, float(start_s[index]), time_s, float(end_s[index]), whole)
    return work, work if lane == "compute" else elapsed
