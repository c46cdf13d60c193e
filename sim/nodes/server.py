"""The server: it serves clients, and broadcasts over the whole band."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from simpy import Environment, Timeout

from ..timeline.event_log import EventKind
from ..timeline.interval_record import IntervalRecord
from ..timeline.phases import Phase
from .device import Device
from .node import Node
from .transmission import Transmission

__all__ = ["BroadcastChannel", "Server"]


class BroadcastChannel(Protocol):
    """The access point's whole band."""

    def transmission(self, bits: float, clients: Sequence[int], ready_s: float) -> Transmission:
        """Return the transmission of a broadcast to these clients, which is ready at an instant, [s]."""

    def power_w(self, time_s: float) -> float:
        """Return the transmit power at an instant, [W]."""


class Server(Node):
    """The server with the access point's broadcast channel.

    Parameters
    ----------
    listeners : callable, optional
        Maps the receivers of a broadcast to the devices that record it. Without it nothing is recorded,
        because no device spends energy on receptions or idle time.
    processor : Any
        The other parameters of :class:`Node`.
    """

    broadcaster: BroadcastChannel

    def __init__(
        self,
        env: Environment,
        record: IntervalRecord,
        index: int,
        *,
        listeners: Callable[[Sequence[int]], Iterable[Device]] | None = None,
        **processor: Any,
    ) -> None:
        super().__init__(env, record, index, **processor)
        self._listeners = listeners

    def serve(self, stages: Iterable[tuple[Phase, float]], client: int) -> Timeout:
        """Return the event at which the server has done one client's stages, one behind the other.

        Clients are served first come first served.

        Parameters
        ----------
        stages : iterable of (Phase, float)
            Each stage with its FLOPs.
        client : int
            The client, which the record names with each stage.
        """
        event = Timeout(self.env, 0.0)
        ready_s = self.env.now
        for phase, flops in stages:
            duration_s = flops * self.seconds_per_flop
            if self.compute_capacity is not None and flops:
                duration_s = self._stretched_s(duration_s)
            event = self.occupy(
                self._compute_lane,
                phase,
                duration_s,
                0.0,
                flops,
                flops * self.joules_per_flop,
                client,
                ready_s,
            )
            if flops:  # the next stage is ready when this one ends
                ready_s = self._compute_lane.free_at_s
        return event

    def broadcast(self, phase: Phase, bits: float, clients: Sequence[int]) -> Timeout:
        """Return the event at which a broadcast ends; its rate is that of the client with the weakest link.

        The bits count once, on the server's downlink.
        """
        lane = self.lanes["downlink"]
        ready_s = max(self.env.now, lane.free_at_s)
        sent = self.broadcaster.transmission(bits, clients, ready_s)
        if sent.start_s > ready_s:
            lane.free_at_s = sent.start_s  # it begins with its first bit
        energy_j = sent.active_s * self.broadcaster.power_w(sent.start_s)
        ended = self.occupy(lane, phase, sent.duration_s, sent.bits, 0.0, energy_j, active=sent.active)
        if sent.bits > bits:
            self.record.events.add(
                lane.free_at_s, self.index, EventKind.RESENT, value=sent.bits - bits, detail=phase.name
            )
        if bits and self._listeners is not None:
            for device in self._listeners(clients):
                device.receive_broadcast(phase, sent.start_s, lane.free_at_s, sent.active)
        return ended
