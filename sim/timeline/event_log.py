"""The log of a run's events: states of nodes and links, and instants such as lost messages.

Intervals say when a node was active. Events say why it was late or idle: slow states, outages, times offline,
lost and repeated messages, deadlines, and the clients that a round went on without.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["EventKind", "EventLog", "LoggedEvent", "State"]


class EventKind(StrEnum):
    """The kinds of events, as the column ``kind`` of ``events.parquet`` has them.

    States last: they have an end, and are cut at the ends of rounds. The other kinds happen at one instant.
    """

    #: state: a processor is slowed down; the value is its relative speed
    SLOW = "slow"
    #: state: a device is offline
    OFFLINE = "offline"
    #: state: the links of a device are interrupted
    OUTAGE = "outage"
    #: state: the server has failed
    DOWN = "down"
    #: a message was sent with repeated packets; the value is the number of repeated bits
    RESENT = "resent"
    #: a message was lost; the value is its size in bits
    LOST = "lost"
    #: a lost upload is sent again; the value is the number of the attempt, from 1
    RETRY = "retry"
    #: a step of the round stopped waiting; the value is the number of clients that were on time
    DEADLINE = "deadline"
    #: the round goes on without a client; the detail is the reason: late, offline, lost or battery. If a late
    #: client then runs empty, it has a second one
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class State:
    """A state of a node between two instants.

    Attributes
    ----------
    start_s, end_s : float
        The two instants, [s].
    kind : EventKind
        The kind of state.
    value : float
        The relative speed of a slow processor; NaN for other states.
    """

    start_s: float
    end_s: float
    kind: EventKind
    value: float = math.nan


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event of a run.

    Attributes
    ----------
    round : int
        The round in which it happened, from 1.
    time_s : float
        The instant, or the beginning of a state, [s].
    end_s : float
        The end of a state, [s]; NaN for other kinds.
    node : int
        The number of the node in the record of intervals.
    kind : EventKind
        The kind of event.
    value : float
        A number that the kind explains; NaN if it has none.
    detail : str
        Further text, for example the phase of a lost message.
    """

    round: int
    time_s: float
    end_s: float
    node: int
    kind: EventKind
    value: float = math.nan
    detail: str = ""


@dataclass
class EventLog:
    """Collects the events of a run. The run's tables take them out after each round.

    Attributes
    ----------
    round : int
        The current round, which new events get.
    """

    round: int = 0
    _events: list[LoggedEvent] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of events that were not taken out."""
        return len(self._events)

    def add(
        self, time_s: float, node: int, kind: EventKind, *, value: float = math.nan, detail: str = ""
    ) -> None:
        """Add an event that happens at one instant."""
        self._events.append(LoggedEvent(self.round, time_s, math.nan, node, kind, value, detail))

    def add_states(self, node: int, states: Iterable[State]) -> None:
        """Add states of a node in the current round."""
        self._events += [
            LoggedEvent(self.round, state.start_s, state.end_s, node, state.kind, state.value)
            for state in states
        ]

    def take(self) -> list[LoggedEvent]:
        """Remove and return all events, in the order of their instants and then of their nodes."""
        events, self._events = self._events, []
        return sorted(events, key=lambda event: (event.round, event.time_s, event.node))
