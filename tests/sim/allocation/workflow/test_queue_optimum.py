"""Laws of the optimal order of one helper: no order ends earlier."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.sim.allocation.workflow.queue_optimum import best_order, queue_bound_s
from cutlayer.sim.allocation.workflow.schedule import HelperTimes
from tests.support.workflows import every_order, random_problem

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=80)
@given(
    seed=SEEDS, owners=st.integers(0, 4), whole=st.booleans(), slack=st.sampled_from([0.9, 1.01, math.inf])
)
def test_no_order_ends_before_the_best_one(seed: int, owners: int, whole: bool, slack: float) -> None:
    """The best order has the least end of all orders; None is returned if no order ends before below_s."""
    times = HelperTimes(random_problem(seed, max(owners, 1), 1, whole=whole), 0)
    least_s = min(times.end_s(order) for order in every_order(range(owners)))
    below_s = math.inf if math.isinf(slack) else least_s * slack
    order, bound_s = best_order(times, range(owners), below_s, time.monotonic() + 60)
    assert queue_bound_s(times, range(owners)) <= least_s * (1 + 1e-12)
    if least_s < below_s:
        assert order is not None
        assert pytest.approx(least_s, rel=1e-12) == times.end_s(order)
        assert pytest.approx(least_s, rel=1e-12) == bound_s
    else:
        assert order is None
        assert below_s <= bound_s * (1 + 1e-12) or least_s == 0
        assert bound_s <= least_s * (1 + 1e-12)


def test_a_search_without_time_returns_the_bound_of_the_queue() -> None:
    """After the deadline the search returns no order and the lower bound of the queue."""
    times = HelperTimes(random_problem(1, 4, 1, whole=False), 0)
    assert (None, queue_bound_s(times, range(4))) == best_order(times, range(4), math.inf, 0.0)


def test_the_waiting_task_with_the_longest_tail_goes_first() -> None:
    """Whenever a task begins, no other waiting task has a longer tail."""
    times = HelperTimes(random_problem(3, 5, 1, whole=False), 0)
    order = times.longest_tail_first(range(5))
    starts_s = times.starts_s(order)
    arrival_s = dict(enumerate(times.ready_s))
    for position, ((owner, is_backward), start_s) in enumerate(zip(order, starts_s, strict=True)):
        waiting = [
            (i, back)
            for i, back in order[position:]
            if back == ((i, False) not in order[position:]) and arrival_s[i] <= start_s
        ]
        assert (owner, is_backward) == max(waiting, key=lambda task: times.tail_s(*task))
        if not is_backward:
            arrival_s[owner] = start_s + times.forward_s[owner] + times.between_s[owner]
