"""Taking the snapshot of a world between two rounds, and restoring it in a new world."""

from __future__ import annotations

from ..links.schedulers import Tdma
from .world import World
from .world_state import WorldSnapshot

__all__ = ["NotAtRoundEndError", "restore", "take_snapshot"]


class NotAtRoundEndError(Exception):
    """A snapshot was requested while an activity was in progress."""


def take_snapshot(world: World) -> WorldSnapshot:
    """Return a snapshot between two rounds, from which a new world continues exactly as this one would.

    Raises
    ------
    NotAtRoundEndError
        If a client or a transfer is active, which a snapshot cannot hold.
    """
    busy, media = [world.device(client).name for client in world.pool.busy()], world.media or ()
    if busy or world.first_open_row < len(world.record) or any(m.open_rows for m in media):
        raise NotAtRoundEndError(
            "the round has ended while clients were not done"
            + (f" ({', '.join(busy[:3])}{', …' if len(busy) > 3 else ''})" if busy else "")
        )
    return WorldSnapshot(
        now_s=float(world.env.now),
        record=world.record.state(),
        slot_order=world.pool.slot_order(),
        clients=tuple(sorted((*world.clients, *world.members.absent))),  # the absent ones come back
        departed_at_s=dict(world.departed_at_s),
        free_at_s={node.name: [lane.free_at_s for lane in node.lanes.values()] for node in world.nodes},
        departures={client: [each.state() for each in traces] for client, traces in world.departures.items()},
        compute_noise={
            device.client: device.compute_noise.state()
            for device in world.created_devices
            if device.compute_noise is not None
        },
        server_shares=[node.share for node in world.server_shares],
        tdma_slots=[m.scheduler.slot if isinstance(m.scheduler, Tdma) else None for m in media],
        memories={name: node.memory.state() for name, node in world.compute_nodes.items()},
        losses=world.link_faults.state(),
    )


def restore(world: World, snapshot: WorldSnapshot) -> None:
    """Bring a new world, which was created with this snapshot, to the state of the snapshot."""
    world.members.clients = snapshot.clients
    world.members.departed_at_s = dict(snapshot.departed_at_s)
    for node in world.nodes:
        for lane, free_at_s in zip(node.lanes.values(), snapshot.free_at_s[node.name], strict=True):
            lane.free_at_s = free_at_s
    for client, states in snapshot.departures.items():
        for trace, state in zip(world.departures[client], states, strict=True):
            trace.restore(state)
    for device in world.created_devices:
        if device.compute_noise is not None:
            device.compute_noise.restore(snapshot.compute_noise[device.client])
    for medium, slot in zip(world.media or (), snapshot.tdma_slots, strict=True):
        if isinstance(medium.scheduler, Tdma) and slot is not None:
            medium.scheduler.slot = slot
    for name, memory in snapshot.memories.items():
        world.compute_nodes[name].memory.restore(memory)
    world.link_faults.restore(snapshot.losses)
