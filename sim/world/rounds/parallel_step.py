"""One step of a round that several clients go through: when it closes, and when it has finished."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeAlias

from simpy import Environment, Event

from ...nodes.device import Device
from ...timeline.event_order import EventOrder, schedule_after
from .round_policy import NO_LIMITS, StepLimits

__all__ = ["ClientProcess", "ParallelStep"]

ClientProcess: TypeAlias = Callable[[Device], Generator[Event, Any, None]]
"""A generator function that yields the events of one device."""

CloseEarly: TypeAlias = Callable[[Sequence[int], Sequence[int], int], None]
"""Called when a step closes early: with the late clients, those of them that still work, and the number of
clients on time."""


class ParallelStep:
    """One step of a round that several clients go through at the same time.

    A client that leaves the run or the round is no longer awaited, unless it was on time before.

    Attributes
    ----------
    members : frozenset of int
        The clients of the step; empty for a batch, whose clients cannot be stopped.
    on_time : Event
        Happens when the step closes: when every member is on time, or when its limits say so. Its value is
        the sorted tuple of the clients that are on time, so that no sum depends on the order in which they
        finished.
    finished : Event
        Happens when every member that is on time has ended its program or left. Its value is the sorted tuple
        of those that have ended it.
    working : set of int
        The members that have not ended their programs.
    """

    def __init__(
        self,
        env: Environment,
        program: ClientProcess | None = None,
        members: Sequence[int] = (),
        limits: StepLimits = NO_LIMITS,
        close_early: CloseEarly | None = None,
    ) -> None:
        self.program = program
        self.on_time: Event = env.event()
        self.finished: Event = env.event()
        self.members = frozenset(members)
        self.working = set(members)
        self._env = env
        self._limits = limits
        self._notify = close_early
        self._on_time: set[int] = set()
        self._ended: set[int] = set()
        self._left: set[int] = set()
        self._num_awaited = len(self.members)  # members that are neither on time nor gone
        self._arrivals: dict[int, Event] = {}  # at this instant, of a step that takes the first clients
        self._awaits_quorum = False
        if limits.waits_s < math.inf:
            schedule_after(env, limits.waits_s, self._meet_deadline, EventOrder.DEADLINE)
        if limits.least and limits.max_wait_s < math.inf:
            schedule_after(env, limits.max_wait_s, self._give_up, EventOrder.DEADLINE)

    def mark_on_time(self, client: int) -> Event | None:
        """Mark a client as on time; the end of its program does so too.

        Returns
        -------
        Event or None
            The event at which the step accepts the client; None if it does so at once. A client that is not
            accepted is stopped.
        """
        if client in self._on_time or client in self._arrivals or self.on_time.triggered:
            return None
        if self._limits.enough is not None:
            if not self._arrivals:  # ties are broken when all clients of this instant are there
                schedule_after(self._env, 0.0, self._accept_arrivals, EventOrder.DEADLINE)
            self._arrivals[client] = self._env.event()
            return self._arrivals[client]
        self._accept(client)
        if self._num_awaited == 0:
            self._close_complete()
        elif self._awaits_quorum and len(self._on_time) == self._limits.least:
            schedule_after(self._env, 0.0, self._close_early, EventOrder.DEADLINE)
        return None

    def mark_done(self, client: int) -> None:
        """Note that a client has ended its program."""
        self._ended.add(client)
        self.mark_on_time(client)
        self.working.discard(client)
        self._finish_if_done()

    def remove_client(self, client: int) -> None:
        """Stop waiting for a client that has left the run or the round."""
        if client not in self.members or client in self._left:
            return
        self._left.add(client)
        self.working.discard(client)
        self._arrivals.pop(client, None)
        if client not in self._on_time:
            self._num_awaited -= 1
            if self._num_awaited == 0:
                self._close_complete()
        self._finish_if_done()

    def end(self, on_time: tuple[int, ...]) -> None:
        """End the step of a batch, with these clients on time."""
        self.on_time.succeed(on_time)
        self.finished.succeed(on_time)

    def _accept(self, client: int) -> None:
        self._on_time.add(client)
        self._num_awaited -= 1

    def _accept_arrivals(self) -> None:
        """Accept the clients of this instant that the step needs, in the order of their numbers."""
        arrivals, self._arrivals = self._arrivals, {}
        enough = self._limits.enough
        assert enough is not None
        for client in sorted(arrivals)[: enough - len(self._on_time)]:
            self._accept(client)
            arrivals[client].succeed()
        if self._num_awaited == 0:
            self._close_complete()
        elif len(self._on_time) == enough:
            self._close_early()
        self._finish_if_done()

    def _meet_deadline(self) -> None:
        if len(self._on_time) >= self._limits.least:
            self._close_early()
        else:
            self._awaits_quorum = True

    def _give_up(self) -> None:
        """Close without any client if the quorum is not there."""
        if len(self._on_time) < self._limits.least and not self.on_time.triggered:
            self._on_time.clear()
            self._close_early()

    def _close_complete(self) -> None:
        """Close when no client is awaited; without any client if too many have left for a quorum."""
        if len(self._on_time) < self._limits.least:  # not at once: a client's own process may have called
            schedule_after(self._env, 0.0, self._give_up, EventOrder.DEADLINE)
        elif not self.on_time.triggered:
            self.on_time.succeed(tuple(sorted(self._on_time)))

    def _close_early(self) -> None:
        """Stop waiting for the clients that are not on time, and stop their activities."""
        if self.on_time.triggered:
            return
        late = sorted(self.members - self._on_time - self._left)
        stopped = sorted(self.working - self._on_time)
        self.working.difference_update(stopped)
        self.on_time.succeed(tuple(sorted(self._on_time)))
        self._finish_if_done()
        if self._notify is not None:
            self._notify(late, stopped, len(self._on_time))

    def _finish_if_done(self) -> None:
        if not self.working and self.on_time.triggered and not self.finished.triggered:
            self.finished.succeed(tuple(sorted(self._on_time & self._ended)))
