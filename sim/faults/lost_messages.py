"""Lost packets and lost uploads: the draws of each device's messages (docs/model.md section 2.9)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...scenarios.errors import KeyPathError
from ...scenarios.random_streams import stream
from ...scenarios.schema.scenario import Scenario
from ..nodes.fleet import Fleet
from ..timeline.phases import Phase
from .effects import Fault, Sending
from .packet_loss import PacketErrors, packet_errors

__all__ = ["BroadcastDraws", "MessageDraws", "lost_messages_fault"]

BLOCK = 64
"""Number of uploads whose fates are drawn from one random stream."""


def lost_messages_fault(scenario: Scenario, fleet: Fleet) -> Fault | None:
    """Return the lost packets and uploads of a scenario; None where it loses none.

    Raises
    ------
    KeyPathError
        If the file of block error rates cannot be used.
    """
    section = scenario.faults
    if section is None:
        return None
    errors, lost_share = None, section.lost_update or 0.0
    if section.packet_loss is not None:
        try:
            errors = packet_errors(section.packet_loss)
        except ValueError as error:
            raise KeyPathError(str(error), ("faults", "packet_loss", "file")) from None
        if errors.never_lose:
            errors = None
    if errors is None and not lost_share:
        return None
    seed = scenario.seed
    return Fault(
        losses=lambda device: MessageDraws(seed, device, errors, lost_share),
        broadcast_losses=lambda: None if errors is None else BroadcastDraws(seed, errors),
        mean_delivered=1.0 if errors is None else errors.mean_delivered,
    )


class MessageDraws:
    """Draws the fates of one device's messages; those of one direction are numbered.

    A message has a random stream of its own, by seed, device, direction and number.

    Parameters
    ----------
    errors : PacketErrors or None
        The lost packets; None for none.
    lost_share : float
        The probability that an upload never arrives, whatever its packets.
    """

    def __init__(self, seed: int, device: int, errors: PacketErrors | None, lost_share: float) -> None:
        self._seed, self._device = seed, device
        self._errors, self._lost_share = errors, lost_share
        self._uplinks = self._downlinks = 0
        self._block: tuple[int, NDArray[np.float64]] = (-1, np.empty(0))

    def sending(self, phase: Phase, bits: float, snr: float, *, must_arrive: bool = False) -> Sending:
        """Draw the packets of the next message, and return all bits sent and whether it arrives.

        Parameters
        ----------
        bits : float
            The message's size, more than 0, [bit].
        snr : float
            The mean signal-to-noise ratio of the link, linear, [1].
        must_arrive : bool
            Whether each packet is sent until it arrives, and no upload is lost.
        """
        is_uplink = phase.lane == "uplink"
        number = self._uplinks if is_uplink else self._downlinks
        self._uplinks, self._downlinks = self._uplinks + is_uplink, self._downlinks + (not is_uplink)
        sending = Sending(bits, True)
        if self._errors is not None:
            rng = stream(self._seed, "packet loss", self._device, int(is_uplink), number)
            sending = self._errors.sending(rng, bits, snr, must_arrive=must_arrive)
        if is_uplink and self._lost_share and not must_arrive and self._is_lost(number):
            return Sending(sending.air_bits, False)
        return sending

    def state(self) -> tuple[int, int]:
        """Return the numbers of uplink and of downlink messages so far."""
        return self._uplinks, self._downlinks

    def restore(self, state: tuple[int, int]) -> None:
        """Continue after these numbers of messages."""
        self._uplinks, self._downlinks = state

    def _is_lost(self, number: int) -> bool:
        """Return whether the upload of this number never arrives."""
        block, index = divmod(number, BLOCK)
        if block != self._block[0]:
            self._block = block, stream(self._seed, "lost update", self._device, block).uniform(size=BLOCK)
        return bool(self._block[1][index] < self._lost_share)


class BroadcastDraws:
    """Draws the repeated packets of broadcasts, each from a random stream of its own."""

    def __init__(self, seed: int, errors: PacketErrors) -> None:
        self._seed, self._errors = seed, errors
        self._broadcasts = 0

    def air_bits(self, bits: float, snr: Sequence[float]) -> float:
        """Draw the packets of the next broadcast, and return its bits on the air, [bit].

        Parameters
        ----------
        bits : float
            The message's size, more than 0, [bit].
        snr : sequence of float, [num_listeners]
            The mean signal-to-noise ratio of each listener's link, linear, [1].
        """
        rng = stream(self._seed, "packet loss of broadcasts", self._broadcasts)
        self._broadcasts += 1
        return self._errors.broadcast_bits(rng, bits, snr)

    def state(self) -> int:
        """Return the number of broadcasts so far."""
        return self._broadcasts

    def restore(self, state: int) -> None:
        """Continue after this number of broadcasts."""
        self._broadcasts = state
