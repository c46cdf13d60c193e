"""Tasks in an order given beforehand: each begins once all before it have begun or are given up."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from simpy import Environment, Event

from cutlayer.sim.world.ordered_queue import OrderedQueue


@given(
    st.permutations(range(6)), st.lists(st.floats(0, 10), min_size=6, max_size=6), st.sets(st.integers(0, 5))
)
def test_tasks_begin_in_order_whatever_they_come_in(
    order: list[int], ready_s: list[float], dropped: set[int]
) -> None:
    """A task begins when it and all before it are ready, and those that are given up are not waited for.

    They are given up at 20 s, after the last of the others is ready: what is behind them begins only then.
    """
    env = Environment()
    sequence = OrderedQueue(env, order)
    begun: list[tuple[float, int]] = []

    def task(number: int) -> Generator[Event, Any, None]:
        yield env.timeout(ready_s[number])
        yield sequence.turn(number)
        begun.append((env.now, number))

    def give_up() -> Generator[Event, Any, None]:
        yield env.timeout(20.0)
        sequence.drop(*dropped)

    for number in order:
        if number not in dropped:
            env.process(task(number))
    env.process(give_up())
    env.run()
    expected, before_s = [], 0.0
    for number in order:
        before_s = max(before_s, 20.0 if number in dropped else ready_s[number])
        if number not in dropped:
            expected.append((before_s, number))
    assert expected == begun


def test_a_task_given_up_after_it_began_changes_nothing() -> None:
    """The order goes on behind it once, not twice."""
    env = Environment()
    sequence = OrderedQueue(env, ["a", "b", "c"])
    first, last = sequence.turn("a"), sequence.turn("c")
    sequence.drop("a")
    assert (True, False) == (first.triggered, last.triggered)
    sequence.drop("b")
    assert last.triggered
