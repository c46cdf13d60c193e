"""The snapshot of a world between two rounds, from which another world can continue the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..nodes.compute_node import MemoryState
from ..timeline.interval_record import RecordState
from .link_faults import LossState

__all__ = ["WorldSnapshot"]


@dataclass(frozen=True)
class WorldSnapshot:
    """A world between two rounds, when all clients wait and no transfer is in progress.

    It holds no plans and no links: they are given to the new world. Slow-downs follow from the seed. Rows and
    changes of memories, which grow with every round, are stored elsewhere.

    Attributes
    ----------
    now_s : float
        The clock, [s].
    slot_order : tuple of int
        The slots of the client pool in the order in which they start the next step.
    clients : tuple of int
        The clients of the round that are still in the run, also those that were absent at its end.
    departed_at_s : dict of int to float
        When each of the other clients left the run, [s].
    free_at_s : dict of str to list of float
        For each node, when each of its lanes is free, [s].
    departures : dict of int to list
        For each device that was created, the states of its departures.
    compute_noise : dict of int to int
        For each of these devices whose computations take random times, the number of draws so far.
    server_shares : list of float
        The share of each of the server's shares.
    tdma_slots : list
        For each direction of a shared band, the current TDMA slot; None for other schedulers.
    memories : dict of str to MemoryState
        For each compute node, the state of its memory.
    losses : LossState
        The numbers of messages so far, by which lost packets and messages are drawn.
    """

    now_s: float
    record: RecordState
    slot_order: tuple[int, ...]
    clients: tuple[int, ...]
    departed_at_s: dict[int, float]
    free_at_s: dict[str, list[float]]
    departures: dict[int, list[Any]]
    compute_noise: dict[int, int]
    server_shares: list[float]
    tdma_slots: list[tuple[int, float] | None]
    memories: dict[str, MemoryState]
    losses: LossState
