"""The states of nodes in the log of events: they lie within their rounds, and never overlap."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.random_streams import stream
from cutlayer.sim.faults.effects import Fault, Faults
from cutlayer.sim.faults.slowdown import SlowdownTrace
from cutlayer.sim.timeline.event_log import EventKind, EventLog, LoggedEvent, State
from cutlayer.sim.world.state_log import StateLog, disjoint

INSTANTS_S = st.floats(0, 20)


def trace(seed: int, device: int = 0) -> SlowdownTrace:
    """Return slow-downs to a fifth of the speed, with stays of 1 s and 0.5 s on average."""
    return SlowdownTrace(5.0, 1.0, 0.5, stream(seed, "slowdown", device))


@st.composite
def states_of(draw: st.DrawFn) -> State:
    """Return any state of one of two kinds."""
    start_s = draw(INSTANTS_S)
    kind = draw(st.sampled_from([EventKind.SLOW, EventKind.OUTAGE]))
    value = draw(st.sampled_from([0.2, 0.5])) if kind is EventKind.SLOW else math.nan
    return State(start_s, start_s + draw(st.floats(0.01, 10)), kind, value)


@given(st.lists(states_of(), max_size=8), st.lists(INSTANTS_S, min_size=1, max_size=8))
def test_states_become_disjoint(states: list[State], instants_s: list[float]) -> None:
    """States of one kind do not overlap; at each instant, the speed is the product of all that hold there."""
    separate = disjoint(states)
    for kind in (EventKind.SLOW, EventKind.OUTAGE):
        of_kind = [state for state in separate if state.kind is kind]
        assert all(one.end_s <= other.start_s for one, other in pairwise(of_kind))
        for instant_s in instants_s:
            expected, actual = (
                [
                    state.value
                    for state in each
                    if state.kind is kind and state.start_s <= instant_s < state.end_s
                ]
                for each in (states, of_kind)
            )
            assert (len(expected) > 0) == (len(actual) == 1)
            if kind is EventKind.SLOW and expected:
                assert math.prod(expected) == pytest.approx(actual[0], rel=1e-12)


@given(st.integers(0, 30), st.lists(st.floats(0.01, 3), min_size=1, max_size=8))
def test_slow_states_last_as_long_as_the_trace_is_slow(seed: int, rounds_s: list[float]) -> None:
    """States lie within their rounds, and sum to the slow time of the trace, however long the rounds are."""
    log, now_s = EventLog(), 0.0
    states = StateLog(Faults((Fault(compute_capacity=lambda device: trace(seed, device)),)), log, now_s)
    for number, round_s in enumerate(rounds_s, 1):
        log.round, start_s, now_s = number, now_s, now_s + round_s
        assert {0: now_s - start_s, 2: now_s - start_s} == states.add_round((0, 2), {}, now_s)
    events = log.take()
    starts_s = [0.0, *(sum(rounds_s[: n + 1]) for n in range(len(rounds_s)))]
    for event in events:
        assert starts_s[event.round - 1] - 1e-9 <= event.time_s < event.end_s
        assert event.end_s <= starts_s[event.round] + 1e-9
        assert (EventKind.SLOW, 0.2) == (event.kind, event.value)
    for device in (0, 2):
        slow_s = math.fsum(event.end_s - event.time_s for event in events if event.node == device + 1)
        assert slow_s == pytest.approx(trace(seed, device).slow_time_s(0.0, now_s), abs=1e-9)


def test_a_device_that_has_left_the_run_has_no_further_states() -> None:
    """States end when the device leaves, and later rounds have none of it."""

    class Always:
        def states(self, start_s: float, end_s: float) -> Iterator[State]:
            yield State(start_s, end_s, EventKind.OFFLINE)

    log = EventLog()
    states = StateLog(Faults((Fault(availability=lambda device: Always()),)), log, 1.0)  # type: ignore[arg-type,return-value]
    log.round = 1
    assert {0: 2.0, 1: 0.5} == states.add_round((0, 1), {1: 1.5}, 3.0)
    log.round = 2
    assert {0: 1.0} == states.add_round((0, 1), {1: 1.5}, 4.0)
    spans = [(event.round, event.node, event.time_s, event.end_s) for event in log.take()]
    assert [(1, 1, 1.0, 3.0), (1, 2, 1.0, 1.5), (2, 1, 3.0, 4.0)] == spans


def test_the_server_has_its_states() -> None:
    """States of the server are logged at node 0, also where no device has any."""
    log = EventLog()
    states = StateLog(Faults((Fault(server_capacity=trace(1)),)), log, 0.0)
    assert {} == states.add_round((0, 1), {}, 30.0)
    events: list[LoggedEvent] = log.take()
    assert {0} == {event.node for event in events}
    slow_s = math.fsum(event.end_s - event.time_s for event in events)
    assert slow_s == pytest.approx(trace(1).slow_time_s(0.0, 30.0))


def test_without_faults_nothing_is_logged() -> None:
    """A world without faults has no events, and observes no device."""
    log = EventLog()
    assert {} == StateLog(Faults(), log, 0.0).add_round((0, 1), {}, 5.0)
    assert 0 == len(log)
