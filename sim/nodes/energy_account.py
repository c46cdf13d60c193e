"""The account of a device's energy: the hooks by which a battery follows what the device spends."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from ..timeline.lanes import Lane

__all__ = ["EnergyAccount"]


class EnergyAccount(Protocol):
    """Follows the energy that a device spends: computations, uplinks, receptions, and idle time.

    An activity on a lane is booked as a whole when it is requested. A transfer over a shared medium is
    drained bit by bit, as its power changes whenever another transfer begins or ends. At all other times the
    device is idle, unless it is suspended because it is not in the round.
    """

    def book(self, lane: Lane, energy_j: float) -> None:
        """Charge the activity that the device has just requested on a lane.

        Parameters
        ----------
        lane : Lane
            The lane, whose last row in the record is the activity.
        energy_j : float
            The energy in that row; on the downlink it is the access point's, [J].
        """

    def settle_aborted(self, rows: Collection[int]) -> None:
        """Give back the unspent energy of activities that were stopped, by their rows in the record."""

    def begin_transfer(self) -> None:
        """Leave the accounting to a shared medium, which drains all energy until the transfer ends."""

    def end_transfer(self) -> None:
        """Take over the accounting from the shared medium, whose transfer has ended or was stopped."""

    def drain(self, energy_j: float) -> None:
        """Charge energy that has been spent during a transfer over a shared medium, [J]."""

    def lasts_s(self, power_w: float) -> float:
        """Return the time after which this power has spent all energy, [s]."""

    def deplete(self) -> None:
        """Note that all energy is spent now."""

    def suspend(self) -> None:
        """Stop charging idle time: the device is not in the round."""

    def resume(self) -> None:
        """Charge idle time from now on: the device is in the round."""
