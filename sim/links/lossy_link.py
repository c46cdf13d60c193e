"""Links that lose packets and messages: repeated packets, lost messages, and uploads that are sent again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from simpy import Event

from ...scenarios.schema.round_policy import RoundPolicy
from ..faults.effects import MessageLosses
from ..nodes.capacity import CapacityTrace
from ..nodes.device import LinkTransport
from ..nodes.node import Node
from ..timeline.event_log import EventKind
from ..timeline.event_order import schedule_after
from ..timeline.phases import Phase

__all__ = ["NO_RETRIES", "LossyLink", "MessageLostError", "Retries", "retries_of"]


class MessageLostError(Exception):
    """A message of a client is lost for good; the client's program gets this error at its transfer."""


@dataclass(frozen=True)
class Retries:
    """The rule by which a lost upload is sent again.

    Attributes
    ----------
    count : int
        The largest number of times that it is sent again.
    timeout_s : float
        The time from the end of the upload to its repetition, [s].
    """

    count: int = 0
    timeout_s: float = 0.0


NO_RETRIES = Retries()


def retries_of(section: RoundPolicy) -> Retries:
    """Return the rule of a scenario's section ``round_policy``."""
    if section.retries is None or section.timeout_s is None:
        return NO_RETRIES
    return Retries(section.retries, section.timeout_s)


@dataclass(eq=False)
class _Message:
    """A message in progress.

    Attributes
    ----------
    retries : int
        The number of times that it was sent again.
    """

    node: Node
    phase: Phase
    bits: float
    ended: Event
    retries: int = 0


class LossyLink:
    """A link that may lose packets and messages.

    A message is sent with all repeated packets. A lost upload is sent again by the rule of the round policy.
    After that, the event of a lost message fails, so that the client's program ends. Messages outside of the
    client's program are never given up: their packets are sent until they arrive.

    Parameters
    ----------
    link : LinkTransport
        Carries the bits.
    losses : MessageLosses
        Draws the fates of the messages.
    snr : float
        The link's mean signal-to-noise ratio, linear, [1]; NaN if it is unknown.
    retries : Retries
        The rule for lost uploads.
    may_be_given_up : callable
        Returns whether the client runs its program of a step now.
    """

    def __init__(
        self,
        link: LinkTransport,
        losses: MessageLosses,
        snr: float,
        retries: Retries,
        may_be_given_up: Callable[[], bool],
    ) -> None:
        self._link, self._losses, self._snr = link, losses, snr
        self._retries, self._may_be_given_up = retries, may_be_given_up
        self._messages: set[_Message] = set()

    @property
    def capacity(self) -> CapacityTrace | None:
        """The rate of the link over time; None where it is constant."""
        return self._link.capacity

    def transmit(self, node: Node, phase: Phase, bits: float) -> Event:
        """Return the event at which the message has arrived, or at which it fails because it is given up."""
        if not bits:
            return self._link.transmit(node, phase, bits)
        message = _Message(node, phase, bits, node.env.event())
        message.ended.defused = True  # a client that was stopped waits for it no longer
        self._messages.add(message)
        self._send(message)
        return message.ended

    def abort(self, node: Node) -> None:
        """Stop the node's messages, which no process waits for any more."""
        messages, self._messages = self._messages, set()
        self._link.abort(node)
        for message in messages:
            message.ended.succeed()  # a round may wait for the last downlinks of all its clients

    def _send(self, message: _Message) -> None:
        sending = self._losses.sending(
            message.phase, message.bits, self._snr, must_arrive=not self._may_be_given_up()
        )
        sent = self._link.transmit(message.node, message.phase, sending.air_bits)
        assert sent.callbacks is not None

        def on_sent(_: Event) -> None:
            if message not in self._messages:  # it was stopped
                return
            if sending.arrives:
                self._arrive(message, sending.air_bits)
            else:
                self._lose(message)

        sent.callbacks.append(on_sent)

    def _arrive(self, message: _Message, air_bits: float) -> None:
        self._messages.discard(message)
        if air_bits > message.bits:
            self._log(message, EventKind.RESENT, air_bits - message.bits)
        message.ended.succeed()

    def _lose(self, message: _Message) -> None:
        """Log a lost message, and send it again or give it up. The receiver has noticed the loss by now."""
        self._log(message, EventKind.LOST, message.bits)
        if message.phase.lane == "uplink" and message.retries < self._retries.count:
            message.retries += 1
            schedule_after(message.node.env, self._retries.timeout_s, lambda: self._retry(message))
            return
        self._messages.discard(message)
        message.ended.fail(MessageLostError(f"{message.node.name} has lost its {message.phase.name}"))

    def _retry(self, message: _Message) -> None:
        if message in self._messages:
            self._log(message, EventKind.RETRY, float(message.retries))
            self._send(message)

    def _log(self, message: _Message, kind: EventKind, value: float) -> None:
        node = message.node
        node.record.events.add(float(node.env.now), node.index, kind, value=value, detail=message.phase.name)
