"""The clients that are online: who is, who goes offline in a round, and when the next one comes back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial

from simpy import Environment, Event

from ...faults.effects import AvailabilityTrace
from ...timeline.event_order import EventOrder, schedule_at

__all__ = ["NobodyOnlineError", "OnlineClients"]


class NobodyOnlineError(RuntimeError):
    """No device comes online again, so that no further round can begin."""


class OnlineClients:
    """Follows the availability of devices, and reports each that goes offline at that instant.

    Parameters
    ----------
    trace_of : callable
        Returns the availability of a device; None for a device that is always online.
    goes_offline : callable
        Called with a device's number when it goes offline.
    """

    def __init__(
        self,
        env: Environment,
        trace_of: Callable[[int], AvailabilityTrace | None],
        goes_offline: Callable[[int], None],
    ) -> None:
        self._env = env
        self._trace_of = trace_of
        self._goes_offline = goes_offline
        self._traces: dict[int, AvailabilityTrace] = {}

    def follow(self, device: int) -> None:
        """Follow a device from now on."""
        trace = self._trace_of(device)
        if trace is not None:
            self._traces[device] = trace
            self._expect_offline(device)

    def is_online(self, device: int) -> bool:
        """Return whether a device is online now."""
        trace = self._traces.get(device)
        return trace is None or trace.is_online(float(self._env.now))

    def next_online_s(self, devices: Iterable[int]) -> float:
        """Return the first instant from now on at which one of these devices is online, [s].

        It is infinite if none of them comes back.
        """
        now_s, first_s = float(self._env.now), math.inf
        for device in devices:
            if self.is_online(device):
                return now_s
            first_s = min(first_s, self._traces[device].next_change_s(now_s))
        return first_s

    def wait_until(self, time_s: float) -> None:
        """Let time pass up to exactly this instant; an instant that is past is no wait.

        Raises
        ------
        NobodyOnlineError
            If the instant is infinite: no device comes online again.
        """
        if math.isinf(time_s):
            raise NobodyOnlineError(
                f"no device comes online after {float(self._env.now):.6g} s (faults.availability), so no"
                " further round can begin; give a stop.rounds or stop.time_s that is reached before"
            )
        if time_s > self._env.now:
            reached = self._env.event()
            schedule_at(self._env, time_s, partial(self._mark, reached))
            self._env.run(until=reached)

    @staticmethod
    def _mark(reached: Event) -> None:
        reached.succeed()

    def _expect_offline(self, device: int) -> None:
        """Schedule the next instant at which a device goes offline."""
        trace, now_s = self._traces[device], float(self._env.now)
        change_s = trace.next_change_s(now_s)
        if not trace.is_online(now_s) and change_s < math.inf:  # that change is its return
            change_s = trace.next_change_s(change_s)
        if change_s < math.inf:
            schedule_at(self._env, change_s, partial(self._go_offline, device), EventOrder.OFFLINE)

    def _go_offline(self, device: int) -> None:
        self._goes_offline(device)
        self._expect_offline(device)
