"""A queue whose tasks begin in a planned order, regardless of the order in which they become ready."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from simpy import Environment, Event

__all__ = ["OrderedQueue"]


class OrderedQueue:
    """Lets each task begin when all tasks before it have begun.

    Parameters
    ----------
    order : sequence
        The tasks in their order, each of them once.
    """

    def __init__(self, env: Environment, order: Sequence[Hashable]) -> None:
        self._env = env
        self._order = order
        self._next = 0
        self._ready: dict[Hashable, Event] = {}
        self._dropped: set[Hashable] = set()

    def turn(self, task: Hashable) -> Event:
        """Mark the task as ready, and return the event at which it may begin."""
        event = self._ready[task] = self._env.event()
        self._release()
        return event

    def drop(self, *tasks: Hashable) -> None:
        """Stop waiting for these tasks; this has no effect on tasks that have begun."""
        self._dropped.update(tasks)
        self._release()

    def _release(self) -> None:
        """Let the next tasks begin, up to the first that is neither ready nor dropped."""
        while self._next < len(self._order):
            task = self._order[self._next]
            if task in self._ready:
                self._ready[task].succeed()
            elif task not in self._dropped:
                return
            self._next += 1
