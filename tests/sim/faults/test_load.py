"""Background load: the share of a processor over time, its file, and processors that stop for good."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.random_streams import stream
from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.faults.load import LoadTrace
from cutlayer.sim.faults.slowdown import SlowdownTrace
from cutlayer.sim.nodes.capacity import CombinedCapacity, PiecewiseCapacity
from cutlayer.sim.timeline.event_log import EventKind, State
from cutlayer.sim.timeline.phases import CLIENT_FORWARD, UPLINK
from cutlayer.sim.world.rounds.endless_rounds import EndlessRoundError
from cutlayer.sim.world.world import World
from tests.support.worlds import experiment, faults, fleet, links, noises, policy, trials

STOPS = "device,time_s,share\n1,0.03,0\n"


def load(*steps: tuple[float, float]) -> LoadTrace:
    """Return the load of these instants and shares."""
    times_s, shares = zip(*steps, strict=True)
    return LoadTrace(times_s, shares, 0)


def written(folder: Path, text: str) -> str:
    """Write a file of loads, and return its path."""
    path = folder / "load.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_share_stays_to_the_next_row() -> None:
    """The whole processor before the first row, then each share, and the last one for good."""
    trace = load((2.0, 0.5), (4.0, 0.0), (5.0, 0.25))
    assert [(1.0, 2.0), (0.5, 4.0), (0.0, 5.0), (0.25, math.inf)] == [trace.at(t) for t in (0, 2, 4.5, 9)]
    # 2 s at full speed, 1 s in 2 s, none in 1 s, 1 s in 4 s
    assert 9.0 == trace.duration_s(0.0, 4.0)
    assert 4.0 == trace.done(0.0, 9.0)
    assert 1.0 == trace.done(2.0, 4.5)


def test_the_states_are_the_times_with_less_than_the_whole_processor() -> None:
    """They have the share that is left, and are cut at both instants."""
    trace = load((2.0, 0.5), (4.0, 1.0), (5.0, 0.25))
    slow = [(2.0, 4.0, 0.5), (5.0, 7.0, 0.25)]
    assert [State(start, end, EventKind.SLOW, share) for start, end, share in slow] == [*trace.states(0, 7)]
    assert [State(3.0, 3.5, EventKind.SLOW, 0.5)] == [*trace.states(3.0, 3.5)]


def test_a_file_is_read_by_device(tmp_path: Path) -> None:
    """Rows may stand in any order, and devices may have none."""
    path = written(tmp_path, "time_s,device,share\n3,2,0.5\n1,2,0.75\n\n0,0,0.25\n")
    read = experiment(stragglers={"load": path}).faults
    steps = {0: [(0.25, math.inf)] * 3, 2: [(1.0, 1.0), (0.75, 3.0), (0.5, math.inf)]}
    for device, expected in steps.items():
        trace = read.compute_capacity(device)
        assert trace is not None
        assert expected == [trace.at(time_s) for time_s in (0.5, 1.0, 4.0)]
    assert read.compute_capacity(1) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("device,time_s\n0,1\n", "has the columns device, time_s; needed: device, time_s, share"),
        ("device,time_s,share,share\n0,1,1,1\n", "needed: device, time_s, share"),
        ("device,time_s,share\n0,1,0.5\n0,2,1.5\n", "line 3: share is 1.5; it must be from 0 to 1"),
        ("device,time_s,share\n0,1,-0.1\n", "line 2: share is -0.1; it must be from 0 to 1"),
        ("device,time_s,share\n3,1,0.5\n", "line 2: device 3 is none of 0 to 2"),
        ("device,time_s,share\n0,-1,0.5\n", "line 2 must hold finite numbers, and no time before 0"),
        ("device,time_s,share\n0,1,much\n", "line 2 must hold finite numbers, and no time before 0"),
        ("device,time_s,share\n0,1,.5\n0,1,.6\n", "line 3: given twice: time_s 1, device 0"),
        ("device,time_s,share\n0,1,.5,7\n", "its rows hold more values than its heading"),
        ("", "No columns to parse"),
    ],
)
def test_wrong_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    """The message has the key, the file, and the line where there is one."""
    with pytest.raises(ScenarioError, match=r"stragglers\.load") as error:
        experiment(stragglers={"load": written(tmp_path, text)})
    assert message in str(error.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """So is a folder."""
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(ScenarioError, match=r"stragglers\.load: cannot read"):
            experiment(stragglers={"load": str(path)})


def test_whole_processors_are_no_load(tmp_path: Path) -> None:
    """A file without load has no effect at all."""
    ready = experiment(stragglers={"load": written(tmp_path, "device,time_s,share\n0,0,1\n")})
    assert ready.faults.compute_capacity(0) is None
    assert not ready.faults.faults


def test_load_and_slow_downs_multiply(tmp_path: Path) -> None:
    """The speed at each instant is the product of both."""
    path = written(tmp_path, "device,time_s,share\n0,0,0.5\n")
    slowdown = {"factor": 4, "mean_normal_s": 1, "mean_slow_s": 1}
    combined = experiment(stragglers={"load": path, "slowdown": slowdown}).faults.compute_capacity(0)
    alone = experiment(stragglers={"slowdown": slowdown}).faults.compute_capacity(0)
    assert isinstance(combined, CombinedCapacity)
    assert alone is not None
    for time_s in np.linspace(0, 20, 50):
        assert 0.5 * alone.at(time_s)[0] == combined.at(time_s)[0]
    ready = experiment(stragglers={"load": path, "slowdown": slowdown})
    kinds = [list(trace.states(0, 20)) for trace in ready.faults.device_states(0)]
    assert 2 == len(kinds)
    assert ready.faults.device_states(1) != []  # slow-downs alone
    assert 1 == len(ready.faults.device_states(1))


@pytest.mark.parametrize("name", ["sl", "sfl", "psl", "fl", "edgesplit"])
@pytest.mark.parametrize("sharing", ["dedicated", "tdma"])
def test_a_processor_that_stops_for_good_ends_the_run_with_its_reason(
    name: str, sharing: str, tmp_path: Path
) -> None:
    """The error names the round, the device and the key; nothing hangs."""
    ready = experiment(
        stragglers={"load": written(tmp_path, STOPS)},
        schemes=[name],
        stop={"rounds": 50},
        radio={"sharing": sharing},
    )
    with pytest.raises(
        EndlessRoundError, match=r"round \d+ never ends: a computation of device-1 never ends, because"
        r" stragglers\.load leaves device 1 a share of 0 for good",
    ):  # fmt: skip
        trials(ready)


def test_a_wait_for_nothing_is_no_hang() -> None:
    """A round that waits for an event that nobody triggers ends the run too."""
    ready = experiment(schemes=["psl"])
    scheme, _ = ready.schemes[0]

    def waits(context: Any) -> Any:
        yield context.world.env.event()

    scheme.round = waits  # type: ignore[method-assign]
    with pytest.raises(EndlessRoundError, match="round 1 never ends: it waits for an event that nothing"):
        trials(ready)


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("noisy", [True, False])
def test_a_deadline_cuts_off_what_never_ends(batch: bool, noisy: bool) -> None:
    """Of 8 s of work a processor that stops at 2 s has done 2 s, and the record has just that."""
    speeds: list[PiecewiseCapacity | None] = [load((2.0, 0.0)), load((2.0, 0.0)), None]
    noise = noises(3, seed=1) if noisy else []
    whole_s = [each.duration_s(8.0) for each in noises(3, seed=1)] if noisy else [8.0] * 3
    devices = fleet([1.0] * 3, [1.0] * 3)
    world = World(
        Server(),
        devices,
        links([1.0] * 3, [1.0] * 3, [1.0] * 3),
        faults=faults(devices, speeds, noise),
        round_policy=policy(5.0),
        batch=batch,
    )
    world.env.run(until=world.env.timeout(0.0))
    world.env.run(until=world.start(((CLIENT_FORWARD, 8.0), (UPLINK, 1.0)), (0, 1, 2)).on_time)
    table = world.record.frame().set_index("node")
    for client, done_s in enumerate((2.0, 2.0)):
        assert 8.0 * done_s / whole_s[client] == pytest.approx(table.loc[f"device-{client}", "flops"])
    assert (table["end_s"] <= 5.0).all()
    ratio = table["energy_j"] / table["flops"]
    assert ratio[table["flops"] > 0].to_numpy() == pytest.approx(1e-28)


@given(st.lists(st.tuples(st.floats(0.1, 5), st.sampled_from([0.0, 0.25, 0.5, 1.0])), min_size=1, max_size=6))
def test_batches_equal_single_events(gaps: list[tuple[float, float]]) -> None:
    """Under load that may stop for good, both ways leave the same rows up to a deadline, to the bit."""
    times_s = np.cumsum([gap for gap, _ in gaps]).tolist()
    shares = [share for _, share in gaps]
    tables = []
    for batch in (True, False):
        slow = SlowdownTrace(3.0, 1.0, 1.0, stream(0, "slowdown", 1))
        speeds: list[PiecewiseCapacity | None] = [
            LoadTrace(times_s, shares, 0),
            CombinedCapacity([LoadTrace(times_s, shares, 1), slow]),
        ]
        devices = fleet([1.0, 2.0], [1.0, 1.0])
        world = World(
            Server(), devices, links([1.0] * 2, [2.0] * 2, [1.0] * 2), faults=faults(devices, speeds),
            round_policy=policy(12.0), batch=batch,
        )  # fmt: skip
        world.env.run(until=world.env.timeout(0.0))
        activities = ((CLIENT_FORWARD, 3.0), (UPLINK, 1.0), (CLIENT_FORWARD, 2.0))
        world.env.run(until=world.start(activities, (0, 1)).on_time)
        tables.append(world.record.frame())
    pd.testing.assert_frame_equal(tables[0], tables[1], check_exact=True)
