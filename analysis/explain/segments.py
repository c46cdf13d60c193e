"""The segments of a round: times on the critical path, with their causes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from .activities import Activity
from .causes import Cause, NodeEvents, PlannedSpeeds
from .round_graph import RoundGraph, Step

__all__ = ["NO_NODE", "Segment", "Segments"]

NO_NODE = "-"
"""The node of a segment in which a round waited for no particular node."""
_TOLERANCE = 1e-9
"""Fraction of a wait up to which an event counts as one at its end."""


@dataclass(frozen=True)
class Segment:
    """A part of the time of a round, with the activity that it was spent on, or that the round waited for.

    Attributes
    ----------
    kind : str
        ``compute``, ``transfer`` or ``waiting``.
    begins : str
        What its beginning waited for, as in :class:`.Step`.
    node, lane, phase : str
        The activity; of a wait the node that the round waited for, without lane and phase.
    client : int
        The client that it belongs to; -1 for several.
    start_s, end_s : float
        Its instants, [s].
    causes_s : dict of Cause to float
        The time by cause, times the weight, [s].
    weight : float
        The part of the responsibility for this time, from 0 to 1.
    row : int
        The index of the activity's row in the table of intervals; -1 for a wait.
    """

    kind: str
    begins: str
    node: str
    lane: str
    phase: str
    client: int
    start_s: float
    end_s: float
    causes_s: dict[Cause, float]
    weight: float = 1.0
    row: int = -1


class Segments:
    """Turns the steps of rounds into segments.

    Parameters
    ----------
    speeds : PlannedSpeeds
        The planned speeds, from which causes follow.
    events : NodeEvents
        The events of the scheme's run.
    """

    def __init__(self, speeds: PlannedSpeeds, events: NodeEvents) -> None:
        self._speeds = speeds
        self._events = events

    def of_path(self, graph: RoundGraph) -> list[Segment]:
        """Return the segments of a round's critical path, each of weight 1."""
        path = graph.path()
        segments: list[Segment] = []
        now_s = graph.start_s
        for step, following in zip(path, [*path[1:], None], strict=True):
            if step.waits:
                segments.append(self._wait(step, now_s, 1.0))
                now_s = step.start_s
            if step.activity is not None:
                # without a gap, the segment ends when the next step begins, so that no time is lost
                no_gap = following is not None and not following.waits
                end_s = following.start_s if following is not None and no_gap else step.end_s
                queue_s = 0.0 if following is None else step.queued_s(following.queue_window_s(step))
                segments.append(self._spent(step, step.activity, (now_s, end_s), queue_s, 1.0))
                now_s = end_s
        return segments

    def of_round(self, graph: RoundGraph) -> Iterator[Segment]:
        """Yield all segments that bear a part of the responsibility for a round, with their weights.

        At each instant of the round the weights sum to 1. They differ from those of the critical path only
        where several clients are tied: each of them then bears an equal part.
        """
        for step in graph.steps:
            if not step.weight:
                continue
            if step.waits:
                yield self._wait(step, step.waiting_from_s, step.weight)
            if step.activity is not None:
                span_s = (step.start_s, step.end_s)
                yield self._spent(step, step.activity, span_s, step.queue_s, step.weight)

    def _spent(
        self, step: Step, activity: Activity, span_s: tuple[float, float], queue_s: float, weight: float
    ) -> Segment:
        """Return the segment of an activity; a later step waited in its queue for a part of it."""
        start_s, end_s = span_s
        time_s = weight * (end_s - start_s)
        queue_s = min(queue_s, time_s)
        causes = self._speeds.causes(activity, self._events)
        total_s = math.fsum(causes.values())
        scale = (time_s - queue_s) / total_s if total_s else 0.0
        causes_s = {cause: scale * cause_s for cause, cause_s in causes.items() if cause_s}
        if queue_s:
            causes_s[Cause.QUEUE] = queue_s
        return Segment(
            "compute" if activity.lane == "compute" else "transfer",
            step.begins,
            activity.node,
            activity.lane,
            activity.phase,
            activity.client,
            start_s,
            end_s,
            causes_s,
            weight,
            activity.row,
        )

    def _wait(self, step: Step, start_s: float, weight: float) -> Segment:
        """Return the segment before a step in which nothing was active that it depended on."""
        before = step.critical[0].activity if step.critical else None
        node, client = NO_NODE, -1
        if before is not None and before.lane == "wire":
            node, client = before.node, before.client
        elif step.activity is not None and not step.activity.is_joint:
            client = step.activity.client
            node = f"device-{client}"
        elif before is not None and step.waited_for_clients:
            client = before.client
            node = f"device-{client}"
        causes = self._causes_of_wait(step, before, node, start_s)
        causes_s = {cause: weight * time_s for cause, time_s in causes.items() if time_s > 0}
        return Segment("waiting", step.begins, node, "", "", client, start_s, step.start_s, causes_s, weight)

    def _causes_of_wait(
        self, step: Step, before: Activity | None, node: str, start_s: float
    ) -> dict[Cause, float]:
        events, end_s = self._events, step.start_s
        ready_s = max(start_s, min(step.ready_s, end_s))
        rest_s, tolerance_s = end_s - start_s, _TOLERANCE * (end_s - start_s)
        causes: dict[Cause, float] = {}
        if before is not None and before.lane == "wire":
            return {Cause.DELAY: ready_s - start_s, Cause.QUEUE: end_s - ready_s}
        for cause in (Cause.OFFLINE, Cause.OUTAGE):
            causes[cause] = min(
                rest_s, events.time_s(None if node == NO_NODE else node, cause, start_s, end_s)
            )
            rest_s -= causes[cause]
        causes[Cause.QUEUE] = min(rest_s, end_s - ready_s)
        rest_s -= causes[Cause.QUEUE]
        last = events.reason_left_out(node, ready_s, tolerance_s)
        if last is None and events.has_one_at(node, "retry", ready_s, tolerance_s):
            last = Cause.RETRY
        elif last is None:
            at_deadline = events.has_one_at(None, "deadline", ready_s, tolerance_s)
            last = Cause.DEADLINE if at_deadline else Cause.OTHER
        causes[last] = causes.get(last, 0.0) + rest_s
        return causes
