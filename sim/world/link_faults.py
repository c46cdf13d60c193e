"""The faulty links of one world: which devices have outages, lost messages or measured rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from ..faults.effects import BroadcastLosses, Faults, LinkInterruptions, MessageLosses
from ..links.interrupted_link import ConstantRate, FaultyBroadcast, InterruptedLink
from ..links.link_rates import LinkRatesOverTime
from ..links.lossy_link import LossyLink, Retries
from ..links.shared_medium import SharedMedium
from ..links.transmitters import BroadcastLink, ConstantRateLink, VaryingRateLink, dedicated_links
from ..nodes.capacity import CapacityTrace
from ..nodes.device import Device, LinkTransport
from ..nodes.fleet import Fleet

__all__ = ["LinkFaults", "LossState"]

Links: TypeAlias = tuple[LinkTransport, LinkTransport]


@dataclass(frozen=True)
class LossState:
    """The numbers of messages so far, from which other draws continue.

    Attributes
    ----------
    messages : dict of int to (int, int)
        For each device with lost messages, its uplink and its downlink messages.
    broadcasts : int
        The broadcasts, if they lose packets.
    """

    messages: dict[int, tuple[int, int]]
    broadcasts: int = 0


class LinkFaults:
    """The outages, the lost messages and the measured rates of a world's links.

    Parameters
    ----------
    faults : Faults
        All faults of the run.
    fleet : Fleet
        The devices, perhaps with measured rates.
    retries : Retries
        The rule for lost uploads.
    is_working : callable
        From a client to whether it runs its program of a step now.

    Attributes
    ----------
    interruptions : dict of int to LinkInterruptions
        By device, the outages of each device that was created and has any.
    """

    def __init__(
        self, faults: Faults, fleet: Fleet, retries: Retries, is_working: Callable[[int], bool]
    ) -> None:
        self._faults, self._traces, self._retries = faults, fleet.link_traces, retries
        self._is_working = is_working
        self.interruptions: dict[int, LinkInterruptions] = {}
        self._losses: dict[int, MessageLosses] = {}
        self._broadcast_losses: BroadcastLosses | None = faults.broadcast_losses()

    @property
    def may_change_links(self) -> bool:
        """Return whether the links of any device have outages, lost messages or measured rates."""
        return self._faults.links_may_fail or self._traces is not None

    def add_device(self, client: int) -> None:
        """Note a device that was created."""
        if (interruptions := self._faults.interruptions(client)) is not None:
            self.interruptions[client] = interruptions
        if (losses := self._faults.losses(client)) is not None:
            self._losses[client] = losses

    def links(
        self, device: Device, source: LinkRatesOverTime, shared: tuple[SharedMedium, SharedMedium] | None
    ) -> Links:
        """Return the uplink and the downlink of a device.

        Parameters
        ----------
        source : LinkRatesOverTime
            The planned links.
        shared : (SharedMedium, SharedMedium), optional
            The shared uplink and downlink band, which know the outages; None for dedicated links.
        """
        client = device.client
        # only devices send over a shared band
        uplink, downlink = cast(Links, shared) if shared else self._dedicated(device, source)
        losses = self._losses.get(client)
        if losses is None:
            return uplink, downlink
        snr = source.mean_snr()
        nan = float("nan")
        snrs = (nan, nan) if snr is None else (float(snr.uplink[device.row]), float(snr.downlink[device.row]))

        def is_working() -> bool:
            return self._is_working(client)

        return (
            LossyLink(uplink, losses, snrs[0], self._retries, is_working),
            LossyLink(downlink, losses, snrs[1], self._retries, is_working),
        )

    def broadcast(self, source: LinkRatesOverTime, row: Mapping[int, int]) -> BroadcastLink:
        """Return the broadcast channel to the clients of the round."""
        if not self.may_change_links:
            return BroadcastLink(source, row)
        traces = self._traces
        own_rate: Callable[[int], CapacityTrace] | None = None
        if traces is not None:
            own_rate = traces.downlink.__getitem__
        elif source.mean_snr() is None:
            links, _ = source.at(0.0)

            def own_rate(client: int) -> CapacityTrace:
                return ConstantRate(1.0 / float(links.whole_band_bps[row[client]]))

        return FaultyBroadcast(source, row, self.interruptions, self._broadcast_losses, own_rate)

    def state(self) -> LossState:
        """Return the numbers of messages so far."""
        broadcasts = self._broadcast_losses.state() if self._broadcast_losses is not None else 0
        return LossState({client: each.state() for client, each in self._losses.items()}, broadcasts)

    def restore(self, state: LossState) -> None:
        """Continue after these numbers of messages."""
        for client, numbers in state.messages.items():
            self._losses[client].restore(numbers)
        if self._broadcast_losses is not None:
            self._broadcast_losses.restore(state.broadcasts)

    def _dedicated(self, device: Device, source: LinkRatesOverTime) -> Links:
        """Return a device's links of its own: measured, planned, or planned with outages."""
        client, interruptions = device.client, self.interruptions.get(device.client)
        circuit_w = device.powers.circuit_w
        if self._traces is not None:
            return (
                InterruptedLink(self._traces.uplink[client], circuit_w, interruptions),
                InterruptedLink(self._traces.downlink[client], 0.0, interruptions),
            )
        uplink, downlink = dedicated_links(source, device.row, circuit_w)
        if interruptions is None:
            return uplink, downlink
        return _interrupted(uplink, interruptions), _interrupted(downlink, interruptions)


def _interrupted(link: LinkTransport, interruptions: LinkInterruptions) -> InterruptedLink:
    """Return a dedicated link with interruptions."""
    assert isinstance(link, ConstantRateLink | VaryingRateLink)
    rate = ConstantRate(link.seconds_per_bit) if isinstance(link, ConstantRateLink) else link.capacity
    return InterruptedLink(rate, link.power_w, interruptions)
