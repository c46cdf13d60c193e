"""Clients side by side: stints that are foreseen, or long-lived processes with one event per barrier."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, TypeAlias

from simpy import Environment, Event, Interrupt, Process

from ..nodes.node import Device
from ..timeline.event_order import EventOrder, schedule_after, schedule_at
from .batched_activities import ActivitySequence, BatchedActivities

__all__ = ["ClientPool", "ParallelStep", "Path"]

ClientProcess: TypeAlias = Callable[[Device], Generator[Event, Any, None]]
Path: TypeAlias = ClientProcess | ActivitySequence
"""What one device does in a part of the round: a generator of events, or a stint on what is its own."""


class ParallelStep:
    """One part of a round that several clients go through at the same time.

    Attributes
    ----------
    members : frozenset of int
        The clients that set out on it and may yet be stopped; none where all is foreseen.
    in_time : Event
        Happens when every member has arrived or the deadline is past; its value is the tuple of the
        clients in time, in their numbers' order, so that no sum depends on who finished first.
    finished : Event
        Happens when every member in time is at the end of its path; the same value.
    working : set of int
        The members that are on the way.

    A member that leaves the run on the way counts for neither, if it has not arrived before.
    """

    def __init__(
        self, env: Environment, path: ClientProcess | None = None, members: Sequence[int] = ()
    ) -> None:
        self.path = path
        self.on_time: Event = env.event()
        self.finished: Event = env.event()
        self.members = frozenset(members)
        self._arrived: set[int] = set()
        self._awaited = len(self.members)
        self.working = set(members)

    def arrive(self, client: int) -> None:
        """Count the client as in time; reaching the end of the path does so too."""
        self._arrived.add(client)
        if len(self._arrived) == self._awaited:
            self._close()

    def drop(self, client: int) -> None:
        """Wait for the client no more: it has left the run."""
        if client not in self.members:
            return
        self.working.discard(client)
        if client not in self._arrived:
            self._awaited -= 1
            if len(self._arrived) == self._awaited:
                self._close()
        if not self.working:
            self._finish()

    def leave(self, client: int) -> None:
        """Note that the client is at the end of its path."""
        self._arrived.add(client)
        if len(self._arrived) == self._awaited:
            self._close()
        self.working.discard(client)
        if not self.working:
            self._finish()

    def cut_off(self) -> tuple[int, ...]:
        """Close the list of arrivals, and return who is late."""
        late = tuple(sorted(self.working - self._arrived))  # without those that have left the run
        self.working -= set(late)
        self._close()
        if not self.working:
            self._finish()
        return late

    def end(self, on_time: tuple[int, ...]) -> None:
        """Let both happen, with these clients in time, as was foreseen."""
        self.on_time.succeed(on_time)
        self.finished.succeed(on_time)

    def _close(self) -> None:
        if not self.on_time.triggered:
            self.on_time.succeed(tuple(sorted(self._arrived)))

    def _finish(self) -> None:
        if not self.finished.triggered:
            self.finished.succeed(tuple(sorted(self._arrived)))


class ClientPool:
    """Long-lived processes, one for each client that a round may have; each waits for the next call.

    A process for the whole run, woken by one shared event per call, costs less than a new process for each
    part of each round. There are as many as the most clients that a round has had, so that a call costs
    what its round's clients cost, whatever the population that they are from. A call of one client has a
    process of its own, for waking all would cost a turn what all clients cost.

    Parameters
    ----------
    stints : Stints, optional
        Works out stints of several clients at once, where nothing that happens on the way can change them. By
        default they are gone through like any other path.
    order : sequence of int, optional
        The seats that there are from the beginning, in the order in which they hear a call; none by default.
    """

    def __init__(
        self, env: Environment, stints: BatchedActivities | None = None, order: Sequence[int] = ()
    ) -> None:
        self._env = env
        self._stints = stints
        self._next_call: Event = env.event()
        self._call: ParallelStep | None = None
        begun = {number: env.process(self._serve(number)) for number in order}
        self._processes = [begun[number] for number in range(len(order))]
        self._devices: list[Device] = []
        self._clients: list[int] = []  # by process; -1 where there is none for it
        self._seat_of: dict[int, int] = {}
        self._alone: dict[int, Process] = {}  # by client that is on the way of a call of its own
        self._foreseen: dict[ParallelStep, tuple[int, ...]] = {}  # who sets out, until it is over
        self._walked: list[ParallelStep] = []  # the others that may not be over

    def seat(self, devices: Sequence[Device]) -> None:
        """Give each of these devices a process from now on, in their order, and none to others."""
        env, made = self._env, len(self._processes)
        self._devices[:] = devices
        self._clients[:] = [device.client for device in devices]
        self._clients += [-1] * (made - len(devices))
        self._processes += [env.process(self._serve(number)) for number in range(made, len(devices))]
        self._seat_of = {device.client: number for number, device in enumerate(devices)}

    def waiting(self) -> tuple[int, ...]:
        """Return the seats that wait for the next call, in the order in which they will hear it."""
        seats = {process: number for number, process in enumerate(self._processes)}
        waiting = [getattr(callback, "__self__", None) for callback in self._next_call.callbacks or ()]
        return tuple(seats[process] for process in waiting if process in seats)

    def busy(self) -> list[int]:
        """Return the clients that don't wait for the next call."""
        waiting, foreseen = set(self.waiting()), self.clients_in_batches()
        return [
            client
            for seat, client in enumerate(self._clients)
            if seat not in waiting or client in self._alone or client in foreseen
        ]

    def start(self, path: Path, members: Sequence[int], deadline_s: float | None = None) -> ParallelStep:
        """Send the members on the path, and return the call that says when they are there.

        Parameters
        ----------
        path : generator function of a device, or a stint: what each does on its own processor and links,
            and nothing else meanwhile
        members : clients by number
        deadline_s : float, optional
            Seconds from now after which members that have not arrived are left out; they stop what they
            are doing. Arriving at the very instant of the deadline is in time.

        Raises
        ------
        RuntimeError
            If a member is on the way of another call: one of stints is over for all when it is for the last.
        """
        self._refuse_twice(members)
        if not callable(path):
            stint, clients = tuple((phase, amount) for phase, amount in path), tuple(members)
            if self._stints is not None and len(clients) > 1:
                call = self._foresee(self._stints, stint, clients, deadline_s)
                if call is not None:
                    return call
            path = partial(_one_by_one, stint)
        self._call = call = ParallelStep(self._env, path, members)
        self._walked = [*(earlier for earlier in self._walked if earlier.working), call]
        if len(members) == 1:
            (client,) = members
            self._alone[client] = self._env.process(self._serve(self._seat_of[client], call))
        else:
            waiting, self._next_call = self._next_call, self._env.event()
            waiting.succeed(call)
        if deadline_s is not None:
            self._ring_at(call, deadline_s)
        return call

    def _refuse_twice(self, members: Sequence[int]) -> None:
        if not self._foreseen and not any(call.working for call in self._walked):
            return
        away = self.clients_in_batches().union(*(call.working for call in self._walked))
        for client in members:
            if client in away:
                raise RuntimeError(f"client {client} is called while it is on the way of another call")

    def clients_in_batches(self) -> set[int]:
        """Return the clients whose stints, which are foreseen, are not over."""
        return set[int]().union(*self._foreseen.values())

    def _foresee(
        self,
        stints: BatchedActivities,
        stint: ActivitySequence,
        members: tuple[int, ...],
        deadline_s: float | None,
    ) -> ParallelStep | None:
        """Let the members do their stints, and happen what is foreseen, if it can be."""
        until_s = math.inf if deadline_s is None else self._env.now + deadline_s
        foreseen = stints.set_out(stint, members, until_s)
        if foreseen is None:
            return None
        (on_time, over_s), call = foreseen, ParallelStep(self._env)
        self._foreseen[call] = members

        def over() -> None:
            del self._foreseen[call]
            call.end(tuple(sorted(on_time)))

        late = len(on_time) < len(members)
        schedule_at(self._env, over_s, over, EventOrder.DEADLINE if late else EventOrder.NORMAL)
        return call

    def dismiss(self, client: int) -> None:
        """End what a client is doing, now and for good."""
        self._interrupt(client)
        if self._call is not None:
            self._call.drop(client)

    def _interrupt(self, client: int) -> None:
        process = self._alone.get(client) or self._processes[self._seat_of[client]]
        process.interrupt()

    def _ring_at(self, call: ParallelStep, deadline_s: float) -> None:
        def ring() -> None:
            if not call.on_time.triggered:
                for client in call.cut_off():
                    self._interrupt(client)

        schedule_after(self._env, deadline_s, ring, EventOrder.DEADLINE)

    def _serve(self, number: int, only: ParallelStep | None = None) -> Generator[Event, Any, None]:
        """Go the way of each call that the seat's client is a member of, or of one alone."""
        clients, devices = self._clients, self._devices
        while True:
            call: ParallelStep = only or (yield self._next_call)
            client = clients[number]
            if client in call.members:
                device = devices[number]
                try:
                    assert call.path is not None
                    yield from call.path(device)
                except Interrupt:
                    device.abandon()
                else:
                    call.leave(client)
            if only:
                del self._alone[client]
                return


def _one_by_one(stint: ActivitySequence, device: Device) -> Generator[Event, Any, None]:
    """Go through a stint event by event."""
    for phase, amount in stint:
        yield device.do(phase, amount)
