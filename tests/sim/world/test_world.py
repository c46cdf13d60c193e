"""The world of a run: a round sees its own clients, whatever other devices there are."""

from __future__ import annotations

import pytest

from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.world.world import World
from tests.support.worlds import fleet, links


def test_a_round_has_the_devices_of_its_clients_alone() -> None:
    """A device of an earlier round is refused, and so is one that took part in none."""
    rates = [1.0, 2.0]
    world = World(Server(), fleet([1.0] * 4, [1.0] * 4), links(rates, rates, rates), clients=(0, 2))
    assert [0, 2] == [world.device(client).client for client in world.clients]
    world.set_round_clients((2, 3), links(rates, rates, rates))
    assert [2, 3] == [world.device(client).client for client in world.clients]
    for other in (0, 1):
        with pytest.raises(ValueError, match=f"device {other} is not a client of this round"):
            world.device(other)
    assert [0, 2, 3] == [device.client for device in world.created_devices]
