"""Nodes: energy, queues that are one number, and what a deadline leaves of an interval."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simpy import Event

from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.links.link_rates import LinkRates
from cutlayer.sim.nodes.capacity import PiecewiseCapacity
from cutlayer.sim.timeline.phases import BROADCAST, CLIENT_FORWARD, SERVER_FORWARD, UPLINK
from cutlayer.sim.world.world import World
from tests.support.worlds import fleet, links


def world(clients: int = 2) -> World:
    """Return a world with whole numbers: clocks of 2 Hz, κ = 0.5, links of 4 bit/s, 3, 5 and 7 W."""
    ones = [1.0] * clients
    rates = links([4.0] * clients, [4.0] * clients, [8.0 / (i + 1) for i in range(clients)])
    given = LinkRates(
        rates.uplink_bps,
        rates.downlink_bps,
        rates.whole_band_bps,
        3.0 * rates.uplink_w,
        5.0 * rates.downlink_w,
        7.0,
    )
    server = Server(clock_hz=10.0, cycles_per_flop=2.0, switched_capacitance=0.1)
    return World(server, fleet([2.0 * x for x in ones], [0.5 * x for x in ones]), given)


def test_energy_is_charged_as_stated() -> None:
    """Compute ς f² κ FLOPs, radio power · air time: 1e-28·4·0.5·8 J, 3 W · 2 s, 7 W · 4 s, 0.1·100·2·10 J."""
    w = world()
    w.device(0).compute(CLIENT_FORWARD, 8.0)
    w.device(0).uplink(UPLINK, 8.0)
    w.server.broadcast(BROADCAST, 16.0, (0, 1))
    w.server.compute(SERVER_FORWARD, 10.0)
    table = w.record.frame()  # the server's first
    assert table["energy_j"].tolist() == pytest.approx([28.0, 200.0, 1e-28 * 4 * 0.5 * 8, 6.0], rel=1e-12)
    assert table["end_s"].tolist() == pytest.approx([4.0, 2.0, 2.0, 2.0])


def test_a_broadcast_goes_at_the_weakest_listeners_rate() -> None:
    """Client 0 hears 8 bit/s, client 1 4 bit/s: alone, client 0 is served faster."""
    for listeners, expected_s in (((0,), 2.0), ((1,), 4.0), ((0, 1), 4.0)):
        w = world()
        w.server.broadcast(BROADCAST, 16.0, listeners)
        assert expected_s == pytest.approx(w.record.frame()["end_s"].iloc[0])


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 20)), min_size=1, max_size=8))
def test_a_lane_is_a_first_come_first_served_queue(jobs: list[tuple[float, float]]) -> None:
    """Start = max(arrival, end of the job before); wait = start − arrival."""
    w = world()
    arrivals = []

    def arrive() -> Generator[Event, Any, None]:
        for gap_s, flops in jobs:
            yield w.env.timeout(gap_s)
            arrivals.append((w.env.now, flops))
            w.server.compute(SERVER_FORWARD, flops)

    w.env.process(arrive())
    w.env.run()
    free_s, expected = 0.0, []
    for arrival_s, flops in arrivals:
        start_s = max(arrival_s, free_s)
        if flops:
            free_s = start_s + flops * 0.2
            expected.append((start_s, free_s, start_s - arrival_s))
    table = w.record.frame()
    found = table[["start_s", "end_s", "wait_s"]].to_numpy().tolist()
    expected = [row for row in expected if row[1] > row[0]]
    assert len(expected) == len(found)
    for wanted, row in zip(expected, found, strict=True):
        assert list(wanted) == pytest.approx(row, rel=1e-9, abs=1e-9)


def test_nothing_to_do_waits_its_turn() -> None:
    """A job without FLOPs behind one of 2 s ends with it, and leaves no interval."""
    w = world()
    w.server.compute(SERVER_FORWARD, 10.0)
    event = w.server.compute(SERVER_FORWARD, 0.0)
    w.env.run(until=event)
    assert 2.0 == w.env.now
    assert 1 == len(w.record.frame())


def test_abandoned_work_keeps_its_share() -> None:
    """Cut off after 1.5 of 2 s, a transfer has sent three quarters of its bits for as much energy."""
    w = world()
    w.device(0).uplink(UPLINK, 8.0)
    w.env.run(until=1.5)
    w.device(0).abort()
    (row,) = w.record.frame().to_dict("records")
    assert (1.5, 6.0, 4.5) == (row["end_s"], row["bits"], row["energy_j"])
    w.device(0).uplink(UPLINK, 4.0)
    assert 1.5 == w.record.frame()["start_s"].iloc[1], "the lane is free at once"


class SlowFromOneSecond(PiecewiseCapacity):
    """A processor that is ten times slower from 1 s on."""

    def at(self, time_s: float) -> tuple[float, float]:
        """Return the relative speed, and the instant up to which it stays."""
        return (1.0, 1.0) if time_s < 1 else (0.1, math.inf)


def test_abandoned_compute_keeps_the_work_done() -> None:
    """Of 2 s of work, full speed for 1 s and a tenth of it for 5 s do 1.5: three quarters of the FLOPs."""
    w = world()
    w.device(0).compute_capacity = SlowFromOneSecond()
    w.device(0).compute(CLIENT_FORWARD, 8.0)
    w.env.run(until=6.0)
    w.device(0).abort()
    (row,) = w.record.frame().to_dict("records")
    assert (6.0, 6.0) == pytest.approx((row["end_s"], row["flops"]))


def test_a_job_whose_first_stage_is_empty_waits_as_it_should() -> None:
    """Two jobs of (0, 5) FLOPs at once: the first waits 0 s, the second the first's 1 s."""
    w = world()
    for client in (0, 1):
        w.server.serve(((SERVER_FORWARD, 0.0), (SERVER_FORWARD, 5.0)), client)
    assert [0.0, 1.0] == w.record.frame()["wait_s"].tolist()
