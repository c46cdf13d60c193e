"""Availability: devices go offline, also in mid-round, and come back (docs/model.md section 3.4)."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from ...scenarios.errors import KeyPathError
from ...scenarios.random_streams import stream
from ...scenarios.schema.scenario import Scenario
from ..csv_files import read_steps
from ..nodes.fleet import Fleet
from ..nodes.on_off_process import OnOffProcess
from ..timeline.event_log import EventKind, State
from .effects import AvailabilityTrace, Fault

__all__ = ["ListedAvailability", "OnOffAvailability", "availability_fault", "on_off_availability"]


def availability_fault(scenario: Scenario, fleet: Fleet) -> Fault | None:
    """Return the times in which a scenario's devices are online; None if they always are.

    Raises
    ------
    KeyPathError
        If the file of times cannot be read or breaks a rule.
    """
    section = scenario.faults.availability if scenario.faults else None
    if section is None:
        return None
    if section.file is not None:
        try:
            traces = read_availability(section.file, len(fleet))
        except ValueError as error:
            raise KeyPathError(str(error), ("faults", "availability", "file")) from None
        return Fault(availability=traces.get) if traces else None
    assert section.mean_on_s is not None and section.mean_off_s is not None  # the section requires both
    if math.isinf(section.mean_on_s):
        return None
    return Fault(availability=on_off_availability(section.mean_on_s, section.mean_off_s, scenario.seed))


def on_off_availability(
    mean_on_s: float, mean_off_s: float, seed: int
) -> Callable[[int], AvailabilityTrace | None]:
    """Return the function from a device's number to its random times online, which it draws when needed.

    The random stream has the device's number, so that every scheme meets the same times.

    Parameters
    ----------
    mean_on_s, mean_off_s : float
        The mean times for which a device is online and offline, [s].
    """

    @cache  # the sampler of clients and the world ask for the same times
    def trace(device: int) -> OnOffAvailability:
        return OnOffAvailability(mean_on_s, mean_off_s, stream(seed, "availability", device))

    return trace


class OnOffAvailability:
    """A device that is online and offline in turn, for exponentially distributed times.

    If the mean time offline is infinite, the device is online first, and goes offline once for ever.

    Parameters
    ----------
    mean_on_s, mean_off_s : float
        The mean times, [s].
    """

    def __init__(self, mean_on_s: float, mean_off_s: float, rng: np.random.Generator) -> None:
        self._on_off = OnOffProcess(mean_on_s, mean_off_s, rng)

    def is_online(self, time_s: float) -> bool:
        """Return whether the device is online at an instant."""
        return not self._on_off.is_off(self._on_off.segment(time_s))

    def next_change_s(self, time_s: float) -> float:
        """Return the next instant after this one at which the device goes on- or offline, [s]."""
        return self._on_off.switches_s[self._on_off.segment(time_s) + 1]

    def states(self, start_s: float, end_s: float) -> Iterator[State]:
        """Yield the times offline between two instants, cut at both."""
        return _times_offline(self, start_s, end_s)


class ListedAvailability:
    """A device whose times online are listed; the last state stays for ever.

    Parameters
    ----------
    changes_s : sequence of float
        The instants at which the state changes, rising, all after 0, [s].
    starts_online : bool
        Whether the device is online before the first change.
    """

    def __init__(self, changes_s: Sequence[float], *, starts_online: bool) -> None:
        self._changes_s = list(changes_s)
        self._starts_online = starts_online

    def is_online(self, time_s: float) -> bool:
        """Return whether the device is online at an instant."""
        return (bisect_right(self._changes_s, time_s) % 2 == 0) == self._starts_online

    def next_change_s(self, time_s: float) -> float:
        """Return the next instant after this one at which the device goes on- or offline, [s]."""
        following = bisect_right(self._changes_s, time_s)
        return self._changes_s[following] if following < len(self._changes_s) else math.inf

    def states(self, start_s: float, end_s: float) -> Iterator[State]:
        """Yield the times offline between two instants, cut at both."""
        return _times_offline(self, start_s, end_s)


def _times_offline(
    trace: OnOffAvailability | ListedAvailability, start_s: float, end_s: float
) -> Iterator[State]:
    now_s = start_s
    while now_s < end_s:
        until_s = min(end_s, trace.next_change_s(now_s))
        if not trace.is_online(now_s):
            yield State(now_s, until_s, EventKind.OFFLINE)
        now_s = until_s


def read_availability(path: Path, num_devices: int) -> Mapping[int, ListedAvailability]:
    """Return the times in a CSV with the columns ``device,time_s,online``, by device.

    ``online`` is 1 or 0, and holds until the device's next row, the last one for ever. Before its first row
    a device is online. A device that never goes offline has no entry.

    Raises
    ------
    ValueError
        If the file cannot be read or breaks a rule.
    """
    traces: dict[int, ListedAvailability] = {}
    for device, steps in read_steps(path, num_devices, {"online": (0.0, 1.0)}).items():
        state, starts_online, changes_s = 1.0, True, list[float]()
        for time_s, value in zip(steps["time_s"].tolist(), steps["online"].tolist(), strict=True):
            if value not in (0.0, 1.0):
                raise ValueError(
                    f"{path}: device {device} has online {value:g} from {time_s:g} s on; it must be 0 or 1"
                )
            if value != state:
                state = value
                if time_s == 0.0:
                    starts_online = value == 1.0
                else:
                    changes_s.append(time_s)
        if changes_s or not starts_online:
            traces[device] = ListedAvailability(changes_s, starts_online=starts_online)
    return traces
