"""Background load: other programs leave a device only a share of its processor, as a CSV file says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from ...scenarios.errors import KeyPathError
from ...scenarios.schema.scenario import Scenario
from ..csv_files import read_steps
from ..nodes.fleet import Fleet
from ..nodes.step_trace import StepTrace
from ..timeline.event_log import EventKind, State
from .effects import Fault

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
        steps = read_steps(path, len(fleet), {"share": (0.0, 1.0)})
    except ValueError as error:
        raise KeyPathError(str(error), ("stragglers", "load")) from None
    loaded = {device: rows for device, rows in steps.items() if rows["share"].min() < 1}
    if not loaded:
        return None

    @cache  # the record of states asks for the trace that the processor has
    def trace(device: int) -> LoadTrace | None:
        if device not in loaded:
            return None
        rows = loaded[device]
        return LoadTrace(rows["time_s"].tolist(), rows["share"].tolist(), device)

    return Fault(compute_capacity=trace)


class LoadTrace(StepTrace):
    """The share of a processor that other programs leave, constant from one instant to the next.

    Before the first instant the device has the whole processor; after the last one, the share stays.

    Parameters
    ----------
    times_s : sequence of float, [num_steps]
        Rising instants, [s].
    shares : sequence of float, [num_steps]
        The share from each instant on, from 0 to 1.
    device : int
        The device's number, for messages.
    """

    def __init__(self, times_s: Sequence[float], shares: Sequence[float], device: int) -> None:
        if times_s[0] > 0:
            times_s, shares = [0.0, *times_s], [1.0, *shares]
        super().__init__(times_s, shares)
        if shares[-1] == 0:
            self.ends_because = f"stragglers.load leaves device {device} a share of 0 for good"

    def states(self, start_s: float, end_s: float) -> Iterator[State]:
        """Yield the times with less than the whole processor, cut at two instants, with the share left."""
        now_s = start_s
        while now_s < end_s:
            share, until_s = self.at(now_s)
            until_s = min(until_s, end_s)
            if share < 1:
                yield State(now_s, until_s, EventKind.SLOW, share)
            now_s = until_s
