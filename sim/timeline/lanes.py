"""Lanes: the parts of a node that do one activity at a time."""

from __future__ import annotations

from array import array

from .phases import LaneName, Phase

__all__ = ["LANES", "Lane", "missing_lane"]

LANES: tuple[LaneName, ...] = ("compute", "uplink", "downlink")
"""The lanes of a device, in the order in which arrays of instants hold them."""


def missing_lane(phase: Phase) -> ValueError:
    """Return the error for a phase whose lane no device has."""
    return ValueError(f"{phase.name} takes the lane {phase.lane}, which no device has")


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
    """

    __slots__ = ("ends_s", "index", "row")

    def __init__(self, ends_s: array[float] | None = None, index: int = 0) -> None:
        self.ends_s = array("d", [0.0]) if ends_s is None else ends_s
        self.index = index
        self.row = -1

    @property
    def free_at_s(self) -> float:
        """Return the instant at which every requested activity has ended, [s]."""
        return self.ends_s[self.index]

    @free_at_s.setter
    def free_at_s(self, time_s: float) -> None:
        self.ends_s[self.index] = time_s
