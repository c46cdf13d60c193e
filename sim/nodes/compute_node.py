"""Compute nodes behind the access point, the wires between them, and what is in their memory."""

from __future__ import annotations

import math
from array import array
from typing import TypeAlias

from simpy import Environment, Timeout

from ..timeline.interval_record import IntervalRecord
from ..timeline.phases import Phase
from .node import Node

__all__ = ["ComputeNode", "MemoryAccount", "MemoryState", "ServerShare"]


MemoryState: TypeAlias = tuple[float, float]
"""What is held, and the most so far."""


class MemoryAccount:
    """What a node holds over time.

    Attributes
    ----------
    held_bits, peak_bits : float
        Now, and the most so far, [bit].
    packed : array
        Of each change its time, [s], and what is held after it, [bit], one behind the other.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env
        self.held_bits = self.peak_bits = 0.0
        self.packed = array("d")
        self._told = 0

    def take(self, bits: float) -> None:
        """Hold so many bits more; fewer, where negative."""
        self.held_bits += bits
        self.peak_bits = max(self.peak_bits, self.held_bits)
        self.packed.extend((self._env._now, self.held_bits))  # the property costs a tenth of an event

    @property
    def changes(self) -> list[tuple[float, float]]:
        """Return each change's time, [s], with what is held after it, [bit]."""
        return list(zip(self.packed[::2], self.packed[1::2], strict=True))

    def news(self) -> array[float]:
        """Return the packed changes since this was asked before."""
        since, self._told = self._told, len(self.packed)
        return self.packed[since:]

    def state(self) -> MemoryState:
        """Return what an account must know to go on, besides its changes."""
        return self.held_bits, self.peak_bits

    def restore(self, state: MemoryState) -> None:
        """Take over what another account held; its changes are to be put in place as they were told."""
        self.held_bits, self.peak_bits = state
        self.packed, self._told = array("d"), 0

    def apply_increment(self, changes: array[float]) -> None:
        """Put in place changes that another account told."""
        self.packed.extend(changes)
        self._told = len(self.packed)


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
        """Return the event at which the gradient leaves; the update occupies the node right after it.

        Parameters
        ----------
        backward, update : phase and FLOPs each
        client : int
            Whose rows they are.
        """
        gradient = self.compute(*backward, client)
        phase, flops = update
        update_s, update_j = flops * self.seconds_per_flop, flops * self.joules_per_flop
        lane = self._compute_lane
        ready_s = max(self.env.now, lane.free_at_s)  # when the backward pass ends
        self.occupy(lane, phase, update_s, 0.0, flops, update_j, client, ready_s)
        return gradient


class ServerShare(Node):
    """A share of the server's processor, for one client alone.

    Parameters
    ----------
    share : float
        From 0 to 1: work takes 1/share of its time on the whole processor; a FLOP costs the same energy.
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
    ) -> None:
        super().__init__(
            env,
            record,
            index,
            clock_hz=clock_hz,
            cycles_per_flop=cycles_per_flop,
            switched_capacitance=switched_capacitance,
        )
        self._whole_s_per_flop = self.seconds_per_flop
        self.set_share(share)

    def set_share(self, share: float) -> None:
        """Have this share of the processor from now on."""
        self.share = share
        self.seconds_per_flop = self._whole_s_per_flop * (math.inf if share == 0 else 1 / share)
