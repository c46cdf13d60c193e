"""Worlds: slow-downs reach the devices, and links are what the plan says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cutlayer.scenarios.loading.loader import load_scenario
from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.faults.effects import Faults, faults_of
from cutlayer.sim.links.link_rates import LinkRates
from cutlayer.sim.nodes.capacity import PiecewiseCapacity
from cutlayer.sim.nodes.fleet import draw_fleet
from cutlayer.sim.radio.rates import Band
from cutlayer.sim.radio.resources import RadioResources
from cutlayer.sim.schemes.base import TrainingTask
from cutlayer.sim.schemes.planning.plan import SchemePlan
from cutlayer.sim.timeline.phases import CLIENT_FORWARD, DOWNLINK, SERVER_FORWARD
from cutlayer.sim.world.world import World
from tests.support.worlds import deployment_of, faults, fleet, links, make_scheme, radio_planner, unit_table


class HalfSpeed(PiecewiseCapacity):
    """A processor on which every computation takes twice as long."""

    def at(self, time_s: float) -> tuple[float, float]:
        return 0.5, np.inf


def test_a_trace_slows_its_own_device_alone() -> None:
    """Device 1 takes twice as long; device 0 and the server do not."""
    server = Server(clock_hz=1.0, cycles_per_flop=1.0)
    two = fleet([1.0, 1.0], [1.0, 1.0])
    rates = links([1.0] * 2, [1.0] * 2, [1.0] * 2)
    world = World(server, two, rates, faults=faults(two, [None, HalfSpeed()]))
    for device in world.created_devices:
        device.compute(CLIENT_FORWARD, 3.0)
    world.server.compute(SERVER_FORWARD, 3.0)
    assert [3.0, 3.0, 6.0] == world.record.frame()["end_s"].tolist()


def test_devices_have_traces_of_their_own() -> None:
    """Traces differ between devices, and are the same for every scheme's world."""
    scenario = load_scenario("stragglers").scenario
    devices = range(scenario.devices.count)
    durations = []
    for _ in range(2):
        made = faults_of(scenario, draw_fleet(scenario.devices, scenario.seed))
        traces = [made.compute_capacity(device) for device in devices]
        durations.append([trace.duration_s(0.3, 5.0) for trace in traces if trace is not None])
    assert durations[0] == durations[1]
    assert scenario.devices.count == len(set(durations[0]))
    plain = load_scenario("quickstart").scenario
    assert Faults() == faults_of(plain, draw_fleet(plain.devices, plain.seed))


def test_a_downlink_costs_the_access_points_power() -> None:
    """Uplink 3 W and downlink 5 W are not mixed up: 2 s of downlink cost 10 J."""
    ones = np.ones(1)
    given = LinkRates(ones, ones, ones, 3 * ones, 5 * ones, 7.0)
    world = World(Server(), fleet([1.0], [1.0]), given)
    world.device(0).downlink(DOWNLINK, 2.0)
    assert [10.0] == world.record.frame()["energy_j"].tolist()


def planned(name: str) -> SchemePlan:
    """Return the plan of two clients on three subchannels of 2 Hz, limits 4 and 9 W each, 6 W together."""
    gains = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    problem = RadioResources(Band(2.0, np.arange(3.0), 0.5, 1.0, 7.0), gains, np.array([4.0, 9.0]), 6.0)
    units = unit_table([(1, 1, 8, 8, 8), (1, 1, 8, 8, 8)])
    allocation: dict[str, Any] = {"subchannels": [[0, 2], [1]], "power": "uniform", "cut": 1}
    deployment = deployment_of(problem, np.ones(2), 1.0, units)
    return make_scheme(name, TrainingTask(units, 1)).plan(deployment, radio_planner(**allocation))


def test_dedicated_links_by_hand() -> None:
    """Each spreads min(p_max, p_th/C) = 3 W over its own 4 and 2 Hz: SNR = p·γ/σ², rates B·Σlog2(1+SNR)."""
    plan = planned("psl")
    densities = [3 / 4, 3 / 2]
    snr = [[densities[0] * g / 0.5 for g in (1.0, 3.0)], [densities[1] * 5.0 / 0.5]]
    rates = [2 * sum(np.log2(1 + x) for x in per_client) for per_client in snr]
    assert rates == pytest.approx(plan.links.uplink_bps.tolist(), rel=1e-12)
    assert [np.mean(x) for x in snr] == pytest.approx(
        plan.access.uplink_snr(plan.resources).tolist(), rel=1e-12
    )
    assert [3.0, 3.0] == pytest.approx(plan.links.uplink_w.tolist())
    assert [2 * 2 * 7.0, 2 * 7.0] == pytest.approx(plan.links.downlink_w.tolist())
    assert 3 * 2 * 7.0 == pytest.approx(plan.links.broadcast_w)


def test_whole_band_links_by_hand() -> None:
    """In SL each client sends min(p_max, p_th) = 4 and 6 W, flat over all 6 Hz."""
    plan = planned("sl")
    assert [4.0, 6.0] == plan.links.uplink_w.tolist()
    densities = [4 / 6, 6 / 6]
    gains = [(1.0, 2.0, 3.0), (4.0, 5.0, 6.0)]
    for client in (0, 1):
        rate = 2 * sum(np.log2(1 + densities[client] * g / 0.5) for g in gains[client])
        assert rate == pytest.approx(plan.links.uplink_bps[client], rel=1e-12)
