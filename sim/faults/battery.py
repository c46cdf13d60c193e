"""Batteries: a device leaves the run at the instant at which its battery is empty."""

from __future__ import annotations

from collections.abc import Callable, Collection

from simpy import Event

from ...scenarios.schema.scenario import Scenario
from ..nodes.fleet import Fleet
from ..nodes.node import Device
from ..timeline.event_order import cancel, schedule_after
from ..timeline.lanes import Lane
from .effects import Fault

__all__ = ["Battery", "battery_fault"]


def battery_fault(scenario: Scenario | None, fleet: Fleet) -> Fault | None:
    """Return the fault of a fleet that runs on batteries; None where all devices have mains power."""
    charges_j = fleet.battery_j
    if charges_j is None:
        return None
    return Fault(presence=lambda device: Battery(float(charges_j[device])))


class Battery:
    """A battery that computations and uplinks drain; when it is empty, the device leaves the run.

    It is both the presence trace and the energy account of its device.

    Parameters
    ----------
    charge_j : float
        The energy at the beginning, [J].
    """

    def __init__(self, charge_j: float) -> None:
        self._charge_j = charge_j
        self._booked = (-1, 0.0)  # the current activity: its row in the record, and its energy
        self._alarm: Event | None = None

    def follow(self, device: Device, leave: Callable[[], None]) -> None:
        """Account for this device's energy, and call ``leave`` when the battery is empty."""
        self._device, self._leave = device, leave
        device.energy_account = self

    def state(self) -> float:
        """Return the remaining energy, [J]."""
        return self._charge_j

    def restore(self, state: float) -> None:
        """Take over the remaining energy of another battery, [J]."""
        self._charge_j = state

    def book(self, lane: Lane, energy_j: float) -> None:
        """Charge an activity, and let the device leave during it if the battery does not last to its end."""
        device = self._device
        if lane is device.lanes["downlink"] or not energy_j:
            return  # receiving costs the device no energy
        self._booked = (lane.row, min(energy_j, self._charge_j))
        if energy_j > self._charge_j:
            start_s, end_s = device.record.span(lane.row)
            fraction = self._charge_j / energy_j
            lasting_s = fraction * (end_s - start_s)
            capacity = device.compute_capacity
            if capacity is not None and lane is device.lanes["compute"]:
                lasting_s = capacity.duration_s(start_s, fraction * capacity.done(start_s, end_s))
            delay_s = start_s + lasting_s - device.env.now
            if device.env.now + delay_s < end_s:  # otherwise it lasts to the end, except for rounding
                cancel(self._alarm)
                self._alarm = schedule_after(device.env, delay_s, self.deplete)
        self.drain(energy_j)

    def settle_aborted(self, rows: Collection[int]) -> None:
        """Give back the energy that the current activity has not spent, if it is among the stopped rows."""
        cancel(self._alarm)
        row, energy_j = self._booked
        if row in rows:
            self._charge_j += energy_j - self._device.record.energy_j(row)

    def drain(self, energy_j: float) -> None:
        """Take energy out of the battery, [J]."""
        self._charge_j = max(0.0, self._charge_j - energy_j)

    def lasts_s(self, power_w: float) -> float:
        """Return the time for which the battery supplies this power, [s]."""
        return self._charge_j / power_w

    def deplete(self) -> None:
        """Let the device leave the run now."""
        cancel(self._alarm)
        self._leave()
