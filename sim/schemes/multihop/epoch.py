"""The epoch that MP-SL and its one-hop baselines share: U-shaped models, owners, compute nodes in between."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, TypeAlias

from simpy import Event

from ....scenarios.schema.network import ACCESS_POINT
from ...nodes.compute_node import MemoryAccount
from ...nodes.node import Device
from ...timeline.phases import (
    ACTIVATION_DOWNLINK,
    ACTIVATION_HOP,
    CLIENT_BACKWARD,
    CLIENT_FORWARD,
    DOWNLINK,
    GRADIENT_HOP,
    GRADIENT_UPLINK,
    HEAD_BACKWARD,
    HEAD_FORWARD,
    MODEL_DOWNLOAD,
    MODEL_UPLOAD,
    NODE_BACKWARD,
    NODE_FORWARD,
    NODE_UPDATE,
    UPLINK,
)
from ...world.ordered_queue import OrderedQueue
from ...world.world import World
from ..base import Round, RoundOutcome
from ..fl import FedAvgLearner
from .costs import OwnerWork
from .structure import MultiHopStructure

__all__ = ["Gates", "MultiHopScheme"]

Gates: TypeAlias = Mapping[str, OrderedQueue]
"""The order in which each node takes its tasks, (client, is backward), where it is given beforehand."""


class MultiHopScheme(MultiHopStructure):
    """An epoch: every owner's mini-batches pass the nodes and come back, one in flight; then all is averaged.

    Labels and both end parts stay with the owner. Each node has a copy of its part for every owner, and
    serves tasks as they arrive; an update occupies it after the gradient has left. At the end owners send
    their parts to the aggregator at the access point; the nodes' copies are averaged where they are.
    """

    def gates(self, world: World) -> Gates:
        """Return the order of each node's tasks in a round; a node without one serves them as they arrive."""
        return {}

    def round(self, world: World, learner: FedAvgLearner | None, number: int) -> Round:
        """Run one epoch; its models are averaged over the owners in time."""
        if number == 1:
            self._load_weights(world)
        trips, gates, pruned = self.trips(self.pruned), self.gates(world), self.pruned

        def epoch(device: Device) -> Generator[Event, Any, None]:
            for _ in range(self.steps):
                yield from self._mini_batch(world, device, trips[device.client], gates)
            yield device.uplink(MODEL_UPLOAD, self.upload_bits(pruned=pruned))

        on_time: tuple[int, ...] = yield world.start(epoch, world.clients).on_time
        if not on_time:
            return RoundOutcome((), 0, 0)
        if learner:
            learner.local_steps(on_time, number)
            learner.average(on_time)
        yield world.server.broadcast(MODEL_DOWNLOAD, self.download_bits(pruned=pruned), world.clients)
        return RoundOutcome(on_time, self.steps, len(on_time) * self.steps * self.job.batch_size)

    def _load_weights(self, world: World) -> None:
        weights = self.job.units.parameter_bits
        for path in self.paths:
            for leg in path:
                world.compute_nodes[leg.node].memory.allocate(float(weights[leg.first : leg.end].sum()))

    def _mini_batch(
        self, world: World, device: Device, trip: OwnerWork, gates: Gates
    ) -> Generator[Event, Any, None]:
        """Take one mini-batch through the nodes and back."""
        i = device.client
        path = self.paths[i]
        held: list[tuple[MemoryAccount, float]] = []
        try:
            yield device.compute(CLIENT_FORWARD, trip.forward_flops)
            yield device.uplink(UPLINK, trip.smashed_bits)
            place = ACCESS_POINT
            for leg in path:
                yield from world.send(place, leg.node, ACTIVATION_HOP, leg.entering_bits, i)
                place, node = leg.node, world.compute_nodes[leg.node]
                held.append((node.memory, leg.activation_bits))
                node.memory.allocate(leg.activation_bits)
                if leg.node in gates:
                    yield gates[leg.node].turn((i, False))
                yield node.compute(NODE_FORWARD, leg.work.forward_flops, i)
            yield from world.send(place, ACCESS_POINT, ACTIVATION_HOP, path[-1].leaving_bits, i)
            yield device.downlink(ACTIVATION_DOWNLINK, trip.head_input_bits)
            yield device.compute(HEAD_FORWARD, trip.head_forward_flops)
            yield device.compute(HEAD_BACKWARD, trip.head_backward_flops)
            yield device.uplink(GRADIENT_UPLINK, trip.head_gradient_bits)
            place = ACCESS_POINT
            for leg in reversed(path):
                yield from world.send(place, leg.node, GRADIENT_HOP, leg.entering_gradient_bits, i)
                place, node = leg.node, world.compute_nodes[leg.node]
                if leg.node in gates:
                    yield gates[leg.node].turn((i, True))
                backward = (NODE_BACKWARD, leg.work.backward_flops)
                yield node.backward(backward, (NODE_UPDATE, leg.work.update_flops), i)
                memory, bits = held.pop()
                memory.release(bits)
            yield from world.send(place, ACCESS_POINT, GRADIENT_HOP, path[0].leaving_gradient_bits, i)
        finally:  # an owner that is cut off, wherever it is, leaves nothing behind, and nobody waits for it
            for memory, bits in held:
                memory.release(bits)
            for gate in gates.values():
                gate.drop((i, False), (i, True))
        yield device.downlink(DOWNLINK, trip.gradient_bits)
        yield device.compute(CLIENT_BACKWARD, trip.backward_flops)
