"""Devices: nodes that compute, and that send and receive over links."""

from __future__ import annotations

from typing import Any, Protocol

from simpy import Environment, Event

from ..timeline.interval_record import IntervalRecord
from ..timeline.lanes import ActiveTimes, missing_lane
from ..timeline.phases import LaneName, Phase
from .capacity import CapacityTrace
from .device_powers import NO_POWERS, DevicePowers
from .node import Node

__all__ = ["Device", "LinkTransport"]


class LinkTransport(Protocol):
    """Transports a device's bits in one direction."""

    @property
    def capacity(self) -> CapacityTrace | None:
        """The link's rate over time; None where it is constant, or where a shared medium accounts for it."""

    def transmit(self, node: Node, phase: Phase, bits: float) -> Event:
        """Return the event at which the transfer of these bits ends."""

    def abort(self, node: Node) -> None:
        """Stop the node's transfers that its lanes do not record."""


class Device(Node):
    """A client's device: it computes, and sends and receives over its links.

    Parameters
    ----------
    powers : DevicePowers
        The device's powers besides computation and radiated power; all 0 by default.
    processor : Any
        The other parameters of :class:`Node`.
    """

    __slots__ = ("downlink_from_server", "powers", "received", "row", "uplink_to_server")

    uplink_to_server: LinkTransport
    downlink_from_server: LinkTransport
    #: the event at which the last downlink ends
    received: Event
    #: the device's row in the links and plans of the current round
    row: int

    def __init__(
        self,
        env: Environment,
        record: IntervalRecord,
        index: int,
        *,
        powers: DevicePowers = NO_POWERS,
        **processor: Any,
    ) -> None:
        super().__init__(env, record, index, **processor)
        self.powers = powers

    @property
    def client(self) -> int:
        """Return the device's number among the clients, from 0."""
        return self.index - 1

    def capacity_of(self, lane: LaneName) -> CapacityTrace | None:
        """Return the capacity of a lane over time; None where it is constant."""
        if lane == "uplink":
            return self.uplink_to_server.capacity
        if lane == "downlink":
            return self.downlink_from_server.capacity
        return super().capacity_of(lane)

    def do(self, phase: Phase, amount: float) -> Event:
        """Return the event at which an activity ends, on the phase's lane.

        Parameters
        ----------
        amount : float
            FLOPs of a computation, or bits of a transfer.
        """
        lane = phase.lane
        if lane == "compute":
            return self.compute(phase, amount)
        if lane == "uplink":
            return self.uplink(phase, amount)
        if lane == "downlink":
            return self.downlink(phase, amount)
        raise missing_lane(phase)

    def uplink(self, phase: Phase, bits: float) -> Event:
        """Return the event at which the transfer of these bits to the server ends."""
        return self.uplink_to_server.transmit(self, phase, bits)

    def downlink(self, phase: Phase, bits: float) -> Event:
        """Return the event at which the transfer of these bits from the server ends."""
        self.received = self.downlink_from_server.transmit(self, phase, bits)
        return self.received

    def receive_broadcast(
        self, phase: Phase, start_s: float, end_s: float, active: ActiveTimes | None = None
    ) -> None:
        """Record the reception of a broadcast; its bits and its transmit energy are in the server's row.

        Parameters
        ----------
        active : ActiveTimes, optional
            The times in which the access point sends; by default always.
        """
        lane = self.lanes["downlink"]
        lane.row = self.record.append(self.index, phase, start_s, end_s, 0.0, 0.0, 0.0, 0.0, -1)
        lane.active = active
        if active is not None:
            self.record.active_times[lane.row] = active.done
        lane.free_at_s = max(lane.free_at_s, end_s)
        if self.energy_account is not None:
            self.energy_account.book(lane, 0.0)

    def abort(self) -> None:
        """Stop computing, sending and receiving now; the record keeps the part that is done."""
        now_s = self.env.now
        stopped = [lane.row for lane in self.lanes.values() if lane.free_at_s > now_s]
        super().abort()
        self.uplink_to_server.abort(self)
        self.downlink_from_server.abort(self)
        if self.energy_account is not None:
            self.energy_account.settle_aborted(stopped)
