"""The states of nodes in the log of events: slow, offline, interrupted or failed, round by round."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise

from ..faults.effects import Faults, StateTrace
from ..timeline.event_log import EventKind, EventLog, State

__all__ = ["StateLog", "disjoint"]

_SERVER = 0  # the server's number in the record


class StateLog:
    """Adds the states of the nodes of each round to the log of events, at the end of the round.

    A round counts from the end of the round before it. So a state that lasts for several rounds has an event
    in each of them, and the events of a round lie within it. Without faults that have states it does nothing.

    Parameters
    ----------
    faults : Faults
        The faults, whose traces have the states.
    log : EventLog
        Receives the events.
    start_s : float
        The start of the first round, [s].
    """

    def __init__(self, faults: Faults, log: EventLog, start_s: float) -> None:
        self._faults, self._log = faults, log
        self._round_start_s = start_s
        self._of_server = faults.server_states
        self._any_of_devices = any(
            fault.compute_capacity or fault.availability or fault.interruptions for fault in faults.faults
        )
        self._of_device: dict[int, list[StateTrace]] = {}  # of devices that were in a round so far

    def add_round(
        self, devices: Collection[int], departed_at_s: Mapping[int, float], end_s: float
    ) -> dict[int, float]:
        """Add the states of the server and of these devices, up to the end of a round.

        Parameters
        ----------
        devices : collection of int
            The devices of the round. One that is offline from the start belongs to them too.
        departed_at_s : mapping of int to float
            When each device that left the run did so, [s].
        end_s : float
            The end of the round, [s].

        Returns
        -------
        dict of int to float
            For each device with traces of states, how long it was in the run in this round, [s].
        """
        start_s, self._round_start_s = self._round_start_s, end_s
        if self._of_server:
            self._log.add_states(_SERVER, _states(self._of_server, start_s, end_s))
        observed_s = {}
        if self._any_of_devices:
            for device in devices:
                traces = self._traces(device)
                until_s = min(end_s, departed_at_s.get(device, math.inf))
                if traces and until_s > start_s:
                    observed_s[device] = until_s - start_s
                    self._log.add_states(device + 1, _states(traces, start_s, until_s))
        return observed_s

    def _traces(self, device: int) -> list[StateTrace]:
        if device not in self._of_device:
            self._of_device[device] = self._faults.device_states(device)
        return self._of_device[device]


def _states(traces: list[StateTrace], start_s: float, end_s: float) -> Iterable[State]:
    """Return the states of one node between two instants; those of one kind do not overlap."""
    if len(traces) == 1:
        return traces[0].states(start_s, end_s)
    return disjoint([state for trace in traces for state in trace.states(start_s, end_s)])


def disjoint(states: Iterable[State]) -> list[State]:
    """Return states of which those of one kind do not overlap, although the given ones may.

    A processor that several causes slow down at once has the product of their relative speeds.
    """
    of_kind: dict[EventKind, list[State]] = {}
    for state in states:
        of_kind.setdefault(state.kind, []).append(state)
    return [state for kind, each in of_kind.items() for state in _disjoint_of_kind(kind, each)]


def _disjoint_of_kind(kind: EventKind, states: list[State]) -> list[State]:
    ordered = sorted(states, key=lambda state: state.start_s)
    if all(one.end_s <= other.start_s for one, other in pairwise(ordered)):
        return ordered
    waiting = iter(ordered)
    edges_s = sorted({edge_s for state in states for edge_s in (state.start_s, state.end_s)})
    separate: list[State] = []
    current: list[State] = []
    following = next(waiting, None)
    for start_s, end_s in pairwise(edges_s):
        current = [state for state in current if state.end_s > start_s]
        while following is not None and following.start_s <= start_s:
            current.append(following)
            following = next(waiting, None)
        if current:
            value = math.prod(state.value for state in current)
            separate.append(State(start_s, end_s, kind, value))
    return separate
