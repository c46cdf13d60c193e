"""The effects that a fault can have on a device, and the combination of several faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ...scenarios.registry import specs
from ...scenarios.schema.scenario import Scenario
from ..nodes.capacity import CapacityTrace, CombinedCapacity, PiecewiseCapacity
from ..nodes.fleet import Fleet
from ..nodes.node import Device

__all__ = ["Fault", "Faults", "PresenceTrace", "faults_of"]


class PresenceTrace(Protocol):
    """Decides when a client leaves the run for good.

    A trace may follow the device's energy: :meth:`follow` then sets the device's ``energy_account``.
    """

    def follow(self, device: Device, leave: Callable[[], None]) -> None:
        """Follow this device from now on, and call ``leave`` at the instant at which the client leaves."""

    def state(self) -> Any:
        """Return the state between two rounds, which can be pickled."""

    def restore(self, state: Any) -> None:
        """Take over the state of another trace of the same device."""


@dataclass(frozen=True)
class Fault:
    """One fault of one run; each effect is a function of the device's number.

    Attributes
    ----------
    compute_capacity : callable, optional
        From a device's number to the relative speed of its processor over time, or None for full speed.
    presence : callable, optional
        From a device's number to its presence trace, or None for a device that stays.
    """

    compute_capacity: Callable[[int], PiecewiseCapacity | None] | None = None
    presence: Callable[[int], PresenceTrace | None] | None = None


@dataclass(frozen=True)
class Faults:
    """All faults of one run; by default there are none."""

    faults: tuple[Fault, ...] = ()

    @property
    def clients_may_leave(self) -> bool:
        """Return whether a client may leave the run, in the middle of an activity too."""
        return any(fault.presence is not None for fault in self.faults)

    def compute_capacity(self, device: int) -> CapacityTrace | None:
        """Return the relative speed of a device's processor: the product over all faults."""
        each = [fault.compute_capacity(device) for fault in self.faults if fault.compute_capacity is not None]
        traces = [trace for trace in each if trace is not None]
        if len(traces) > 1:
            return CombinedCapacity(traces)
        return traces[0] if traces else None

    def presence(self, device: int) -> list[PresenceTrace]:
        """Return the presence traces of a device, in the order of the faults."""
        each = [fault.presence(device) for fault in self.faults if fault.presence is not None]
        return [trace for trace in each if trace is not None]


def faults_of(scenario: Scenario, fleet: Fleet) -> Faults:
    """Return all faults that a scenario has.

    Every registered fault is a function ``(scenario, fleet) -> Fault | None``. It reads its own section of
    the scenario, and returns None where the scenario lacks that section.
    """
    each = [spec.load()(scenario, fleet) for spec in specs("fault")]
    return Faults(tuple(fault for fault in each if fault is not None))
