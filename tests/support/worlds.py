"""Small worlds for tests: unit tables, fleets, links, and Hypothesis strategies over them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from cutlayer.experiments.execution.scheme_run import make_world
from cutlayer.experiments.experiment import Experiment
from cutlayer.experiments.preparation import prepare
from cutlayer.scenarios.loading.loader import RawScenario, check_scenario
from cutlayer.scenarios.model_costs.unit_table import UnitTable
from cutlayer.scenarios.registry import lookup
from cutlayer.scenarios.schema.scenario import Allocation, Radio, Server, Stop
from cutlayer.sim.costs.layer_costs import work_from_flops
from cutlayer.sim.faults.battery import battery_fault
from cutlayer.sim.faults.compute_noise import RandomDelays, RandomFactors
from cutlayer.sim.faults.effects import Fault, Faults
from cutlayer.sim.links.link_rates import LinkRates, LinkRatesOverTime
from cutlayer.sim.links.schedulers import Scheduler
from cutlayer.sim.nodes.capacity import ComputeNoise, PiecewiseCapacity
from cutlayer.sim.nodes.fleet import Fleet
from cutlayer.sim.radio.rates import Band
from cutlayer.sim.radio.resources import RadioResources
from cutlayer.sim.schemes.base import Scheme, TrainingTask
from cutlayer.sim.schemes.deployment import Deployment
from cutlayer.sim.schemes.planning.medium_access import WholeBand
from cutlayer.sim.schemes.planning.plan import Cuts, SchemePlan
from cutlayer.sim.schemes.planning.radio_planner import RadioPlanner, band_sharing
from cutlayer.sim.schemes.planning.whole_band import whole_band_links
from cutlayer.sim.schemes.round_loop import RoundResult, run_rounds
from cutlayer.sim.schemes.round_planners.fixed_plan import FixedPlan
from cutlayer.sim.schemes.round_planners.round_planner import RoundPlanner
from cutlayer.sim.world.rounds.round_policy import WAIT_FOR_ALL, Deadline, RoundPolicy
from cutlayer.sim.world.world import World


@dataclass(frozen=True)
class Setting:
    """Everything that decides a round's time, drawn freely: no allocation, no path loss in between."""

    units: UnitTable
    batch_size: int
    fleet: Fleet
    server: Server
    links: LinkRates

    @property
    def clients(self) -> int:
        """Return the number of clients."""
        return len(self.fleet)


def unit_table(columns: list[tuple[float, float, float, float, float]]) -> UnitTable:
    """Return a unit table from one tuple a unit."""
    forward, backward, activation, gradient, parameter = np.array(columns, dtype=np.float64).T
    names = tuple(f"unit{n}" for n in range(1, len(columns) + 1))
    return UnitTable(names, forward, backward, activation, gradient, parameter)


def fleet(clock_hz: list[float], cycles_per_flop: list[float]) -> Fleet:
    """Return a fleet of which only the processors matter."""
    ones = np.ones(len(clock_hz))
    return Fleet(np.array(clock_hz), np.array(cycles_per_flop), ones * 1e-28, ones, ones, ones)


def links(uplink_bps: list[float], downlink_bps: list[float], whole_band_bps: list[float]) -> LinkRates:
    """Return links of which only the rates matter."""
    ones = np.ones(len(uplink_bps))
    return LinkRates(np.array(uplink_bps), np.array(downlink_bps), np.array(whole_band_bps), ones, ones, 1.0)


def faults(
    of_fleet: Fleet,
    speeds: Sequence[PiecewiseCapacity | None] = (),
    noise: Sequence[ComputeNoise | None] = (),
    server: PiecewiseCapacity | None = None,
) -> Faults:
    """Return the fault of the fleet's batteries, and faults of processors: relative speeds, and noise."""
    slow = Fault(
        compute_capacity=(lambda device: speeds[device]) if speeds else None,
        compute_noise=(lambda device: noise[device]) if noise else None,
        server_capacity=server,
    )
    return Faults(tuple(fault for fault in (slow, battery_fault(None, of_fleet)) if fault is not None))


def noises(clients: int, seed: int = 0, mean_s: float | None = None) -> list[ComputeNoise]:
    """Return log-normal noise of each device's computations, or delays with this mean."""
    if mean_s is None:
        return [
            RandomFactors(seed, i, lambda rng, count: np.exp(rng.standard_normal(count) - 0.5))
            for i in range(clients)
        ]
    return [
        RandomDelays(seed, i, lambda rng, count: mean_s * rng.standard_exponential(count))
        for i in range(clients)
    ]


def policy(deadline_s: float | None) -> RoundPolicy:
    """Return the round policy of a deadline, or of none."""
    return WAIT_FOR_ALL if deadline_s is None else Deadline(deadline_s)


class Steps(LinkRatesOverTime):
    """Links that are the same from one instant to the next; the last ones stay."""

    def __init__(self, times_s: Sequence[float], states: Sequence[LinkRates]) -> None:
        self.times_s, self.states = times_s, states

    def at(self, time_s: float) -> tuple[LinkRates, float]:
        """Return the links at an instant, and the instant up to which they stay."""
        state = int(np.searchsorted(self.times_s, time_s, side="right")) - 1
        return self.states[state], [*self.times_s, np.inf][state + 1]


@dataclass(frozen=True)
class Trial:
    """One scheme's run of a scenario, without learning."""

    world: World
    results: list[RoundResult]
    planner: RoundPlanner

    @property
    def ends_s(self) -> list[float]:
        """Return when each round ended."""
        return [result.end_s for result in self.results]


def experiment(**sections: Any) -> Experiment:
    """Return a small scenario made ready, with these sections in the place of the defaults."""
    good = {
        "name": "small",
        "stop": {"rounds": 3},
        "schemes": ["psl"],
        "batch_size": 16,
        "model": {"name": "lenet", "input_shape": [1, 28, 28], "classes": 10},
        "devices": {"count": 3},
        "allocation": {"subchannels": "marginal_greedy", "cut": 2},
    }
    return prepare(check_scenario(RawScenario({**good, **sections}, Path(), "small.yaml", {}, {}, [])))


def trials(ready: Experiment) -> dict[str, Trial]:
    """Run every scheme of a scenario, and return each under its label."""
    found = {}
    for scheme, plan in ready.schemes:
        world, planner = make_world(ready, scheme, plan)
        stop = ready.loaded.scenario.stop
        results = list(run_rounds(scheme, world, None, planner, stop, 1))
        found[str(scheme.parameters.label)] = Trial(world, results, planner)
    return found


def make_scheme(name: str, task: TrainingTask, **parameters: Any) -> Scheme:
    """Return a registered scheme with these parameters."""
    spec = lookup("scheme", name)
    scheme: Scheme = spec.load()(spec.parameters.model_validate({"name": name, **parameters}), task)
    return scheme


def plan_at(scheme: Scheme, cut: int, clients: int) -> SchemePlan:
    """Return a plan with this common cut and nothing else, for worlds whose links are given."""
    common = cut if scheme.has_cut else 0
    resources = RadioResources(
        Band(1.0, np.ones(1), 1.0, 1.0, 1.0), np.ones((clients, 1)), np.ones(clients), 1.0
    )
    memory = scheme.memory(common, clients)
    return SchemePlan(Cuts((common,) * clients), resources, WholeBand(), math.nan, memory)


def deployment_of(
    resources: RadioResources,
    device_s_per_flop: NDArray[np.float64],
    server_s_per_flop: float,
    units: UnitTable,
) -> Deployment:
    """Return a deployment of which only radio and processors matter, for mini-batches of one sample."""
    clients = resources.num_clients
    return Deployment(
        resources=resources,
        links=whole_band_links(resources),
        has_fixed_links=False,
        device_s_per_flop=device_s_per_flop,
        server_s_per_flop=server_s_per_flop,
        device_work=work_from_flops(units, 1, device_s_per_flop),
        server_work=work_from_flops(units, 1, np.array([server_s_per_flop])),
        memory_bits=np.full(clients, np.inf),
        least_memory_bits=np.inf,
        network=None,
        node_work=None,
        seed=0,
        clients=tuple(range(clients)),
    )


def radio_planner(seed: int = 0, **allocation: Any) -> RadioPlanner:
    """Return a planner of dedicated subchannels, by these methods or values; without a search by default."""
    methods = {"subchannels": "marginal_greedy", **allocation}
    return RadioPlanner(Allocation.model_validate(methods), band_sharing(Radio()), seed)


def run_timeline(
    setting: Setting,
    name: str,
    cut: int,
    *,
    count: int = 1,
    deadline_s: float | None = None,
    speeds: Sequence[PiecewiseCapacity | None] = (),
    noise: Sequence[ComputeNoise | None] = (),
    server: PiecewiseCapacity | None = None,
    sharing: tuple[Scheduler, Scheduler] | None = None,
    **parameters: Any,
) -> tuple[World, list[RoundResult]]:
    """Run rounds of a scheme without learning, and return the world and the rounds."""
    task = TrainingTask(setting.units, setting.batch_size)
    world = World(
        setting.server,
        setting.fleet,
        setting.links,
        sharing,
        faults=faults(setting.fleet, speeds, noise, server),
        round_policy=policy(deadline_s),
    )
    scheme = make_scheme(name, task, **parameters)
    return world, run_scheme_rounds(scheme, world, cut, count)


def run_scheme_rounds(
    scheme: Scheme, world: World, cut: int, count: int = 1, learner: Any = None
) -> list[RoundResult]:
    """Run rounds of a scheme at a common cut, all of them evaluated."""
    plan = plan_at(scheme, cut, len(world.clients))
    planner = FixedPlan(plan, world.clients)
    return list(run_rounds(scheme, world, learner, planner, Stop(rounds=count), 1))


def positive(low: float, high: float) -> st.SearchStrategy[float]:
    """Return floats spread over the decades between two bounds."""
    return st.floats(np.log10(low), np.log10(high)).map(lambda x: float(10**x))


@st.composite
def settings_of(draw: st.DrawFn, *, service: str = "barrier", max_clients: int = 5) -> Setting:
    """Return any setting: clients, clocks, rates and models over several decades."""
    clients = draw(st.integers(1, max_clients))
    units = draw(
        st.lists(
            st.tuples(
                st.one_of(st.just(0.0), positive(1e3, 1e9)),
                st.one_of(st.just(0.0), positive(1e3, 1e9)),
                positive(32, 1e6),
                positive(32, 1e6),
                positive(32, 1e8),
            ),
            min_size=2,
            max_size=6,
        )
    )

    def each(low: float, high: float) -> list[float]:
        return draw(st.lists(positive(low, high), min_size=clients, max_size=clients))

    return Setting(
        unit_table(units),
        draw(st.integers(1, 70)),
        fleet(each(1e8, 1e10), each(0.01, 1.0)),
        Server(
            clock_hz=draw(positive(1e9, 1e11)),
            cycles_per_flop=draw(positive(0.01, 1.0)),
            service=service,
        ),
        links(each(1e4, 1e10), each(1e4, 1e10), each(1e4, 1e10)),
    )
