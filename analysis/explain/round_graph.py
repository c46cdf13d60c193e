"""The graph of a round: which activity had to end before which other one could begin.

The table of intervals has no dependencies. They follow from its instants by the rules below, which hold for
every scheme. An activity is *ready* ``wait_s`` before it starts.

1. It may begin when the last activity of the same client has ended, on the device or on a node that works for
   the client.
2. If that ended earlier, the server's last activity for several clients gives the start.
3. If that ended earlier too, the activity waits at a *barrier*: for the last activity of each other client.
   Work of the server for several clients waits at a barrier too, for the last upload of each client.
4. If it has waited, its start also needs the end of the activity before it on its lane.
5. The end of the round is a barrier for all clients, unless the server's last activity ends the round.

Activities that take no time are not in the table. If the server takes no time and several uploads end at one
instant, it is open whether the transfers to their clients waited for all of them. They depend on all of them
then, so that no slack is too large.

The *critical* predecessors of an activity are those that end when it begins. If there are none, the round was
waiting for something else, for example for a deadline or for a message on its way.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from .activities import Activity

__all__ = ["RoundGraph", "Step"]

_AFTERWARDS = frozenset({"node_update"})
"""Phases whose end only their own node waits for."""
_TOLERANCE = 1e-9
"""Instants that differ by less than this fraction of the round's length are one instant."""


@dataclass(eq=False)
class Step:
    """A step of the graph: an activity, or a barrier, which takes no time.

    Attributes
    ----------
    activity : Activity or None
        None for a barrier.
    start_s, end_s : float
        Its instants, [s]; the start is at least that of the round.
    ready_s : float
        The instant from which it waits for its lane, [s].
    position : int
        The number of activities of the client before it in the round.
    edges : list of (Step, float)
        Steps before it, and how much later each could end without delaying this one, [s].
    critical : list of Step
        Those that decide on its start; empty if the round begins with it, or was waiting without an activity.
    begins : str
        What its start waited for: ``start`` of the round, ``previous`` activity, ``server``, ``barrier`` or
        ``queue``.
    waiting_from_s : float
        The instant from which nothing that it depends on was active, [s]; its start if there is no gap.
    weight : float
        The share of the round's responsibility that it bears, from 0 to 1: tied steps bear equal parts.
    queue_s : float
        The part of its duration, times its weight, in which a later step waited in its queue, [s].
    slack_s : float
        By how much it could end later without changing the end of the round, [s].
    awaited_from_s : float
        The instant from which a later step of the critical path waited in a queue for its lane, [s].
    waited_for_clients : bool
        For a barrier: whether the round left out its critical clients then, after it had waited for them.
    """

    activity: Activity | None
    start_s: float
    end_s: float
    ready_s: float
    position: int = 0
    edges: list[tuple[Step, float]] = field(default_factory=list)
    critical: list[Step] = field(default_factory=list)
    begins: str = "start"
    waiting_from_s: float = math.nan
    weight: float = 0.0
    queue_s: float = 0.0
    slack_s: float = math.inf
    awaited_from_s: float = math.inf
    waited_for_clients: bool = False

    @property
    def waits(self) -> bool:
        """Return whether nothing that it depends on was active just before it."""
        return self.waiting_from_s < self.start_s

    def queue_window_s(self, before: Step) -> float:
        """Return the instant from which a later activity waited for the lane that another step occupies, [s].

        Infinity if none did. Activities on the way to the one that waits may be on the lane too.
        """
        if before not in self.critical:
            return math.inf
        if self.begins == "queue":
            return min(self.ready_s, self.awaited_from_s)
        one, other = self.activity, before.activity
        same_lane = one is not None and other is not None and (one.node, one.lane) == (other.node, other.lane)
        return self.awaited_from_s if same_lane else math.inf

    def queued_s(self, window_s: float) -> float:
        """Return the part of its duration that lies behind an instant, [s]."""
        return max(0.0, self.end_s - max(self.start_s, window_s))


class RoundGraph:
    """The dependencies of one round's activities.

    Parameters
    ----------
    activities : sequence of Activity
        In the order of their starts, then of their ends.
    start_s, end_s : float
        The instants at which the round begins and ends, [s].
    left_out : collection of (float, int)
        When the round went on without a client, [s], and its number.

    Attributes
    ----------
    steps : list of Step
        Each step behind all steps that it depends on; the last one is the end of the round.
    """

    def __init__(
        self,
        activities: Sequence[Activity],
        start_s: float,
        end_s: float,
        left_out: Collection[tuple[float, int]] = (),
    ) -> None:
        self.start_s, self.end_s = start_s, end_s
        self._tolerance_s = max(_TOLERANCE * (end_s - start_s), 8 * float(np.spacing(end_s)))
        self._left_out = left_out
        self.steps: list[Step] = []
        self._own: dict[int, list[Step]] = defaultdict(list)  # by client
        self._joint: list[Step] = []
        self._on_lane: dict[tuple[str, str], Step] = {}
        self._barriers: dict[tuple[float, str], Step] = {}
        self._last_row = {a.client: a.row for a in activities if a.phase not in _AFTERWARDS}
        for activity in activities:
            if activity.start_s < end_s and activity.end_s > start_s:
                self._add(activity)
        self.end = self._barrier(end_s, "")
        self._spread_weights()
        self._propagate_slack()

    def path(self) -> list[Step]:
        """Return the critical path, from the first step to the end of the round.

        Of tied steps it takes the one whose client has made the least progress: fewest activities, then the
        least work in the last one, then the lowest number of a client.
        """
        path = [self.end]
        while path[-1].critical:
            path.append(min(path[-1].critical, key=_progress))
        return path[::-1]

    def client_slack(self) -> dict[int, Step]:
        """Return, for each client, the activity of its device with the least slack."""
        tightest: dict[int, Step] = {}
        for step in self.steps:
            activity = step.activity
            if activity is None or not activity.is_on_device:
                continue
            best = tightest.get(activity.client)
            if best is None or step.slack_s < best.slack_s:
                tightest[activity.client] = step
        return tightest

    def _add(self, activity: Activity) -> None:
        """Add an activity behind all that start before it."""
        carried_over = activity.start_s < self.start_s - self._tolerance_s
        own = self._own[activity.client]
        step = Step(
            activity,
            max(activity.start_s, self.start_s),
            min(activity.end_s, self.end_s),
            max(activity.ready_s, self.start_s),
            len(own),
        )
        if not carried_over:
            self._find_enabling(step, activity)
            self._find_queue(step, activity)
        self._set_gap(step)
        self.steps.append(step)
        self._on_lane[activity.node, activity.lane] = step
        if activity.phase in _AFTERWARDS or carried_over:
            return
        (self._joint if activity.is_joint else own).append(step)

    def _find_enabling(self, step: Step, activity: Activity) -> None:
        """Find the steps that decided when an activity was ready (rules 1 to 3)."""
        if step.ready_s <= self.start_s + self._tolerance_s:
            return  # the round begins with it
        own = None if activity.is_joint else _last(self._own[activity.client], self._until(step))
        if own is not None:
            self._depend(step, own)
            if self._ended_at(own, step.ready_s):
                step.critical, step.begins = [own], "previous"
                self._find_tied_uploads(step, activity, own)
                return
        joint = _last(self._joint, self._until(step))
        if joint is not None and self._ended_at(joint, step.ready_s):
            self._depend(step, joint)
            step.critical, step.begins = [joint], "server"
            if not activity.is_joint:
                return
        elif own is not None and own.activity is not None and own.activity.lane == "wire":
            step.critical, step.begins = [own], "previous"  # the message was on its way
            return
        barrier = self._barrier(step.ready_s, activity.lane if activity.is_joint else "")
        self._depend(step, barrier)
        if step.critical:
            return
        if barrier.waits and own is not None and not barrier.waited_for_clients:
            step.critical, step.begins = [own], "previous"  # something held up this client alone
        else:
            step.critical, step.begins = [barrier], "barrier"

    def _find_tied_uploads(self, step: Step, activity: Activity, own: Step) -> None:
        """Find the uploads that may have held up a transfer to a client at a server that takes no time."""
        if own.activity is None or (own.activity.lane, activity.lane) != ("uplink", "downlink"):
            return
        others = [_last(steps, self._until(step)) for steps in self._own.values() if own not in steps]
        if any(other is not None and self._ended_at(other, step.ready_s) for other in others):
            self._depend(step, self._barrier(step.ready_s, "compute"))

    def _find_queue(self, step: Step, activity: Activity) -> None:
        """Find the activity that an activity waited for on its lane (rule 4)."""
        before = self._on_lane.get((activity.node, activity.lane))
        if before is None or before.end_s > step.start_s + self._tolerance_s:
            return
        self._depend(step, before)
        waited = step.start_s - step.ready_s > self._tolerance_s
        if waited and self._ended_at(before, step.start_s) and before not in step.critical:
            step.critical, step.begins = [before], "queue"

    def _barrier(self, time_s: float, lane: str) -> Step:
        """Return the barrier at an instant: it waits for each client, and for the server.

        Parameters
        ----------
        lane : str
            ``compute`` if the barrier waits for uploads, ``downlink`` if it waits for transfers, and empty if
            it waits for any activity.
        """
        key = (time_s, lane)
        if key in self._barriers:
            return self._barriers[key]
        barrier = Step(None, time_s, time_s, time_s)
        until_s = time_s + self._tolerance_s
        for own in self._own.values():
            last = self._awaited(own, until_s, lane)
            if last is not None:
                self._depend(barrier, last)
        joint = _last(self._joint, until_s)
        if joint is not None:
            self._depend(barrier, joint)
        if joint is not None and self._ended_at(joint, time_s):
            barrier.critical = [joint]
        else:
            barrier.critical = [step for step, _ in barrier.edges if self._ended_at(step, time_s)]
        barrier.begins = "barrier"
        if not barrier.critical and barrier.edges:
            barrier.critical, barrier.waited_for_clients = self._awaited_in_vain(barrier, time_s)
        self._set_gap(barrier)
        self.steps.append(barrier)
        self._barriers[key] = barrier
        return barrier

    def _awaited(self, own: list[Step], until_s: float, lane: str) -> Step | None:
        """Return the activity of a client that a barrier waits for; None if it has none yet."""
        last = _last(own, until_s)
        if last is None or last.activity is None or not lane:
            return last
        is_final = last.activity.row == self._last_row[last.activity.client]
        if is_final and self._ended_at(last, until_s - self._tolerance_s):
            return last  # a deadline, or a fault, has stopped it
        lanes = ("uplink",) if lane == "compute" else ("uplink", "downlink")
        transfers = [step for step in own if step.activity is not None and step.activity.lane in lanes]
        return _last(transfers, until_s) or last

    def _awaited_in_vain(self, barrier: Step, time_s: float) -> tuple[list[Step], bool]:
        """Return the last activities of the clients that the round left out then, or else the last of all.

        The second value tells which.
        """
        clients = {client for left_s, client in self._left_out if abs(left_s - time_s) <= self._tolerance_s}
        steps = [step for step, _ in barrier.edges]
        left = [step for step in steps if step.activity is not None and step.activity.client in clients]
        if left:
            return left, True
        last_s = max(step.end_s for step in steps)
        return [step for step in steps if self._ended_at(step, last_s)], False

    def _depend(self, step: Step, before: Step) -> None:
        lag_s = step.start_s - before.end_s
        step.edges.append((before, lag_s if lag_s > self._tolerance_s else 0.0))

    def _set_gap(self, step: Step) -> None:
        ended_s = max((before.end_s for before in step.critical), default=self.start_s)
        gap = step.start_s - ended_s > self._tolerance_s
        step.waiting_from_s = ended_s if gap else step.start_s

    def _until(self, step: Step) -> float:
        return step.ready_s + self._tolerance_s

    def _ended_at(self, step: Step, time_s: float) -> bool:
        return abs(step.end_s - time_s) <= self._tolerance_s

    def _spread_weights(self) -> None:
        """Divide the responsibility of each step equally among its critical predecessors."""
        self.end.weight = 1.0
        for step in reversed(self.steps):
            if not step.weight or not step.critical:
                continue
            part = step.weight / len(step.critical)
            for before in step.critical:
                before.weight += part
                window_s = step.queue_window_s(before)
                before.awaited_from_s = min(before.awaited_from_s, window_s)
                before.queue_s += part * before.queued_s(window_s)

    def _propagate_slack(self) -> None:
        self.end.slack_s = 0.0
        for step in reversed(self.steps):
            for before, lag_s in step.edges:
                before.slack_s = min(before.slack_s, step.slack_s + lag_s)
            for before in step.critical:  # also over a gap: the round waited for it
                before.slack_s = min(before.slack_s, step.slack_s)


def _last(steps: Sequence[Step], until_s: float) -> Step | None:
    """Return the last of these steps that had ended by an instant."""
    return next((step for step in reversed(steps) if step.end_s <= until_s), None)


def _progress(step: Step) -> tuple[int, float, int]:
    activity = step.activity
    return (step.position, activity.amount, activity.client) if activity is not None else (0, 0.0, -1)
