"""What a world must know to go on after a round as if it had never stopped."""

from __future__ import annotations

from dataclasses import dataclass

from ..nodes.compute_node import MemoryState
from ..timeline.interval_record import RecordState

__all__ = ["WorldSnapshot"]


@dataclass(frozen=True)
class WorldSnapshot:
    """A world between two rounds, when every client waits for the next call and nothing is on the air.

    Plans and links are not in it: who makes the new world connects it by the plan that holds. Nor are
    slow-downs, which follow from the seed, nor what grows with every round: rows, and changes of memories.

    Attributes
    ----------
    now_s : float
        The clock, [s].
    record : what the record goes on from
    waiting : the crew's seats in the order in which they will hear the next call, which is that of rows
    clients, left_at_s : who is in the run, and when the others left it
    free_at_s : of every node, when each of its lanes is free, [s]
    charges_j : what each device that was made may spend, [J]
    server_shares : the share of each of the server's nodes
    turns : of each shared direction of the band, whose turn it is, where there are turns
    memories : of each compute node, without its changes
    """

    now_s: float
    record: RecordState
    waiting: tuple[int, ...]
    clients: tuple[int, ...]
    departed_at_s: dict[int, float]
    free_at_s: dict[str, list[float]]
    charges_j: dict[int, float]
    server_shares: list[float]
    turns: list[tuple[int, float] | None]
    memories: dict[str, MemoryState]
