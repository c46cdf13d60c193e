"""check_scheme: every registered scheme keeps the contract, and broken ones are found out."""

from __future__ import annotations

import math
import random
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cutlayer.scenarios import registry
from cutlayer.scenarios.registry import register, specs
from cutlayer.scenarios.schema.registered import SchemeParameters
from cutlayer.scenarios.schema.scenario import Scenario
from cutlayer.sim.allocation.problem import Rates, RoundWork
from cutlayer.sim.nodes.device import Device
from cutlayer.sim.nodes.fleet import Fleet
from cutlayer.sim.schemes.base import Round, RoundContext, RoundOutcome, Scheme
from cutlayer.sim.schemes.centralised import Centralised
from cutlayer.sim.schemes.contract.check import SchemeContractError, _disturbed_trials, check_scheme
from cutlayer.sim.schemes.deployment import Deployment
from cutlayer.sim.schemes.fl import FL, FlParameters
from cutlayer.sim.schemes.planning.plan import SchemePlan
from cutlayer.sim.schemes.planning.radio_planner import RadioPlanner
from cutlayer.sim.timeline.phases import SERVER_FORWARD, UPLINK
from cutlayer.sim.world.world import World
from tests.support.processes import python

BUILT_IN = [spec.name for spec in specs("scheme")]


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_schemes_keep_the_contract(name: str) -> None:
    """Every registered scheme passes with its default parameters."""
    check_scheme(name)


def test_a_fresh_process_knows_the_schemes(tmp_path: Path) -> None:
    """Nothing has to be run before a scheme can be checked."""
    assert "" == python("import cutlayer; cutlayer.check_scheme('psl')", tmp_path)


def test_parameters_are_passed_on() -> None:
    """A scheme can be checked with other parameters than its defaults."""
    check_scheme("epsl", phi=1.0, aggregation="exact")
    check_scheme("fl", local_steps=3)


class Unrecorded(Centralised):
    """Takes time that it does not record."""

    def round(self, context: RoundContext) -> Round:
        outcome = yield from super().round(context)
        yield context.world.env.timeout(1.0)
        return outcome


class Moody(Centralised):
    """Draws from a global random state."""

    def round(self, context: RoundContext) -> Round:
        yield context.world.server.compute(SERVER_FORWARD, 1e6 * random.random())
        return (yield from super().round(context))


class Remembering(Centralised):
    """Takes longer in each of its rounds, by what it keeps in itself."""

    kept = 0

    def round(self, context: RoundContext) -> Round:
        self.kept += 1
        yield context.world.server.compute(SERVER_FORWARD, 1e6 * self.kept)
        return (yield from super().round(context))


class LearnerBound(Centralised):
    """Takes longer when it trains."""

    def round(self, context: RoundContext) -> Round:
        if context.learner:
            yield context.world.server.compute(SERVER_FORWARD, 1e6)
        return (yield from super().round(context))


class Idle(Centralised):
    """Never calls its learner."""

    def round(self, context: RoundContext) -> Round:
        return (yield from super().round(replace(context, learner=None)))


class Wishful(Centralised):
    """Plans with another time than it takes."""

    def round_time_s(self, cut: int, deployment: Deployment, rates: Rates) -> float:
        return 0.5 * super().round_time_s(cut, deployment, rates)


class NoEvent(Centralised):
    """Yields something that is no event."""

    def round(self, context: RoundContext) -> Round:
        yield 3.0  # type: ignore[misc]
        return RoundOutcome((), 0, 0)


class Silent(Centralised):
    """Sends, though it says that it has no radio."""

    def round(self, context: RoundContext) -> Round:
        yield context.world.device(0).uplink(UPLINK, 1e3)
        return (yield from super().round(context))


class Crowded(Scheme):
    """Claims the whole band for each sender, and lets all send at once; waits for the late."""

    uses_subchannels = False
    learner = "nowhere:Nothing"

    def plan(self, deployment: Deployment, planner: RadioPlanner) -> SchemePlan:
        return self.plan_from_radio(planner.for_sequential_clients(self, deployment), deployment)

    def round_time_s(self, cut: int, deployment: Deployment, rates: Rates) -> float:
        return float((1e6 / rates.uplink_bps).max())

    def round(self, context: RoundContext) -> Round:
        def send(device: Any) -> Generator[Any, Any, None]:
            yield device.uplink(UPLINK, 1e6)

        if context.learner:
            context.learner.step()
        yield context.world.start(send, context.world.clients).finished
        return RoundOutcome(context.world.clients, 1, len(context.world.clients) * 4)


class Hasty(Centralised):
    """Does not wait for its clients."""

    def round(self, context: RoundContext) -> Round:
        if len(context.world.clients) > 1:
            context.world.start(((UPLINK, 1e9),), context.world.clients)
        return (yield from super().round(context))


class Forgetful(Centralised):
    """Returns nothing."""

    def round(self, context: RoundContext) -> Round:
        yield from super().round(context)
        return None  # type: ignore[return-value]


class Relay(Scheme):
    """Keeps the contract: each client uploads in turn."""

    uses_subchannels = False
    has_cut = False
    learner = "nowhere:Nothing"

    def plan(self, deployment: Deployment, planner: RadioPlanner) -> SchemePlan:
        return self.plan_from_radio(planner.for_sequential_clients(self, deployment), deployment)

    def round_time_s(self, cut: int, deployment: Deployment, rates: Rates) -> float:
        return float((1e6 / rates.uplink_bps).sum())

    def clients(self, world: World) -> Sequence[int]:
        return world.clients

    def round(self, context: RoundContext) -> Round:
        def send(device: Device) -> Generator[Any, Any, None]:
            yield device.uplink(UPLINK, 1e6)

        trained = []
        for client in self.clients(context.world):
            if (yield from context.world.run_alone(send, client)):
                trained.append(client)
                if context.learner:
                    context.learner.step((client,))
        return RoundOutcome(tuple(trained), len(trained), len(trained) * 4)


class EveryDevice(Relay):
    """Lets all devices of the run send, instead of the clients of the round."""

    def clients(self, world: World) -> Sequence[int]:
        return [device.client for device in world.created_devices]


class EveryNode(Relay):
    """Lets devices of earlier rounds send first."""

    def round(self, context: RoundContext) -> Round:
        for device in context.world.created_devices:
            if device.client not in context.world.clients:
                yield device.uplink(UPLINK, 1e6)
        return (yield from super().round(context))


class Trusting(FL):
    """Waits for each client that was on time to end, also if it leaves the run before."""

    def work(self, cut: int, deployment: Deployment) -> RoundWork:
        zero_s = np.zeros(deployment.num_clients)
        return RoundWork(zero_s, 1e3 + 1e6, 0.0, 0.0, 0.0, zero_s)

    def round(self, context: RoundContext) -> Round:
        world = context.world
        ended = {client: world.env.event() for client in world.clients}

        def send(device: Device) -> Generator[Any, Any, None]:
            yield device.uplink(UPLINK, 1e3)
            world.mark_on_time(device.client)
            yield device.uplink(UPLINK, 1e6)
            ended[device.client].succeed()

        on_time = yield world.start(send, world.clients).on_time
        yield world.env.all_of([ended[client] for client in on_time])
        if context.learner and on_time:
            context.learner.local_steps(on_time, context.number)
        return RoundOutcome(on_time, int(bool(on_time)), len(on_time) * 4)


class Generous(FL):
    """Trains and averages all clients of the round, as soon as one of them is on time."""

    def round(self, context: RoundContext) -> Round:
        outcome = yield from super().round(replace(context, learner=None))
        if context.learner and outcome.participants:
            context.learner.local_steps(context.world.clients, context.number)
        return outcome


class Subchannels(FL):
    """Reads the subchannels of its clients, which only some ways of sharing the band have."""

    def round(self, context: RoundContext) -> Round:
        assert len(context.plan.access.client_of)  # type: ignore[attr-defined]
        return (yield from super().round(context))


class Unpicklable(FL):
    """Stores a function in its plan."""

    def plan(self, deployment: Deployment, planner: RadioPlanner) -> SchemePlan:
        return replace(super().plan(deployment, planner), structure=lambda: None)


BROKEN = {
    "record every activity that takes time": Unrecorded,
    "a second run differs": Moody,
    "store nothing in the scheme between two rounds": Remembering,
    "depends on whether there is a learner": LearnerBound,
    "no step of the learner is called": Idle,
    "round_time_s says": Wishful,
    "a round fails": NoEvent,
    "yet something is sent": Silent,
    "yet two send at once": Crowded,
    "clients that miss the deadline take part": Crowded,
    "not a RoundOutcome": Forgetful,
    r"Hasty.round has ended while clients \[0, 1, 2\] are in a batch": Hasty,
    r"device \d is not a client of this round.*devices sampled": EveryDevice,
    r"device-\d is active in round 2, whose clients are .* devices sampled": EveryNode,
    r"a round fails: EndlessRoundError: .*fault battery": Trusting,
    r"steps get clients \[0.*\], which do not take part in round 1 .*deadline": Generous,
    r"a round fails: AttributeError: .*radio.sharing tdma": Subchannels,
    "a checkpoint cannot load the plan, which cannot be pickled": Unpicklable,
}


@pytest.mark.parametrize(("rule", "scheme"), BROKEN.items())
def test_broken_schemes_are_found_out(
    rule: str, scheme: type[Scheme], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each rule has a scheme that breaks it, and the message says so."""
    monkeypatch.setitem(registry._specs, "scheme", dict(registry._specs["scheme"]))
    parameters = FlParameters if issubclass(scheme, FL) else SchemeParameters
    register("scheme", "broken", scheme, parameters=parameters, summary="broken on purpose")
    with pytest.raises(SchemeContractError, match=rule):
        check_scheme("broken")


def test_relay_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheme that a broken one extends has no fault of its own."""
    monkeypatch.setitem(registry._specs, "scheme", dict(registry._specs["scheme"]))
    register("scheme", "relay", Relay, parameters=SchemeParameters, summary="uploads in turn")
    check_scheme("relay")


def test_parameters_must_be_picklable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep's worker cannot load parameters whose class stands inside of a function."""

    class LocalParameters(SchemeParameters):
        pass

    monkeypatch.setitem(registry._specs, "scheme", dict(registry._specs["scheme"]))
    register("scheme", "local", Centralised, parameters=LocalParameters, summary="broken on purpose")
    with pytest.raises(SchemeContractError, match="worker cannot load the parameters"):
        check_scheme("local")


def test_a_fault_that_is_registered_later_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract includes each registered fault, not only the built-in ones."""
    tried = []

    def fault(scenario: Scenario, fleet: Fleet) -> None:
        tried.append(len(fleet))

    monkeypatch.setitem(registry._specs, "fault", dict(registry._specs["fault"]))
    register("fault", "noted", fault, summary="has no effect")
    check_scheme("centralised")
    assert {3, 6} == set(tried)


@pytest.mark.parametrize("name", ["psl", "mpsl", "sl"])
def test_trials_disturb_rounds(name: str) -> None:
    """Batteries run empty in mid-run, some clients are late while others are not, and samples differ."""
    spec = registry.lookup("scheme", name)
    parameters = spec.parameters.model_validate({"name": name})
    assert isinstance(parameters, SchemeParameters)
    departed: list[set[float]] = []
    late: list[set[int]] = []
    samples: set[tuple[int, ...]] = set()
    for trial in _disturbed_trials(spec.load(), parameters, "barrier"):
        run = trial.run()
        if "battery" in trial.conditions.faults:
            departed.append(set(run.world.departed_at_s.values()))
        if trial.conditions.deadline_s < math.inf and not trial.conditions.faults:
            late += [set(each.clients) - set(each.outcome.participants) for each in run.rounds]
            assert all(each.outcome.participants for each in run.rounds)
        if trial.conditions.per_round:
            samples.update(each.clients for each in run.rounds)
    assert all(0 < min(times_s) for times_s in departed)
    assert all(late)
    assert (0 if name == "mpsl" else 3) == len(samples)
