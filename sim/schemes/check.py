"""A test of any training scheme, built in or your own, against the contract of :class:`Scheme`."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ...scenarios.model_costs.unit_table import UnitTable
from ...scenarios.registry import lookup
from ...scenarios.schema.network import ComputeNode
from ...scenarios.schema.network import Network as NetworkSection
from ...scenarios.schema.registered import SchemeParameters
from ...scenarios.schema.scenario import Allocation, Radio, Server, Stop
from ..allocation.problem import Rates
from ..costs.layer_costs import work_from_flops
from ..links.wired_network import build_network
from ..nodes.fleet import Fleet
from ..radio.rates import Band
from ..radio.resources import RadioResources
from ..timeline.interval_record import TimelineHash
from ..world.round_policy import WAIT_FOR_ALL, Deadline, RoundPolicy
from ..world.snapshots import NotAtRoundEndError, restore, take_snapshot
from ..world.world import World
from ..world.world_state import WorldSnapshot
from .base import RoundContext, Scheme, TrainingTask
from .deployment import Deployment
from .planning.medium_access import NoRadio, whole_band_links
from .planning.plan import SchemePlan
from .planning.radio_planner import RadioPlanner, band_sharing
from .round_loop import RoundCursor, RoundResult, run_rounds
from .round_planners.fixed_plan import FixedPlan

__all__ = ["SchemeContractError", "check_scheme"]

_ROUNDS = 3
_BATCH = 4
_SUBCHANNELS = 6
_NETWORK = NetworkSection(nodes=(ComputeNode(name="node", count=2),))
_UNITS = UnitTable(
    ("first", "second", "third", "fourth"),
    forward_flops=np.array([3e6, 5e6, 2e6, 1e5]),
    backward_flops=np.array([6e6, 1e7, 4e6, 2e5]),
    activation_bits=np.array([4e5, 2e5, 1e5, 320.0]),
    gradient_bits=np.array([4e5, 2e5, 1e5, 320.0]),
    parameter_bits=np.array([1e4, 4e5, 8e5, 3e4]),
)


class SchemeContractError(AssertionError):
    """A scheme that breaks its contract; the message names each rule that it broke."""


class _RecordingLearner:
    """A learner that accepts every step and notes it."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.train_loss = 0.0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def step(*arguments: Any, **options: Any) -> None:
            self.steps.append(name)

        return step

    def set_bounds(self, bounds: Any) -> None:
        """Accept where models are cut: that is no training step."""

    def evaluate(self) -> Any:
        """Return no accuracy: evaluation is not a step of the scheme."""
        return _NoAccuracy()


class _NoAccuracy:
    per_client = (0.0,)
    validation = None
    averaged = mean = 0.0


def check_scheme(name: str, **parameters: Any) -> None:
    """Check a registered scheme, with these parameters, on small worlds of one and of three clients.

    It must yield events alone and return an ``RoundOutcome``; record all the time it takes, in intervals
    that don't overlap; do the same again when run again, when it goes on from a checkpoint, and with and
    without a learner; give the closed form that it plans with; leave late clients out; and send by its
    declared ``band``.

    Raises
    ------
    SchemeContractError
        With every rule that is broken.
    UnknownNameError
        If no scheme has this name.
    """
    spec = lookup("scheme", name)
    if not issubclass(spec.parameters, SchemeParameters):
        raise SchemeContractError(f"scheme {name!r}: its parameters must extend SchemeParameters")
    given = spec.parameters.model_validate({"name": name, **parameters})
    broken: dict[str, None] = {}
    for clients in (1, 3):
        for service in ("barrier", "arrival"):
            for rule in _broken_rules(_Trial(spec.load(), given, clients, service)):
                broken[f"{rule} ({clients} clients, service {service})"] = None
    if broken:
        raise SchemeContractError(f"scheme {name!r} breaks its contract:\n" + "\n".join(broken))


class _Trial:
    """Runs of one scheme on one small world."""

    def __init__(
        self, scheme: type[Scheme], parameters: SchemeParameters, clients: int, service: str
    ) -> None:
        self._class = scheme
        self._parameters = parameters
        self.clients = clients
        self.service = service
        steps = np.linspace(1.0, clients, clients, dtype=np.float64)
        ones = np.ones(clients, dtype=np.float64)
        self._fleet = Fleet(1e9 * steps, ones / 16, ones * 1e-28, ones, ones, ones)
        self._server = Server.model_validate({"service": service})
        band = Band(1e6, np.linspace(28e9, 28.005e9, _SUBCHANNELS), 4e-21, 10.0, 1e-8)
        gains = 1e-13 * np.outer(steps, np.linspace(1.0, 2.0, _SUBCHANNELS))
        self._problem = RadioResources(band, gains, ones, 2.0 * clients)
        self._network = build_network(_NETWORK)

    def scheme(self) -> tuple[Scheme, SchemePlan]:
        """Return the scheme and its plan, cut in the middle where the allocation chooses the cut."""
        scheme = self._class(self._parameters, TrainingTask(_UNITS, _BATCH))
        allocation = Allocation(subchannels="round_robin", power="uniform", cut=2)
        planner = RadioPlanner(allocation, band_sharing(Radio()), 0)
        return scheme, scheme.plan(self.deployment(), planner)

    def deployment(self) -> Deployment:
        """Return the deployment that plans are made for."""
        nodes = self._network.nodes
        on_nodes = np.array([node.cycles_per_flop / node.clock_hz for node in nodes])
        server_s_per_flop = self._server.cycles_per_flop / self._server.clock_hz
        device_s_per_flop = self._fleet.seconds_per_flop
        return Deployment(
            resources=self._problem,
            links=whole_band_links(self._problem),
            has_fixed_links=False,
            device_s_per_flop=device_s_per_flop,
            server_s_per_flop=server_s_per_flop,
            device_work=work_from_flops(_UNITS, _BATCH, device_s_per_flop),
            server_work=work_from_flops(_UNITS, _BATCH, np.array([server_s_per_flop])),
            memory_bits=np.full(self.clients, np.inf),
            least_memory_bits=np.inf,
            network=self._network,
            node_work=work_from_flops(_UNITS, _BATCH, on_nodes),
            seed=0,
            clients=tuple(range(self.clients)),
        )

    def run(self, learner: Any = None, policy: RoundPolicy = WAIT_FOR_ALL) -> tuple[World, list[RoundResult]]:
        """Run rounds in a new world."""
        scheme, plan = self.scheme()
        world = self._world(scheme, plan, policy=policy)
        planner = FixedPlan(plan, range(self.clients))
        return world, list(run_rounds(scheme, world, learner, planner, Stop(rounds=_ROUNDS), _ROUNDS))

    def resumed(self) -> str:
        """Return the hash of a run that goes on from its state after the first round, in a new world."""
        cursor, timeline = RoundCursor(), TimelineHash()
        state: WorldSnapshot | None = None
        for count in (1, _ROUNDS):
            scheme, plan = self.scheme()
            world = self._world(scheme, plan, state)
            planner = FixedPlan(plan, range(self.clients))
            for _ in run_rounds(scheme, world, None, planner, Stop(rounds=count), _ROUNDS, cursor):
                pass
            timeline.add(world.record.take(world.first_open_row))
            state = pickle.loads(pickle.dumps(take_snapshot(world)))
        return timeline.hexdigest(world.record)

    def _world(
        self,
        scheme: Scheme,
        plan: SchemePlan,
        snapshot: WorldSnapshot | None = None,
        policy: RoundPolicy = WAIT_FOR_ALL,
    ) -> World:
        world = World(
            self._server,
            self._fleet,
            plan.links,
            network=self._network,
            server_shares=plan.server_shares,
            round_policy=policy,
            snapshot=snapshot,
        )
        if snapshot is not None:
            restore(world, snapshot)
        return world

    def planned_rounds_s(self) -> float:
        """Return the time of the first of the rounds that the closed form is for."""
        scheme, plan = self.scheme()
        world = self._world(scheme, plan)
        for number in range(scheme.first_planned_round, scheme.first_planned_round + _ROUNDS):
            world.env.run(until=world.env.process(scheme.round(RoundContext(world, None, plan, number))))
        return float(world.env.now)

    def predicted_s(self) -> float:
        """Return the closed form of a round's time, or what the scheme's own plan says of it."""
        scheme, plan = self.scheme()
        if plan.prediction_is_bound or plan.cuts.per_device:
            return plan.predicted_s
        links = plan.links
        rates = Rates(links.uplink_bps, links.downlink_bps, float(links.whole_band_bps.min()))
        return scheme.round_time_s(plan.cuts.common, self.deployment(), rates)


def _broken_rules(trial: _Trial) -> Iterator[str]:
    try:
        world, results = trial.run()
    except Exception as error:
        yield f"a round fails: {type(error).__name__}: {error}"
        return
    table = world.record.frame()
    yield from _outcomes(trial, results)
    yield from _intervals(trial, table, results)
    if world.record.fingerprint() != trial.run()[0].record.fingerprint():
        yield "a second run differs: draw from a stream, never from a global random state"
    try:
        resumed = trial.resumed()
    except NotAtRoundEndError:  # it can't be saved, which is told to who tries
        resumed = world.record.fingerprint()
    if world.record.fingerprint() != resumed:
        yield "a run that goes on from a checkpoint differs: keep nothing in the scheme between two rounds"
    learner = _RecordingLearner()
    learnt, _ = trial.run(learner)
    if learnt.record.fingerprint() != world.record.fingerprint():
        yield "the timeline depends on whether there is a learner"
    if not learner.steps:
        yield "no step of the learner is called"
    if trial.service == "barrier":
        predicted_s, found_s = _ROUNDS * trial.predicted_s(), trial.planned_rounds_s()
        if trial.scheme()[1].prediction_is_bound:
            if found_s < predicted_s * (1 - 1e-9):
                yield f"{_ROUNDS} rounds take {found_s:.9g} s; the plan's bound is {predicted_s:.9g} s"
        elif not np.isclose(found_s, predicted_s, rtol=1e-9):
            yield f"{_ROUNDS} rounds take {found_s:.9g} s; round_time_s says {predicted_s:.9g} s"
    yield from _late(trial)


def _outcomes(trial: _Trial, results: list[RoundResult]) -> Iterator[str]:
    for result in results:
        outcome = result.outcome
        if list(outcome.participants) != list(range(trial.clients)):
            yield f"without a deadline everybody takes part, not {outcome.participants}"
        if outcome.samples < trial.clients * _BATCH or outcome.updates < 1:
            yield f"{trial.clients} clients train on {outcome.samples} samples in {outcome.updates} updates"


def _intervals(trial: _Trial, table: pd.DataFrame, results: list[RoundResult]) -> Iterator[str]:
    start_s = 0.0
    for result in results:
        rows = table[table["round"] == result.number]
        if rows.empty or rows["end_s"].max() != result.end_s or rows["start_s"].min() < start_s:
            yield "a round's intervals don't fill it up to its end: what takes time must be recorded"
            return
        start_s = result.end_s
    if _overlap(table, ["node", "lane"]):
        yield "intervals of a lane overlap"
    access = trial.scheme()[1].access
    on_air = table[table["lane"] != "compute"].assign(all="")
    if isinstance(access, NoRadio) and len(on_air):
        yield "the plan has no radio, yet something is sent"
    if access.one_at_a_time and _overlap(on_air, ["all"]):
        yield "clients have the whole band one at a time, yet two send at once"


def _overlap(table: pd.DataFrame, by: list[str]) -> bool:
    for _, rows in table.groupby(by, observed=True):
        ordered = rows.sort_values(["start_s", "end_s"])
        if (ordered["start_s"].to_numpy()[1:] < ordered["end_s"].to_numpy()[:-1]).any():
            return True
    return False


def _late(trial: _Trial) -> Iterator[str]:
    if isinstance(trial.scheme()[1].access, NoRadio):
        return
    learner = _RecordingLearner()
    try:
        _, results = trial.run(learner, Deadline(1e-6))
    except Exception as error:
        yield f"a round that nobody is in time for fails: {type(error).__name__}: {error}"
        return
    if any(r.outcome.participants or r.outcome.samples or r.outcome.updates for r in results):
        yield "clients that miss the deadline take part"
    if learner.steps:
        yield "the learner trains in a round that nobody is in time for"
