"""Tasks that are begun in an order given beforehand, whatever the order in which they are ready."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from simpy import Environment, Event

__all__ = ["OrderedQueue"]


class OrderedQueue:
    """Lets each task begin once all before it have begun.

    Parameters
    ----------
    env : the event loop
    order : the tasks, each once
    """

    def __init__(self, env: Environment, order: Sequence[Hashable]) -> None:
        self._env = env
        self._order = order
        self._next = 0
        self._ready: dict[Hashable, Event] = {}
        self._dropped: set[Hashable] = set()

    def turn(self, task: Hashable) -> Event:
        """Return the event that it is this task's turn; the task is ready from now on."""
        event = self._ready[task] = self._env.event()
        self._go_on()
        return event

    def drop(self, *tasks: Hashable) -> None:
        """Wait for these tasks no more; those that have begun are none the worse."""
        self._dropped.update(tasks)
        self._go_on()

    def _go_on(self) -> None:
        while self._next < len(self._order):
            task = self._order[self._next]
            if task in self._ready:
                self._ready[task].succeed()
            elif task not in self._dropped:
                return
            self._next += 1
