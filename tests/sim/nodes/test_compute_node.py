"""Compute nodes, shares of the server, wires and the account of memory: whole numbers by hand, and queues."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simpy import Environment, Event

from cutlayer.scenarios.schema.network import Network as NetworkSection
from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.links.wire import Wire
from cutlayer.sim.links.wired_network import Network, build_network
from cutlayer.sim.nodes.compute_node import ComputeNode, MemoryAccount, ServerShare
from cutlayer.sim.timeline.interval_record import IntervalRecord
from cutlayer.sim.timeline.phases import (
    ACTIVATION_HOP,
    GRADIENT_HOP,
    NODE_BACKWARD,
    NODE_FORWARD,
    NODE_UPDATE,
    SERVER_FORWARD,
)
from cutlayer.sim.world.world import World
from tests.support.worlds import fleet, links

PROCESSOR = {"clock_hz": 4.0, "cycles_per_flop": 2.0, "switched_capacitance": 0.5}  # 2 FLOP/s, 16 J each


def made(kind: Any, **more: Any) -> Any:
    """Return a lone node of a kind, in an event loop of its own."""
    env = Environment()
    return kind(env, IntervalRecord(["it"]), 0, **more)


def ended_s(node: Any, *events: Event) -> list[float]:
    """Run the node's event loop, and return when each event happened."""
    times: dict[Event, float] = {}
    for event in events:
        assert event.callbacks is not None
        event.callbacks.append(lambda done: times.__setitem__(done, node.env.now))
    node.env.run()
    return [times[event] for event in events]


def test_an_update_is_not_waited_for_and_keeps_the_node_busy() -> None:
    """The gradient leaves after 3 s, the next task begins after the update, at 5 s."""
    node = made(ComputeNode, **PROCESSOR)
    gradient = node.backward((NODE_BACKWARD, 6.0), (NODE_UPDATE, 4.0), 7)
    following = node.compute(NODE_FORWARD, 2.0, 8)
    assert [3.0, 6.0] == ended_s(node, gradient, following)
    table = node.record.frame()
    assert [(0, 3, 7), (3, 5, 7), (5, 6, 8)] == list(
        table[["start_s", "end_s", "client"]].itertuples(index=False, name=None)
    )
    assert [0.0, 0.0, 5.0] == table["wait_s"].tolist()  # the update is ready when the gradient is
    assert [96.0, 64.0, 32.0] == table["energy_j"].tolist()


@given(st.sampled_from([1.0, 0.5, 0.25, 0.1]), st.floats(1, 100))
def test_a_share_takes_longer_and_costs_the_same(share: float, flops: float) -> None:
    """On β of the processor work takes 1/β of its time; each FLOP costs what it costs."""
    whole, part = made(ServerShare, share=1.0, **PROCESSOR), made(ServerShare, share=share, **PROCESSOR)
    (whole_s,), (part_s,) = (ended_s(node, node.compute(SERVER_FORWARD, flops)) for node in (whole, part))
    assert pytest.approx(flops / 2) == whole_s
    assert pytest.approx(whole_s / share) == part_s
    assert whole.record.frame()["energy_j"].tolist() == part.record.frame()["energy_j"].tolist()


def test_no_share_is_enough_for_no_work() -> None:
    """A client without a share can do nothing, in no time."""
    node = made(ServerShare, share=0.0, **PROCESSOR)
    assert [0.0] == ended_s(node, node.compute(SERVER_FORWARD, 0.0))
    assert 0 == len(node.record.frame())


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(1, 50)), min_size=1, max_size=8),
    st.sampled_from([0.0, 3.0]),
)
def test_a_wire_sends_one_message_after_the_other(
    messages: list[tuple[float, float]], delay_s: float
) -> None:
    """A message leaves when those before are sent, and arrives a delay after its last bit has left.

    The delay does not occupy the wire: other messages are on their way at the same time.
    """
    wire = made(Wire, rate_bps=10.0, delay_s=delay_s)
    arrivals_s: list[float] = []

    def one(bits: float) -> Generator[Event, Any, None]:
        yield wire.transmit(ACTIVATION_HOP, bits, 0)
        arrivals_s.append(wire.env.now)

    def all_of_them() -> Generator[Event, Any, None]:
        for gap_s, bits in messages:
            yield wire.env.timeout(gap_s)
            wire.env.process(one(bits))

    wire.env.process(all_of_them())
    wire.env.run()
    now_s = free_s = 0.0
    expected = []
    for gap_s, bits in messages:
        now_s += gap_s
        free_s = max(now_s, free_s) + bits / 10.0
        expected.append(free_s + delay_s)
    assert pytest.approx(expected) == arrivals_s
    table = wire.record.frame()
    assert pytest.approx([bits for _, bits in messages]) == table["bits"].tolist()
    assert pytest.approx([end_s - delay_s for end_s in expected]) == table["end_s"].tolist()
    assert 0 == table["energy_j"].sum()


def relayed_world() -> World:
    """Return a world of one device; the node is behind a relay, at 10 bit/s and 2 s, then 5 bit/s and 1 s."""
    section = NetworkSection.model_validate(
        {
            "nodes": [{"name": "n"}],
            "wires": [
                {"between": ["access-point", "relay"], "rate_bps": 10, "delay_s": 2},
                {"between": ["relay", "n"], "rate_bps": 5, "delay_s": 1},
            ],
        }
    )
    network: Network = build_network(section)
    return World(Server(), fleet([1.0], [1.0]), links([1.0], [1.0], [1.0]), network=network)


def test_messages_are_passed_on_whole() -> None:
    """A relay takes a message in before it sends it on: 20 bits take 2 + 2 s, and then 4 + 1 s."""
    world = relayed_world()
    world.env.run(until=world.env.process(world.send("access-point", "n", ACTIVATION_HOP, 20.0, 0)))
    assert 9.0 == world.env.now
    spans = world.record.frame()[["node", "lane", "start_s", "end_s", "bits"]]
    assert [("access-point>relay", "wire", 0.0, 2.0, 20.0), ("relay>n", "wire", 4.0, 8.0, 20.0)] == list(
        spans.itertuples(index=False, name=None)
    )


def test_the_two_directions_of_a_wire_do_not_meet() -> None:
    """A message each way takes as long as either alone; a second one the same way queues."""
    world = relayed_world()
    ends_s = {}

    def message(name: str, start: str, end: str) -> Generator[Event, Any, None]:
        yield from world.send(start, end, GRADIENT_HOP, 10.0, 0)
        ends_s[name] = world.env.now

    for name, start, end in (("forth", "relay", "n"), ("back", "n", "relay"), ("second", "relay", "n")):
        world.env.process(message(name, start, end))
    world.env.run()
    assert {"forth": 3.0, "back": 3.0, "second": 5.0} == ends_s


def test_each_node_is_reached_over_the_worlds_wires() -> None:
    """The route from the access point to a node consists of wires of the world, which has the node."""
    world = relayed_world()
    assert {("access-point", "relay"), ("relay", "n")} <= set(world.wires)
    assert [*world.compute_nodes.values(), *world.wires.values()] == world.nodes[-len(world.wires) - 1 :]


def test_memory_is_accounted_for_over_time() -> None:
    """What is held, the most so far, and each change with its instant."""
    env = Environment()
    account = MemoryAccount(env)

    def use() -> Generator[Event, Any, None]:
        account.allocate(5.0)
        yield env.timeout(2.0)
        account.allocate(3.0)
        account.release(6.0)

    env.process(use())
    env.run()
    assert (2.0, 8.0) == (account.held_bits, account.peak_bits)
    assert [(0.0, 5.0), (2.0, 8.0), (2.0, 2.0)] == account.changes
