"""Lanes: what of a node does one job at a time, and what is known of many lanes side by side."""

from __future__ import annotations

from array import array
from typing import Protocol

from .phases import LaneName, Phase

__all__ = ["LANES", "Lane", "LaneTable", "Pace", "no_lane"]

LANES: tuple[LaneName, ...] = ("compute", "uplink", "downlink")
"""The lanes of a node, in the order in which a table has them."""


def no_lane(phase: Phase) -> ValueError:
    """Return the error of who asks a device for a phase that takes none of its lanes."""
    return ValueError(f"{phase.name} takes the lane {phase.lane}, which no device has")


class Pace(Protocol):
    """How fast a lane gets on over time."""

    def done(self, start_s: float, end_s: float) -> float:
        """Return what is done between two instants, in any unit."""


class LaneTable:
    """The two numbers of each lane, side by side: they can be read and written for many lanes at once.

    Attributes
    ----------
    free_at_s : [num_lanes], float
        When all that was asked for is done, [s].
    rows : [num_lanes], int
        The last job's row in the record, -1 before the first.
    """

    def __init__(self, count: int) -> None:
        self.free_at_s = array("d", bytes(8 * count))
        self.rows = array("q", [-1]) * count


class Lane:
    """One thing of a node that does one job at a time, first come first served.

    A job's end is known when it is asked for, so a queue is no more than the instant at which the lane
    is free: one event a job, and intervals of a lane never overlap.

    Parameters
    ----------
    table, place : where its numbers stand; in a table of its own by default

    Attributes
    ----------
    ends_s, rows : the table's, for who can't spare the time of a property
    pace : Pace or None
        How fast the job gets on; None: evenly.
    """

    __slots__ = ("ends_s", "pace", "place", "rows")

    def __init__(self, table: LaneTable | None = None, place: int = 0) -> None:
        table = table or LaneTable(1)
        self.ends_s, self.rows, self.place = table.free_at_s, table.rows, place
        self.pace: Pace | None = None

    @property
    def free_at_s(self) -> float:
        """Return when all that was asked for is done, [s]."""
        return self.ends_s[self.place]

    @free_at_s.setter
    def free_at_s(self, time_s: float) -> None:
        self.ends_s[self.place] = time_s

    @property
    def row(self) -> int:
        """Return the last job's row in the record, -1 before the first."""
        return self.rows[self.place]
