"""Batteries and energies on links of the devices' own that are interrupted, or whose rate stays 0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from simpy import Environment

from cutlayer.experiments.execution.scheme_run import make_world
from cutlayer.sim.faults.battery import Battery
from cutlayer.sim.nodes.device import Device
from cutlayer.sim.timeline.event_log import EventKind, EventLog
from cutlayer.sim.timeline.phases import DOWNLINK, UPLINK
from cutlayer.sim.world.rounds.round_members import RoundMembers
from cutlayer.sim.world.world import World
from tests.support.worlds import experiment


def _world(tmp_path: Path, rates: list[str], outages: list[str], **powers: float) -> World:
    """Return two devices with these rates: ``device,time_s,uplink_bps,downlink_bps``."""
    trace, outage = tmp_path / "rates.csv", tmp_path / "outages.csv"
    trace.write_text("\n".join(["device,time_s,uplink_bps,downlink_bps", *rates, "1,0,2,2", ""]))
    sections: dict[str, Any] = {}
    if outages:
        outage.write_text("\n".join(["device,time_s,up", *outages, ""]))
        sections["faults"] = {"outage": {"file": str(outage)}}
    ready = experiment(devices={"count": 2, "link_trace": str(trace), **powers}, **sections)
    (scheme, plan), *_ = ready.schemes
    return make_world(ready, scheme, plan)[0]


def _account(device: Device) -> Battery:
    """Return the battery of a device that is in the round from now on."""
    battery = device.energy_account
    assert isinstance(battery, Battery)
    battery.resume()
    return battery


STOPS = ["0,0,2,2", "0,1,0,0"]  # device 0 sends 2 bits in a second and then never again


def test_a_transfer_that_never_ends_costs_its_power_until_it_is_stopped(tmp_path: Path) -> None:
    """Two of four bits are sent, and the circuit of 1 W runs for 3 s, whether the battery pays or not."""
    world = _world(tmp_path, STOPS, [], battery_j=10.0, power_circuit_w=1.0)
    device = world.device(0)
    battery = _account(device)
    device.uplink(UPLINK, 4.0)
    world.env.run(until=3.0)
    device.abort()
    (row,) = world.record.frame().itertuples()
    assert (3.0, 2.0, 3.0) == (row.end_s, row.bits, row.energy_j)
    assert 7.0 == battery.state()[0]


def test_a_reception_that_never_ends_costs_its_power_until_it_is_stopped(tmp_path: Path) -> None:
    """A receiver of 2 W runs for 3 s."""
    world = _world(tmp_path, STOPS, [], battery_j=10.0, power_receive_w=2.0)
    device = world.device(0)
    battery = _account(device)
    device.downlink(DOWNLINK, 4.0)
    world.env.run(until=3.0)
    device.abort()
    assert 4.0 == battery.state()[0]


def test_a_transfer_that_never_ends_empties_the_battery(tmp_path: Path) -> None:
    """A battery of 2.5 J supplies a circuit of 1 W for 2.5 s."""
    world = _world(tmp_path, STOPS, [], battery_j=2.5, power_circuit_w=1.0)
    _account(world.device(0))
    world.device(0).uplink(UPLINK, 4.0)
    world.env.run(until=9.0)
    assert {0: 2.5} == world.departed_at_s


OUT = ["0,0,0", "0,4,1"]  # device 0 has no link before 4 s


@pytest.mark.parametrize(("battery_j", "empty_s"), [(1.0, 2.0), (2.5, 4.5), (2.9, 4.9)])
def test_idle_time_before_the_first_bit_empties_the_battery(
    tmp_path: Path, battery_j: float, empty_s: float
) -> None:
    """By hand: idle power of 0.5 W for 4 s, then a circuit of 1 W for 1 s."""
    world = _world(tmp_path, ["0,0,2,2"], OUT, battery_j=battery_j, power_circuit_w=1.0, power_idle_w=0.5)
    _account(world.device(0))
    world.device(0).uplink(UPLINK, 2.0)
    world.env.run(until=9.0)
    assert {0: empty_s} == pytest.approx({0: world.departed_at_s[0]})


def test_idle_time_before_the_first_bit_is_charged_once(tmp_path: Path) -> None:
    """A device that is stopped before its first bit has been idle all the time, at 0.5 W."""
    world = _world(tmp_path, ["0,0,2,2"], OUT, battery_j=10.0, power_circuit_w=1.0, power_idle_w=0.5)
    battery = _account(world.device(0))
    world.device(0).uplink(UPLINK, 2.0)
    world.env.run(until=1.0)
    world.device(0).abort()
    assert 9.5 == battery.state()[0]
    world.env.run(until=3.0)
    battery.suspend()
    assert 8.5 == battery.state()[0]


def test_a_late_client_that_runs_empty_has_both_events() -> None:
    """The round left it out because it was late; the log has the end of its battery too."""
    log = EventLog()
    members = RoundMembers(Environment(), (0, 1), log)
    members.leave_out_late([1], num_on_time=1)
    members.leave_run(1)
    details = [event.detail for event in log.take() if event.kind is EventKind.LEFT_OUT]
    assert ["late", "battery"] == details
    assert {1: "late"} == members.left_out
