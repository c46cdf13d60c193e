"""The account of a device's energy: the hooks by which a battery follows what the device spends."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from ..timeline.lanes import Lane

__all__ = ["EnergyAccount"]


class EnergyAccount(Protocol):
    """Follows the energy that a device spends on computations and uplinks.

    An activity on a lane is booked as a whole when it is requested. A transfer over a shared medium is
    drained bit by bit, as its power changes whenever another transfer begins or ends.
    """

    def book(self, lane: Lane, energy_j: float) -> None:
        """Charge the activity that the device has just requested on a lane, [J]."""

    def settle_aborted(self, rows: Collection[int]) -> None:
        """Give back the unspent energy of activities that were stopped, by their rows in the record."""

    def drain(self, energy_j: float) -> None:
        """Charge energy that a transfer over a shared medium has spent, [J]."""

    def lasts_s(self, power_w: float) -> float:
        """Return the time after which this transmit power has spent all energy, [s]."""

    def deplete(self) -> None:
        """Note that all energy is spent now."""
