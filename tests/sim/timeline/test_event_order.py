"""Laws of the order of events at one instant, and of actions at exact instants."""

from __future__ import annotations

import math

from hypothesis import example, given
from hypothesis import strategies as st
from simpy import Environment

from cutlayer.sim.timeline.event_order import EventOrder, cancel, schedule_after, schedule_at


@given(st.floats(0, 1e6), st.floats(0, 1e6))
@example(2.4147133333333337, 20.0)
def test_an_action_happens_at_exactly_its_instant(now_s: float, later_s: float) -> None:
    """The clock reads that instant to the last bit, also where no rounded sum of clock and delay gives it."""
    env, instants_s = Environment(), list[float]()
    env.run(until=env.timeout(now_s))
    schedule_at(env, now_s + later_s, lambda: instants_s.append(env.now))
    env.run()
    assert [now_s + later_s] == instants_s


def test_an_instant_that_no_single_delay_reaches_is_reached_exactly() -> None:
    """An odd step of the clock lies half-way between two sums, which are both rounded away from it."""
    step_s = math.ulp(20.0)
    now_s, then_s = 1.0 + step_s / 2, 21.0 + step_s
    near = [then_s - now_s + n * step_s for n in (-1, 0, 1)]
    assert then_s not in [now_s + delay_s for delay_s in near], "no single delay reaches this instant"
    env, instants_s = Environment(now_s), list[float]()
    schedule_at(env, then_s, lambda: instants_s.append(env.now))
    env.run()
    assert [then_s] == instants_s


@given(st.permutations(list(EventOrder)))
def test_simultaneous_actions_happen_by_their_order(scheduled: list[EventOrder]) -> None:
    """Activities end before the medium grants its band anew; then clients go offline; deadlines are last."""
    env, happened = Environment(), list[EventOrder]()
    for order in scheduled:
        schedule_after(env, 2.0, lambda order=order: happened.append(order), order)  # type: ignore[misc]
    env.run()
    expected = [EventOrder.NORMAL, EventOrder.SHARED_MEDIUM, EventOrder.OFFLINE, EventOrder.DEADLINE]
    assert expected == happened


def test_a_cancelled_action_does_not_happen() -> None:
    """Cancelling a past action, or none, has no effect."""
    env, happened = Environment(), list[str]()
    past = schedule_after(env, 1.0, lambda: happened.append("first"))
    future = schedule_after(env, 2.0, lambda: happened.append("second"))
    env.run(until=1.5)
    for event in (past, future, None):
        cancel(event)
    env.run()
    assert ["first"] == happened
