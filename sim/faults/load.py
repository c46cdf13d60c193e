"""Background load: other programs leave a device only a share of its processor, as a CSV file says."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache

from ...scenarios.errors import KeyPathError
from ...scenarios.schema.scenario import Scenario
from ..nodes.capacity import PiecewiseCapacity
from ..nodes.fleet import Fleet
from ..timeline.event_log import EventKind, State
from .effects import Fault
from .trace_files import Steps, read_steps

__all__ = ["LoadTrace", "load_fault"]


def load_fault(scenario: Scenario, fleet: Fleet) -> Fault | None:
    """Return the background load of a scenario; None where all devices have their whole processors.

    Raises
    ------
    KeyPathError
        If the file cannot be read or breaks a rule.
    """
    path = scenario.stragglers.load if scenario.stragglers else None
    if path is None:
        return None
    try:
        steps = read_steps(path, "share", len(fleet))
    except ValueError as error:
        raise KeyPathError(str(error), ("stragglers", "load")) from None
    loaded = {device: each for device, each in steps.items() if min(each.values) < 1}
    if not loaded:
        return None

    @cache  # the record of states asks for the trace that the processor has
    def trace(device: int) -> LoadTrace | None:
        return LoadTrace(loaded[device], device) if device in loaded else None

    return Fault(compute_capacity=trace)


class LoadTrace(PiecewiseCapacity):
    """The share of a processor that other programs leave, constant from one instant to the next.

    Before the first instant the device has the whole processor; after the last one, the share stays.

    Parameters
    ----------
    shares : Steps
        The shares over time, from 0 to 1.
    device : int
        The device's number, for messages.
    """

    def __init__(self, shares: Steps, device: int) -> None:
        self._times_s = (*shares.times_s, math.inf)
        self._shares = (1.0, *shares.values)
        if shares.values[-1] == 0:
            self.ends_because = f"stragglers.load leaves device {device} a share of 0 for good"

    def at(self, time_s: float) -> tuple[float, float]:
        """Return the share at an instant, and the instant of the next change, [s]."""
        step = bisect_right(self._times_s, time_s, hi=len(self._times_s) - 1)
        return self._shares[step], self._times_s[step]

    def states(self, start_s: float, end_s: float) -> Iterator[State]:
        """Yield the times with less than the whole processor, cut at two instants, with the share left."""
        now_s = start_s
        while now_s < end_s:
            share, until_s = self.at(now_s)
            until_s = min(until_s, end_s)
            if share < 1:
                yield State(now_s, until_s, EventKind.SLOW, share)
            now_s = until_s
