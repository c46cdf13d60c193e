"""The epoch of multi-hop schemes: mini-batches go from their owners over compute nodes and back."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, TypeAlias

from simpy import Event

from ....scenarios.schema.network import ACCESS_POINT
from ...nodes.compute_node import MemoryAccount
from ...nodes.device import Device
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
from ..base import Round, RoundContext, RoundOutcome
from ..fl import FedAvgLearner
from .costs import HopWork, OwnerWork
from .structure import MultiHopPlan, MultiHopStructure

__all__ = ["MultiHopScheme", "ServiceOrder"]

ServiceOrder: TypeAlias = Mapping[str, OrderedQueue]
"""The planned order of the tasks of some nodes; a task is (client, whether it is a backward pass)."""


class MultiHopScheme(MultiHopStructure):
    """A multi-hop scheme whose round is an epoch (docs/model.md section 7.1).

    Each owner keeps its labels, and the first and the last part of its model. Its mini-batches go over the
    nodes and back, one at a time. Each node has a copy of its part for every owner, and serves tasks in their
    order of arrival unless the plan has an order. Its update starts after the gradient has left. At the end
    of the epoch, owners upload their parts to the aggregator at the access point, which broadcasts the
    averages. The copies on the nodes are averaged without traffic.
    """

    def round(self, context: RoundContext) -> Round:
        """Run one epoch, and average the models of the owners that are on time."""
        world, masks_on = context.world, context.masks_on
        learner: FedAvgLearner | None = context.learner
        structure: MultiHopPlan = context.plan.structure
        if context.number == 1:
            self._load_copies(world, structure)
        owner_work = structure.owner_work if masks_on else structure.unmasked_work
        order = _service_order(world, structure)

        def epoch(device: Device) -> Generator[Event, Any, None]:
            row = device.row
            for _ in range(self.steps):
                yield from _mini_batch(world, device, structure.paths[row], owner_work[row], order)
            yield device.uplink(MODEL_UPLOAD, self.upload_bits(masks_on=masks_on))

        on_time: tuple[int, ...] = yield world.start(epoch, world.clients).on_time
        if not on_time:
            return RoundOutcome((), 0, 0)
        if learner:
            learner.local_steps(on_time, context.number)
            learner.average(on_time)
        yield world.server.broadcast(MODEL_DOWNLOAD, self.download_bits(masks_on=masks_on), world.clients)
        return RoundOutcome(on_time, self.steps, len(on_time) * self.steps * self.task.batch_size)

    def _load_copies(self, world: World, structure: MultiHopPlan) -> None:
        """Allocate each owner's copy of the nodes' parts, with its gradients and optimiser."""
        for path in structure.paths:
            for hop in path:
                world.compute_nodes[hop.node].memory.allocate(hop.memory.resident_bits)


def _service_order(world: World, structure: MultiHopPlan) -> ServiceOrder:
    """Return the planned order of each node's tasks; a node without one serves tasks as they arrive."""
    if structure.task_order is None:
        return {}
    return {
        node: OrderedQueue(world.env, [task for task in tasks if world.is_present(task[0])])
        for node, tasks in structure.task_order.items()
    }


def _mini_batch(
    world: World, device: Device, path: Sequence[HopWork], owner: OwnerWork, order: ServiceOrder
) -> Generator[Event, Any, None]:
    """Yield the activities of one mini-batch of an owner, over the nodes and back."""
    client = device.client
    allocated: list[tuple[MemoryAccount, float]] = []
    try:
        yield device.compute(CLIENT_FORWARD, owner.forward_flops)
        yield device.uplink(UPLINK, owner.smashed_bits)
        position = ACCESS_POINT
        for hop in path:
            yield from world.send(position, hop.node, ACTIVATION_HOP, hop.entering_bits, client)
            position, node = hop.node, world.compute_nodes[hop.node]
            allocated.append((node.memory, hop.memory.batch_bits))
            node.memory.allocate(hop.memory.batch_bits)
            if hop.node in order:
                yield order[hop.node].turn((client, False))
            yield node.compute(NODE_FORWARD, hop.work.forward_flops, client)
        yield from world.send(position, ACCESS_POINT, ACTIVATION_HOP, path[-1].leaving_bits, client)
        yield device.downlink(ACTIVATION_DOWNLINK, owner.head_input_bits)
        yield device.compute(HEAD_FORWARD, owner.head_forward_flops)
        yield device.compute(HEAD_BACKWARD, owner.head_backward_flops)
        yield device.uplink(GRADIENT_UPLINK, owner.head_gradient_bits)
        position = ACCESS_POINT
        for hop in reversed(path):
            yield from world.send(position, hop.node, GRADIENT_HOP, hop.entering_gradient_bits, client)
            position, node = hop.node, world.compute_nodes[hop.node]
            if hop.node in order:
                yield order[hop.node].turn((client, True))
            backward = (NODE_BACKWARD, hop.work.backward_flops)
            yield node.backward(backward, (NODE_UPDATE, hop.work.update_flops), client)
            memory, bits = allocated.pop()
            memory.release(bits)
        yield from world.send(position, ACCESS_POINT, GRADIENT_HOP, path[0].leaving_gradient_bits, client)
    finally:  # An owner that is stopped releases its memory, and no other task waits for its tasks.
        for memory, bits in allocated:
            memory.release(bits)
        for queue in order.values():
            queue.drop((client, False), (client, True))
    yield device.downlink(DOWNLINK, owner.gradient_bits)
    yield device.compute(CLIENT_BACKWARD, owner.backward_flops)
