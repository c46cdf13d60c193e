"""Laws of the client pool: when clients are busy, and the cost of a step."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Any

from simpy import Event

from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.nodes.device import Device
from cutlayer.sim.timeline.phases import CLIENT_FORWARD
from cutlayer.sim.world.world import World
from tests.support.worlds import fleet, links, policy


def world(clock_hz: Sequence[float]) -> World:
    """Return a world of devices of these clocks."""
    ones = [1.0] * len(clock_hz)
    return World(Server(), fleet(list(clock_hz), ones), links(ones, ones, ones))


def compute(device: Device) -> Generator[Event, Any, None]:
    """Compute 12 FLOPs."""
    yield device.compute(CLIENT_FORWARD, 12.0)


def callbacks_of_turns(clients: int) -> int:
    """Return how often an event wakes something in three turns of one client each."""
    w, count = world([1.0] * clients), 0
    w.env.run(until=0.5)

    def scheme() -> Generator[Event, Any, None]:
        for client in (0, 1, 0):
            yield w.start(compute, (client,)).finished

    end = w.env.process(scheme())
    while not end.processed:
        *_, event = w.env._queue[0]
        count += len(event.callbacks or ())
        w.env.step()
    return count


def test_a_turn_of_one_client_wakes_no_other_client() -> None:
    """Three turns among fifty clients wake as many processes as among two."""
    assert callbacks_of_turns(2) == callbacks_of_turns(50)


def test_a_client_is_busy_until_its_program_ends() -> None:
    """Alone or with others, and also where a deadline ends the program; then it waits for the next step."""
    w = world([1.0, 2.0])
    busy_then_on_time: list[tuple[list[int], tuple[int, ...]]] = []

    def scheme() -> Generator[Event, Any, None]:
        for members, deadline_s in (((1,), None), ((0,), 4.0), ((0, 1), 7.0), ((0,), None)):
            step = w.pool.start(compute, members, policy(deadline_s).limits(len(members), math.nan))
            yield w.env.timeout(1.0)
            busy = w.pool.busy()
            busy_then_on_time.append((busy, (yield step.finished)))
            assert [] == w.pool.busy()

    w.env.run(until=w.env.process(scheme()))
    assert [([1], (1,)), ([0], ()), ([0, 1], (1,)), ([0], (0,))] == busy_then_on_time
    assert 6.0 + 4.0 + 7.0 + 12.0 == w.env.now


def test_a_step_without_clients_is_over_at_once() -> None:
    """Nobody is awaited, so both of its events happen at the same instant."""
    w = world([1.0])
    assert () == w.env.run(until=w.start(compute, ()).finished)
    assert 0.0 == w.env.now
