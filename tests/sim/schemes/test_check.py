"""check_scheme: every registered scheme keeps the contract, and broken ones are found out."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cutlayer.scenarios import registry
from cutlayer.scenarios.registry import register, specs
from cutlayer.scenarios.schema.registered import SchemeParameters
from cutlayer.sim.allocation.problem import Rates
from cutlayer.sim.schemes.base import Round, RoundContext, RoundOutcome, Scheme
from cutlayer.sim.schemes.centralised import Centralised
from cutlayer.sim.schemes.check import SchemeContractError, check_scheme
from cutlayer.sim.schemes.deployment import Deployment
from cutlayer.sim.schemes.planning.plan import SchemePlan
from cutlayer.sim.schemes.planning.radio_planner import RadioPlanner
from cutlayer.sim.timeline.phases import SERVER_FORWARD, UPLINK
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
        yield context.world.devices[0].uplink(UPLINK, 1e3)
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
        def send(device: Any) -> Iterator[Any]:
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


BROKEN = {
    "what takes time must be recorded": Unrecorded,
    "a second run differs": Moody,
    "keep nothing in the scheme between two rounds": Remembering,
    "depends on whether there is a learner": LearnerBound,
    "no step of the learner is called": Idle,
    "round_time_s says": Wishful,
    "a round fails": NoEvent,
    "yet something is sent": Silent,
    "yet two send at once": Crowded,
    "clients that miss the deadline take part": Crowded,
    "not a RoundOutcome": Forgetful,
    r"Hasty.round has ended while clients \[0, 1, 2\] are in a batch": Hasty,
}


@pytest.mark.parametrize(("rule", "scheme"), BROKEN.items())
def test_broken_schemes_are_found_out(
    rule: str, scheme: type[Scheme], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each rule has a scheme that breaks it, and the message says so."""
    monkeypatch.setitem(registry._specs, "scheme", dict(registry._specs["scheme"]))
    register("scheme", "broken", scheme, parameters=SchemeParameters, summary="broken on purpose")
    with pytest.raises(SchemeContractError, match=rule):
        check_scheme("broken")
