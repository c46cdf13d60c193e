"""Calls: who hears them, in which order, and what they cost."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import pytest
from simpy import Event, Process
from worlds import fleet, links

from cutlayer.scenarios.schema import Server
from cutlayer.sim.nodes import Device
from cutlayer.sim.phases import CLIENT_FORWARD, SERVER_FORWARD
from cutlayer.sim.world import World


def world(clock_hz: Sequence[float]) -> World:
    """Return a world of devices of these clocks."""
    ones = [1.0] * len(clock_hz)
    return World(Server(), fleet(list(clock_hz), ones), links(ones, ones, ones), [None] * len(clock_hz))


def served(w: World) -> list[int]:
    """Return the clients in the order in which the server has served them."""
    table = w.record.frame()
    return [int(client) for client in table[table["node"] == "server"]["client"]]


def run(w: World, *calls: tuple[int, ...]) -> None:
    """Let the members of each call compute as much, and be served as they come, one call after the other."""

    def path(device: Device) -> Generator[Event, Any, None]:
        yield device.compute(CLIENT_FORWARD, 12.0)
        yield w.server.serve([(SERVER_FORWARD, 1e9)], device.client)

    def scheme() -> Generator[Event, Any, None]:
        for members in calls:
            assert members == (yield w.start(path, members).finished)

    w.env.run(until=w.env.process(scheme()))


def test_equal_clients_are_served_in_their_order_whatever_was_before() -> None:
    """Clients 0 to 2 were done in the order 2, 1, 0; when they are equal, that does not show any more."""
    w = world([1.0, 2.0, 3.0])
    run(w, (0, 1, 2))
    for device in w.devices.values():
        device.seconds_per_flop = 1.0
    run(w, (0, 1, 2), (0, 2))
    assert [2, 1, 0, 0, 1, 2, 0, 2] == served(w)


def test_a_call_costs_what_its_members_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of one client wake as many processes among fifty clients as among two."""
    woken, resume = [0], Process._resume

    def counted(process: Process, event: Event) -> None:
        woken[0] += 1
        resume(process, event)

    monkeypatch.setattr(Process, "_resume", counted)
    counts = []
    for clients in (2, 50):
        w = world([1.0] * clients)
        w.env.run(until=0.5)
        woken[0] = 0
        run(w, (0,), (1,), (0,))
        counts.append(woken[0])
    assert counts[0] == counts[1] > 3


def test_a_client_goes_one_way_at_a_time() -> None:
    """A second call before the first is done is a mistake of the scheme, and is told."""
    w = world([1.0, 1.0])

    def path(device: Device) -> Generator[Event, Any, None]:
        yield device.compute(CLIENT_FORWARD, 12.0)

    def scheme() -> Generator[Event, Any, None]:
        w.start(path, (1,))
        yield w.env.timeout(1.0)
        assert [1] == w.crew.busy()
        with pytest.raises(RuntimeError, match="client 1 is called while it is still on the way of a call"):
            w.start(path, (0, 1))

    w.env.run(until=w.env.process(scheme()))
