"""Plans of schemes: what they predict is what is simulated, and each minimises its own round time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.models.unit_tables import named_unit_table
from cutlayer.scenarios.schema.scenario import Devices, Radio, Server, Stop
from cutlayer.sim.links.channel import draw_channel
from cutlayer.sim.nodes.fleet import draw_fleet
from cutlayer.sim.planning_error import PlanningError
from cutlayer.sim.schemes.base import Scheme, TrainingTask
from cutlayer.sim.schemes.planning.medium_access import DedicatedSubchannels, WholeBand
from cutlayer.sim.schemes.planning.plan import SchemePlan
from cutlayer.sim.schemes.round_loop import run_rounds
from cutlayer.sim.schemes.round_planners.fixed_plan import FixedPlan
from cutlayer.sim.world.world import World
from tests.support.worlds import deployment_of, make_scheme, radio_planner

UNITS = named_unit_table("resnet18")
SCHEMES = ["sl", "sfl", "psl", "epsl", "fl", "centralised"]


def planned(name: str, seed: int, clients: int = 4, band: int = 9, **allocation: object) -> SchemePlan:
    """Return a scheme's plan for a random placement."""
    return case(name, seed, clients, band, **allocation)[0]


def case(
    name: str, seed: int, clients: int, band: int, **allocation: object
) -> tuple[SchemePlan, World, Scheme]:
    """Return a plan, a world with its links, and the scheme."""
    fleet = draw_fleet(Devices(count=clients), seed)
    problem = draw_channel(Radio.model_validate({"subchannels": band}), fleet, seed).problem
    server = Server()
    server_s_per_flop = server.cycles_per_flop / server.clock_hz
    scheme = make_scheme(name, TrainingTask(UNITS, 64))
    deployment = deployment_of(problem, fleet.seconds_per_flop, server_s_per_flop, UNITS)
    plan = scheme.plan(deployment, radio_planner(seed, **allocation))
    return plan, World(server, fleet, plan.links), scheme


@given(st.sampled_from(SCHEMES), st.integers(0, 1000))
def test_the_prediction_is_what_is_simulated(name: str, seed: int) -> None:
    """A plan's time is the simulated round's, for every scheme."""
    plan, world, scheme = case(name, seed, 4, 9)
    (result,) = run_rounds(scheme, world, None, FixedPlan(plan, range(4)), Stop(rounds=1), 1)
    assert plan.predicted_s == pytest.approx(result.end_s, rel=1e-9)


@given(st.sampled_from(["sl", "sfl", "psl", "epsl"]), st.integers(0, 200))
def test_the_best_cut_is_no_worse_than_any(name: str, seed: int) -> None:
    """Planning the cut too is never worse than any cut given."""
    best = planned(name, seed)
    fixed = [planned(name, seed, cut=cut).predicted_s for cut in range(1, len(UNITS))]
    assert best.predicted_s <= min(fixed) * (1 + 1e-12)


@given(st.sampled_from(["sfl", "psl", "epsl", "fl"]), st.integers(0, 200))
def test_optimal_power_is_no_worse_than_uniform(name: str, seed: int) -> None:
    """With subchannels and cut given, optimal power is never slower, and keeps both limits."""
    for cut in (2, 8):
        plans = [planned(name, seed, cut=cut, power=power) for power in ("optimal", "uniform")]
        assert plans[0].predicted_s <= plans[1].predicted_s * (1 + 1e-12)
        assert plans[0].links.uplink_w.max() <= 10 ** (31.76 / 10) / 1e3
        assert plans[0].links.uplink_w.sum() <= 10 ** (36.99 / 10) / 1e3


@pytest.mark.parametrize("method", ["greedy", "marginal_greedy", "round_robin", "random"])
def test_no_subchannel_carries_two_clients(method: str) -> None:
    """An assignment names one client a subchannel, and leaves no client without."""
    for seed in range(20):
        access = planned("psl", seed, subchannels=method).access
        assert isinstance(access, DedicatedSubchannels)
        owner = access.client_of
        assert (9,) == owner.shape
        assert set(range(4)) == set(owner[owner >= 0].tolist())


def test_random_cuts_are_the_same_for_every_scheme() -> None:
    """A random cut is drawn from a stream of its own, over all the cuts."""
    assert 1 == len({planned(name, 3, cut="random").cuts.common for name in ("sl", "sfl", "psl", "epsl")})
    assert set(range(1, 12)) == {planned("psl", seed, cut="random").cuts.common for seed in range(150)}


def test_more_clients_than_subchannels() -> None:
    """Schemes that send side by side refuse, with both numbers; SL has the band for one at a time."""
    with pytest.raises(PlanningError, match=r"5.*4"):
        planned("psl", 0, clients=5, band=4)
    assert planned("sl", 0, clients=5, band=4).predicted_s > 0


def test_sl_has_the_whole_band_at_its_own_power() -> None:
    """Its links are whole-band rates with power min(p_i^max, p_th)."""
    plan = planned("sl", 1)
    assert isinstance(plan.access, WholeBand)
    assert np.full(4, 10 ** (31.76 / 10) / 1e3) == pytest.approx(plan.links.uplink_w)
    assert plan.links.whole_band_bps.tolist() == plan.links.downlink_bps.tolist()
