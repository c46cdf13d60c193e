"""One direction of a band that several transfers share: their progress, and the end of each."""

from __future__ import annotations

import math
from array import array
from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simpy import Environment, Event, Timeout

from ..nodes.capacity import CapacityTrace
from ..nodes.device import Device
from ..nodes.energy_account import EnergyAccount
from ..nodes.transmission import Interruptions, check_restarts
from ..timeline.event_log import EventKind
from ..timeline.event_order import EventOrder, cancel, schedule_after
from ..timeline.interval_record import IntervalRecord
from ..timeline.phases import Phase
from .grants import Grant, NoGrant
from .schedulers import Scheduler

__all__ = ["SharedMedium"]


@dataclass
class _Transfer:
    """A transfer in progress.

    Attributes
    ----------
    row : int
        Its row in the record, -1 before its first bit is sent.
    interruptions : Interruptions or None
        The times in which the device's links work; None for always.
    repeated_bits : float
        The bits that were sent before the transfer began anew, [bit].
    restarts : int
        The number of times that the transfer began anew.
    """

    device: Device
    phase: Phase
    bits: float
    ready_s: float
    ended: Event
    interruptions: Interruptions | None = None
    row: int = -1
    repeated_bits: float = 0.0
    restarts: int = 0


class SharedMedium:
    """Transports simultaneous transfers, at rates that change whenever a transfer begins or ends.

    All rates are constant between two changes. At each change the medium first updates the remaining bits.
    Then the scheduler makes a new grant, once for all that happens at that instant. So the bits of a transfer
    are the integral of its rate, and no bit is lost or sent twice.

    Parameters
    ----------
    scheduler : Scheduler
        Grants the band to the clients that have bits to send.
    devices_pay : bool
        Whether the energy is the devices' (uplink) or the access point's (downlink).
    interruptions : mapping of int to Interruptions, optional
        By device, the interruptions of its links. A device whose links are interrupted gives its part of the
        band to the others meanwhile. None by default.
    """

    capacity: CapacityTrace | None = None

    def __init__(
        self,
        env: Environment,
        record: IntervalRecord,
        scheduler: Scheduler,
        *,
        devices_pay: bool,
        interruptions: Mapping[int, Interruptions] | None = None,
    ) -> None:
        self._env = env
        self._record = record
        self.scheduler = scheduler
        self._devices_pay = devices_pay
        self._interruptions: Mapping[int, Interruptions] = {} if interruptions is None else interruptions
        self._transfers: dict[int, _Transfer] = {}  # by the client's row
        self._order = array("q")  # these rows, sorted
        # arrays by row: every change updates all of them
        self._remaining_bits, self._energy_j = array("d"), array("d")
        self._not_begun: set[int] = set()  # rows of transfers that have not sent their first bit
        self._accounts: dict[int, EnergyAccount] = {}  # by row, of devices that account for their energy
        self._circuits_w: dict[int, float] = {}  # by row, of devices that send
        self._pauses_s: dict[int, float] = {}  # by device
        self._grant: Grant | None = None
        self._depleted_s: dict[int, float] = {}  # by row, when the device's energy is spent
        self._last_change_s = 0.0
        self._next_change: Event | None = None

    def transmit(self, device: Device, phase: Phase, bits: float) -> Event:
        """Return the event at which the transfer of these bits ends.

        Raises
        ------
        RuntimeError
            If another transfer of the device is in progress: a lane does one activity at a time.
        """
        if not bits:
            return Timeout(self._env, 0.0)
        client = device.row
        if client in self._transfers:
            raise RuntimeError(f"{device.name} is asked for {phase.name} while another transfer is under way")
        ended = self._env.event()
        self._advance()
        self._transfers[client] = _Transfer(
            device, phase, bits, self._env.now, ended, self._interruptions.get(device.client)
        )
        for values in (self._remaining_bits, self._energy_j):
            values.extend([0.0] * (client + 1 - len(values)))
        self._remaining_bits[client], self._energy_j[client] = bits, 0.0
        self._not_begun.add(client)
        powers = device.powers
        if self._devices_pay and powers.circuit_w:
            self._circuits_w[client] = powers.circuit_w
        if device.energy_account is not None and (self._devices_pay or any(powers)):
            self._accounts[client] = device.energy_account
            device.energy_account.begin_transfer()
        insort(self._order, client)
        self._change_after(0.0)
        return ended

    def abort(self, device: Device) -> None:
        """Stop the device's transfer, if it has one; the record keeps the bits that were sent."""
        client = device.row
        if client in self._transfers:
            self._advance()
            transfer = self._remove(client)
            if self._grant is not None:
                self._grant.drop(client)  # its transfer may have been about to end at this very instant
            self._depleted_s.pop(client, None)
            transfer.ended.succeed()  # a round may wait for the last downlinks of all its clients
            self._change_after(0.0)

    @property
    def open_rows(self) -> list[int]:
        """Return the record's rows of transfers in progress; -1 for one that has not begun to send."""
        return [transfer.row for transfer in self._transfers.values()]

    def _advance(self) -> None:
        """Update the remaining bits and the energies since the last change."""
        now_s = self._env.now
        elapsed_s, self._last_change_s = now_s - self._last_change_s, now_s
        if elapsed_s > 0 and self._grant is not None:
            self._grant.advance(self._remaining_bits, self._energy_j, elapsed_s)
            for client, power_w in self._powers_w(self._grant):
                self._accounts[client].drain(power_w * elapsed_s)
            self._count_pauses(self._grant, elapsed_s)

    def _powers_w(self, grant: Grant) -> list[tuple[int, float]]:
        """Return each client that accounts for its energy, and its power under a grant, [W]."""
        if not self._accounts:
            return []
        granted_w = {client: power_w for client, _, power_w in grant.select(self._accounts)}
        powers = []
        for client in self._accounts:
            device = self._transfers[client].device.powers
            if client not in granted_w:
                powers.append((client, device.idle_w))
            else:
                powers.append((client, granted_w[client] if self._devices_pay else device.receive_w))
        return powers

    def _count_pauses(self, grant: Grant, elapsed_s: float) -> None:
        """Add the time to the pauses of the transfers that have begun and have no grant."""
        tracked = [row for row, each in self._transfers.items() if each.row >= 0 and any(each.device.powers)]
        granted = {row for row, _, _ in grant.select(tracked)}
        for row in tracked:
            if row not in granted:
                device = self._transfers[row].device.client
                self._pauses_s[device] = self._pauses_s.get(device, 0.0) + elapsed_s

    def take_pauses(self) -> dict[int, float]:
        """Return the pauses since the last call of this method, and forget them.

        Returns
        -------
        dict of int to float
            For each device with powers of its own, the time in which its transfer had begun and had no grant,
            [s].
        """
        pauses_s, self._pauses_s = self._pauses_s, {}
        return pauses_s

    def _change_after(self, delay_s: float) -> None:
        """Make a new grant after this delay, behind everything else that happens at that instant."""
        cancel(self._next_change)
        self._next_change = schedule_after(self._env, delay_s, self._change, EventOrder.SHARED_MEDIUM)

    def _change(self) -> None:
        self._advance()
        now_s = self._env.now
        for client in self._grant.ended(now_s) if self._grant is not None else ():
            self._remaining_bits[client] = 0.0
            transfer = self._remove(client)
            if transfer.repeated_bits:
                self._record.events.add(
                    now_s,
                    transfer.device.index,
                    EventKind.RESENT,
                    value=transfer.repeated_bits,
                    detail=transfer.phase.name,
                )
            transfer.ended.succeed()
        for client in [client for client, depleted_s in self._depleted_s.items() if depleted_s <= now_s]:
            if client in self._transfers:
                self._accounts[client].deplete()
        self._make_grant()

    def _make_grant(self) -> None:
        """Ask the scheduler for a new grant, and schedule the next change."""
        now_s = self._env.now
        self._depleted_s = {}
        if not self._transfers:
            cancel(self._next_change)
            self._grant = None
            return
        waiting, change_s = self._reachable(now_s)
        grant: Grant = NoGrant()
        if waiting:
            grant = self.scheduler.grant(waiting, self._remaining_bits, now_s)
        self._grant = grant
        if self._circuits_w:
            grant.add_power(self._circuits_w)
        for client, rate_bps, _ in grant.select(self._not_begun):
            if rate_bps > 0:
                self._begin(self._transfers[client])
                self._not_begun.discard(client)
        first_end_s = grant.first_end_s(self._remaining_bits, now_s)
        for client, power_w in self._powers_w(grant):
            if power_w > 0:
                self._depleted_s[client] = now_s + self._accounts[client].lasts_s(power_w)
        change_s = min(change_s, grant.until_s, first_end_s, *self._depleted_s.values())
        if math.isfinite(change_s):
            self._change_after(max(0.0, change_s - now_s))

    def _reachable(self, now_s: float) -> tuple[Sequence[int], float]:
        """Return the rows of the transfers whose links work, and the next change of a link, [s]."""
        if not self._interruptions:
            return self._order, math.inf
        rows, change_s = array("q"), math.inf
        for row in self._order:
            transfer, works = self._transfers[row], 1.0
            if transfer.interruptions is not None:
                works, until_s = transfer.interruptions.at(now_s)
                change_s = min(change_s, until_s)
                if not works and transfer.interruptions.restarts:
                    self._begin_anew(row, transfer)
            if works:
                rows.append(row)
        return rows, change_s

    def _begin_anew(self, row: int, transfer: _Transfer) -> None:
        """Let a transfer send all of its bits again, if it has sent any."""
        sent = transfer.bits - self._remaining_bits[row]
        if sent > 0:
            transfer.repeated_bits += sent
            transfer.restarts += 1
            check_restarts(transfer.restarts)
            self._remaining_bits[row] = transfer.bits

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

    def _remove(self, client: int) -> _Transfer:
        """Remove a transfer, and close its row in the record with the bits that it has sent."""
        transfer = self._transfers.pop(client)
        bits, energy_j = transfer.bits - self._remaining_bits[client], self._energy_j[client]
        bits += transfer.repeated_bits
        self._order.remove(client)
        self._not_begun.discard(client)
        self._circuits_w.pop(client, None)
        account = self._accounts.pop(client, None)
        if account is not None:
            account.end_transfer()
        if transfer.row >= 0:
            self._record.close(transfer.row, self._env.now, bits, energy_j)
        return transfer
