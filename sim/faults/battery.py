"""Devices that run on a battery: what it holds, and the instant at which it is empty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simpy import Event, Timeout

from ..nodes.node import Device
from ..timeline.event_order import cancel, schedule_after
from ..timeline.lanes import Lane
from ..timeline.phases import Phase

__all__ = ["BatteryDevice"]


class BatteryDevice(Device):
    """A device that leaves the run at the instant at which compute and uplinks have emptied its battery.

    Parameters
    ----------
    charge_j : float
        What the battery holds, [J].
    on_empty : called with the device when it is empty
    others : as for :class:`Device`
    """

    def __init__(
        self, *arguments: Any, charge_j: float, on_empty: Callable[[Device], None], **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.charge_j = charge_j
        self._on_empty = on_empty
        self._booked = (-1, 0.0)  # the job at hand: its row in the record, and its energy
        self._alarm: Event | None = None

    def occupy(
        self,
        lane: Lane,
        phase: Phase,
        duration_s: float,
        bits: float,
        flops: float,
        energy_j: float,
        client: int = -1,
        ready_s: float = -1.0,
    ) -> Timeout:
        """Return the event that ends a job; if the battery does not last so long, the device leaves then."""
        end = super().occupy(lane, phase, duration_s, bits, flops, energy_j, client, ready_s)
        if lane is self.lanes["downlink"] or not energy_j:
            return end  # receiving is not charged
        self._booked = (lane.row, min(energy_j, self.charge_j))
        if energy_j > self.charge_j:
            start_s, end_s = self.record.span(lane.row)
            share = self.charge_j / energy_j
            lasting_s = share * (end_s - start_s)
            if lane.pace is not None and lane is self.lanes["compute"]:
                assert self.speed is not None
                lasting_s = self.speed.duration_s(start_s, share * lane.pace.done(start_s, end_s))
            delay_s = start_s + lasting_s - self.env.now
            if self.env.now + delay_s < end_s:  # else it lasts to the end of the job, but for rounding
                self._leave_in(delay_s)
        self.spend(energy_j)
        return end

    def spend(self, energy_j: float) -> None:
        """Take so much from the battery, [J]."""
        self.charge_j = max(0.0, self.charge_j - energy_j)

    def deplete_battery(self) -> None:
        """Leave the run: the battery is empty."""
        cancel(self._alarm)
        self._on_empty(self)

    def abandon(self) -> None:
        """Stop computing, sending and receiving now; what was not spent stays in the battery."""
        cancel(self._alarm)
        cut_off = [lane.row for lane in self.lanes.values() if lane.free_at_s > self.env.now]
        super().abandon()
        row, energy_j = self._booked
        if row in cut_off:
            self.charge_j += energy_j - self.record.energy_j(row)

    def _leave_in(self, delay_s: float) -> None:
        cancel(self._alarm)
        self._alarm = schedule_after(self.env, delay_s, self.deplete_battery)
