"""Trials: a scheme's rounds in a small world, under given conditions."""

from __future__ import annotations

import math
import pickle
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....scenarios.model_costs.unit_table import UnitTable
from ....scenarios.registry import lookup
from ....scenarios.schema.network import ComputeNode
from ....scenarios.schema.network import Network as NetworkSection
from ....scenarios.schema.participation import Participation
from ....scenarios.schema.registered import SchemeParameters
from ....scenarios.schema.scenario import Allocation, Radio, Scenario, Server, Stop
from ...allocation.problem import Rates
from ...costs.layer_costs import work_from_flops
from ...faults.effects import Faults
from ...links.channel import Channel
from ...links.wired_network import build_network
from ...nodes.fleet import Fleet
from ...radio.rates import Band
from ...radio.resources import RadioResources
from ...timeline.interval_record import TimelineHash
from ...world.rounds.round_policy import WAIT_FOR_ALL, Deadline
from ...world.snapshots import NotAtRoundEndError, restore, take_snapshot
from ...world.world import World
from ...world.world_state import WorldSnapshot
from ..base import RoundContext, RoundOutcome, Scheme, TrainingTask
from ..deployment import Deployment
from ..planning.plan import SchemePlan
from ..planning.radio_planner import band_sharing
from ..planning.whole_band import whole_band_links
from ..round_loop import RoundCursor, run_rounds
from ..round_planners.client_sampler import ClientSampler
from ..round_planners.fixed_plan import FixedPlan
from ..round_planners.planning_context import PlanningContext, links_and_schedulers
from ..round_planners.round_planner import PlannerSnapshot, RoundPlanner
from ..round_planners.sampled_clients import SampledClients
from .recording_learner import RecordingLearner

__all__ = ["BATCH_SIZE", "NUM_ROUNDS", "Conditions", "Trial", "TrialRound", "TrialRun"]

Array = NDArray[np.float64]

NUM_ROUNDS = 3
BATCH_SIZE = 4
_NUM_SUBCHANNELS = 6
_SEED = 0
_NETWORK = NetworkSection(nodes=(ComputeNode(name="node", count=2),))
_UNITS = UnitTable(
    ("first", "second", "third", "fourth"),
    forward_flops=np.array([3e6, 5e6, 2e6, 1e5]),
    backward_flops=np.array([6e6, 1e7, 4e6, 2e5]),
    activation_bits=np.array([4e5, 2e5, 1e5, 320.0]),
    gradient_bits=np.array([4e5, 2e5, 1e5, 320.0]),
    parameter_bits=np.array([1e4, 4e5, 8e5, 3e4]),
)


@dataclass(frozen=True)
class Conditions:
    """The conditions of a trial; by default all devices take part in every round and nothing disturbs it.

    Attributes
    ----------
    num_devices : int
    service : str
        How the server serves its clients: a value of the key ``server.service``.
    per_round : int or None
        The number of devices that each round samples; None if all take part.
    sharing : str
        How parallel clients share the band: a value of the key ``radio.sharing``.
    faults : tuple of str
        The names of registered faults.
    deadline_s : float
        The deadline of each step, [s]; infinite if rounds wait for all clients.
    undisturbed_s : float
        The time of an undisturbed round, to which slow-downs are scaled, [s].
    undisturbed_j : tuple of float
        The energy that each device spends in an undisturbed run, to which batteries are scaled, [J].
    """

    num_devices: int
    service: str = "barrier"
    per_round: int | None = None
    sharing: str = "dedicated"
    faults: tuple[str, ...] = ()
    deadline_s: float = math.inf
    undisturbed_s: float = 1.0
    undisturbed_j: tuple[float, ...] = ()

    def __str__(self) -> str:
        """Return the conditions as words for messages."""
        clients = f"{self.num_devices} clients"
        if self.per_round is not None:
            clients = f"{self.per_round} of {self.num_devices} devices sampled in each round"
        parts = [clients, f"service {self.service}"]
        if self.sharing != "dedicated":
            parts.append(f"radio.sharing {self.sharing}")
        parts += [f"fault {name}" for name in self.faults]
        if self.deadline_s < math.inf:
            parts.append(f"deadline of {self.deadline_s:.3g} s")
        return ", ".join(parts)


@dataclass(frozen=True)
class TrialRound:
    """One round of a trial.

    Attributes
    ----------
    number : int
        The round's number, from 1.
    end_s : float
        The instant at which it ended, [s].
    outcome : RoundOutcome
    clients : tuple of int
        The clients at its start: the sampled devices, or all devices that have not left the run.
    trained : frozenset of int
        The clients that the learner's steps were called with.
    """

    number: int
    end_s: float
    outcome: RoundOutcome
    clients: tuple[int, ...]
    trained: frozenset[int]


@dataclass(frozen=True)
class TrialRun:
    """The rounds of a trial, and the world that they ran in."""

    world: World
    rounds: list[TrialRound] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        """Return the hash of the timeline."""
        return self.world.record.fingerprint()


class Trial:
    """Runs one scheme under the same conditions, as often as the rules need it."""

    def __init__(self, scheme: type[Scheme], parameters: SchemeParameters, conditions: Conditions) -> None:
        self._class = scheme
        self.selects_participants = scheme.selects_participants
        self.parameters = parameters
        self.conditions = conditions
        clients = conditions.num_devices
        steps = np.linspace(1.0, clients, clients, dtype=np.float64)
        ones = np.ones(clients, dtype=np.float64)
        self._fleet = Fleet(
            1e9 * steps, ones / 16, ones * 1e-28, ones, ones, ones, battery_j=self._battery_j()
        )
        self._server = Server.model_validate({"service": conditions.service})
        band = Band(1e6, np.linspace(28e9, 28.005e9, _NUM_SUBCHANNELS), 4e-21, 10.0, 1e-8)
        gains = 1e-13 * np.outer(steps, np.linspace(1.0, 2.0, _NUM_SUBCHANNELS))
        self._resources = RadioResources(band, gains, ones, 2.0 * clients)
        self._network = build_network(_NETWORK)
        radio = Radio.model_validate({"sharing": conditions.sharing, "tdma_slot_s": 0.01})
        self._context = PlanningContext(
            self._deployment(),
            Channel(self._resources),
            Allocation(subchannels="round_robin", power="uniform", cut=2),
            band_sharing(radio),
            _SEED,
        )

    def scheme(self) -> tuple[Scheme, SchemePlan]:
        """Return a new scheme and its first plan, with cut 2 where the allocation chooses the cut."""
        scheme = self._class(self.parameters, TrainingTask(_UNITS, BATCH_SIZE))
        deployment, per_round = self._context.deployment, self.conditions.per_round
        if per_round is not None:
            deployment = deployment.select(self._sampler(per_round).first_in_order())
        return scheme, scheme.plan(deployment, self._context.planner())

    def run(self, learner: RecordingLearner | None = None) -> TrialRun:
        """Run the rounds in a new world, with a learner or for the timeline alone."""
        scheme, plan = self.scheme()
        planner = self._planner(scheme, plan)
        run = TrialRun(self._world(planner))
        world, departed = run.world, frozenset[int]()
        for result in run_rounds(scheme, world, learner, planner, Stop(rounds=NUM_ROUNDS), NUM_ROUNDS):
            members = range(self.conditions.num_devices)
            clients = tuple(client for client in world.sampled_clients or members if client not in departed)
            trained = learner.take_clients() if learner else frozenset[int]()
            run.rounds.append(TrialRound(result.number, result.end_s, result.outcome, clients, trained))
            departed = frozenset(world.departed_at_s)
        return run

    def resumed_fingerprint(self) -> str | None:
        """Return the hash of a run that continues from a checkpoint after the first round, in a new world.

        It is None if the first round ends while a client is active, when no checkpoint can be taken.
        """
        cursor, timeline = RoundCursor(), TimelineHash()
        state: tuple[WorldSnapshot, PlannerSnapshot] | None = None
        for count in (1, NUM_ROUNDS):
            scheme, plan = self.scheme()
            planner = self._planner(scheme, plan, state[1] if state else None)
            world = self._world(planner, state[0] if state else None)
            if state is None or not world.all_clients_left:
                for _ in run_rounds(scheme, world, None, planner, Stop(rounds=count), NUM_ROUNDS, cursor):
                    pass
            timeline.add(world.record.take(world.first_open_row))
            try:
                state = pickle.loads(pickle.dumps((take_snapshot(world), planner.snapshot())))
            except NotAtRoundEndError:
                return None
        return timeline.hexdigest(world.record)

    def planned_rounds_s(self) -> float:
        """Return the time of the first rounds that the closed form is for, [s]."""
        scheme, plan = self.scheme()
        world = self._world(self._planner(scheme, plan))
        for number in range(scheme.first_planned_round, scheme.first_planned_round + NUM_ROUNDS):
            world.env.run(until=world.env.process(scheme.round(RoundContext(world, None, plan, number))))
        return float(world.env.now)

    def predicted_s(self) -> float:
        """Return the closed form of a round's time, or else the prediction of the plan, [s]."""
        scheme, plan = self.scheme()
        if plan.prediction_is_bound or plan.cuts.per_device:
            return plan.predicted_s
        links = plan.links
        rates = Rates(links.uplink_bps, links.downlink_bps, float(links.whole_band_bps.min()))
        return scheme.round_time_s(plan.cuts.common, self._context.deployment, rates)

    def with_conditions(self, **changes: Any) -> Trial:
        """Return a trial of the same scheme, with some conditions changed."""
        return Trial(self._class, self.parameters, replace(self.conditions, **changes))

    def _sampler(self, per_round: int) -> ClientSampler:
        return ClientSampler(Participation(per_round=per_round), self.conditions.num_devices, _SEED)

    def _planner(
        self, scheme: Scheme, plan: SchemePlan, snapshot: PlannerSnapshot | None = None
    ) -> RoundPlanner:
        if self.conditions.per_round is None:
            return FixedPlan(plan, range(self.conditions.num_devices), snapshot)
        return SampledClients(scheme, plan, self._sampler(self.conditions.per_round), self._context, snapshot)

    def _world(self, planner: RoundPlanner, snapshot: WorldSnapshot | None = None) -> World:
        deadline_s = self.conditions.deadline_s
        world = World(
            self._server,
            self._fleet,
            *links_and_schedulers(planner.plan, self._context.channel.of(planner.members)),
            network=self._network,
            server_shares=planner.plan.server_shares,
            clients=planner.members,
            faults=self._faults(),
            round_policy=Deadline(deadline_s) if deadline_s < math.inf else WAIT_FOR_ALL,
            snapshot=snapshot,
        )
        if snapshot is not None:
            restore(world, snapshot)
        return world

    def _faults(self) -> Faults:
        if not self.conditions.faults:
            return Faults()
        period_s = self.conditions.undisturbed_s / 4
        slowdown = {"factor": 4.0, "mean_normal_s": period_s, "mean_slow_s": period_s}
        scenario = Scenario.model_validate(
            {
                "name": "contract",
                "seed": _SEED,
                "stop": {"rounds": NUM_ROUNDS},
                "schemes": ["fl"],
                "model": {"name": "lenet", "input_shape": [1, 28, 28], "classes": 10},
                "devices": {"count": self.conditions.num_devices},
                "stragglers": {"slowdown": slowdown},
            }
        )
        faults = [lookup("fault", name).load()(scenario, self._fleet) for name in self.conditions.faults]
        return Faults(tuple(fault for fault in faults if fault is not None))

    def _battery_j(self) -> Array | None:
        """Return batteries, of which every second one is empty after half of the run, [J]."""
        spent_j = np.array(self.conditions.undisturbed_j)
        if not spent_j.size:
            return None
        return np.where(np.arange(spent_j.size) % 2 == 0, 0.5 * spent_j, np.inf)

    def _deployment(self) -> Deployment:
        nodes, clients = self._network.nodes, self.conditions.num_devices
        node_s_per_flop = np.array([node.cycles_per_flop / node.clock_hz for node in nodes])
        server_s_per_flop = self._server.cycles_per_flop / self._server.clock_hz
        device_s_per_flop = self._fleet.seconds_per_flop
        return Deployment(
            resources=self._resources,
            links=whole_band_links(self._resources),
            has_fixed_links=False,
            device_s_per_flop=device_s_per_flop,
            server_s_per_flop=server_s_per_flop,
            device_work=work_from_flops(_UNITS, BATCH_SIZE, device_s_per_flop),
            server_work=work_from_flops(_UNITS, BATCH_SIZE, np.array([server_s_per_flop])),
            memory_bits=np.full(clients, np.inf),
            least_memory_bits=np.inf,
            network=self._network,
            node_work=work_from_flops(_UNITS, BATCH_SIZE, node_s_per_flop),
            seed=_SEED,
            clients=tuple(range(clients)),
        )
