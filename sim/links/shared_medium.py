"""One direction of a band that several transfers share: what each has sent, and when each ends."""

from __future__ import annotations

import math
from array import array
from bisect import insort
from dataclasses import dataclass

from simpy import Environment, Event, Timeout

from ..nodes.node import Device
from ..timeline.event_order import EventOrder, cancel, schedule_after
from ..timeline.interval_record import IntervalRecord
from ..timeline.phases import Phase
from .grants import Grant
from .medium_access import Scheduler

__all__ = ["SharedMedium"]


@dataclass
class _Transfer:
    """A transfer in progress."""

    device: Device
    phase: Phase
    bits: float
    ready_s: float
    ended: Event
    row: int = -1  # of the record; none before its first bit is sent


class SharedMedium:
    """Carries transfers side by side at rates that change whenever one begins or ends.

    Between two changes every rate is constant. At each the bits sent since the last are counted off, and
    the band is shared out anew, once for all that happens at that instant. So the bits of a transfer are
    the integral of its rate, and none is lost or sent twice.

    Parameters
    ----------
    env : the event loop
    record : where intervals go
    sharing : who gets how much of the band
    senders_pay : bool
        The energy is that of the devices' batteries; else it is the access point's.
    """

    def __init__(
        self, env: Environment, record: IntervalRecord, sharing: Scheduler, *, senders_pay: bool
    ) -> None:
        self._env = env
        self._record = record
        self.sharing = sharing
        self._senders_pay = senders_pay
        self._transfers: dict[int, _Transfer] = {}  # by the row of the client
        self._order = array("q")  # of these rows
        # by row, what is still to be sent, [bit], and what was spent, [J]: every change counts them all
        self._left, self._energy_j = array("d"), array("d")
        self._unsent: set[int] = set()  # whose first bit is not sent
        self._on_battery: set[int] = set()  # whose energy a battery pays
        self._share: Grant | None = None
        self._empty_s: dict[int, float] = {}
        self._since_s = 0.0
        self._next_change: Event | None = None

    def carry(self, device: Device, phase: Phase, bits: float) -> Event:
        """Return the event that ends the transfer of so many bits.

        Raises
        ------
        RuntimeError
            If the node is sending already: a lane does one thing at a time.
        """
        if not bits:
            return Timeout(self._env, 0.0)
        client = device.row
        if client in self._transfers:
            raise RuntimeError(f"{device.name} is asked for {phase.name} while another transfer is under way")
        ended = self._env.event()
        self._count_off()
        self._transfers[client] = _Transfer(device, phase, bits, self._env.now, ended)
        for values in (self._left, self._energy_j):
            values.extend([0.0] * (client + 1 - len(values)))
        self._left[client], self._energy_j[client] = bits, 0.0
        self._unsent.add(client)
        if self._senders_pay and math.isfinite(device.charge_j):
            self._on_battery.add(client)
        insort(self._order, client)
        self._share_out_at(0.0)
        return ended

    def abandon(self, device: Device) -> None:
        """Stop the node's transfer, if it has one; the record keeps what was sent."""
        client = device.row
        if client in self._transfers:
            self._count_off()
            self._end(client)
            if self._share is not None:
                self._share.drop(client)  # it may have been about to end at this very instant
            self._empty_s.pop(client, None)
            self._share_out_at(0.0)

    @property
    def open_rows(self) -> list[int]:
        """Return the rows of transfers in progress; -1 for one that has not sent yet."""
        return [transfer.row for transfer in self._transfers.values()]

    def _count_off(self) -> None:
        """Count what was sent since the last change."""
        now_s = self._env.now
        passed_s, self._since_s = now_s - self._since_s, now_s
        if passed_s > 0 and self._share is not None:
            self._share.count_off(self._left, self._energy_j, passed_s)
            for client, _, power_w in self._share.of(self._on_battery):
                self._transfers[client].device.spend(power_w * passed_s)

    def _share_out_at(self, delay_s: float) -> None:
        """Share the band out anew so many seconds from now, when all else has happened at that instant."""
        cancel(self._next_change)
        self._next_change = schedule_after(self._env, delay_s, self._change, EventOrder.SHARED_MEDIUM)

    def _change(self) -> None:
        self._count_off()
        now_s = self._env.now
        for client in self._share.ended(now_s) if self._share is not None else ():
            self._left[client] = 0.0
            self._end(client).ended.succeed()
        for client in [client for client, empty_s in self._empty_s.items() if empty_s <= now_s]:
            if client in self._transfers:
                self._transfers[client].device.deplete_battery()
        self._share_out()

    def _share_out(self) -> None:
        """Give every transfer its share from now on, and look when that will change."""
        now_s = self._env.now
        self._empty_s = {}
        if not self._transfers:
            self._share = self._next_change = None
            return
        share = self._share = self.sharing.share(self._order, self._left, now_s)
        for client, rate_bps, _ in share.of(self._unsent):
            if rate_bps > 0:
                self._begin(self._transfers[client])
                self._unsent.discard(client)
        first_end_s = share.first_end_s(self._left, now_s)
        for client, rate_bps, power_w in share.of(self._on_battery):
            if rate_bps > 0:
                self._empty_s[client] = now_s + self._transfers[client].device.charge_j / power_w
        change_s = min(share.until_s, first_end_s, *self._empty_s.values())
        if math.isfinite(change_s):
            self._share_out_at(max(0.0, change_s - now_s))

    def _begin(self, transfer: _Transfer) -> None:
        now_s = self._env.now
        transfer.row = self._record.append(
            transfer.device.index,
            transfer.phase,
            now_s,
            now_s,
            now_s - transfer.ready_s,
            0.0,
            0.0,
            0.0,
            -1,
        )

    def _end(self, client: int) -> _Transfer:
        """Take a transfer out, and close its row with what it has sent."""
        transfer = self._transfers.pop(client)
        bits, energy_j = transfer.bits - self._left[client], self._energy_j[client]
        self._order.remove(client)
        self._unsent.discard(client)
        self._on_battery.discard(client)
        if transfer.row >= 0:
            self._record.close(transfer.row, self._env.now, bits, energy_j)
        return transfer
