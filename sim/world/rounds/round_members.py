"""The clients of a round: who is still in it, who has left it and why, and who has left the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from simpy import Environment

from ...timeline.event_log import EventKind, EventLog

__all__ = ["RoundMembers"]

_SERVER = 0
"""The number of the server in the record of intervals; that of a device is one more than its own number."""


class RoundMembers:
    """The clients of the current round, and the clients that it goes on without.

    Parameters
    ----------
    clients : iterable of int
        The clients of the first round.
    events : EventLog
        Receives an event for each client that a round goes on without.

    Attributes
    ----------
    clients : tuple of int
        The clients of the round that have left neither the run nor the round.
    absent : dict of int to str
        The clients that miss the rest of the round, and the reason of each.
    left_out : dict of int to str
        The clients that the round goes on without, and the reason of each: late, offline, lost or battery.
    offline_from_s : dict of int to float
        When each client that is absent because it is offline has left the round, [s].
    departed_at_s : dict of int to float
        When each client that left the run did so, [s].
    """

    def __init__(self, env: Environment, clients: Iterable[int], events: EventLog) -> None:
        self._env = env
        self._events = events
        self.clients = tuple(clients)
        self.absent: dict[int, str] = {}
        self.left_out: dict[int, str] = {}
        self.offline_from_s: dict[int, float] = {}
        self.departed_at_s: dict[int, float] = {}

    def begin_round(self, clients: Iterable[int], is_online: Callable[[int], bool]) -> None:
        """Begin a round of those clients that have not left the run; those offline are absent from it."""
        self.absent, self.left_out, self.offline_from_s = {}, {}, {}
        self.clients = tuple(client for client in clients if client not in self.departed_at_s)
        for client in self.clients:
            if not is_online(client):
                self.leave_round(client, "offline")

    def present(self, clients: Sequence[int]) -> Sequence[int]:
        """Return those of the clients that have left neither the run nor the round."""
        if not self.departed_at_s and not self.absent:
            return clients
        return [client for client in clients if self.is_present(client)]

    def is_present(self, client: int) -> bool:
        """Return whether a client of the round has left neither the run nor the round."""
        return client not in self.departed_at_s and client not in self.absent

    def leave_round(self, client: int, reason: str) -> None:
        """Note that a client misses the rest of the round from now on."""
        self.absent[client] = reason
        if reason == "offline":
            self.offline_from_s[client] = float(self._env.now)
        self.clients = tuple(other for other in self.clients if other != client)
        self._leave_out(client, reason)

    def leave_run(self, client: int) -> None:
        """Note that a client has left the run now, because its battery is empty."""
        self.departed_at_s[client] = float(self._env.now)
        self.clients = tuple(other for other in self.clients if other != client)
        self.left_out.setdefault(client, "battery")
        self._log_left_out(client, "battery")  # also if the round went on without it before

    def leave_out_late(self, clients: Iterable[int], num_on_time: int) -> None:
        """Note that a step of the round has closed without these clients."""
        self._events.add(float(self._env.now), _SERVER, EventKind.DEADLINE, value=num_on_time)
        for client in clients:
            self._leave_out(client, "late")

    def _leave_out(self, client: int, reason: str) -> None:
        if client not in self.left_out:
            self.left_out[client] = reason
            self._log_left_out(client, reason)

    def _log_left_out(self, client: int, reason: str) -> None:
        self._events.add(float(self._env.now), client + 1, EventKind.LEFT_OUT, detail=reason)
