"""Interrupted links: transfers go on or begin anew, nothing is radiated meanwhile, and broadcasts wait."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.random_streams import stream
from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.faults.battery import battery_fault
from cutlayer.sim.faults.effects import Fault, Faults
from cutlayer.sim.faults.outage import DrawnOutages, OutageTrace, RecordedOutages
from cutlayer.sim.links.interrupted_link import FaultyBroadcast
from cutlayer.sim.links.link_rates import LinkRates
from cutlayer.sim.links.schedulers import Tdma
from cutlayer.sim.nodes.fleet import Fleet
from cutlayer.sim.nodes.on_off_process import OnOffProcess
from cutlayer.sim.nodes.step_trace import StepTrace
from cutlayer.sim.timeline.event_log import EventKind
from cutlayer.sim.timeline.phases import BROADCAST, DOWNLINK, UPLINK
from cutlayer.sim.world.world import World
from tests.support.worlds import Steps, fleet, links, positive


def outages(*switches_s: float, restart: bool = False) -> RecordedOutages:
    """Return outages that begin and end in turn at these instants."""
    values = [float(number % 2 == 0) for number in range(len(switches_s) + 1)]
    return RecordedOutages(StepTrace([0.0, *switches_s], values), restarts=restart)


def world(
    *traces: OutageTrace | None,
    rates: LinkRates | Steps | None = None,
    of_fleet: Fleet | None = None,
    sharing: bool = False,
) -> World:
    """Return a world in which each device has these outages, at 1 bit/s and 1 W unless given."""
    count = len(traces)
    source = rates or links([1.0] * count, [1.0] * count, [1.0] * count)
    devices = of_fleet or fleet([1.0] * count, [1.0] * count)
    schedulers = (Tdma(source, uplink=True, slot_s=1.0), Tdma(source, uplink=False, slot_s=1.0))
    faults = [Fault(interruptions=lambda device: traces[device]), battery_fault(None, devices)]
    return World(
        Server(),
        devices,
        source,
        schedulers if sharing else None,
        faults=Faults(tuple(fault for fault in faults if fault is not None)),
    )


def rows(of_world: World, *columns: str) -> list[tuple[Any, ...]]:
    """Return these columns of the record's rows."""
    return list(of_world.record.frame()[list(columns)].itertuples(index=False, name=None))


@pytest.mark.parametrize("sharing", [False, True])
@pytest.mark.parametrize(
    ("restart", "end_s", "bits", "energy_j"), [(False, 6.0, 3.0, 3.0), (True, 7.0, 5.0, 5.0)]
)
def test_a_transfer_by_hand(sharing: bool, restart: bool, end_s: float, bits: float, energy_j: float) -> None:
    """3 bits at 1 bit/s with an outage from 2 s to 5 s: 1 bit is left, or all 3 are sent again."""
    live = world(outages(2.0, 5.0, restart=restart), sharing=sharing)
    live.device(0).uplink(UPLINK, 3.0)
    live.env.run()
    # after the restart at 5 s, all 3 bits are sent by 8 s
    expected_s = 8.0 if restart else end_s
    assert [(0.0, expected_s, bits, energy_j)] == rows(live, "start_s", "end_s", "bits", "energy_j")
    resent = [(event.kind, event.value, event.time_s) for event in live.record.events.take()]
    assert ([(EventKind.RESENT, 2.0, 8.0)] if restart else []) == resent


@pytest.mark.parametrize("sharing", [False, True])
def test_a_transfer_begins_with_its_first_bit(sharing: bool) -> None:
    """Asked for during an outage, it waits for the end of the outage."""
    live = world(outages(0.0, 4.0), sharing=sharing)
    live.device(0).downlink(DOWNLINK, 3.0)
    live.env.run()
    assert [(4.0, 7.0, 4.0, 3.0)] == rows(live, "start_s", "end_s", "wait_s", "bits")


@pytest.mark.parametrize("sharing", [False, True])
@pytest.mark.parametrize(("stop_s", "bits"), [(1.5, 1.5), (3.0, 2.0), (5.5, 2.5)])
def test_a_stopped_transfer_keeps_the_bits_that_were_sent(sharing: bool, stop_s: float, bits: float) -> None:
    """Energy is paid for the time on the air alone, before, in and after the outage."""
    live = world(outages(2.0, 5.0), sharing=sharing)
    live.device(0).uplink(UPLINK, 3.0)
    live.env.run(until=stop_s)
    live.device(0).abort()
    assert [(stop_s, bits, bits)] == [pytest.approx(row) for row in rows(live, "end_s", "bits", "energy_j")]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Steps, list[float]]:
    """Return links whose rate changes, and the instants at which outages begin and end."""
    lengths_s = draw(st.lists(positive(1e-2, 1e1), max_size=5))
    rates_bps = draw(st.lists(positive(1e-1, 1e2), min_size=len(lengths_s) + 1, max_size=len(lengths_s) + 1))
    states = [links([rate], [rate], [rate]) for rate in rates_bps]
    switches_s = np.cumsum(draw(st.lists(positive(1e-2, 1e1), max_size=4))).tolist()
    return Steps([0.0, *np.cumsum(lengths_s).tolist()], states), switches_s[: len(switches_s) // 2 * 2]


@given(cases(), positive(1e-2, 1e3), st.booleans())
def test_bits_on_the_air_are_the_integral_over_the_working_time(
    case: tuple[Steps, list[float]], bits: float, restart: bool
) -> None:
    """From start to end, rate times working time sums up to the bits; energy is power times working time."""
    source, switches_s = case
    trace = outages(*switches_s, restart=restart)
    live = world(trace, rates=source)
    live.device(0).uplink(UPLINK, bits)
    live.env.run()
    ((start_s, end_s, sent, energy_j),) = rows(live, "start_s", "end_s", "bits", "energy_j")
    edges_s = np.unique(np.clip([start_s, *source.times_s, *switches_s, end_s], start_s, end_s))
    carried = sum(
        (b - a) * trace.at(a)[0] * float(source.at(a)[0].uplink_bps[0])
        for a, b in zip(edges_s[:-1].tolist(), edges_s[1:].tolist(), strict=True)
    )
    assert carried == pytest.approx(sent, rel=1e-6)
    assert trace.done(start_s, end_s) == pytest.approx(energy_j, rel=1e-6)
    resent = sum(event.value for event in live.record.events.take() if event.kind is EventKind.RESENT)
    assert bits == pytest.approx(sent - resent, rel=1e-9)
    assert restart or sent == bits


@given(positive(1e-2, 1e3), positive(1e-2, 1e3))
def test_without_an_outage_in_its_time_a_transfer_is_the_same_to_the_bit(bits: float, rate: float) -> None:
    """The duration, the bits and the energy are those of a link without interruptions."""
    source = links([rate], [rate], [rate])
    end_s = bits / rate
    for trace in (None, outages(2 * end_s, 3 * end_s)):
        live = world(trace, rates=source)
        live.device(0).uplink(UPLINK, bits)
        expected = (bits * (1 / rate), bits, bits * (1 / rate))
        assert [expected] == rows(live, "end_s", "bits", "energy_j")


def test_in_tdma_an_interrupted_client_is_skipped() -> None:
    """Client 0 is interrupted from 0.5 s to 3 s: client 1 sends its 2 bits, then client 0 goes on."""
    live = world(outages(0.5, 3.0), None, sharing=True)
    for client in (0, 1):
        live.device(client).uplink(UPLINK, 2.0)
    live.env.run()
    assert [(0.0, 4.5), (0.5, 2.5)] == rows(live, "start_s", "end_s")


def test_a_broadcast_waits_while_a_listener_is_interrupted() -> None:
    """On the radio 4 bits wait for both listeners' outages; on links of their own each copy for its own."""
    traces = {0: outages(1.0, 2.0), 1: outages(3.0, 5.0)}
    source = links([1.0] * 2, [1.0] * 2, [1.0] * 2)
    on_radio = FaultyBroadcast(source, {0: 0, 1: 1}, traces, None)
    sent = on_radio.transmission(4.0, (0, 1), 0.0)
    assert (0.0, 7.0, 4.0, 4.0) == (sent.start_s, sent.duration_s, sent.bits, sent.active_s)
    assert 4.0 == on_radio.transmission(3.0, (0,), 0.0).duration_s
    live = world(*traces.values())  # bare rates are links of their own
    live.server.broadcast(BROADCAST, 4.0, (0, 1))
    assert [(0.0, 6.0, 4.0)] == rows(live, "start_s", "end_s", "bits")


def with_powers(battery_j: float | None = None) -> Fleet:
    """Return a device of 0.5 W at rest and 2 W while it receives, with a battery if it is given."""
    each = np.ones(1)
    return replace(
        fleet([1.0], [1.0]),
        power_idle_w=0.5 * each,
        power_receive_w=2.0 * each,
        power_circuit_w=0.0 * each,
        battery_j=None if battery_j is None else battery_j * each,
    )


@pytest.mark.parametrize("sharing", [False, True])
def test_a_device_rests_during_an_outage(sharing: bool) -> None:
    """3 s of reception with an outage of 3 s: the device receives for 3 s and is idle for 3 s."""
    live = world(outages(2.0, 5.0), of_fleet=with_powers(), sharing=sharing)
    live.begin_round()
    live.env.run(until=live.device(0).downlink(DOWNLINK, 3.0))
    times = live.round_times()
    assert times is not None
    assert ([3.0], [3.0], [3.0]) == (times.busy_s.tolist(), times.receive_s.tolist(), times.idle_s.tolist())
    live.begin_round()  # without an outage
    live.env.run(until=live.device(0).downlink(DOWNLINK, 3.0))
    times = live.round_times()
    assert times is not None
    assert ([3.0], [0.0]) == (times.busy_s.tolist(), times.idle_s.tolist())


@pytest.mark.parametrize("sharing", [False, True])
@pytest.mark.parametrize(
    ("phase", "charge_j", "left_s"),
    [
        (DOWNLINK, 3.0, 1.5),
        (DOWNLINK, 4.5, 3.0),
        (DOWNLINK, 7.5, 6.0),
        (UPLINK, 2.5, 3.0),
        (UPLINK, 4.0, 5.5),
    ],
)
def test_a_battery_supplies_idle_power_during_an_outage(
    sharing: bool, phase: Any, charge_j: float, left_s: float
) -> None:
    """With 2 W of reception or 1 W of sending, and 0.5 W from 2 s to 5 s, it is empty at that instant."""
    live = world(outages(2.0, 5.0), of_fleet=with_powers(charge_j), sharing=sharing)
    live.begin_round()
    live.device(0).do(phase, 10.0)
    live.env.run(until=20.0)
    assert {0: pytest.approx(left_s)} == live.departed_at_s


@pytest.mark.parametrize("sharing", [False, True])
@pytest.mark.parametrize(("stop_s", "spent_j"), [(1.0, 2.0), (3.0, 4.5), (5.5, 6.5), (6.0, 7.5), (8.0, 8.5)])
def test_a_battery_pays_for_what_was_done(sharing: bool, stop_s: float, spent_j: float) -> None:
    """A reception of 3 s with an outage from 2 s to 5 s, stopped or not: 2 W on the air, 0.5 W at rest."""
    live = world(outages(2.0, 5.0), of_fleet=with_powers(100.0), sharing=sharing)
    live.begin_round()
    live.device(0).downlink(DOWNLINK, 3.0)
    live.env.run(until=stop_s)
    live.device(0).abort()
    live.pause_clients()
    ((battery,),) = live.departures.values()
    assert 100.0 - spent_j == pytest.approx(battery.state()[0])


def test_a_message_that_is_longer_than_all_pauses_ends_in_an_error() -> None:
    """A restart that never succeeds is reported, and does not hang."""
    often = RecordedOutages(StepTrace([0.0, 1.0], [1.0, 0.0], 2.0), restarts=True)
    with pytest.raises(RuntimeError, match="mean_up_s"):
        world(often).device(0).uplink(UPLINK, 1.5)
    live = world(often, sharing=True)
    live.device(0).uplink(UPLINK, 1.5)
    with pytest.raises(RuntimeError, match="mean_up_s"):
        live.env.run()


def test_links_that_never_work_again_end_no_transfer() -> None:
    """The transfer has no end; a deadline stops it with the bits that it has sent."""
    live = world(outages(2.0))
    live.device(0).uplink(UPLINK, 3.0)
    live.env.run(until=10.0)
    assert math.inf == live.device(0).lanes["uplink"].free_at_s
    live.device(0).abort()
    assert [(10.0, 2.0, 2.0)] == rows(live, "end_s", "bits", "energy_j")


def test_a_transfer_after_one_without_end_has_none_either() -> None:
    """Nothing is drawn up to infinity: the second transfer is as endless as the first one."""
    dead = Steps([0.0, 1.0], [links([rate], [rate], [rate]) for rate in (1.0, 0.0)])
    drawn = DrawnOutages(OnOffProcess(0.5, 0.5, stream(0, "outage", 0)), restarts=False)
    live = world(drawn, rates=dead)
    for _ in range(2):
        live.device(0).uplink(UPLINK, 3.0)
    assert math.inf == live.device(0).lanes["uplink"].free_at_s
    live.env.run()
    assert math.inf == live.env.now
    live.device(0).uplink(UPLINK, 3.0)
    assert (1.0, math.inf) == drawn.at(math.inf)
