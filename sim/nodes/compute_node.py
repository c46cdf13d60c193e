"""Compute nodes behind the access point with their memory, and shares of the server's processor."""

from __future__ import annotations

import math
from array import array
from typing import TypeAlias

from simpy import Environment, Timeout

from ..timeline.interval_record import IntervalRecord
from ..timeline.phases import Phase
from .capacity import PiecewiseCapacity
from .node import Node

__all__ = ["ComputeNode", "MemoryAccount", "MemoryState", "ServerShare"]


MemoryState: TypeAlias = tuple[float, float]
"""The allocated memory, and the largest so far, [bit]."""


class MemoryAccount:
    """The memory that a node has allocated over time.

    Attributes
    ----------
    held_bits, peak_bits : float
        The memory that is allocated now, and the largest so far, [bit].
    packed : array
        For each change its time, [s], and the allocated memory after it, [bit], one behind the other.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env
        self.held_bits = self.peak_bits = 0.0
        self.packed = array("d")
        self._num_reported = 0

    def allocate(self, bits: float) -> None:
        """Allocate these bits."""
        self.held_bits += bits
        self.peak_bits = max(self.peak_bits, self.held_bits)
        self.packed.extend((self._env._now, self.held_bits))  # faster than the property

    def release(self, bits: float) -> None:
        """Release these bits."""
        self.allocate(-bits)

    @property
    def changes(self) -> list[tuple[float, float]]:
        """Return the time of each change, [s], and the allocated memory after it, [bit]."""
        return list(zip(self.packed[::2], self.packed[1::2], strict=True))

    def new_changes(self) -> array[float]:
        """Return the packed changes since the last call of this method."""
        first, self._num_reported = self._num_reported, len(self.packed)
        return self.packed[first:]

    def state(self) -> MemoryState:
        """Return the state that another account can continue from; its changes are kept elsewhere."""
        return self.held_bits, self.peak_bits

    def restore(self, state: MemoryState) -> None:
        """Continue from this state; :meth:`add_changes` puts back the changes before it."""
        self.held_bits, self.peak_bits = state
        self.packed, self._num_reported = array("d"), 0

    def add_changes(self, changes: array[float]) -> None:
        """Append packed changes that another account has reported."""
        self.packed.extend(changes)
        self._num_reported = len(self.packed)


class ComputeNode(Node):
    """A node that trains parts of the model, one task at a time, first come first served."""

    def __init__(
        self,
        env: Environment,
        record: IntervalRecord,
        index: int,
        *,
        clock_hz: float,
        cycles_per_flop: float,
        switched_capacitance: float,
    ) -> None:
        super().__init__(
            env,
            record,
            index,
            clock_hz=clock_hz,
            cycles_per_flop=cycles_per_flop,
            switched_capacitance=switched_capacitance,
        )
        self.memory = MemoryAccount(env)

    def backward(self, backward: tuple[Phase, float], update: tuple[Phase, float], client: int) -> Timeout:
        """Return the event at which the gradient can be sent; the update occupies the node after it.

        Parameters
        ----------
        backward, update : (Phase, float)
            The phase of each, and its FLOPs.
        client : int
            The client whose mini-batch this is.
        """
        gradient = self.compute(*backward, client)
        phase, flops = update
        update_s, update_j = flops * self.seconds_per_flop, flops * self.joules_per_flop
        lane = self._compute_lane
        ready_s = max(self.env.now, lane.free_at_s)  # when the backward pass ends
        self.occupy(lane, phase, update_s, 0.0, flops, update_j, client, ready_s)
        return gradient


class ServerShare(Node):
    """A share of the server's processor that serves one client.

    Parameters
    ----------
    share : float
        The share, from 0 to 1. Work takes 1/share times as long as on the whole processor; a FLOP costs the
        same energy.
    compute_capacity : PiecewiseCapacity, optional
        The relative speed of the server's processor over time; full speed by default.
    """

    def __init__(
        self,
        env: Environment,
        record: IntervalRecord,
        index: int,
        *,
        clock_hz: float,
        cycles_per_flop: float,
        switched_capacitance: float,
        share: float,
        compute_capacity: PiecewiseCapacity | None = None,
    ) -> None:
        super().__init__(
            env,
            record,
            index,
            clock_hz=clock_hz,
            cycles_per_flop=cycles_per_flop,
            switched_capacitance=switched_capacitance,
            compute_capacity=compute_capacity,
        )
        self._full_seconds_per_flop = self.seconds_per_flop
        self.set_share(share)

    def set_share(self, share: float) -> None:
        """Change the share of the processor from now on."""
        self.share = share
        self.seconds_per_flop = self._full_seconds_per_flop * (math.inf if share == 0 else 1 / share)
