"""Batteries: a device leaves the run at the instant at which its battery is empty."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import TypeAlias

from ...scenarios.schema.scenario import Scenario
from ..nodes.capacity import piecewise_duration_s
from ..nodes.fleet import Fleet
from ..nodes.node import Device
from ..timeline.event_order import schedule_after, schedule_at
from ..timeline.lanes import ActiveTimes, Lane
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
        self._booked: dict[int, float] = {}  # energy of the current activities, by their rows in the record
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
        if is_reception:
            energy_j = powers.receive_w * _active_s(lane, start_s, end_s) if powers.receive_w else 0.0
        energy_j += self._paused_j(lane, start_s, end_s)
        now_s = float(device.env.now)
        self._charge_idle_time(start_s)
        self._charged_until_s = max(self._charged_until_s, end_s)
        self._booked = {row: each for row, each in self._booked.items() if device.record.span(row)[1] > now_s}
        self._booked[lane.row] = min(energy_j, self._charge_j)
        if energy_j > self._charge_j:
            fraction = self._charge_j / energy_j
            lasting_s = fraction * (end_s - start_s)
            capacity = device.compute_capacity
            if capacity is not None and lane is device.lanes["compute"]:
                lasting_s = capacity.duration_s(start_s, fraction * device.work_s(start_s, end_s))
            if lane.active is not None:
                lasting_s = self._lasting_s(lane, lane.active, start_s, end_s)
            delay_s = start_s + lasting_s - now_s
            if now_s + delay_s < end_s:  # otherwise it lasts to the end, except for rounding
                number = self._cancel_depletion()
                schedule_after(device.env, delay_s, lambda: self._deplete_if_current(number))
                self.drain(energy_j)
                return
        self.drain(energy_j)
        self._expect_idle_depletion()

    def settle_aborted(self, rows: Collection[int]) -> None:
        """Give back the energy that the current activities have not spent, if they are among the rows."""
        self._cancel_depletion()
        record, receive_w = self._device.record, self._device.powers.receive_w
        lanes = {lane.row: lane for lane in self._device.lanes.values()}
        for row, energy_j in self._booked.items():
            if row in rows:
                lane, (start_s, end_s) = lanes[row], record.span(row)
                is_reception = lane is self._device.lanes["downlink"]
                spent_j = (
                    receive_w * _active_s(lane, start_s, end_s) if is_reception else record.energy_j(row)
                )
                self._charge_j += energy_j - spent_j - self._paused_j(lane, start_s, end_s)
        self._booked = {row: each for row, each in self._booked.items() if row not in rows}
        now_s = float(self._device.env.now)
        if rows:  # the device was busy up to now, and its activities end here
            self._charged_until_s = min(self._charged_until_s, now_s)
        self._charge_idle_time(now_s)
        self._expect_idle_depletion()

    def _paused_j(self, lane: Lane, start_s: float, end_s: float) -> float:
        """Return the energy of the idle time in which an activity pauses, [J]."""
        idle_w = self._device.powers.idle_w
        return idle_w * (end_s - start_s - _active_s(lane, start_s, end_s)) if idle_w else 0.0

    def _lasting_s(self, lane: Lane, active: ActiveTimes, start_s: float, end_s: float) -> float:
        """Return the time for which the battery supplies an activity that pauses, [s]."""
        powers, active_s = self._device.powers, active.done(start_s, end_s)
        is_reception = lane is self._device.lanes["downlink"]
        power_w = powers.receive_w if is_reception else self._device.record.energy_j(lane.row) / active_s

        def power_at(time_s: float) -> tuple[float, float]:
            is_active, until_s = active.at(time_s)
            return power_w if is_active else powers.idle_w, until_s

        return piecewise_duration_s(power_at, start_s, self._charge_j)

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


def _active_s(lane: Lane, start_s: float, end_s: float) -> float:
    """Return the time between two instants in which a lane's last activity goes on, [s]."""
    return end_s - start_s if lane.active is None else lane.active.done(start_s, end_s)
