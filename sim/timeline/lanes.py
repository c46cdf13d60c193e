"""Lanes: the parts of a node that do one activity at a time."""

from __future__ import annotations

from array import array
from typing import Protocol

from .phases import LaneName, Phase

__all__ = ["LANES", "ActiveTimes", "Lane", "missing_lane"]

LANES: tuple[LaneName, ...] = ("compute", "uplink", "downlink")
"""The lanes of a device, in the order in which arrays of instants hold them."""


def missing_lane(phase: Phase) -> ValueError:
    """Return the error for a phase whose lane no device has."""
    return ValueError(f"{phase.name} takes the lane {phase.lane}, which no device has")


class ActiveTimes(Protocol):
    """The times in which an activity goes on; it pauses in between."""

    def done(self, start_s: float, end_s: float) -> float:
        """Return the time between two instants in which the activity goes on, [s]."""

    def at(self, time_s: float) -> tuple[float, float]:
        """Return 1.0 if the activity goes on and 0.0 if not, and the instant of the next change, [s]."""


class Lane:
    """A part of a node that does one activity at a time, first come first served.

    An activity's end is known when it is requested. So the queue is one number, the instant at which the lane
    is free: an activity needs one event at most, and intervals of a lane never overlap.

    Parameters
    ----------
    ends_s : array, optional
        An array that holds the instants of several lanes, [s]; by default the lane has an array of its own.
    index : int
        The lane's position in that array.

    Attributes
    ----------
    row : int
        The number of the last activity's row in the record, -1 before the first.
    active : ActiveTimes or None
        The times in which the last activity goes on and needs power; None for always.
    power_w : float
        The transmit power of the last transfer, if its link has a rate over time and may stop for ever, [W].
    """

    __slots__ = ("active", "ends_s", "index", "power_w", "row")

    def __init__(self, ends_s: array[float] | None = None, index: int = 0) -> None:
        self.ends_s = array("d", [0.0]) if ends_s is None else ends_s
        self.index = index
        self.row = -1
        self.active: ActiveTimes | None = None
        self.power_w = 0.0

    @property
    def free_at_s(self) -> float:
        """Return the instant at which every requested activity has ended, [s]."""
        return self.ends_s[self.index]

    @free_at_s.setter
    def free_at_s(self, time_s: float) -> None:
        self.ends_s[self.index] = time_s

    def active_s(self, start_s: float, end_s: float) -> float:
        """Return the time between two instants in which the last activity goes on, [s]."""
        return end_s - start_s if self.active is None else self.active.done(start_s, end_s)
