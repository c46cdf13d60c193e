"""Every fault with every scheme, every way of sharing the band, and every round policy.

A combination either keeps the laws of a timeline, or is refused with a message that names both of its keys.
"""

from __future__ import annotations

import functools
import math
import signal
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cutlayer.experiments.execution.scheme_run import make_world, scheme_learner
from cutlayer.experiments.preparation import prepare
from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.loading.loader import RawScenario, check_scenario
from cutlayer.sim.schemes.round_loop import RoundResult, run_rounds
from cutlayer.sim.timeline.event_log import EventKind, LoggedEvent
from tests.support.fault_cases import (
    FAULTS,
    NO_FAULTS,
    NUM_DEVICES,
    POLICIES,
    SCHEMES,
    SHARINGS,
    FaultCase,
    Sections,
    scenario_data,
    write_files,
)
from tests.support.timeline_laws import check_intervals

ROUND_S = 0.03
"""A typical round of the small scenario without faults, [s]."""
LEARNING = {"learning": {"dataset": {"name": "synthetic", "train_samples": 60, "test_samples": 10}}}
HANG_S = 120
"""Processor time after which a run counts as hanging, [s]; it takes a hundredth of a second."""
Causes = tuple[tuple[str, ...], ...]
"""The causes that a refusal may name, each with the keys by which it may name it."""
REASONS = {
    "faults.availability": "offline",
    "faults.packet_loss": "lost",
    "faults.lost_update": "lost",
    "devices.battery_j": "battery",
}
"""The reason for which each fault may leave a client out."""
LINKS: Causes = (("uplink_bps",), ("sharing",), ("link_trace",))

Totals = tuple[float, float]
"""Bits and FLOPs."""


@dataclass(frozen=True)
class Timeline:
    """The timeline of one scheme's run.

    Attributes
    ----------
    fingerprint : str
    intervals : DataFrame
    events : list of LoggedEvent
    rounds : list of RoundResult
    departed_at_s : dict of int to float
        When each device left the run, [s].
    """

    fingerprint: str
    intervals: pd.DataFrame
    events: list[LoggedEvent]
    rounds: list[RoundResult]
    departed_at_s: dict[int, float]

    @functools.cached_property
    def totals(self) -> dict[tuple[int, str, str], Totals]:
        """Return the bits and the FLOPs of each round, node and phase."""
        totals: dict[tuple[int, str, str], Totals] = defaultdict(lambda: (0.0, 0.0))
        columns = (self.intervals[name].tolist() for name in ("round", "node", "phase", "bits", "flops"))
        for number, node, phase, bits, flops in zip(*columns, strict=True):
            sums = totals[number, node, phase]
            totals[number, node, phase] = sums[0] + bits, sums[1] + flops
        return dict(totals)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that faults name."""
    folder = tmp_path_factory.mktemp("faults")
    write_files(folder, ROUND_S)
    return folder


@pytest.fixture(autouse=True)
def _hangs_fail() -> Iterator[None]:
    """Let a run that hangs fail, so that the other combinations are tried."""

    def fail(*_: object) -> None:
        raise AssertionError(f"the run hangs: {HANG_S} s of processor time")

    old = signal.signal(signal.SIGPROF, fail)
    signal.setitimer(signal.ITIMER_PROF, HANG_S)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, old)


def timelines(folder: Path, *sections: Mapping[str, Any], schemes: tuple[str, ...]) -> dict[str, Timeline]:
    """Run schemes in the small scenario with further sections, and return each timeline by its name.

    With a section ``learning`` the schemes train.
    """
    data = scenario_data(*sections, schemes=schemes)
    ready = prepare(check_scenario(RawScenario(data, folder, "faults.yaml", {}, {}, [])))
    found = {}
    for scheme, plan in ready.schemes:
        world, planner = make_world(ready, scheme, plan)
        learner = scheme_learner(ready, scheme, plan)
        rounds = list(run_rounds(scheme, world, learner, planner, ready.loaded.scenario.stop, 1))
        record = world.record
        found[scheme.parameters.name] = Timeline(
            record.fingerprint(), record.frame(), record.events.take(), rounds, dict(world.departed_at_s)
        )
    return found


@functools.cache
def undisturbed(folder: Path, sharing: str) -> dict[str, Timeline]:
    """Return the timelines without faults of all schemes that this way of sharing supports."""
    return dict(accepted(folder, SHARINGS[sharing], causes=LINKS))


def accepted(
    folder: Path, *sections: Sections, causes: Causes, schemes: tuple[str, ...] = SCHEMES
) -> Iterator[tuple[str, Timeline]]:
    """Yield the timeline of each scheme whose scenario is accepted.

    A refusal must name two of the causes, one of which may be the scheme.
    """
    try:
        yield from timelines(folder, *sections, schemes=schemes).items()
        return
    except ScenarioError as error:
        if len(schemes) == 1:
            check_refusal(error, schemes[0], causes)
            return
    for scheme in schemes:  # one of them is refused, or all are
        yield from accepted(folder, *sections, causes=causes, schemes=(scheme,))


def check_refusal(error: ScenarioError, scheme: str, causes: Causes) -> None:
    """Check that a message names two causes: keys of the scenario, or one key and the scheme."""
    for message in error.messages():
        named = [cause for cause in (*causes, (scheme,)) if any(key in message for key in cause)]
        assert len(named) >= 2, f"{message!r} names {named}; a refusal must name both causes"


def check_laws(timeline: Timeline, fault: FaultCase | None, *, waits: bool, before: Timeline | None) -> None:
    """Check order, participation and conservation.

    Parameters
    ----------
    fault : FaultCase or None
    waits : bool
        Whether the round policy waits for all clients.
    before : Timeline or None
        The same run without the fault and with waiting; None if it is not comparable.
    """
    check_intervals(timeline.intervals, [result.end_s for result in timeline.rounds])
    numbers = [result.number for result in timeline.rounds]
    assert list(range(1, len(numbers) + 1)) == numbers
    check_events(timeline)
    may_miss = not waits or (fault is not None and fault.leaves_out)
    for result in timeline.rounds:
        outcome = result.outcome
        assert list(outcome.participants) == sorted(set(outcome.participants))
        assert (outcome.samples > 0) == (outcome.updates > 0) == bool(outcome.participants)
        if before is not None and result.number <= len(before.rounds):
            expected = before.rounds[result.number - 1].outcome
            assert set(outcome.participants) <= set(expected.participants)
            check_left_out(timeline, result, fault, waits=waits)
            if not may_miss:
                assert expected == outcome
                check_work(timeline, before, result.number, fault)


def check_left_out(timeline: Timeline, result: RoundResult, fault: FaultCase | None, *, waits: bool) -> None:
    """Check that every device takes part, or is left out for a reason that the scenario has."""
    start_s = max((each.end_s for each in timeline.rounds if each.number < result.number), default=0.0)
    gone = {device for device, left_s in timeline.departed_at_s.items() if left_s <= start_s}
    everybody = set(range(NUM_DEVICES)) - gone
    assert everybody == set(result.outcome.participants) | set(result.left_out)
    possible = {"late"} if not waits else set()
    if fault is not None:
        possible |= {reason for key, reason in REASONS.items() if fault.key == key}
    assert set(result.left_out.values()) <= possible
    reasons: dict[int, list[str]] = {}
    for event in timeline.events:
        if event.kind is EventKind.LEFT_OUT and event.round == result.number:
            reasons.setdefault(event.node - 1, []).append(event.detail)
    assert dict(result.left_out) == {client: each[0] for client, each in reasons.items()}
    assert {"battery"} >= {reason for each in reasons.values() for reason in each[1:]}


def check_events(timeline: Timeline) -> None:
    """Check that events lie in their rounds, and that states have an end."""
    start_s, spans = 0.0, {}
    for result in timeline.rounds:
        spans[result.number] = (start_s, result.end_s)
        start_s = result.end_s
    states = {EventKind.SLOW, EventKind.OFFLINE, EventKind.OUTAGE, EventKind.DOWN}
    for event in timeline.events:
        first_s, last_s = spans[event.round]
        assert first_s <= event.time_s <= last_s, f"{event} is not in its round, {first_s} to {last_s} s"
        if event.kind in states:
            assert event.time_s <= event.end_s <= last_s, f"{event} ends after its round, at {last_s} s"


def check_work(timeline: Timeline, before: Timeline, number: int, fault: FaultCase | None) -> None:
    """Check that all clients compute and send the same in a round as without the fault.

    Repeated packets and transfers come on top of the bits.
    """
    for (number_of_row, node, phase), (bits, flops) in before.totals.items():
        if number_of_row != number:
            continue
        found_bits, found_flops = timeline.totals[number, node, phase]
        what = f"{node} {phase} in round {number}"
        assert math.isclose(flops, found_flops, rel_tol=1e-9), what
        if fault is not None and fault.repeats:
            assert found_bits >= bits * (1 - 1e-9), what
        else:
            assert math.isclose(bits, found_bits, rel_tol=1e-9), what
    if fault is not None and fault.key == "faults.packet_loss":
        resent = sum(event.value for event in timeline.events if event.kind is EventKind.RESENT)
        sent, expected = (sum(bits for bits, _ in each.totals.values()) for each in (timeline, before))
        assert math.isclose(expected, sent - resent, rel_tol=1e-9)


@pytest.mark.parametrize(("name", "sharing"), [*product(FAULTS, SHARINGS)])
def test_every_fault_with_every_scheme_and_sharing(name: str, sharing: str, folder: Path) -> None:
    """No combination hangs, lets a lane do two things at once, or loses or invents work."""
    fault = FAULTS[name]
    runs = dict(accepted(folder, SHARINGS[sharing], fault.sections(ROUND_S), causes=(fault.names, *LINKS)))
    assert runs or sharing != "dedicated", "every scheme refuses the fault"
    without = undisturbed(folder, sharing)
    changed = [scheme for scheme in runs if runs[scheme].fingerprint != without[scheme].fingerprint]
    assert changed or not runs, "the fault has no effect on any scheme"
    for scheme, timeline in runs.items():
        assert len(timeline.rounds) == 3 or fault.key == "devices.battery_j", f"{scheme} stops early"
        check_laws(timeline, fault, waits=True, before=without.get(scheme))


@pytest.mark.parametrize(("policy", "name"), [*product(POLICIES, [*FAULTS, None])])
def test_every_policy_with_every_fault_and_scheme(policy: str, name: str | None, folder: Path) -> None:
    """Late, lost and offline clients are left out, and the round ends; the sharing modes take turns."""
    sharings = list(SHARINGS)
    sharing = sharings[(list(POLICIES).index(policy) + [*FAULTS, None].index(name)) % len(sharings)]
    fault = None if name is None else FAULTS[name]
    sections = {} if fault is None else fault.sections(ROUND_S)
    schemes = SCHEMES[list(POLICIES).index(policy) % 2 :: 2]
    keys = POLICIES[policy](ROUND_S)
    causes = (("round_policy", *keys["round_policy"]), *((fault.names,) if fault else ()), *LINKS)
    runs = accepted(folder, SHARINGS[sharing], sections, keys, causes=causes, schemes=schemes)
    for scheme, timeline in runs:
        sampled = policy == "over-selection"
        before = None if sampled else undisturbed(folder, sharing).get(scheme)
        check_laws(timeline, fault, waits=policy in ("wait for all", "time-out"), before=before)


@pytest.mark.parametrize(("name", "sharing"), [*product(NO_FAULTS, SHARINGS)])
def test_a_fault_that_never_shows_changes_nothing(name: str, sharing: str, folder: Path) -> None:
    """A factor of 1, a rate of 0 and an infinite mean time give the timeline without them, to the bit."""
    (section,) = NO_FAULTS[name]
    causes = ((section, *NO_FAULTS[name][section]), *LINKS)
    found = dict(accepted(folder, SHARINGS[sharing], NO_FAULTS[name], causes=causes))
    assert found, "all schemes refuse it"
    for scheme, timeline in found.items():
        assert undisturbed(folder, sharing)[scheme].fingerprint == timeline.fingerprint, scheme
        assert [] == timeline.events


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        *((policy, "slow-down") for policy in POLICIES if policy not in ("wait for all", "time-out")),
        ("time-out", "lost update"),
    ],
)
def test_every_policy_has_an_effect(policy: str, name: str, folder: Path) -> None:
    """Under a fault that delays clients, a policy gives another timeline than waiting for all of them."""
    sections = FAULTS[name].sections(ROUND_S)
    waiting, limited = (
        timelines(folder, sections, keys, schemes=("psl", "fl")) for keys in ({}, POLICIES[policy](ROUND_S))
    )
    changed = [scheme for scheme in waiting if waiting[scheme].fingerprint != limited[scheme].fingerprint]
    assert changed, "no scheme heeds the policy"


@pytest.mark.parametrize("name", FAULTS)
def test_training_changes_no_time_under_faults(name: str, folder: Path) -> None:
    """With a learner the timeline is the same, and a round has a loss if and only if somebody takes part."""
    schemes = ("sl", "sfl", "psl", "fl", "edgesplit")
    sections = FAULTS[name].sections(ROUND_S)
    untrained, trained = (
        dict(accepted(folder, sections, learning, causes=(FAULTS[name].names, *LINKS), schemes=schemes))
        for learning in ({}, LEARNING)
    )
    assert trained
    for scheme, timeline in trained.items():
        assert untrained[scheme].fingerprint == timeline.fingerprint, scheme
        for result in timeline.rounds:
            assert math.isfinite(result.train_loss) == bool(result.outcome.participants), scheme
