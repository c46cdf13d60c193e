"""The state of a world between two rounds: taken from one, given to another."""

from __future__ import annotations

from ..links.medium_access import Tdma
from .world import World
from .world_state import WorldSnapshot

__all__ = ["NotAtRoundEndError", "restore", "take_snapshot"]


class NotAtRoundEndError(Exception):
    """A world whose state can't be taken, since something in it goes on."""


def take_snapshot(world: World) -> WorldSnapshot:
    """Return the state between two rounds, from which a new world goes on as this one would.

    Raises
    ------
    UnfinishedError
        If something goes on that a state can't hold.
    """
    busy, media = [world.devices[client].name for client in world.crew.busy()], world.media or ()
    if busy or world.first_open_row < len(world.record) or any(m.open_rows for m in media):
        raise NotAtRoundEndError(
            "the round has ended while clients were not done"
            + (f" ({', '.join(busy[:3])}{', …' if len(busy) > 3 else ''})" if busy else "")
        )
    return WorldSnapshot(
        now_s=float(world.env.now),
        record=world.record.state(),
        waiting=world.crew.waiting(),
        clients=world.clients,
        departed_at_s=dict(world.departed_at_s),
        free_at_s={n.name: [lane.free_at_s for lane in n.lanes.values()] for n in world.nodes},
        charges_j={client: device.charge_j for client, device in world.devices.items()},
        server_shares=[node.share for node in world.server_shares],
        turns=[m.sharing.turn if isinstance(m.sharing, Tdma) else None for m in media],
        memories={name: node.memory.state() for name, node in world.compute_nodes.items()},
    )


def restore(world: World, state: WorldSnapshot) -> None:
    """Bring a new world, made with this state's clock, record, devices and shares, to where it was."""
    world.clients, world.departed_at_s = state.clients, dict(state.departed_at_s)
    for node in world.nodes:
        for lane, free_at_s in zip(node.lanes.values(), state.free_at_s[node.name], strict=True):
            lane.free_at_s = free_at_s
    for client, charge_j in state.charges_j.items():
        world.devices[client].charge_j = charge_j
    for medium, turn in zip(world.media or (), state.turns, strict=True):
        if isinstance(medium.sharing, Tdma) and turn is not None:
            medium.sharing.turn = turn
    for name, memory in state.memories.items():
        world.compute_nodes[name].memory.restore(memory)
