"""The capacity of a processor or link over time."""

from __future__ import annotations

from typing import Protocol

__all__ = ["CapacityTrace"]


class CapacityTrace(Protocol):
    """The relative speed of a processor over time."""

    def duration_s(self, start_s: float, work_s: float) -> float:
        """Return how long work takes that would take ``work_s`` at full speed, if begun at ``start_s``."""

    def done(self, start_s: float, end_s: float) -> float:
        """Return the work done between two instants, as its time at full speed."""
