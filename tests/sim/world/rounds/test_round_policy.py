"""Round policies: how long a step waits for its clients, and the ways to run a client."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import pytest
from simpy import Event

from cutlayer.scenarios.schema.round_policy import RoundPolicy as RoundPolicySection
from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.nodes.device import Device
from cutlayer.sim.timeline.phases import CLIENT_FORWARD, UPLINK
from cutlayer.sim.world.rounds.round_policy import Deadline, RoundPolicy, WaitForAll, round_policy_of
from cutlayer.sim.world.world import World
from tests.support.worlds import fleet, links


@pytest.mark.parametrize(
    ("section", "policy"), [({"wait": "all"}, WaitForAll()), ({"deadline_s": 2.5}, Deadline(2.5))]
)
def test_the_scenario_names_the_policy(section: dict[str, Any], policy: RoundPolicy) -> None:
    """The section round_policy gives a deadline, or waits for all clients."""
    assert policy == round_policy_of(RoundPolicySection.model_validate(section))
    assert math.inf == WaitForAll().limits(3, 1.0).waits_s


def world(policy: RoundPolicy) -> World:
    """Return two devices of 1 and 2 FLOP/s and bit/s."""
    speeds = [1.0, 2.0]
    return World(Server(), fleet(speeds, [1.0] * 2), links(speeds, speeds, speeds), round_policy=policy)


WORK = ((CLIENT_FORWARD, 4.0), (UPLINK, 4.0))


def test_start_obeys_the_policy_and_continue_with_waits_for_all() -> None:
    """At the deadline of 6 s client 0, which needs 8 s, is left out of the first step only."""
    w = world(Deadline(6.0))
    assert (1,) == w.env.run(until=w.start(WORK, (0, 1)).on_time)
    assert 6.0 == w.env.now
    assert (0, 1) == w.env.run(until=w.continue_with(WORK, (0, 1)).on_time)
    assert 6.0 + 8.0 == w.env.now


def run_alone(w: World, program: Any, client: int) -> bool:
    """Run one client alone up to its end, and return whether it was on time."""

    def scheme() -> Generator[Event, Any, bool]:
        return (yield from w.run_alone(program, client))

    return bool(w.env.run(until=w.env.process(scheme())))


def process(device: Device) -> Generator[Event, Any, None]:
    """Go through the same work event by event."""
    for phase, amount in WORK:
        yield device.do(phase, amount)


@pytest.mark.parametrize("program", [WORK, process])
@pytest.mark.parametrize(
    ("policy", "on_time", "end_s"),
    [(WaitForAll(), True, 8.0), (Deadline(8.0), True, 8.0), (Deadline(7.0), False, 7.0)],
)
def test_a_client_that_runs_alone_obeys_the_policy(
    program: Any, policy: RoundPolicy, on_time: bool, end_s: float
) -> None:
    """Client 0 needs 8 s: it is on time at that very instant, and stops at an earlier deadline."""
    w = world(policy)
    assert on_time == run_alone(w, program, 0)
    assert end_s == w.env.now == w.record.frame()["end_s"].max()


def test_a_client_that_is_marked_on_time_may_end_after_the_deadline() -> None:
    """Marked after its computation, at 4 s, client 0 ends its upload at 8 s; without a mark it is late."""

    def marked(device: Device) -> Generator[Event, Any, None]:
        yield device.compute(CLIENT_FORWARD, 4.0)
        w.mark_on_time(device.client)
        yield device.uplink(UPLINK, 4.0)

    w = world(Deadline(5.0))
    assert run_alone(w, marked, 0)
    assert 8.0 == w.env.now
    w = world(WaitForAll())
    assert run_alone(w, marked, 0)
