"""Rounds that never end: the run ends with an error that says why, instead of waiting for ever."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from ...nodes.node import Node
from ...timeline.event_order import schedule_after
from ...timeline.phases import LaneName

if TYPE_CHECKING:
    from ..world import World

__all__ = ["EndlessRoundError", "refuse_endless_rounds"]

LAST_INSTANT_S = sys.float_info.max
"""An instant after the end of every activity that ends, [s]."""


class EndlessRoundError(RuntimeError):
    """A round waits for something that never happens."""


def refuse_endless_rounds(world: World) -> None:
    """Let the run end with an error if its current round waits for something that never happens.

    An activity on a processor or link that has stopped for good ends at an infinite instant. The event loop
    would go on there, and the round would end at infinity. So an event before that instant raises an error.
    It costs nothing, because the event loop never comes to it otherwise.

    Raises
    ------
    EndlessRoundError
        By the event loop, when nothing else will ever happen.
    """

    def refuse() -> None:
        raise EndlessRoundError(f"round {world.record.round} never ends: {_reason(world)}")

    schedule_after(world.env, LAST_INSTANT_S - float(world.env.now), refuse)


_ACTIVITIES = {
    "compute": "a computation",
    "uplink": "an uplink",
    "downlink": "a downlink",
    "wire": "a message",
}


def _reason(world: World) -> str:
    """Return the activities that never end, with the reasons that their processors or links know."""
    endless = [
        f"{_ACTIVITIES[name]} of {node.name} never ends{_cause(node, name)}"
        for node in world.nodes
        for name, lane in node.lanes.items()
        if math.isinf(lane.free_at_s)
    ]
    return ", and ".join(endless[:3]) if endless else "it waits for an event that nothing will trigger"


def _cause(node: Node, lane: LaneName) -> str:
    reason = getattr(node.capacity_of(lane), "ends_because", None)
    return f", because {reason}" if reason else ""
