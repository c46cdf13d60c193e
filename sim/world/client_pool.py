"""The client pool: it runs the clients' programs, as batches or as long-lived processes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, TypeAlias

from simpy import Environment, Event, Interrupt, Process

from ..links.lossy_link import MessageLostError
from ..nodes.device import Device
from ..timeline.event_order import EventOrder, schedule_at
from .batched_activities import ActivitySequence, BatchedActivities
from .rounds.parallel_step import ClientProcess, ParallelStep
from .rounds.round_policy import NO_LIMITS, StepLimits

__all__ = ["ClientPool", "ClientProgram", "as_process"]

ClientProgram: TypeAlias = ClientProcess | ActivitySequence
"""The part of one device in a step of a round: a process, or activities on the device's own resources."""


def as_process(program: ClientProgram) -> ClientProcess:
    """Return a program as a generator function, which yields an event for each activity."""
    return program if callable(program) else partial(_one_by_one, program)


def _one_by_one(activities: ActivitySequence, device: Device) -> Generator[Event, Any, None]:
    for phase, amount in activities:
        yield device.do(phase, amount)


class ClientPool:
    """Runs the programs of clients, in batches or in long-lived processes that wait for the next step.

    A long-lived process that one shared event wakes costs less than a new process for each step. The pool has
    one slot with a process for each client of the largest round so far. The cost of a step therefore depends
    on its clients, and not on the size of the population. A step with one client has a process of its own,
    because waking all processes would make each client's turn cost as much as all clients.

    Parameters
    ----------
    batches : BatchedActivities, optional
        Precomputes the activities of several clients, if nothing can change them. By default the clients go
        through their activities event by event.
    slot_order : sequence of int, optional
        The slots that exist from the beginning, in the order in which they start a step; none by default.
    on_lost : callable, optional
        Called with a client whose message was lost, and which therefore misses the rest of the round.
    on_close_early : callable, optional
        Called with the late clients and the number of clients on time when a step does not wait for all.
    """

    def __init__(
        self,
        env: Environment,
        batches: BatchedActivities | None = None,
        slot_order: Sequence[int] = (),
        on_lost: Callable[[int], None] | None = None,
        on_close_early: Callable[[Sequence[int], int], None] | None = None,
    ) -> None:
        self._env = env
        self._on_lost = on_lost
        self._batches = batches
        self._on_close_early = on_close_early
        self._next_step: Event = env.event()
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
        self, program: ClientProgram, clients: Sequence[int], limits: StepLimits = NO_LIMITS
    ) -> ParallelStep:
        """Start a program on several clients, and return the step with its events.

        Parameters
        ----------
        program : ClientProgram
            The program of each client. A sequence of activities uses only the device's own processor and
            links, and the device does nothing else meanwhile.
        limits : StepLimits, optional
            Decide how long the step waits for its clients; by default it waits for all.

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
                batch = self._precompute(self._batches, activities, tuple(clients), limits)
                if batch is not None:
                    return batch
            program = activities
        step = ParallelStep(self._env, as_process(program), clients, limits, self._close_early)
        self._steps = [*(earlier for earlier in self._steps if earlier.working), step]
        if len(clients) == 1:
            (client,) = clients
            self._alone[client] = self._env.process(self._serve(self._slot_of[client], step))
        else:
            waiting, self._next_step = self._next_step, self._env.event()
            waiting.succeed(step)
        return step

    def mark_on_time(self, client: int) -> Event | None:
        """Mark a client as on time in its current step, before the end of its program.

        Returns
        -------
        Event or None
            See :meth:`ParallelStep.mark_on_time`.
        """
        for step in self._steps:
            if client in step.working:
                return step.mark_on_time(client)
        return None

    def remove_client(self, client: int) -> None:
        """End the activities of a client that leaves the run or the round, also if it waits for a step."""
        if self.is_working(client):
            self._interrupt(client)
        elif client in self._slot_of:
            self._devices[self._slot_of[client]].abort()
        for step in self._steps:
            step.remove_client(client)

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
        limits: StepLimits,
    ) -> ParallelStep | None:
        """Run the activities as a batch, and schedule its end; return None if that is impossible."""
        result = batches.run_batch(activities, clients, limits)
        if result is None:
            return None
        (on_time, end_s), step = result, ParallelStep(self._env)
        self._batch_clients[step] = clients
        late = sorted(set(clients).difference(on_time))

        def end() -> None:
            del self._batch_clients[step]
            step.end(tuple(sorted(on_time)))
            if late:
                self._close_early(late, (), len(on_time))

        schedule_at(self._env, end_s, end, EventOrder.DEADLINE if late else EventOrder.NORMAL)
        return step

    def _close_early(self, late: Sequence[int], working: Sequence[int], num_on_time: int) -> None:
        """Stop the late clients that still work."""
        for client in working:
            self._interrupt(client)
        if self._on_close_early is not None:
            self._on_close_early(late, num_on_time)

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
