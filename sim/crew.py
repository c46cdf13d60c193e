"""Clients side by side: a long-lived process per device, one event per barrier."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeAlias

from simpy import Environment, Event, Interrupt

from .nodes import Device

__all__ = ["Call", "Crew", "Path"]

Path: TypeAlias = Callable[[Device], Generator[Event, Any, None]]
"""What one device does in a part of the round: a generator of events."""

_AFTER_ALL_ELSE = 3  # an event's priority: behind whatever else happens at its instant, in a shared band too


class Call:
    """One part of a round that several clients go through at the same time.

    Attributes
    ----------
    members : frozenset of int
        The clients that set out on it.
    in_time : Event
        Happens when every member has arrived or the deadline is past; its value is the tuple of the
        clients in time, in their numbers' order, so that no sum depends on who finished first.
    finished : Event
        Happens when every member in time is at the end of its path; the same value.

    A member that leaves the run on the way counts for neither, if it has not arrived before.
    """

    def __init__(self, env: Environment, path: Path, members: Sequence[int]) -> None:
        self.path = path
        self.in_time: Event = env.event()
        self.finished: Event = env.event()
        self.members = frozenset(members)
        self._arrived: set[int] = set()
        self._awaited = len(self.members)
        self._working = set(members)

    def arrive(self, client: int) -> None:
        """Count the client as in time; reaching the end of the path does so too."""
        self._arrived.add(client)
        if len(self._arrived) == self._awaited:
            self._close()

    def drop(self, client: int) -> None:
        """Wait for the client no more: it has left the run."""
        if client not in self.members:
            return
        self._working.discard(client)
        if client not in self._arrived:
            self._awaited -= 1
            if len(self._arrived) == self._awaited:
                self._close()
        if not self._working:
            self._finish()

    def leave(self, client: int) -> None:
        """Note that the client is at the end of its path."""
        self._arrived.add(client)
        if len(self._arrived) == self._awaited:
            self._close()
        self._working.discard(client)
        if not self._working:
            self._finish()

    def cut_off(self) -> tuple[int, ...]:
        """Close the list of arrivals, and return who is late."""
        late = tuple(sorted(self._working - self._arrived))  # without those that have left the run
        self._working -= set(late)
        self._close()
        if not self._working:
            self._finish()
        return late

    def _close(self) -> None:
        if not self.in_time.triggered:
            self.in_time.succeed(tuple(sorted(self._arrived)))

    def _finish(self) -> None:
        if not self.finished.triggered:
            self.finished.succeed(tuple(sorted(self._arrived)))


class Crew:
    """The devices' processes; each waits for the next call and goes its path.

    A process per device for the whole run, woken by one shared event per call, costs less than a new
    process for each part of each round.

    Parameters
    ----------
    order : sequence of int, optional
        In which order the clients begin; by their numbers by default.
    """

    def __init__(
        self, env: Environment, devices: Sequence[Device], order: Sequence[int] | None = None
    ) -> None:
        self._env = env
        self._devices = devices
        self._next_call: Event = env.event()
        self._call: Call | None = None
        begun = {
            client: env.process(self._serve(devices[client]))
            for client in (range(len(devices)) if order is None else order)
        }
        self._processes = [begun[client] for client in range(len(devices))]

    def waiting(self) -> list[int]:
        """Return the clients that wait for the next call, in the order in which they will hear it."""
        clients = {process: client for client, process in enumerate(self._processes)}
        waiting = [getattr(callback, "__self__", None) for callback in self._next_call.callbacks or ()]
        return [clients[process] for process in waiting if process in clients]

    def start(self, path: Path, members: Sequence[int], deadline_s: float | None = None) -> Call:
        """Send the members on the path, and return the call that says when they are there.

        Parameters
        ----------
        path : generator function of a device
        members : clients by number
        deadline_s : float, optional
            Seconds from now after which members that have not arrived are left out; they stop what they
            are doing. Arriving at the very instant of the deadline is in time.
        """
        self._call = call = Call(self._env, path, members)
        waiting, self._next_call = self._next_call, self._env.event()
        waiting.succeed(call)
        if deadline_s is not None:
            self._ring_at(call, deadline_s)
        return call

    def dismiss(self, client: int) -> None:
        """End what a client is doing, now and for good."""
        self._processes[client].interrupt()
        if self._call is not None:
            self._call.drop(client)

    def _ring_at(self, call: Call, deadline_s: float) -> None:
        def ring(_: Event) -> None:
            if not call.in_time.triggered:
                for client in call.cut_off():
                    self._processes[client].interrupt()

        alarm = self._env.event()
        alarm._ok, alarm._value = True, None  # an event that is sure to happen, as SimPy's Timeout marks it
        alarm.callbacks = [ring]
        self._env.schedule(alarm, priority=_AFTER_ALL_ELSE, delay=deadline_s)  # type: ignore[arg-type]

    def _serve(self, device: Device) -> Generator[Event, Any, None]:
        client = device.client
        while True:
            call: Call = yield self._next_call
            if client not in call.members:
                continue
            try:
                yield from call.path(device)
            except Interrupt:
                device.abandon()
            else:
                call.leave(client)
