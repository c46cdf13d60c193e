"""Named fleets: their numbers agree with their sources, and a scenario's own keys take precedence."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest

from cutlayer.cli.name_tables import listing
from cutlayer.models.unit_tables import unit_table
from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.loading.loader import LoadedScenario, RawScenario, check_scenario, scenario_yaml
from cutlayer.scenarios.schema.fields import Distribution
from cutlayer.scenarios.schema.fleets import fleets
from cutlayer.scenarios.yaml_lines import parse_yaml
from cutlayer.sim.nodes.fleet import draw_fleet


def loaded(**devices: Any) -> LoadedScenario:
    """Return a scenario with these devices."""
    data = {
        "name": "fleet",
        "stop": {"rounds": 1},
        "schemes": ["psl"],
        "model": {"name": "resnet101_basic", "input_shape": [3, 32, 32], "classes": 10},
        "devices": devices,
    }
    return check_scenario(RawScenario(data, Path(), "fleet.yaml", {}, {}, []))


@pytest.mark.parametrize("name", fleets())
def test_a_named_fleet_gives_its_attributes(name: str) -> None:
    """A named fleet gives the same devices as its attributes written out."""
    named = draw_fleet(loaded(count=30, fleet=name).scenario.devices, seed=4)
    given = draw_fleet(loaded(count=30, **fleets()[name].devices).scenario.devices, seed=4)
    assert named.seconds_per_flop.tolist() == given.seconds_per_flop.tolist()
    assert named.uplink_bps is not None and given.uplink_bps is not None
    assert named.uplink_bps.tolist() == given.uplink_bps.tolist()


def test_the_keys_of_a_scenario_take_precedence() -> None:
    """A key beside fleet replaces the fleet's value, and the resolved scenario reads back equal."""
    scenario = loaded(count=3, fleet="edge_testbed", uplink_bps=5e6).scenario
    assert [5e6, 8e6] == [scenario.devices.uplink_bps, scenario.devices.downlink_bps]
    data, lines = parse_yaml(scenario_yaml(scenario), "again.yaml")
    assert scenario == check_scenario(RawScenario(data, Path(), "again.yaml", lines, {}, [])).scenario


@pytest.mark.parametrize(
    ("name", "below_2_mbps", "from_100_mbps", "mean_upload_bps"),
    [("uk_4g", 0.05, 0.11, 7.6e6), ("uk_5g", 0.01, 0.47, 14.7e6)],
)
def test_the_spread_of_british_rates_is_ofcoms(
    name: str, below_2_mbps: float, from_100_mbps: float, mean_upload_bps: float
) -> None:
    """The log-normal has the two shares of downloads that Ofcom published, and the mean of its uploads."""
    devices = loaded(fleet=name).scenario.devices
    down, up = devices.downlink_bps, devices.uplink_bps
    assert isinstance(down, Distribution) and isinstance(up, Distribution)
    assert down.lognormal is not None and up.lognormal is not None
    logarithm = NormalDist(math.log(down.lognormal.median), down.lognormal.sigma)
    assert below_2_mbps == pytest.approx(logarithm.cdf(math.log(2e6)), abs=1e-3)
    assert from_100_mbps == pytest.approx(1 - logarithm.cdf(math.log(100e6)), abs=1e-3)
    mean_bps = up.lognormal.median * math.exp(up.lognormal.sigma**2 / 2)
    assert mean_upload_bps == pytest.approx(mean_bps, rel=0.005)


def test_the_testbeds_devices_take_as_long_as_measured() -> None:
    """A mini-batch of 128 of ResNet-101 takes 95.53, 143.50, 1.250 and 3.709 s in all, as published."""
    scenario = loaded(fleet="edge_testbed").scenario
    units, kappa = unit_table(scenario.model), scenario.devices.cycles_per_flop
    assert isinstance(kappa, Distribution) and kappa.choice is not None
    flops = 128 * float(units.forward_flops.sum() + units.backward_flops.sum())
    times_s = [flops * cycles / 1e9 for cycles in kappa.choice]
    assert [95.534, 143.496, 1.250, 3.709] == pytest.approx(times_s, rel=1e-3)


def test_every_fleet_is_listed_and_has_a_source() -> None:
    """``cutlayer list fleets`` names all fleets, and each fleet has a source."""
    (table,) = listing("fleets")
    assert list(fleets()) == list(table.columns[0].cells)
    assert all(len(fleet.source) > 100 for fleet in fleets().values())


def test_an_unknown_fleet_is_refused_with_the_closest() -> None:
    """The message lists the known fleets and names the nearest."""
    with pytest.raises(
        ScenarioError, match=r"devices.fleet: .*no fleet is named 'uk_4'.*did you mean 'uk_4g'"
    ):
        loaded(fleet="uk_4")


def test_an_unknown_fleet_hides_no_other_issue() -> None:
    """Other issues of the devices are reported together with it."""
    with pytest.raises(ScenarioError) as caught:
        loaded(fleet="uk_4", count=0, clock_hz={"lognormal": {"median": 1.2e9}})
    for key in ("devices.fleet", "devices.count", "devices.clock_hz"):
        assert key in str(caught.value)
