"""Laws of the record: what is taken out of it, what stays, and what it is called."""

from __future__ import annotations

import pickle

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.timeline.interval_record import IntervalRecord, TimelineHash
from cutlayer.sim.timeline.phases import CLIENT_FORWARD, DOWNLINK, UPLINK, Phase
from cutlayer.sim.world.snapshots import NotAtRoundEndError, take_snapshot
from cutlayer.sim.world.world import World
from tests.support.worlds import Setting, fleet, links, unit_table

PHASES = [CLIENT_FORWARD, UPLINK, DOWNLINK]


def record(count: int) -> IntervalRecord:
    """Return a record of so many rows, every fifth of which has come to nothing."""
    made = IntervalRecord(["server", "device-0"])
    for number in range(count):
        made.round = 1 + number // 4
        made.append(
            number % 2, PHASES[number % 3], number, number + bool(number % 5), 0.0, number, 1.0, 2.0, -1
        )
    return made


@given(st.lists(st.integers(0, 9), max_size=8))
def test_what_is_taken_in_parts_is_the_whole(sizes: list[int]) -> None:
    """Rows taken out in any parts, one after the other, are the rows, and have their hash."""
    count = sum(sizes)
    whole, parted, timeline = record(count), record(count), TimelineHash()
    tables = []
    for size in sizes:
        rows = parted.take(count - parted.num_kept + size)
        timeline.add(rows)
        tables.append(parted.table(rows))
    assert (count, 0) == (len(parted), parted.num_kept)
    assert whole.fingerprint() == timeline.hexdigest(parted)
    if sizes:
        together = pd.concat(tables, ignore_index=True)
        pd.testing.assert_frame_equal(whole.frame(), together, check_categorical=False)


def test_rows_leave_in_the_order_of_their_start() -> None:
    """Whenever they were known; those that start together by node, and of one node as they came."""
    made = IntervalRecord(["server", "device-0"])
    for node, start_s in ((1, 2.0), (1, 1.0), (0, 2.0), (1, 2.0), (0, 0.5)):
        made.append(node, UPLINK, start_s, 3.0, 0.0, float(len(made)), 0.0, 0.0, -1)
    assert [4.0, 1.0, 2.0, 0.0, 3.0] == made.frame()["bits"].tolist()
    assert [4.0, 1.0, 2.0, 0.0, 3.0] == made.table(made.take(5))["bits"].tolist()


def test_rows_keep_their_numbers() -> None:
    """A row has the same number before and after others were taken out, and can still be changed by it."""
    made = record(7)
    made.take(4)
    assert 7 == made.append(1, UPLINK, 7.0, 9.0, 0.0, 8.0, 0.0, 4.0, -1)
    made.truncate(7, 8.0, 0.5, 0.25)
    assert ((7.0, 8.0), 1.0) == (made.span(7), made.energy_j(7))
    assert 4.0 == made.frame()["bits"].iloc[-1]


def test_a_record_goes_on() -> None:
    """One that goes on from another's state numbers rows and phases as that would have."""
    made = record(2)
    made.take(2)
    again = IntervalRecord([], pickle.loads(pickle.dumps(made.state())))
    again.round = made.round
    alike = Phase("uplink", "uplink")  # as another process has it
    for one, phase in ((made, UPLINK), (again, alike)):
        one.append(1, DOWNLINK, 5.0, 6.0, 0.0, 1.0, 0.0, 0.0, -1)
        one.append(1, phase, 6.0, 7.0, 0.0, 1.0, 0.0, 0.0, -1)
    assert made.phases == again.phases
    assert made.fingerprint() == again.fingerprint()


def world() -> World:
    """Return one device that computes 1 FLOP a second."""
    units = unit_table([(1.0, 1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0, 1.0)])
    server = Server(clock_hz=1.0, cycles_per_flop=1.0)
    setting = Setting(units, 1, fleet([1.0], [1.0]), server, links([1.0], [1.0], [1.0]))
    return World(setting.server, setting.fleet, setting.links)


def test_an_open_row_stays() -> None:
    """Of a device's jobs the one that may be cut off stays in the record until it has ended."""
    w = world()
    w.device(0).compute(CLIENT_FORWARD, 1.0)
    w.device(0).compute(CLIENT_FORWARD, 2.0)
    assert 1 == w.first_open_row
    w.record.take(w.first_open_row)
    w.env.run(until=2.0)
    w.device(0).abort()
    assert [2.0] == w.record.frame()["end_s"].tolist()
    assert 2 == w.first_open_row


def test_a_world_that_goes_on_has_no_state() -> None:
    """While a job may be cut off there is no state between rounds to be had."""
    w = world()
    w.env.run(until=0.5)
    assert 0.5 == take_snapshot(w).now_s
    w.device(0).compute(CLIENT_FORWARD, 1.0)
    with pytest.raises(NotAtRoundEndError, match="the round has ended while clients were not done"):
        take_snapshot(w)
    w.env.run(until=3.0)
    assert (0,) == take_snapshot(w).slot_order
