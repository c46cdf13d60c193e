"""The arrows of a trace: messages between nodes, and the critical path of each round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from ..explain.activities import Activity
from ..explain.causes import NodeEvents
from ..explain.round_graph import RoundGraph, Step
from .trace_file import Flow

__all__ = ["Arrows", "Dependencies"]

_TRANSFERS = ("uplink", "downlink", "wire")


@dataclass
class Arrows:
    """The arrows of some rounds, by the row of the interval at which they begin or end.

    Attributes
    ----------
    begin, end : dict of int to list of int
        The numbers of the messages that leave an interval, and of those that arrive at it.
    critical : dict of int to Flow
        The place of an interval in the critical path of its round.
    """

    begin: dict[int, list[int]] = field(default_factory=dict)
    end: dict[int, list[int]] = field(default_factory=dict)
    critical: dict[int, Flow] = field(default_factory=dict)


class Dependencies:
    """Finds the arrows of rounds. Each arrow and each path has a number that no other one has."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def of_rounds(
        self,
        rounds: Iterator[tuple[int, list[Activity]]],
        spans_s: Mapping[int, tuple[float, float]],
        events: NodeEvents,
    ) -> Arrows:
        """Return the arrows of some rounds.

        Parameters
        ----------
        rounds : iterator of (int, list of Activity)
            The number of each round, with its activities and those of the round before that last into it.
        spans_s : mapping of int to (float, float)
            The instants at which each round begins and ends, [s].
        events : NodeEvents
            The events of the scheme's run.
        """
        arrows = Arrows()
        for number, activities in rounds:
            start_s, end_s = spans_s[number]
            graph = RoundGraph(activities, start_s, end_s, events.left_out(start_s, end_s))
            self._add_path(arrows, graph)
            self._add_messages(arrows, graph)
        return arrows

    def _add_path(self, arrows: Arrows, graph: RoundGraph) -> None:
        """Add a chain over all activities of the critical path that begin in the round."""
        path = [step.activity for step in graph.path() if step.activity is not None]
        rows = [activity.row for activity in path if activity.start_s >= graph.start_s]
        rows = [row for row in rows if row not in arrows.critical]
        if len(rows) < 2:
            return
        number = next(self._numbers)
        for place, row in enumerate(rows):
            arrows.critical[row] = Flow(number, place > 0, place < len(rows) - 1)

    def _add_messages(self, arrows: Arrows, graph: RoundGraph) -> None:
        taken: set[int] = set()  # uploads that the server's work for several clients has used already
        for step in graph.steps:
            activity = step.activity
            if activity is None or activity.start_s < graph.start_s:
                continue
            for before in _senders(step, activity):
                if before.start_s >= graph.start_s and before.row not in taken:
                    if activity.is_joint:
                        taken.add(before.row)
                    number = next(self._numbers)
                    arrows.begin.setdefault(before.row, []).append(number)
                    arrows.end.setdefault(activity.row, []).append(number)


def _senders(step: Step, activity: Activity) -> list[Activity]:
    """Return the activities whose results an activity needs from another node, each once."""
    each: dict[int, Activity] = {}
    for before, _ in step.edges:
        # work of the server for several clients depends on their uploads through a barrier
        inner: Sequence[Step] = [before]
        if before.activity is None:
            inner = [earlier for earlier, _ in before.edges] if activity.is_joint else []
        for other in (found.activity for found in inner):
            if other is not None and _is_message(other, activity):
                each[other.row] = other
    return list(each.values())


def _is_message(one: Activity, other: Activity) -> bool:
    """Return whether the second activity needs what the first one has computed or sent on another node."""
    if one.node == other.node:
        return False
    return one.lane in _TRANSFERS or other.lane in _TRANSFERS
