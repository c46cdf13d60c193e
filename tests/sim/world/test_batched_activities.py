"""Laws of batched activities: they leave the rows, instants and lanes that a process per client leaves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.random_streams import stream
from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.faults.slowdown import SlowdownTrace
from cutlayer.sim.links.link_rates import LinkRates
from cutlayer.sim.nodes.capacity import ComputeNoise
from cutlayer.sim.nodes.device import Device
from cutlayer.sim.schemes.base import TrainingTask
from cutlayer.sim.schemes.round_loop import RoundResult
from cutlayer.sim.timeline.phases import (
    CLIENT_BACKWARD,
    CLIENT_FORWARD,
    DOWNLINK,
    MODEL_UPLOAD,
    UPLINK,
    Phase,
)
from cutlayer.sim.world.rounds.parallel_step import ParallelStep
from cutlayer.sim.world.rounds.round_policy import Deadline, FirstClients, Quorum, RoundPolicy
from cutlayer.sim.world.snapshots import NotAtRoundEndError, take_snapshot
from cutlayer.sim.world.world import World
from tests.support.worlds import (
    Setting,
    Steps,
    faults,
    fleet,
    links,
    make_scheme,
    noises,
    policy,
    positive,
    run_scheme_rounds,
    settings_of,
)

SCHEMES: dict[str, dict[str, Any]] = {
    "psl": {},
    "epsl": {"phi": 1.0},
    "epsl_pt": {"phases": [{"rounds": 1, "phi": 1.0}, {"phi": 0.5}]},
    "sfl": {"aggregate_every": 2},
    "sfl_v2": {},
    "fl": {"local_steps": 3},
}
BOTH = (False, True)


def run(
    case: Setting,
    source: Any,
    name: str,
    cut: int,
    *,
    batch: bool,
    deadline_s: float | None = None,
    slow_s: float | None = None,
    noisy: bool = False,
    round_policy: RoundPolicy | None = None,
    **parameters: Any,
) -> tuple[World, list[RoundResult]]:
    """Run three rounds of a scheme."""
    noise: list[ComputeNoise | None] = [*noises(case.clients)] if noisy else []
    if noise:
        noise[0] = None  # one device has none
    speeds = [
        None if slow_s is None or i % 3 == 0 else SlowdownTrace(5.0, slow_s, slow_s, stream(0, "slowdown", i))
        for i in range(case.clients)
    ]
    world = World(
        case.server,
        case.fleet,
        source,
        faults=faults(case.fleet, speeds, noise),
        round_policy=round_policy or policy(deadline_s),
        batch=batch,
    )
    task = TrainingTask(case.units, case.batch_size)
    scheme = make_scheme(name, task, **parameters)
    return world, run_scheme_rounds(scheme, world, cut, 3)


def changing(case: Setting, length_s: float, factors: Sequence[float]) -> Steps:
    """Return links whose rates are these multiples of a setting's, one after the other."""
    states = [
        LinkRates(f * s.uplink_bps, f * s.downlink_bps, f * s.whole_band_bps, s.uplink_w, s.downlink_w, 1.0)
        for f, s in ((factor, case.links) for factor in factors)
    ]
    return Steps([length_s * number for number in range(len(states))], states)


@st.composite
def policies_that_count(draw: st.DrawFn, round_s: float) -> RoundPolicy:
    """Return policies whose steps end with a number of clients."""
    if draw(st.booleans()):
        return FirstClients(draw(st.integers(1, 5)))
    waits_s, wait_on_s = (draw(st.floats(0.01, 1.5)) * round_s for _ in range(2))
    max_wait_s = draw(st.sampled_from([math.inf, waits_s, waits_s + wait_on_s, 0.5 * waits_s]))
    return Quorum(Deadline(waits_s), draw(st.floats(0.01, 1.0)), max_wait_s)


@pytest.mark.parametrize("name", SCHEMES)
@given(data=st.data())
def test_a_batch_equals_a_process_for_each_client(name: str, data: st.DataObject) -> None:
    """Rounds and rows are equal to the last bit, with changing links, slow-downs, noise and every policy."""
    case = data.draw(settings_of())
    cut = data.draw(st.integers(1, len(case.units) - 1))
    round_s = run(case, case.links, name, cut, batch=False, **SCHEMES[name])[1][0].end_s or 1.0
    source: Any = case.links
    if data.draw(st.booleans()):
        factors = data.draw(st.lists(st.one_of(st.just(1.0), positive(0.1, 10)), min_size=2, max_size=9))
        source = changing(case, round_s * data.draw(st.floats(0.05, 0.7)), factors)
    options = dict(SCHEMES[name])
    if data.draw(st.booleans()):
        options["slow_s"] = round_s * data.draw(st.floats(0.05, 2))
    options["noisy"] = data.draw(st.booleans())
    if data.draw(st.booleans()):
        options["round_policy"] = data.draw(policies_that_count(round_s))
    elif data.draw(st.booleans()):
        # any, or the very instant at which something begins or ends in a first round without it
        table = run(case, source, name, cut, batch=False, **options)[0].record.frame()
        instants_s = table.loc[table["round"] == 1, ["start_s", "end_s"]].to_numpy().ravel()
        met = st.sampled_from(sorted(set(instants_s[instants_s > 0].tolist())))
        options["deadline_s"] = data.draw(st.one_of(met, st.floats(0.01, 1.5).map(lambda x: x * round_s)))
    (seen, said), (stepped, message) = (run(case, source, name, cut, batch=b, **options) for b in BOTH[::-1])
    pd.testing.assert_frame_equal(stepped.record.frame(), seen.record.frame(), check_exact=True)
    assert stepped.record.fingerprint() == seen.record.fingerprint()
    assert [(r.end_s, r.outcome, r.left_out) for r in message] == [
        (r.end_s, r.outcome, r.left_out) for r in said
    ]
    assert stepped.record.events.take() == seen.record.events.take()
    for device in seen.created_devices:  # later work queues alike
        if device.compute_noise is not None:  # and later draws are alike
            other_noise = stepped.device(device.client).compute_noise
            assert other_noise is not None
            assert device.compute_noise.state() == other_noise.state()
        for lane, other in zip(
            device.lanes.values(), stepped.device(device.client).lanes.values(), strict=True
        ):
            assert max(other.free_at_s, message[-1].end_s) == max(lane.free_at_s, message[-1].end_s)


def world(clients: int = 2, deadline_s: float | None = None, *, batch: bool = True) -> World:
    """Return devices of 1, 2, … FLOP/s and bit/s, a downlink ten times as fast, 3 W to send."""
    speeds = [1.0 + i for i in range(clients)]
    rates = links(speeds, [10 * s for s in speeds], speeds)
    made = LinkRates(
        rates.uplink_bps, rates.downlink_bps, rates.whole_band_bps, 3 * rates.uplink_w, rates.downlink_w, 1.0
    )
    return World(Server(), fleet(speeds, [1.0] * clients), made, round_policy=policy(deadline_s), batch=batch)


def rows(w: World) -> list[tuple[Any, ...]]:
    """Return the record: node, phase, start, end, wait, bits and FLOPs."""
    table = w.record.frame()
    columns = ["node", "phase", "start_s", "end_s", "wait_s", "bits", "flops"]
    return list(table[columns].itertuples(index=False, name=None))


ACTIVITIES = ((CLIENT_FORWARD, 4.0), (UPLINK, 8.0))


def test_a_batch_by_hand() -> None:
    """4 FLOPs and then 8 bits: 12 s at 1 a second, 6 s at 2; the step ends with the slower one."""
    w = world()
    step = w.start(ACTIVITIES, (0, 1))
    assert (0, 1) == w.env.run(until=step.finished)
    assert 12.0 == w.env.now
    assert rows(w) == [
        ("device-0", "client_forward", 0.0, 4.0, 0.0, 0.0, 4.0),
        ("device-1", "client_forward", 0.0, 2.0, 0.0, 0.0, 4.0),
        ("device-1", "uplink", 2.0, 6.0, 0.0, 8.0, 0.0),
        ("device-0", "uplink", 4.0, 12.0, 0.0, 8.0, 0.0),
    ]
    energy_j = w.record.frame()["energy_j"].tolist()
    assert [12.0, 24.0] == energy_j[2:], "3 W for 4 and for 8 s"


def test_a_deadline_stops_a_batch() -> None:
    """At 6 s client 0 has sent for 2 of 8 s: a quarter of its bits, for a quarter of the energy."""
    w = world(deadline_s=6.0)
    step = w.start(ACTIVITIES, (0, 1))
    assert (1,) == w.env.run(until=step.on_time)
    assert ("device-0", "uplink", 4.0, 6.0, 0.0, 2.0, 0.0) == rows(w)[-1]
    assert 6.0 == w.record.frame()["energy_j"].iloc[-1]
    w.device(0).uplink(UPLINK, 1.0)
    assert (6.0, 7.0) == rows(w)[-1][2:4], "its lane is free at once"


def test_clients_on_time_are_sorted() -> None:
    """Of clients 1 and 2, done at 6 and at 4 s, client 2 is in time at 5 s; the order is that of numbers."""
    w = world(3, deadline_s=5.0)
    assert (2,) == w.env.run(until=w.start(ACTIVITIES, (1, 2)).on_time)
    w = world(3)
    assert (0, 1) == w.env.run(until=w.start(ACTIVITIES, (1, 0)).finished)


@pytest.mark.parametrize(
    ("deadline_s", "ends_s", "ended"), [(6.0, 6.0, False), (20.0, 12.0, True), (None, 12.0, True)]
)
def test_a_deadline_comes_last_at_its_instant(deadline_s: float | None, ends_s: float, ended: bool) -> None:
    """An event at the instant of a deadline, scheduled long after it, finds that no step has ended.

    Where nobody is late the last client's end comes in its turn.
    """
    w, found = world(deadline_s=deadline_s), list[bool]()
    step = w.start(ACTIVITIES, (0, 1))
    w.env.run(until=3.0)
    other = w.env.timeout(ends_s - 3.0)
    other.callbacks.append(lambda _: found.append(step.on_time.triggered))
    w.env.run(until=step.finished)
    assert ends_s == w.env.now
    w.env.run(until=other)
    assert [ended] == found


def test_an_activity_without_duration_at_the_deadline_is_on_time() -> None:
    """So few bits that they are sent at once, begun at the very deadline, are no reason to be late."""
    activities = ((CLIENT_FORWARD, 4.0), (UPLINK, 1e-300))
    for w in (world(deadline_s=4.0, batch=batch) for batch in BOTH):
        w.env.run(until=w.env.timeout(0.0))
        assert (0, 1) == w.env.run(until=w.start(activities, (0, 1)).on_time)


def test_lanes_are_occupied_until_the_batch_ends() -> None:
    """At 1 s device 0's processor is free from 4 s on, and its uplink from 12 s on."""
    w = world()
    w.start(ACTIVITIES, (0, 1))
    w.env.run(until=1.0)
    assert (4.0, 12.0) == tuple(w.device(0).lanes[name].free_at_s for name in ("compute", "uplink"))


def test_each_direction_has_its_own_power_and_row() -> None:
    """Of four devices 1 and 3 are in the round, on rows 0 and 1 of its links; 3 W up and 7 W down."""
    given = links([1.0, 2.0], [4.0, 8.0], [1.0, 1.0])
    source = LinkRates(
        given.uplink_bps,
        given.downlink_bps,
        given.whole_band_bps,
        3 * given.uplink_w,
        7 * given.downlink_w,
        1.0,
    )
    tables = []
    for batch in BOTH:
        w = World(Server(), fleet([1.0] * 4, [1.0] * 4), source, clients=[1, 3], batch=batch)
        w.env.run(until=w.env.timeout(0.0))
        w.env.run(until=w.start(((UPLINK, 8.0), (DOWNLINK, 8.0)), (1, 3)).finished)
        tables.append(w.record.frame())
    pd.testing.assert_frame_equal(tables[0], tables[1], check_exact=True)
    assert [24.0, 12.0, 7.0, 14.0] == tables[0]["energy_j"].tolist()
    with pytest.raises(ValueError, match=r"clients \[0\] are not in the round"):
        w.start(ACTIVITIES, (0, 1))


def test_an_activity_behind_an_endless_one_is_not_computed() -> None:
    """An activity after one that never ends is not computed, also without a deadline."""
    rates = links([0.0, 1.0], [1.0, 1.0], [1.0, 1.0])
    speeds = [SlowdownTrace(5.0, 1.0, 1.0, stream(0, "slowdown", i)) for i in range(2)]
    dead = Steps([0, 2], [links([1.0] * 2, [1.0] * 2, [1.0] * 2), links([0.0] * 2, [1.0] * 2, [1.0] * 2)])
    for source, expected in ((rates, 3), (dead, 2)):
        slow = fleet([9.0, 9.0], [1.0, 1.0])
        w = World(Server(), slow, source, faults=faults(slow, speeds))
        w.start(((UPLINK, 3.0), (CLIENT_FORWARD, 1.0)), (0, 1))
        w.env.run(until=50.0)
        assert expected == len(w.record.frame())


def test_steps_that_have_ended_are_not_stored() -> None:
    """However many there were; a step that has not ended stays behind later ones."""
    w = world(3)
    w.env.run(until=w.env.timeout(0.0))
    for _ in range(20):
        w.env.run(until=w.start(event_by_event, (0, 1)).finished)
    assert len(w.pool._steps) <= 2
    w.start(event_by_event, (0, 1))
    w.env.run(until=w.start(event_by_event, (2,)).on_time)
    with pytest.raises(RuntimeError, match="client 0 has not ended an earlier step"):
        w.start(event_by_event, (0,))


@pytest.mark.parametrize("batch", BOTH)
def test_a_deadline_stops_all_that_a_late_client_does(batch: bool) -> None:
    """Also what it was asked for before: an upload of 9 s that is under way ends with the deadline at 5 s."""
    w = world(deadline_s=5.0, batch=batch)
    w.env.run(until=w.env.timeout(0.0))
    w.device(0).uplink(MODEL_UPLOAD, 9.0)
    w.env.run(until=w.start(((CLIENT_FORWARD, 8.0),), (0, 1)).on_time)
    assert ("device-0", "model_upload", 0.0, 5.0, 0.0, 5.0, 0.0) in rows(w)


@pytest.mark.parametrize("batch", BOTH)
def test_an_endless_transfer_is_stopped_at_the_deadline(batch: bool) -> None:
    """Links fall to 0 bit/s at 2 s for good: a later transfer would never end, and is not computed."""
    dead = [links([r, r], [r, r], [1.0, 1.0]) for r in (1.0, 0.0)]
    speeds = [SlowdownTrace(5.0, 1.0, 1.0, stream(0, "slowdown", i)) for i in range(2)]
    slow = fleet([9.0, 9.0], [1.0, 1.0])
    w = World(
        Server(),
        slow,
        Steps([0, 2], dead),
        faults=faults(slow, speeds),
        round_policy=policy(10.0),
        batch=batch,
    )
    w.env.run(until=w.env.timeout(0.0))
    w.env.run(until=w.start(((UPLINK, 3.0), (DOWNLINK, 1.0), (CLIENT_FORWARD, 1.0)), (0, 1)).on_time)
    assert 10.0 == w.env.now
    assert [("device-0", "uplink", 0.0, 10.0), ("device-1", "uplink", 0.0, 10.0)] == [r[:4] for r in rows(w)]


@pytest.mark.parametrize("deadline_s", [4.0, 3.9])
def test_an_activity_that_has_not_begun_leaves_no_row(deadline_s: float) -> None:
    """At a deadline of 4 s or before, client 0 has sent nothing, and has no row of it."""
    w = world(deadline_s=deadline_s)
    step = w.start(ACTIVITIES, (0, 1))
    assert () == w.env.run(until=step.on_time)
    assert deadline_s == w.env.now
    assert [("device-0", "client_forward"), ("device-1", "client_forward"), ("device-1", "uplink")] == [
        row[:2] for row in rows(w)
    ]
    assert all(row[3] <= deadline_s for row in rows(w))
    assert 3 == len(w.record)


def test_a_client_that_ends_at_the_deadline_is_on_time() -> None:
    """Client 0 is done at 12 s."""
    w = world(deadline_s=12.0)
    assert (0, 1) == w.env.run(until=w.start(ACTIVITIES, (0, 1)).on_time)
    w = world(deadline_s=math.nextafter(12.0, 0.0))
    assert (1,) == w.env.run(until=w.start(ACTIVITIES, (0, 1)).on_time)


@pytest.mark.parametrize("batch", BOTH)
def test_a_batch_waits_for_earlier_activities(batch: bool) -> None:
    """A device that computes for 3 s yet begins then, and waits for its uplink, also with nothing to send."""
    activities = (
        (CLIENT_FORWARD, 1.0),
        (MODEL_UPLOAD, 0.0),
        (UPLINK, 1.0),
        (DOWNLINK, 0.0),
        (CLIENT_BACKWARD, 1.0),
    )
    w = world(batch=batch)
    w.env.run(until=1.0)
    w.device(0).compute(CLIENT_FORWARD, 3.0)
    w.device(0).uplink(MODEL_UPLOAD, 9.0)
    w.env.run(until=w.start(activities, (0, 1)).finished)
    assert 12.0 == w.env.now
    table = w.record.frame()
    mine = table[(table["node"] == "device-0") & (table["flops"] + table["bits"] == 1.0)]
    assert [4.0, 10.0, 11.0] == mine["start_s"].tolist()
    assert [3.0, 0.0, 0.0] == mine["wait_s"].tolist()


@pytest.mark.parametrize("batch", BOTH)
def test_an_empty_transfer_waits_for_a_busy_uplink(batch: bool) -> None:
    """Also where all that there is to do is on another lane: after 9 bits at 1 a second."""
    w = world(batch=batch)
    w.env.run(until=1.0)
    w.device(0).uplink(MODEL_UPLOAD, 9.0)
    w.env.run(until=w.start(((UPLINK, 0.0), (CLIENT_BACKWARD, 1.0)), (0, 1)).finished)
    assert 11.0 == w.env.now


def test_one_lane_twice_is_one_after_the_other() -> None:
    """Four computations in a row never overlap, and the last upload begins when they are done."""
    w = world(3)
    w.env.run(
        until=w.start((*((CLIENT_FORWARD, 1.0), (CLIENT_BACKWARD, 2.0)) * 2, (UPLINK, 1.0)), (0, 2)).finished
    )
    assert [(0, 1), (1, 3), (3, 4), (4, 6), (6, 7)] == [row[2:4] for row in rows(w) if row[0] == "device-0"]
    assert not any(row[0] == "device-1" for row in rows(w))


def test_an_empty_batch_ends_at_once() -> None:
    """Nothing to do takes no time and leaves no row, for several as for one."""
    for members in ((0, 1), (1,)):
        w = world()
        assert members == w.env.run(until=w.start(((UPLINK, 0.0), (CLIENT_FORWARD, 0.0)), members).finished)
        assert (0.0, 0) == (w.env.now, len(w.record.frame()))


def test_a_phase_is_numbered_with_its_first_row() -> None:
    """What nobody comes to before the deadline is in no table, and in no fingerprint."""
    w = world(deadline_s=1.0)
    w.env.run(until=w.start(ACTIVITIES, (0, 1)).on_time)
    assert (("client_forward", "compute"),) == w.record.phases


def test_clients_of_a_batch_are_busy() -> None:
    """Until the batch ends they are busy, so no snapshot can be taken; other clients can start a step."""
    w = world(3)
    step = w.start(ACTIVITIES, (0, 1))
    w.env.run(until=3.0)
    assert [0, 1] == w.pool.busy()
    with pytest.raises(NotAtRoundEndError, match="device-0, device-1"):
        take_snapshot(w)
    other = w.start(ACTIVITIES, (2,))
    assert (2,) == w.env.run(until=other.finished)
    w.env.run(until=step.finished)
    assert [] == w.pool.busy()
    assert 12.0 == take_snapshot(w).now_s


def event_by_event(device: Device) -> Any:
    """Go through the activities event by event."""
    for phase, amount in ACTIVITIES:
        yield device.do(phase, amount)


@pytest.mark.parametrize("first", [ACTIVITIES, event_by_event])
@pytest.mark.parametrize("second", [ACTIVITIES, event_by_event])
@pytest.mark.parametrize(
    ("members", "again"), [((0, 1), (1, 2)), ((0, 1), (1,)), ((1,), (0, 1)), ((1,), (1,))]
)
def test_no_client_starts_two_steps_at_once(first: Any, second: Any, members: Any, again: Any) -> None:
    """A client in a batch or in a process, alone or with others, can start again when its step has ended."""
    w = world(3)
    w.env.run(until=w.env.timeout(0.0))
    step = w.start(first, members)
    w.env.run(until=3.0)
    with pytest.raises(RuntimeError, match="client 1 has not ended an earlier step"):
        w.start(second, again)
    w.env.run(until=step.finished)
    w.env.run(until=w.start(second, again).finished)
    assert 2 * len(ACTIVITIES) == sum(row[0] == "device-1" for row in rows(w))


def test_any_sequence_of_pairs_is_a_program() -> None:
    """Lists will do, for several clients and for one."""
    for members in ((0, 1), (0,)):
        w = world()
        pairs: Any = [[phase, amount] for phase, amount in ACTIVITIES]
        w.env.run(until=w.start(pairs, members).finished)
        assert 12.0 == w.env.now


def events_of(work: Callable[[World], ParallelStep], clients: int) -> int:
    """Return how many events happen until all clients are done."""
    w, count = world(clients), 0
    w.env.run(until=1e-9)
    done = work(w).finished
    while not done.processed:
        w.env.step()
        count += 1
    return count


def test_the_events_of_a_batch_do_not_grow_with_its_clients() -> None:
    """Fifty clients take as many events as two; event by event there is one for each activity."""
    assert events_of(lambda w: w.start(ACTIVITIES, w.clients), 50) == events_of(
        lambda w: w.start(ACTIVITIES, w.clients), 2
    )
    assert 100 <= events_of(lambda w: w.start(event_by_event, w.clients), 50)


def test_a_batch_uses_the_links_of_the_last_plan() -> None:
    """After a new plan a batch has the durations of the new links."""
    w = world()
    w.env.run(until=w.start(ACTIVITIES, (0, 1)).finished)
    w.connect(links([2.0, 2.0], [1.0, 1.0], [1.0, 1.0]))
    w.env.run(until=w.start(ACTIVITIES, (0, 1)).finished)
    assert 12.0 + 4.0 + 4.0 == w.env.now


@pytest.mark.parametrize("members", [(0, 1), (1,)])
def test_a_lane_that_no_device_has_is_refused(members: tuple[int, ...]) -> None:
    """A wire's phase is none of a device's, whoever is asked for it."""
    w = world()
    with pytest.raises(ValueError, match="hop takes the lane wire, which no device has"):
        w.env.run(until=w.start((*ACTIVITIES, (Phase("hop", "wire"), 1.0)), members).finished)
