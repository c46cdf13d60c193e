"""Batteries: a device leaves the run at the instant at which its battery is empty."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeAlias

from ...scenarios.schema.scenario import Scenario
from ..nodes.capacity import piecewise_duration_s
from ..nodes.device import Device
from ..nodes.fleet import Fleet
from ..timeline.event_order import schedule_after, schedule_at
from ..timeline.lanes import Lane
from .effects import Fault

__all__ = ["Battery", "BatteryState", "battery_fault"]

BatteryState: TypeAlias = tuple[float, float, bool, bool]
"""Energy, [J], the instant up to which spending is charged, [s], whether it is suspended, and is empty."""


def battery_fault(scenario: Scenario | None, fleet: Fleet) -> Fault | None:
    """Return the fault of a fleet that runs on batteries; None where all devices have mains power."""
    charges_j = fleet.battery_j
    if charges_j is None:
        return None

    def departure(device: int) -> Battery | None:
        charge_j = float(charges_j[device])
        return Battery(charge_j) if math.isfinite(charge_j) else None

    return Fault(departure=departure)


@dataclass(frozen=True)
class _Booking:
    """The energy that an activity takes out of the battery, with the idle time before it.

    Attributes
    ----------
    energy_j : float
        All of it, [J].
    idle_j : float
        The part for the idle time before the activity, [J].
    idle_from_s, start_s : float
        The beginning of that idle time, and of the activity, [s].
    """

    energy_j: float
    idle_j: float
    idle_from_s: float
    start_s: float

    def idle_until_j(self, time_s: float) -> float:
        """Return the part for idle time up to an instant, [J]."""
        idle_s = self.start_s - self.idle_from_s
        return self.idle_j * min(1.0, (time_s - self.idle_from_s) / idle_s) if self.idle_j else 0.0


class Battery:
    """A battery that its device drains; when it is empty, the device leaves the run.

    It supplies computations, uplinks with their circuits, receptions and idle time. It is both the departure
    and the energy account of its device. Idle time needs no event while the device is idle, except the one at
    which the battery would be empty.

    Parameters
    ----------
    charge_j : float
        The energy at the beginning, [J].
    """

    def __init__(self, charge_j: float) -> None:
        self._charge_j = charge_j
        self._charged_until_s = 0.0  # all spending before this instant is charged; idle time follows
        self._booked: dict[int, _Booking] = {}  # of the current activities, by their rows in the record
        self._num_transfers = 0  # over shared media, which drain the battery themselves
        self._suspended = True  # until its first round begins
        self._is_empty = False
        self._depletion_number = 0  # the number of the scheduled depletion; others are cancelled

    def follow(self, device: Device, leave: Callable[[], None]) -> None:
        """Account for this device's energy, and call ``leave`` when the battery is empty."""
        self._device, self._leave = device, leave
        device.energy_account = self
        self._charged_until_s = float(device.env.now)

    def state(self) -> BatteryState:
        """Return the state from which another battery continues."""
        return self._charge_j, self._charged_until_s, self._suspended, self._is_empty

    def restore(self, state: BatteryState) -> None:
        """Take over the state of another battery."""
        self._charge_j, self._charged_until_s, self._suspended, self._is_empty = state
        self._cancel_depletion()
        self._expect_idle_depletion()

    def book(self, lane: Lane, energy_j: float) -> None:
        """Charge an activity, and let the device leave during it if the battery does not last to its end."""
        device = self._device
        powers = device.powers
        is_reception = lane is device.lanes["downlink"]
        if not powers.idle_w and not (powers.receive_w if is_reception else energy_j):
            return
        start_s, end_s = device.record.span(lane.row)
        energy_j = self._activity_j(lane, start_s, end_s, energy_j)
        now_s = float(device.env.now)
        self._charge_idle_time(now_s)
        # before the first bit of a transfer over an interrupted link the device is idle
        idle_from_s = min(start_s, max(now_s, self._charged_until_s))
        charges_idle_time = not self._suspended and not self._num_transfers
        idle_j = powers.idle_w * (start_s - idle_from_s) if charges_idle_time else 0.0
        self._charged_until_s = max(self._charged_until_s, end_s)
        record, booked = device.record, self._booked
        self._booked = {row: each for row, each in booked.items() if record.lasts_beyond(row, now_s)}
        self._booked[lane.row] = _Booking(
            min(idle_j + energy_j, self._charge_j), idle_j, idle_from_s, start_s
        )
        if idle_j + energy_j > self._charge_j:
            if idle_j > self._charge_j:
                empty_s = idle_from_s + self._charge_j / powers.idle_w
            else:
                empty_s = start_s + self._lasting_s(lane, start_s, end_s, energy_j, self._charge_j - idle_j)
            delay_s = empty_s - now_s
            if now_s + delay_s < end_s:  # otherwise it lasts to the end, except for rounding
                number = self._cancel_depletion()
                schedule_after(device.env, delay_s, lambda: self._deplete_if_current(number))
                self.drain(idle_j + energy_j)
                return
        self.drain(idle_j + energy_j)
        self._expect_idle_depletion()

    def settle_aborted(self, rows: Collection[int]) -> None:
        """Give back the energy that the current activities have not spent, if they are among the rows."""
        self._cancel_depletion()
        record, now_s = self._device.record, float(self._device.env.now)
        lanes = {lane.row: lane for lane in self._device.lanes.values()}
        for row, booking in self._booked.items():
            if row in rows:
                lane, (start_s, end_s) = lanes[row], record.span(row)
                spent_j = self._activity_j(lane, start_s, end_s, record.energy_j(row))
                self._charge_j += booking.energy_j - spent_j - booking.idle_until_j(now_s)
        self._booked = {row: each for row, each in self._booked.items() if row not in rows}
        if rows:  # the device was busy up to now, and its activities end here
            self._charged_until_s = min(self._charged_until_s, now_s)
        self._charge_idle_time(now_s)
        self._expect_idle_depletion()

    def _activity_j(self, lane: Lane, start_s: float, end_s: float, energy_j: float) -> float:
        """Return the energy of a lane's last activity and of its pauses, [J]; infinity if it never ends.

        Parameters
        ----------
        energy_j : float
            The energy of the activity's row, which on the downlink is the access point's, [J].
        """
        idle_w, is_compute = self._device.powers.idle_w, lane is self._device.lanes["compute"]
        if math.isinf(end_s) and not is_compute:
            return math.inf if self._transfer_w(lane) or (idle_w and lane.active is not None) else 0.0
        if lane is self._device.lanes["downlink"]:
            energy_j = self._transfer_w(lane) * lane.active_s(start_s, end_s)
        if lane.active is None or not idle_w:
            return energy_j
        return energy_j + idle_w * (end_s - start_s - lane.active_s(start_s, end_s))

    def _transfer_w(self, lane: Lane) -> float:
        """Return the power that the device needs during the last transfer of a lane, [W]."""
        return self._device.powers.receive_w if lane is self._device.lanes["downlink"] else lane.power_w

    def _lasting_s(self, lane: Lane, start_s: float, end_s: float, energy_j: float, charge_j: float) -> float:
        """Return the time for which a charge, [J], supplies a lane's last activity, [s]."""
        device, active = self._device, lane.active
        if active is not None:
            power_w, idle_w = self._transfer_w(lane), device.powers.idle_w

            def power_at(time_s: float) -> tuple[float, float]:
                is_active, until_s = active.at(time_s)
                return power_w if is_active else idle_w, until_s

            return piecewise_duration_s(power_at, start_s, charge_j)
        if math.isinf(energy_j):
            return charge_j / self._transfer_w(lane)
        fraction, capacity = charge_j / energy_j, device.compute_capacity
        if capacity is not None and lane is device.lanes["compute"]:
            return capacity.duration_s(start_s, fraction * device.work_s(start_s, end_s))
        return fraction * (end_s - start_s)

    def begin_transfer(self) -> None:
        """Leave the accounting to a shared medium until the transfer ends."""
        self._charge_idle_time(float(self._device.env.now))
        self._num_transfers += 1
        if self._device.powers.idle_w:
            self._cancel_depletion()

    def end_transfer(self) -> None:
        """Account for idle time again, unless another transfer goes on."""
        self._num_transfers -= 1
        self._charged_until_s = max(self._charged_until_s, float(self._device.env.now))
        self._expect_idle_depletion()

    def drain(self, energy_j: float) -> None:
        """Take energy out of the battery, [J]."""
        self._charge_j = max(0.0, self._charge_j - energy_j)

    def lasts_s(self, power_w: float) -> float:
        """Return the time for which the battery supplies this power, [s]."""
        return self._charge_j / power_w

    def deplete(self) -> None:
        """Let the device leave the run now."""
        if not self._is_empty:
            self._is_empty = True
            self._cancel_depletion()
            self._leave()

    def suspend(self) -> None:
        """Stop charging idle time."""
        if not self._suspended:
            self._charge_idle_time(float(self._device.env.now))
            self._suspended = True
            if self._device.powers.idle_w:
                self._cancel_depletion()

    def resume(self) -> None:
        """Charge idle time from now on."""
        if self._suspended:
            self._suspended = False
            self._charged_until_s = max(self._charged_until_s, float(self._device.env.now))
            self._expect_idle_depletion()

    def _charge_idle_time(self, until_s: float) -> None:
        """Charge the idle time up to an instant, unless a shared medium charges it."""
        idle_s = until_s - self._charged_until_s
        if idle_s > 0:
            if not self._suspended and not self._num_transfers:
                self.drain(self._device.powers.idle_w * idle_s)
            self._charged_until_s = until_s

    def _expect_idle_depletion(self) -> None:
        """Schedule the instant at which idle time would empty the battery, in place of an earlier one."""
        idle_w = self._device.powers.idle_w
        if not idle_w or self._suspended or self._num_transfers or self._is_empty:
            return
        empty_s = self._charged_until_s + self._charge_j / idle_w
        number, env = self._cancel_depletion(), self._device.env
        if math.isfinite(empty_s):
            schedule_at(env, max(empty_s, float(env.now)), lambda: self._deplete_if_current(number))

    def _cancel_depletion(self) -> int:
        """Cancel the scheduled depletion, and return the number of the next one."""
        self._depletion_number += 1
        return self._depletion_number

    def _deplete_if_current(self, number: int) -> None:
        if number == self._depletion_number:
            self.deplete()
