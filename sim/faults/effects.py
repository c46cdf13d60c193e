"""The effects that a fault can have on a device, and the combination of several faults."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

from ...scenarios.registry import specs
from ...scenarios.schema.scenario import Scenario
from ..nodes.capacity import CombinedCapacity, ComputeNoise, PiecewiseCapacity
from ..nodes.device import Device
from ..nodes.fleet import Fleet
from ..nodes.transmission import Interruptions
from ..timeline.event_log import State
from ..timeline.phases import Phase
from .mean_durations import MeanDuration

__all__ = [
    "NO_FAULTS",
    "AvailabilityTrace",
    "BroadcastLosses",
    "ComputeNoise",
    "Departure",
    "Fault",
    "Faults",
    "LinkInterruptions",
    "MessageLosses",
    "Sending",
    "StateTrace",
    "faults_of",
]


class Departure(Protocol):
    """Decides when a client leaves the run for good.

    A trace may follow the device's energy: :meth:`follow` then sets the device's ``energy_account``.
    """

    def follow(self, device: Device, leave: Callable[[], None]) -> None:
        """Follow this device from now on, and call ``leave`` at the instant at which the client leaves."""

    def state(self) -> Any:
        """Return the state between two rounds, which can be pickled."""

    def restore(self, state: Any) -> None:
        """Take over the state of another trace of the same device."""


@runtime_checkable
class StateTrace(Protocol):
    """Lists the states of a node for the log of events, for example the times in which it is slow."""

    def states(self, start_s: float, end_s: float) -> Iterable[State]:
        """Return the states between two instants, cut at both, in their order."""


class AvailabilityTrace(StateTrace, Protocol):
    """Gives the times at which a device is online.

    A device that goes offline stops its activity, and misses the round.
    """

    def is_online(self, time_s: float) -> bool:
        """Return whether the device is online at an instant."""

    def next_change_s(self, time_s: float) -> float:
        """Return the next instant after this one at which the device goes on- or offline, [s]."""


class LinkInterruptions(StateTrace, Interruptions, Protocol):
    """Gives the times at which the links of a device are interrupted, in both directions."""


class MessageLosses(Protocol):
    """Draws the lost packets and messages of one device; the messages of each direction are numbered."""

    def sending(self, phase: Phase, bits: float, snr: float, *, must_arrive: bool = False) -> Sending:
        """Draw the packets of the next message, and return all bits sent and whether it arrives.

        Parameters
        ----------
        bits : float
            The message's size, more than 0, [bit].
        snr : float
            The mean signal-to-noise ratio of the link, linear, [1]; NaN on links of fixed rates.
        must_arrive : bool
            Whether each packet is sent until it arrives, without a limit of tries.
        """

    def state(self) -> tuple[int, int]:
        """Return the numbers of uplink and of downlink messages so far."""

    def restore(self, state: tuple[int, int]) -> None:
        """Continue after these numbers of messages."""


class BroadcastLosses(Protocol):
    """Draws the repeated packets of broadcasts. Its draws are numbered."""

    def air_bits(self, bits: float, snr: Sequence[float]) -> float:
        """Draw the packets of the next broadcast, and return its bits on the air, [bit].

        Parameters
        ----------
        bits : float
            The message's size, more than 0, [bit].
        snr : sequence of float, [num_listeners]
            The mean signal-to-noise ratio of each listener's link, linear, [1]; NaN on links of fixed rates.
        """

    def state(self) -> int:
        """Return the number of broadcasts so far."""

    def restore(self, state: int) -> None:
        """Continue after this number of broadcasts."""


@dataclass(frozen=True)
class Sending:
    """How one message is sent.

    Attributes
    ----------
    air_bits : float
        The bits on the air, with repeated packets, [bit].
    arrives : bool
        Whether the message arrives.
    """

    air_bits: float
    arrives: bool


@dataclass(frozen=True)
class Fault:
    """One fault of one run; each effect on a device is a function of the device's number.

    A function returns None for a device that the fault does not concern. An effect that can never show must
    be None too: a probability of 0 or a mean time of infinity is no fault, and costs nothing.

    Attributes
    ----------
    compute_capacity : callable, optional
        The relative speed of the device's processor over time.
    compute_noise : callable, optional
        The random times of the device's computations.
    departure : callable, optional
        The departure, by which the device may leave the run for good.
    availability : callable, optional
        The times in which the device is online.
    interruptions : callable, optional
        The interruptions of the device's links.
    losses : callable, optional
        The lost packets and messages of the device.
    broadcast_losses : callable, optional
        Creates the lost packets of the server's broadcasts; it has no argument.
    server_capacity : PiecewiseCapacity, optional
        The relative speed of the server's processor over time; 0 while it has failed.
    mean_duration : callable, optional
        The mean durations of the device's computations under this fault, for plans for stationary means.
    mean_delivered : float, optional
        The share of a link's time and bits that serves new bits on average, for the same plans. They ignore
        a fault that states neither.
    """

    compute_capacity: Callable[[int], PiecewiseCapacity | None] | None = None
    compute_noise: Callable[[int], ComputeNoise | None] | None = None
    departure: Callable[[int], Departure | None] | None = None
    availability: Callable[[int], AvailabilityTrace | None] | None = None
    interruptions: Callable[[int], LinkInterruptions | None] | None = None
    losses: Callable[[int], MessageLosses | None] | None = None
    broadcast_losses: Callable[[], BroadcastLosses | None] | None = None
    server_capacity: PiecewiseCapacity | None = None
    mean_duration: Callable[[int], MeanDuration | None] | None = None
    mean_delivered: float = 1.0


@dataclass(frozen=True)
class Faults:
    """All faults of one run; by default there are none."""

    faults: tuple[Fault, ...] = ()

    @classmethod
    def of(cls, faults: Iterable[Fault | None]) -> Faults:
        """Return these faults, without those that the scenario does not have."""
        return cls(tuple(fault for fault in faults if fault is not None))

    @property
    def clients_may_leave(self) -> bool:
        """Return whether a client may leave the run, in the middle of an activity too."""
        return any(fault.departure is not None for fault in self.faults)

    @property
    def clients_may_go_offline(self) -> bool:
        """Return whether a client may miss the rest of a round because it goes offline."""
        return any(fault.availability is not None for fault in self.faults)

    def without_availability(self) -> Faults:
        """Return the faults for a scheme that does without devices: all but their times offline."""
        return Faults(tuple(replace(fault, availability=None) for fault in self.faults))

    @property
    def links_may_fail(self) -> bool:
        """Return whether links are interrupted, or lose packets or messages."""
        return self.messages_may_be_lost or any(fault.interruptions is not None for fault in self.faults)

    @property
    def messages_may_be_lost(self) -> bool:
        """Return whether packets or messages of a device may be lost."""
        return any(fault.losses is not None for fault in self.faults)

    def compute_capacity(self, device: int) -> PiecewiseCapacity | None:
        """Return the relative speed of a device's processor: the product over all faults."""
        each = [fault.compute_capacity(device) for fault in self.faults if fault.compute_capacity is not None]
        return _product(each)

    @property
    def server_capacity(self) -> PiecewiseCapacity | None:
        """Return the relative speed of the server's processor: the product over all faults."""
        return _product([fault.server_capacity for fault in self.faults])

    def device_states(self, device: int) -> list[StateTrace]:
        """Return the traces of a device that have states, in the order of the faults."""
        traces: list[object] = []
        for fault in self.faults:
            effects: tuple[Callable[[int], object] | None, ...] = (
                fault.compute_capacity,
                fault.availability,
                fault.interruptions,
            )
            traces += [effect(device) for effect in effects if effect is not None]
        return [trace for trace in traces if isinstance(trace, StateTrace)]

    @property
    def server_states(self) -> list[StateTrace]:
        """Return the traces of the server that have states, in the order of the faults."""
        traces: list[object] = [fault.server_capacity for fault in self.faults]
        return [trace for trace in traces if isinstance(trace, StateTrace)]

    def departures(self, device: int) -> list[Departure]:
        """Return the departures of a device, in the order of the faults."""
        each = [fault.departure(device) for fault in self.faults if fault.departure is not None]
        return [trace for trace in each if trace is not None]

    def compute_noise(self, device: int) -> ComputeNoise | None:
        """Return the random times of a device's computations; one fault at most has any."""
        return _only(fault.compute_noise(device) for fault in self.faults if fault.compute_noise)

    def availability(self, device: int) -> AvailabilityTrace | None:
        """Return the times in which a device is online; one fault at most has any."""
        return _only(fault.availability(device) for fault in self.faults if fault.availability)

    def interruptions(self, device: int) -> LinkInterruptions | None:
        """Return the interruptions of a device's links; one fault at most has any."""
        return _only(fault.interruptions(device) for fault in self.faults if fault.interruptions)

    def losses(self, device: int) -> MessageLosses | None:
        """Return the lost packets and messages of a device; one fault at most has any."""
        return _only(fault.losses(device) for fault in self.faults if fault.losses)

    def broadcast_losses(self) -> BroadcastLosses | None:
        """Return new draws of the lost packets of broadcasts; one fault at most has any."""
        return _only(fault.broadcast_losses() for fault in self.faults if fault.broadcast_losses)

    def mean_durations(self, device: int) -> tuple[MeanDuration, ...]:
        """Return the mean durations of a device's computations, to be applied one after the other."""
        each = [fault.mean_duration(device) for fault in self.faults if fault.mean_duration is not None]
        return tuple(mean for mean in each if mean is not None)

    @property
    def mean_delivered(self) -> float:
        """Return the share of links' time and bits that serves new bits: the product over all faults."""
        return math.prod(fault.mean_delivered for fault in self.faults)

    @property
    def vary_rounds(self) -> bool:
        """Return whether rounds may differ because of them, apart from clients that leave the run."""
        others = ("departure", "mean_duration", "mean_delivered")
        effects = [field.name for field in fields(Fault) if field.name not in others]
        return any(getattr(fault, name) is not None for fault in self.faults for name in effects)


NO_FAULTS = Faults()


def _product(traces: Sequence[PiecewiseCapacity | None]) -> PiecewiseCapacity | None:
    """Return the product of relative speeds; None if there is none, for full speed."""
    present = [trace for trace in traces if trace is not None]
    if len(present) > 1:
        return CombinedCapacity(present)
    return present[0] if present else None


_Effect = TypeVar("_Effect")


def _only(effects: Iterable[_Effect | None]) -> _Effect | None:
    """Return the one effect that is not None, or None.

    Raises
    ------
    ValueError
        If several faults have the effect.
    """
    present = [effect for effect in effects if effect is not None]
    if len(present) > 1:
        raise ValueError(f"several faults have the same effect, {type(present[0]).__name__}")
    return present[0] if present else None


def faults_of(scenario: Scenario, fleet: Fleet) -> Faults:
    """Return all faults that a scenario has.

    Every registered fault is a function ``(scenario, fleet) -> Fault | None``. It reads its own section of
    the scenario, and returns None where the scenario lacks that section.
    """
    return Faults.of(spec.load()(scenario, fleet) for spec in specs("fault"))
