"""When a step closes: with the first clients, with a quorum, at a deadline from the plan, or with nobody."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simpy import Event

from cutlayer.scenarios.schema.round_policy import RoundPolicy as RoundPolicySection
from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.nodes.device import Device
from cutlayer.sim.timeline.event_log import EventKind
from cutlayer.sim.timeline.phases import CLIENT_FORWARD, UPLINK
from cutlayer.sim.world.rounds.round_policy import (
    NO_LIMITS,
    Deadline,
    FirstClients,
    PlannedDeadline,
    Quorum,
    RoundPolicy,
    WaitForAll,
    round_policy_of,
)
from cutlayer.sim.world.world import World
from tests.support.worlds import fleet, links


def world(policy: RoundPolicy, speeds: Sequence[float], *, batch: bool = True) -> World:
    """Return devices with these speeds, in FLOP/s and bit/s."""
    clients = len(speeds)
    rates = links(list(speeds), list(speeds), list(speeds))
    w = World(Server(), fleet(list(speeds), [1.0] * clients), rates, round_policy=policy, batch=batch)
    w.env.run(until=w.env.timeout(0.0))  # the clients' processes wait for the first step
    return w


WORK = ((CLIENT_FORWARD, 4.0), (UPLINK, 4.0))


@pytest.mark.parametrize(
    ("section", "policy"),
    [
        ({"first": 3}, FirstClients(3)),
        ({"over_select": 5, "first": 3}, FirstClients(3)),
        ({"deadline": "1.5x"}, PlannedDeadline(1.5)),
        ({"deadline_s": math.inf}, WaitForAll()),
        ({"deadline_s": 2.0, "quorum": 0.5}, Quorum(Deadline(2.0), 0.5)),
        ({"deadline": "2x", "quorum": 1, "max_wait_s": 9.0}, Quorum(PlannedDeadline(2.0), 1, 9.0)),
        ({"timeout_s": 1.0, "retries": 2}, WaitForAll()),
    ],
)
def test_a_section_gives_its_policy(section: dict[str, Any], policy: RoundPolicy) -> None:
    """Each form of the section round_policy has a policy of its own."""
    assert policy == round_policy_of(RoundPolicySection.model_validate(section))


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2)])
def test_of_clients_that_end_together_those_with_lower_numbers_are_first(
    order: tuple[int, ...], batch: bool
) -> None:
    """Clients 0, 1 and 3 end at 4 s and client 2 at 2 s: the first three are 0, 1 and 2, in any order."""
    w = world(FirstClients(3), [2.0, 2.0, 4.0, 2.0], batch=batch)
    step = w.start(WORK, order)
    assert (0, 1, 2) == w.env.run(until=step.on_time)
    assert (0, 1, 2) == w.env.run(until=step.finished)
    assert 4.0 == w.env.now
    assert {3: "late"} == w.members.left_out


def test_a_client_that_asks_the_server_on_arrival_waits_for_its_acceptance() -> None:
    """Of two clients that arrive together, the one that is not accepted never reaches the server."""
    served: list[int] = []

    def program(device: Device) -> Generator[Event, Any, None]:
        yield device.compute(CLIENT_FORWARD, 4.0)
        accepted = w.mark_on_time(device.client)
        if accepted is not None:
            yield accepted
        served.append(device.client)
        yield device.uplink(UPLINK, 4.0)

    w = world(FirstClients(1), [1.0, 1.0])
    step = w.start(program, (1, 0))
    assert (0,) == w.env.run(until=step.finished)
    assert [0] == served
    assert 8.0 == w.env.now


def test_as_many_first_clients_as_there_are_is_no_limit() -> None:
    """A step with K clients or fewer waits for all of them."""
    assert NO_LIMITS == FirstClients(3).limits(3, 1.0) == FirstClients(4).limits(3, 1.0)
    assert 3 == FirstClients(3).limits(4, 1.0).enough


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize(
    ("policy", "on_time", "end_s"),
    [
        (Quorum(Deadline(3.0), 0.5), (1, 2), 4.0),  # one client at the deadline: it closes with the second
        (Quorum(Deadline(5.0), 0.5), (1, 2), 5.0),
        (Quorum(Deadline(3.0), 0.25), (2,), 3.0),
        (Quorum(Deadline(3.0), 1.0), (0, 1, 2, 3), 16.0),
        (Quorum(Deadline(3.0), 0.75, 8.0), (0, 1, 2), 8.0),  # at the very instant of the longest wait
        (Quorum(Deadline(3.0), 0.75, 7.5), (), 7.5),
        (Quorum(Deadline(9.0), 0.5, 6.0), (0, 1, 2), 9.0),  # the quorum is there by then
        (Quorum(PlannedDeadline(2.0), 0.25), (1, 2), 6.0),
    ],
)
def test_a_deadline_counts_once_the_quorum_is_there(
    policy: RoundPolicy, on_time: tuple[int, ...], end_s: float, batch: bool
) -> None:
    """Clients end at 8, 4, 2 and 16 s; the plan says 3 s."""
    w = world(policy, [1.0, 2.0, 4.0, 0.5], batch=batch)
    w.begin_round(planned_step_s=3.0)
    step = w.start(WORK, w.clients)
    assert on_time == w.env.run(until=step.on_time)
    assert end_s == w.env.now
    late = [client for client in range(4) if client not in on_time]
    assert dict.fromkeys(late, "late") == w.members.left_out
    events = [(event.kind, event.node, event.value) for event in w.record.events.take()]
    expected = [(EventKind.DEADLINE, 0, float(len(on_time))), *((EventKind.LEFT_OUT, i + 1) for i in late)]
    assert [each[:2] for each in expected if late] == [each[:2] for each in events]
    assert (expected[0] == events[0]) if late else not events


@given(st.floats(0.001, 1.0), st.integers(1, 1000))
def test_a_quorum_is_the_least_number_that_reaches_its_share(share: float, clients: int) -> None:
    """One client less would be below the share of the clients."""
    least = Quorum(Deadline(1.0), share).limits(clients, 1.0).least
    assert (least - 1) / clients < share <= least / clients * (1 + 1e-15)


def test_a_decimal_share_is_not_rounded_up_by_its_binary_form() -> None:
    """A tenth of 30 clients are 3, although 0.1 · 30 is more than 3 in binary."""
    for share, clients, least in ((0.1, 30, 3), (0.07, 100, 7)):
        assert least == Quorum(Deadline(1.0), share).limits(clients, 1.0).least


def test_a_quorum_that_cannot_be_reached_any_more_ends_the_step() -> None:
    """Once two of three clients have left, the third is below a quorum of two: nothing is trained."""
    w = world(Quorum(Deadline(100.0), 0.6), [1.0, 1.0, 4.0])
    step = w.start(work_of, (0, 1, 2))
    w.env.run(until=1.0)
    w.leave_round(0, "offline")
    w.leave_round(1, "offline")
    assert () == w.env.run(until=step.on_time)
    assert 2.0 == w.env.now


def work_of(device: Device) -> Generator[Event, Any, None]:
    """Go through the work event by event."""
    for phase, amount in WORK:
        yield device.do(phase, amount)


@pytest.mark.parametrize(("clients", "first"), [(5, 5), (5, 3), (8, 1)])
def test_the_first_k_of_n_exponential_times_have_the_mean_of_order_statistics(
    clients: int, first: int
) -> None:
    """The mean step takes (H_n − H_{n−K}) times the mean of one client, within four standard errors."""
    rng, steps = np.random.default_rng(5), 3000
    w = world(FirstClients(first), [1.0] * clients)
    work = rng.exponential(size=(steps, clients))
    ends_s = [0.0]

    def program(device: Device) -> Generator[Event, Any, None]:
        yield device.compute(CLIENT_FORWARD, work[len(ends_s) - 1, device.client])

    for _ in range(steps):
        w.env.run(until=w.start(program, w.clients).finished)
        ends_s.append(w.env.now)
    times_s = np.diff(ends_s)
    expected = sum(1 / (clients - i) for i in range(first))
    assert abs(times_s.mean() - expected) < 4 * times_s.std(ddof=1) / math.sqrt(steps)
