"""Calls: who hears them, in which order, and what they cost."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import pytest
from simpy import Event, Process

from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.nodes.node import Device
from cutlayer.sim.timeline.phases import CLIENT_FORWARD
from cutlayer.sim.world.world import World
from tests.support.worlds import fleet, links, policy


def world(clock_hz: Sequence[float]) -> World:
    """Return a world of devices of these clocks."""
    ones = [1.0] * len(clock_hz)
    return World(Server(), fleet(list(clock_hz), ones), links(ones, ones, ones))


def run(w: World, *calls: tuple[int, ...]) -> None:
    """Let the members of each call compute, one call after the other."""

    def path(device: Device) -> Generator[Event, Any, None]:
        yield device.compute(CLIENT_FORWARD, 12.0)

    def scheme() -> Generator[Event, Any, None]:
        for members in calls:
            assert members == (yield w.start(path, members).finished)

    w.env.run(until=w.env.process(scheme()))


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


def test_a_client_is_on_the_way_until_it_is_done() -> None:
    """Alone or with others, and also where a deadline ends it; then it hears the next call."""
    w = world([1.0, 2.0])
    ways: list[tuple[list[int], tuple[int, ...]]] = []

    def path(device: Device) -> Generator[Event, Any, None]:
        yield device.compute(CLIENT_FORWARD, 12.0)

    def scheme() -> Generator[Event, Any, None]:
        for members, deadline_s in (((1,), None), ((0,), 4.0), ((0, 1), 7.0), ((0,), None)):
            call = w.pool.start(path, members, policy(deadline_s))
            yield w.env.timeout(1.0)
            busy = w.pool.busy()
            ways.append((busy, (yield call.finished)))
            assert [] == w.pool.busy()

    w.env.run(until=w.env.process(scheme()))
    assert [([1], (1,)), ([0], ()), ([0, 1], (1,)), ([0], (0,))] == ways
    assert 6.0 + 4.0 + 7.0 + 12.0 == w.env.now
