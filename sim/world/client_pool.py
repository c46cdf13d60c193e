"""The client pool: it runs the clients' programs, as batches or as long-lived processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, TypeAlias

from simpy import Environment, Event, Interrupt, Process

from ..links.lossy_link import MessageLostError
from ..nodes.node import Device
from ..timeline.event_order import EventOrder, schedule_after, schedule_at
from .batched_activities import ActivitySequence, BatchedActivities
from .round_policy import WAIT_FOR_ALL, RoundPolicy

__all__ = ["ClientPool", "ClientProcess", "ClientProgram", "ParallelStep", "as_process"]

ClientProcess: TypeAlias = Callable[[Device], Generator[Event, Any, None]]
"""A generator function that yields the events of one device."""

ClientProgram: TypeAlias = ClientProcess | ActivitySequence
"""The part of one device in a step of a round: a process, or activities on the device's own resources."""


def as_process(program: ClientProgram) -> ClientProcess:
    """Return a program as a generator function, which yields an event for each activity."""
    return program if callable(program) else partial(_one_by_one, program)


def _one_by_one(activities: ActivitySequence, device: Device) -> Generator[Event, Any, None]:
    for phase, amount in activities:
        yield device.do(phase, amount)


class ParallelStep:
    """One step of a round that several clients go through at the same time.

    A client that leaves the run is no longer awaited, unless it was on time before.

    Attributes
    ----------
    members : frozenset of int
        The clients of the step; empty for a batch, whose clients cannot be stopped.
    on_time : Event
        Happens when every member is on time, or at the deadline. Its value is the sorted tuple of the clients
        that are on time, so that no sum depends on the order in which they finished.
    finished : Event
        Happens when every member that is on time has ended its program; it has the same value.
    working : set of int
        The members that have not ended their programs.
    """

    def __init__(
        self, env: Environment, program: ClientProcess | None = None, members: Sequence[int] = ()
    ) -> None:
        self.program = program
        self.on_time: Event = env.event()
        self.finished: Event = env.event()
        self.members = frozenset(members)
        self.working = set(members)
        self._on_time: set[int] = set()
        self._num_awaited = len(self.members)

    def mark_on_time(self, client: int) -> None:
        """Mark a client as on time; the end of its program does so too."""
        self._on_time.add(client)
        if len(self._on_time) == self._num_awaited:
            self._close()

    def mark_done(self, client: int) -> None:
        """Note that a client has ended its program."""
        self.mark_on_time(client)
        self.working.discard(client)
        if not self.working:
            self._finish()

    def remove_client(self, client: int) -> None:
        """Stop waiting for a client that has left the run or the round; a second call does nothing."""
        if client not in self.working:
            return
        self.working.discard(client)
        if client not in self._on_time:
            self._num_awaited -= 1
            if len(self._on_time) == self._num_awaited:
                self._close()
        if not self.working:
            self._finish()

    def close_at_deadline(self) -> tuple[int, ...]:
        """Stop waiting for clients, and return those that are late."""
        late = tuple(sorted(self.working - self._on_time))  # without clients that have left the run
        self.working -= set(late)
        self._close()
        if not self.working:
            self._finish()
        return late

    def end(self, on_time: tuple[int, ...]) -> None:
        """End the step of a batch, with these clients on time."""
        self.on_time.succeed(on_time)
        self.finished.succeed(on_time)

    def _close(self) -> None:
        if not self.on_time.triggered:
            self.on_time.succeed(tuple(sorted(self._on_time)))

    def _finish(self) -> None:
        if not self.finished.triggered:
            self.finished.succeed(tuple(sorted(self._on_time)))


class ClientPool:
    """Runs the programs of clients, in batches or in long-lived processes that wait for the next step.

    A long-lived process that one shared event wakes costs less than a new process for each step. The pool has
    one slot with a process for each client of the largest round so far. So a step costs as much as its
    clients, whatever the size of the population. A step with one client has a process of its own, because
    waking all processes would make each client's turn cost as much as all clients.

    Parameters
    ----------
    batches : BatchedActivities, optional
        Precomputes the activities of several clients, if nothing can change them. By default the clients go
        through their activities event by event.
    slot_order : sequence of int, optional
        The slots that exist from the beginning, in the order in which they start a step; none by default.
    on_lost : callable, optional
        Called with a client whose message was lost, and which therefore misses the rest of the round.
    """

    def __init__(
        self,
        env: Environment,
        batches: BatchedActivities | None = None,
        slot_order: Sequence[int] = (),
        on_lost: Callable[[int], None] | None = None,
    ) -> None:
        self._env = env
        self._on_lost = on_lost
        self._batches = batches
        self._next_step: Event = env.event()
        self._step: ParallelStep | None = None
        processes = {slot: env.process(self._serve(slot)) for slot in slot_order}
        self._processes = [processes[slot] for slot in range(len(slot_order))]
        self._devices: list[Device] = []
        self._clients: list[int] = []  # by slot; -1 for an empty slot
        self._slot_of: dict[int, int] = {}
        self._alone: dict[int, Process] = {}  # by client, the process of a step with one client
        self._batch_clients: dict[ParallelStep, tuple[int, ...]] = {}  # of batches that have not ended
        self._steps: list[ParallelStep] = []  # the other steps, some of which may have ended

    def assign_slots(self, devices: Sequence[Device]) -> None:
        """Assign one slot to each of these devices, in their order; all other devices lose their slots."""
        env, num_slots = self._env, len(self._processes)
        self._devices[:] = devices
        self._clients[:] = [device.client for device in devices]
        self._clients += [-1] * (num_slots - len(devices))
        self._processes += [env.process(self._serve(slot)) for slot in range(num_slots, len(devices))]
        self._slot_of = {device.client: slot for slot, device in enumerate(devices)}

    def slot_order(self) -> tuple[int, ...]:
        """Return the slots that wait for the next step, in the order in which they start it."""
        slots = {process: slot for slot, process in enumerate(self._processes)}
        waiting = [getattr(callback, "__self__", None) for callback in self._next_step.callbacks or ()]
        return tuple(slots[process] for process in waiting if process in slots)

    def busy(self) -> list[int]:
        """Return the clients that do not wait for the next step."""
        waiting, batched = set(self.slot_order()), self.clients_in_batches()
        return [
            client
            for slot, client in enumerate(self._clients)
            if slot not in waiting or client in self._alone or client in batched
        ]

    def clients_in_batches(self) -> set[int]:
        """Return the clients whose batches have not ended."""
        return set[int]().union(*self._batch_clients.values())

    def start(
        self, program: ClientProgram, clients: Sequence[int], policy: RoundPolicy = WAIT_FOR_ALL
    ) -> ParallelStep:
        """Start a program on several clients, and return the step with its events.

        Parameters
        ----------
        program : ClientProgram
            The program of each client. A sequence of activities uses only the device's own processor and
            links, and the device does nothing else meanwhile.
        policy : RoundPolicy, optional
            Decides how long the step waits for its clients; by default it waits for all.

        Raises
        ------
        RuntimeError
            If a client has not ended an earlier step. A batch ends for all of its clients at once.
        """
        self._check_available(clients)
        if not clients:
            step = ParallelStep(self._env)
            step.end(())
            return step
        if not callable(program):
            activities = tuple((phase, amount) for phase, amount in program)
            if self._batches is not None and len(clients) > 1:
                batch = self._precompute(self._batches, activities, tuple(clients), policy.waits_s)
                if batch is not None:
                    return batch
            program = activities
        self._step = step = ParallelStep(self._env, as_process(program), clients)
        self._steps = [*(earlier for earlier in self._steps if earlier.working), step]
        if len(clients) == 1:
            (client,) = clients
            self._alone[client] = self._env.process(self._serve(self._slot_of[client], step))
        else:
            waiting, self._next_step = self._next_step, self._env.event()
            waiting.succeed(step)
        if policy.waits_s < math.inf:
            self._set_deadline(step, policy.waits_s)
        return step

    def mark_on_time(self, client: int) -> None:
        """Mark a client as on time in its current step, before the end of its program."""
        for step in self._steps:
            if client in step.working:
                step.mark_on_time(client)

    def remove_client(self, client: int) -> None:
        """End the activities of a client that leaves the run, also if it waits for the next step."""
        if self.is_working(client):
            self._interrupt(client)
        elif client in self._slot_of:
            self._devices[self._slot_of[client]].abort()
        if self._step is not None:
            self._step.remove_client(client)

    def is_working(self, client: int) -> bool:
        """Return whether a client runs its program of a step now."""
        return any(client in step.working for step in self._steps)

    def _check_available(self, clients: Sequence[int]) -> None:
        if not self._batch_clients and not any(step.working for step in self._steps):
            return
        unavailable = self.clients_in_batches().union(*(step.working for step in self._steps))
        for client in clients:
            if client in unavailable:
                raise RuntimeError(
                    f"client {client} has not ended an earlier step; wait for that step's event finished"
                )

    def _precompute(
        self,
        batches: BatchedActivities,
        activities: ActivitySequence,
        clients: tuple[int, ...],
        waits_s: float,
    ) -> ParallelStep | None:
        """Run the activities as a batch, and schedule its end; return None if that is impossible."""
        result = batches.run_batch(activities, clients, self._env.now + waits_s)
        if result is None:
            return None
        (on_time, end_s), step = result, ParallelStep(self._env)
        self._batch_clients[step] = clients

        def end() -> None:
            del self._batch_clients[step]
            step.end(tuple(sorted(on_time)))

        is_late = len(on_time) < len(clients)
        schedule_at(self._env, end_s, end, EventOrder.DEADLINE if is_late else EventOrder.NORMAL)
        return step

    def _set_deadline(self, step: ParallelStep, waits_s: float) -> None:
        def close() -> None:
            if not step.on_time.triggered:
                for client in step.close_at_deadline():
                    self._interrupt(client)

        schedule_after(self._env, waits_s, close, EventOrder.DEADLINE)

    def _interrupt(self, client: int) -> None:
        process = self._alone.get(client) or self._processes[self._slot_of[client]]
        process.interrupt()

    def _serve(self, slot: int, only: ParallelStep | None = None) -> Generator[Event, Any, None]:
        """Run the program of each step that the slot's client is a member of, or of one step only."""
        clients, devices = self._clients, self._devices
        while True:
            step: ParallelStep = only or (yield self._next_step)
            client = clients[slot]
            if client in step.members:
                device = devices[slot]
                try:
                    assert step.program is not None
                    yield from step.program(device)
                except Interrupt:
                    device.abort()
                except MessageLostError:
                    if self._on_lost is None:
                        raise
                    step.remove_client(client)
                    self._on_lost(client)  # stops the other activities of the device
                else:
                    step.mark_done(client)
            if only:
                del self._alone[client]
                return
