"""Lanes: what of a node does one job at a time."""

from __future__ import annotations

from array import array
from typing import Protocol

from .phases import LaneName, Phase

__all__ = ["LANES", "CapacityTrace", "Lane", "completed_fraction", "no_lane"]

LANES: tuple[LaneName, ...] = ("compute", "uplink", "downlink")
"""The lanes of a node, in the order in which their instants stand side by side."""


def no_lane(phase: Phase) -> ValueError:
    """Return the error of who asks a device for a phase that takes none of its lanes."""
    return ValueError(f"{phase.name} takes the lane {phase.lane}, which no device has")


class CapacityTrace(Protocol):
    """How fast a lane gets on over time."""

    def done(self, start_s: float, end_s: float) -> float:
        """Return what is done between two instants, in any unit."""


def completed_fraction(pace: CapacityTrace, start_s: float, now_s: float, end_s: float) -> float:
    """Return what share of a job, begun and planned to end at these instants, is done by now."""
    whole = pace.done(start_s, end_s)
    return pace.done(start_s, now_s) / whole if whole else 1.0  # so little that it is lost in rounding


class Lane:
    """One thing of a node that does one job at a time, first come first served.

    A job's end is known when it is asked for, so a queue is no more than the instant at which the lane
    is free: one event a job at the most, and intervals of a lane never overlap.

    Parameters
    ----------
    ends_s, place : where the instant stands, beside those of other lanes that are read and written together;
        by itself by default

    Attributes
    ----------
    row : int
        The last job's row in the record, -1 before the first.
    pace : Pace or None
        How fast the job gets on; None: evenly.
    """

    __slots__ = ("ends_s", "pace", "place", "row")

    def __init__(self, ends_s: array[float] | None = None, place: int = 0) -> None:
        self.ends_s = array("d", [0.0]) if ends_s is None else ends_s
        self.place = place
        self.row = -1
        self.pace: CapacityTrace | None = None

    @property
    def free_at_s(self) -> float:
        """Return when all that was asked for is done, [s]."""
        return self.ends_s[self.place]

    @free_at_s.setter
    def free_at_s(self, time_s: float) -> None:
        self.ends_s[self.place] = time_s
