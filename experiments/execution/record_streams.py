"""The streams of a scheme's intervals and events: from the event loop to row groups, sums and hashes."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from ...analysis.results.recorded_tables import GROUP_ROWS, RecordWriter, TableWriter
from ...analysis.results.round_tables import RoundTotals, StageTotals
from ...sim.timeline.event_log import EventKind, LoggedEvent
from ...sim.timeline.interval_record import IntervalRecord, Rows, TimelineHash, lasting

__all__ = ["EventStream", "IntervalStream", "RecordStreams", "Recorded"]

Recorded: TypeAlias = Rows | list[LoggedEvent]
"""Rows of intervals, or events, that have left the event loop."""


class RecordStreams:
    """Both streams of a scheme.

    Parameters
    ----------
    record : IntervalRecord
        Knows the names that the numbers of nodes stand for.
    identity : mapping of str to Any
        The scheme's ``label`` and the scenario's ``seed``.
    writer : RecordWriter
        Receives the tables of intervals and events.

    Attributes
    ----------
    intervals : IntervalStream
        The stream of the intervals.
    events : EventStream
        The stream of the events.
    """

    def __init__(self, record: IntervalRecord, identity: Mapping[str, Any], writer: RecordWriter) -> None:
        self.intervals = IntervalStream(record, identity, writer.intervals)
        self.events = EventStream(record, identity, writer.events)

    def add(self, recorded: Recorded) -> None:
        """Add further rows or events, which must not change any more."""
        if isinstance(recorded, list):
            self.events.add(recorded)
        else:
            self.intervals.add(recorded)

    def finish(self) -> None:
        """Close the last row groups."""
        self.intervals.finish()
        self.events.finish()


class IntervalStream:
    """Passes the rows of finished rounds on to the file of intervals, the sums, and the timeline's hash.

    Rows are collected into row groups of one size, whatever the number of rows that are added at a time. So
    neither the sums nor the file depend on the instants at which rows leave the event loop.

    Parameters
    ----------
    record : IntervalRecord
        Knows the names that the rows' numbers stand for.
    identity : mapping of str to Any
        The scheme's ``label`` and the scenario's ``seed``.
    writer : TableWriter
        Receives the table of intervals.

    Attributes
    ----------
    rounds : RoundTotals
        Sums for each round.
    stages : StageTotals
        Sums for each node and phase.
    timeline : TimelineHash
        The hash of all rows.
    """

    def __init__(self, record: IntervalRecord, identity: Mapping[str, Any], writer: TableWriter) -> None:
        self._record = record
        self._identity = identity
        self._writer = writer
        self._waiting: list[Rows] = []
        self._num_waiting = 0
        self.rounds = RoundTotals()
        self.stages = StageTotals()
        self.timeline = TimelineHash()

    def add(self, rows: Rows) -> None:
        """Add further rows, which must not change any more."""
        self.timeline.add(rows)
        self._waiting.append(lasting(rows))
        self._num_waiting += len(self._waiting[-1])
        if self._num_waiting >= GROUP_ROWS:
            joined = np.concatenate(self._waiting)
            end = len(joined) // GROUP_ROWS * GROUP_ROWS  # of the last complete group
            for first in range(0, end, GROUP_ROWS):
                self._close_group(joined[first : first + GROUP_ROWS])
            self._waiting, self._num_waiting = [joined[end:].copy()], len(joined) - end

    def finish(self) -> None:
        """Close the last row group."""
        if self._num_waiting:
            self._close_group(np.concatenate(self._waiting))
        self._waiting, self._num_waiting = [], 0

    def _close_group(self, rows: Rows) -> None:
        names = pd.Index([self._identity["label"]], dtype="str")
        label = pd.Categorical.from_codes(np.zeros(len(rows), np.int8), names)
        frame = self._record.table(rows).assign(label=label, seed=self._identity["seed"])
        self.rounds.add(frame)
        self.stages.add(frame)
        self._writer.add(frame)


class EventStream:
    """Passes the events of finished rounds on to the file of events, and sums them up for each node.

    Events are packed at once, and collected into row groups of one size, whatever the number of events that
    are added at a time.

    Parameters
    ----------
    record : IntervalRecord
        Knows the names of the nodes.
    identity : mapping of str to Any
        The scheme's ``label`` and the scenario's ``seed``.
    writer : TableWriter
        Receives the table of events.
    """

    def __init__(self, record: IntervalRecord, identity: Mapping[str, Any], writer: TableWriter) -> None:
        self._record = record
        self._identity = identity
        self._writer = writer
        self._columns = _empty_columns()
        self._state_s: dict[tuple[int, EventKind], float] = {}  # by node and kind
        self._resent_bits: dict[int, float] = {}  # by node

    def add(self, events: Sequence[LoggedEvent]) -> None:
        """Add further events."""
        for event in events:
            self._sum_up(event)
            for name, column in self._columns.items():
                column.append(getattr(event, name))
            if len(self._columns["kind"]) == GROUP_ROWS:
                self._close_group()

    def finish(self) -> None:
        """Close the last row group."""
        if self._columns["kind"]:
            self._close_group()

    def state_s(self, node: int, kind: EventKind) -> float:
        """Return the total time that a node was in a state, [s]."""
        return self._state_s.get((node, kind), 0.0)

    def resent_bits(self, node: int) -> float:
        """Return the bits that were sent again to or from a node, [bit]."""
        return self._resent_bits.get(node, 0.0)

    def _sum_up(self, event: LoggedEvent) -> None:
        if not math.isnan(event.end_s):
            key = event.node, event.kind
            self._state_s[key] = self._state_s.get(key, 0.0) + (event.end_s - event.time_s)
        elif event.kind is EventKind.RESENT:
            self._resent_bits[event.node] = self._resent_bits.get(event.node, 0.0) + event.value

    def _close_group(self) -> None:
        columns, self._columns = self._columns, _empty_columns()
        nodes = [self._record.nodes[number] for number in columns["node"]]
        self._writer.add(pd.DataFrame({**self._identity, **columns, "node": nodes}))


def _empty_columns() -> dict[str, Any]:
    """Return the columns of a row group without rows; the names are the attributes of an event."""
    numbers = {"round": "q", "node": "q", "time_s": "d", "end_s": "d", "value": "d"}
    return {**{name: array(code) for name, code in numbers.items()}, "kind": [], "detail": []}
