"""Outages: the links of a device are interrupted at times, in both directions (docs/model.md section 2.9)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from ...scenarios.errors import KeyPathError
from ...scenarios.random_streams import stream
from ...scenarios.schema.faults import Outage
from ...scenarios.schema.scenario import Scenario
from ..csv_files import read_steps
from ..nodes.capacity import PiecewiseCapacity
from ..nodes.fleet import Fleet
from ..nodes.on_off_process import OnOffProcess
from ..nodes.step_trace import StepTrace
from ..timeline.event_log import EventKind, State
from .effects import Fault

__all__ = ["DrawnOutages", "OutageTrace", "RecordedOutages", "outage_fault"]


def outage_fault(scenario: Scenario, fleet: Fleet) -> Fault | None:
    """Return the outages of a scenario; None where it has none.

    The drawn outages of a device have a random stream of their own, so that every scheme meets the same ones.

    Raises
    ------
    KeyPathError
        If the file of outages cannot be used.
    """
    section = scenario.faults.outage if scenario.faults else None
    if section is None:
        return None
    if section.file is not None:
        return _recorded(section, section.file, len(fleet))
    mean_up_s, mean_down_s = section.mean_up_s, section.mean_down_s
    assert mean_up_s is not None
    assert mean_down_s is not None
    if math.isinf(mean_up_s):
        return None

    def drawn(device: int) -> DrawnOutages:
        process = OnOffProcess(mean_up_s, mean_down_s, stream(scenario.seed, "outage", device))
        return DrawnOutages(process, restarts=section.restart)

    return Fault(interruptions=drawn, mean_delivered=1.0 / (1.0 + mean_down_s / mean_up_s))


def _recorded(section: Outage, path: Path, num_devices: int) -> Fault | None:
    """Return the outages in a file; None where it has none."""
    try:
        devices = read_steps(path, num_devices, {"up": (0.0, 1.0)})
        for steps in devices.values():
            wrong = steps.index[~steps["up"].isin((0.0, 1.0))]
            if len(wrong):
                raise ValueError(f"{path}: line {wrong.min()}: up must be 0 or 1")
    except ValueError as error:
        raise KeyPathError(str(error), ("faults", "outage", "file")) from None
    traces = {}
    for device, steps in devices.items():
        times_s, values = steps["time_s"].tolist(), steps["up"].tolist()
        if not all(values):
            if times_s[0] > 0:
                times_s, values = [0.0, *times_s], [1.0, *values]
            traces[device] = RecordedOutages(StepTrace(times_s, values), restarts=section.restart)
    return Fault(interruptions=traces.get) if traces else None


class OutageTrace(PiecewiseCapacity):
    """The times in which the links of a device work, as a capacity of 1 or 0.

    Parameters
    ----------
    restarts : bool
        Whether a transfer begins anew after an outage.
    """

    def __init__(self, *, restarts: bool) -> None:
        self.restarts = restarts

    def states(self, start_s: float, end_s: float) -> Iterator[State]:
        """Yield the outages between two instants, cut at both, in their order."""
        now_s = begun_s = start_s
        while now_s < end_s:
            works, until_s = self.at(now_s)
            until_s = min(until_s, end_s)
            goes_on = until_s < end_s and not works and not self.at(until_s)[0]
            if not works and not goes_on:
                yield State(begun_s, until_s, EventKind.OUTAGE)
            now_s = until_s
            begun_s = begun_s if goes_on else now_s


class DrawnOutages(OutageTrace):
    """Outages whose durations, and the times between them, are exponentially distributed."""

    def __init__(self, process: OnOffProcess, *, restarts: bool) -> None:
        super().__init__(restarts=restarts)
        self._process = process

    def at(self, time_s: float) -> tuple[float, float]:
        """Return 1.0 if the links work and 0.0 if not, and the instant of the next change, [s]."""
        if math.isinf(time_s):  # after an activity that never ends; nothing is drawn up to there
            return 1.0, math.inf
        segment = self._process.segment(time_s)
        return 0.0 if self._process.is_off(segment) else 1.0, self._process.switches_s[segment + 1]


class RecordedOutages(OutageTrace):
    """Outages as a file has them."""

    def __init__(self, trace: StepTrace, *, restarts: bool) -> None:
        super().__init__(restarts=restarts)
        self._trace = trace

    def at(self, time_s: float) -> tuple[float, float]:
        """Return 1.0 if the links work and 0.0 if not, and the instant of the next change, [s]."""
        return self._trace.at(time_s)

    def done(self, start_s: float, end_s: float) -> float:
        """Return the time between two instants in which the links work, [s]."""
        return self._trace.done(start_s, end_s)
