"""Clients side by side: long-lived processes, one event per barrier."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeAlias

from simpy import Environment, Event, Interrupt, Process

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
    """Long-lived processes, one for each client that a round may have; each waits for the next call.

    A process for the whole run, woken by one event per call that all its members share, costs less than a new
    process for each part of each round. There are as many as the most clients that a round has had, so that a
    call costs what its members cost, whatever the round or the population that they are from. Members set out
    in the order in which they are called.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._call: Call | None = None
        # by seat: its process, what this waits for between two calls, and whom it is for
        self._processes: list[Process] = []
        self._rests: list[Event] = []
        self._devices: list[Device] = []
        # by client: its process, and what wakes this while it waits
        self._process_of: dict[int, Process] = {}
        self._resting: dict[int, list[Any]] = {}

    def seat(self, devices: Sequence[Device]) -> None:
        """Give each of these devices a process from now on, in their order, and none to others."""
        for number in range(len(self._processes), len(devices)):
            self._rests.append(self._env.event())
            self._processes.append(self._env.process(self._serve(number)))
        self._devices[:] = devices
        clients = [device.client for device in devices]
        self._process_of = dict(zip(clients, self._processes, strict=False))
        self._resting = dict(zip(clients, (rest.callbacks for rest in self._rests), strict=False))

    def busy(self) -> list[int]:
        """Return the clients that don't wait for the next call."""
        return [client for client, waiting in self._resting.items() if not waiting]

    def start(self, path: Path, members: Sequence[int], deadline_s: float | None = None) -> Call:
        """Send the members on the path, and return the call that says when they are there.

        Parameters
        ----------
        path : generator function of a device
        members : clients by number
        deadline_s : float, optional
            Seconds from now after which members that have not arrived are left out; they stop what they
            are doing. Arriving at the very instant of the deadline is in time.

        Raises
        ------
        RuntimeError
            If a member is not yet done with an earlier call.
        """
        self._call = call = Call(self._env, path, members)
        heard, resting = self._env.event(), self._resting
        try:
            for client in members:
                heard.callbacks.append(resting[client].pop())
        except IndexError:
            raise RuntimeError(f"client {client} is called while it is still on the way of a call") from None
        heard.succeed(call)
        if deadline_s is not None:
            self._ring_at(call, deadline_s)
        return call

    def dismiss(self, client: int) -> None:
        """End what a client is doing, now and for good."""
        self._process_of[client].interrupt()
        if self._call is not None:
            self._call.drop(client)

    def _ring_at(self, call: Call, deadline_s: float) -> None:
        def ring(_: Event) -> None:
            if not call.in_time.triggered:
                for client in call.cut_off():
                    self._process_of[client].interrupt()

        alarm = self._env.event()
        alarm._ok, alarm._value = True, None  # an event that is sure to happen, as SimPy's Timeout marks it
        alarm.callbacks = [ring]
        self._env.schedule(alarm, priority=_AFTER_ALL_ELSE, delay=deadline_s)  # type: ignore[arg-type]

    def _serve(self, number: int) -> Generator[Event, Any, None]:
        rest, devices = self._rests[number], self._devices
        while True:
            call: Call = yield rest
            device = devices[number]
            try:
                yield from call.path(device)
            except Interrupt:
                device.abandon()
            else:
                call.leave(device.client)
