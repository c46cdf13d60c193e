"""The time of each lane: phases sum to busy time, busy and idle time sum to the rounds, causes are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import pyarrow
import pytest

import cutlayer
from cutlayer import Run
from cutlayer.analysis.results.recorded_tables import RecordedTable
from cutlayer.analysis.results.table_formats import EVENTS, INTERVALS, TableFormat
from cutlayer.analysis.timeline import windows as windows_module
from cutlayer.analysis.timeline.windows import NoTimelineError

LANE = ["label", "node", "lane"]
CASES = {
    "timeline_only": [],
    "stragglers": ["learning=null", "stop.rounds=6"],
    "mpsl": ["learning=null", "stop.rounds=3"],
    "edgesplit": ["learning=null", "stop.rounds=3"],
    "outages": ["learning=null", "stop.rounds=6"],
    "server_failures": ["learning=null", "stop.rounds=6"],
}


@pytest.fixture(scope="module", params=CASES)
def run(request: pytest.FixtureRequest) -> Run:
    """Return the timeline of a scenario of the library."""
    return cutlayer.run(request.param, overrides=["stop={rounds: 6}", *CASES[request.param]])


def simulated_s(run: Run) -> pd.Series:
    """Return the time up to the end of the last round, or of the last activity if that is later, [s]."""
    ends_s = pd.concat([run.rounds[["label", "end_s"]], run.intervals[["label", "end_s"]]])
    return ends_s.groupby("label")["end_s"].max()


def test_busy_and_idle_time_sum_to_the_length_of_the_rounds(run: Run) -> None:
    """Every lane is busy or idle at each instant of the run, and for one reason."""
    table = run.breakdown()
    sums = table.groupby(LANE)["time_s"].sum()
    expected = simulated_s(run).reindex(sums.index.get_level_values("label"))
    assert expected.tolist() == pytest.approx(sums.tolist(), rel=1e-9)
    assert [1.0] * len(sums) == pytest.approx(table.groupby(LANE)["share"].sum().tolist())


def test_phases_sum_to_the_busy_time_of_stages(run: Run) -> None:
    """The busy times by node and phase are those of the table of stages."""
    table = run.breakdown()
    busy = table[table["state"] == "busy"].groupby(["label", "node", "activity"])["time_s"].sum()
    active = run.stages[~run.stages["phase"].isin(["idle", "receive"])]
    stages = active.groupby(["label", "node", "phase"])["busy_s"].sum()
    assert set(stages.index) == set(busy.index)
    assert stages.tolist() == pytest.approx(busy.reindex(stages.index).tolist(), rel=1e-9, abs=1e-12)


def test_windows_change_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timeline that is read in many windows has the same times as one that is read at once."""
    whole = run.breakdown().set_index([*LANE, "state", "activity"])["time_s"]
    monkeypatch.setattr(windows_module, "_WINDOW_INTERVALS", 1)
    parts = run.breakdown().set_index([*LANE, "state", "activity"])["time_s"]
    lasting = whole[whole > 1e-9].index
    assert whole[lasting].tolist() == pytest.approx(parts[lasting].tolist(), rel=1e-6, abs=1e-9)


def test_overlap_is_at_most_the_shorter_time(run: Run) -> None:
    """No node, and no system, overlaps for longer than it computes or communicates."""
    table = run.overlap()
    assert (table["overlap_s"] <= table[["compute_s", "communication_s"]].min(axis=1)).all()
    assert (table["overlap_s"] >= 0).all()
    assert len(run.summary["schemes"]) == (table["node"] == "all").sum()


def test_a_run_does_not_differ_from_itself(run: Run) -> None:
    """All differences are zero, and their times are those of the breakdown."""
    table = run.breakdown_differences(run)
    assert len(run.breakdown()) == len(table)
    assert (table["difference_s"] == 0).all()


def test_sequential_clients_never_overlap() -> None:
    """In SL one client works at a time, and no computation overlaps with a transfer."""
    run = cutlayer.run("timeline_only", schemes=["sl", "psl"], overrides=["stop.rounds=2"])
    together = run.overlap().query("node == 'all'").set_index("label")["overlap_s"]
    assert together["sl"] == pytest.approx(0.0, abs=1e-9)
    assert together["psl"] > 0


def drawn(
    *rows: tuple[str, str, str, float, float, float, int],
    events: Sequence[tuple[float, float, str, str]] = (),
) -> Run:
    """Return a run of one round from 0 to 10 s with these intervals.

    A row is (node, lane, phase, start, end, wait, client); an event is (start, end, node, kind).
    """
    base = cutlayer.run("timeline_only", schemes=["psl"], overrides=["stop.rounds=1"])
    columns = ["node", "lane", "phase", "start_s", "end_s", "wait_s", "client"]
    table = pd.DataFrame(rows, columns=columns).assign(
        label="psl", seed=0, round=1, bits=0.0, flops=0.0, energy_j=0.0
    )
    states = pd.DataFrame(events, columns=["time_s", "end_s", "node", "kind"]).assign(
        label="psl", seed=0, round=1, value=0.0, detail=""
    )
    return replace(
        base,
        rounds=base.rounds.assign(start_s=0.0, end_s=10.0, latency_s=10.0),
        recorded=RecordedTable(INTERVALS, recorded(table, INTERVALS)),
        recorded_events=RecordedTable(EVENTS, recorded(states, EVENTS)),
    )


def recorded(table: pd.DataFrame, table_format: TableFormat) -> list[pyarrow.Table]:
    """Return a table as one row group."""
    if not len(table):
        return []
    return [pyarrow.Table.from_pandas(table[list(table_format.columns)], schema=table_format.schema)]


def idle_s(run: Run, node: str, lane: str) -> dict[str, float]:
    """Return the idle times of a lane by cause."""
    table = run.breakdown()
    rows = table[(table["node"] == node) & (table["lane"] == lane) & (table["state"] == "idle")]
    return dict(zip(rows["activity"], rows["time_s"], strict=True))


def test_each_cause_of_idle_time_is_found() -> None:
    """A device waits for others at a barrier, for the server, in a queue, and while it is offline."""
    run = drawn(
        ("device-0", "compute", "client_forward", 0, 1, 0, -1),
        ("device-0", "uplink", "uplink", 2, 3, 1, -1),
        ("device-1", "compute", "client_forward", 0, 4, 0, -1),
        ("server", "compute", "server_forward", 4, 6, 0, -1),
        events=[(7.0, 8.0, "device-0", "offline")],
    )
    both = {"other lane": 1.0, "server": 2.0, "offline": 1.0, "nothing": 3.0}
    assert both | {"clients": 2.0} == pytest.approx(idle_s(run, "device-0", "compute"))
    assert both | {"queue": 1.0, "clients": 1.0} == pytest.approx(idle_s(run, "device-0", "uplink"))
    assert {"clients": 4.0, "nothing": 4.0} == pytest.approx(idle_s(run, "server", "compute"))


def test_the_work_for_another_client_is_no_work_for_this_one() -> None:
    """While the server works for client 1 alone, client 0 waits for other clients, and not for the server."""
    run = drawn(
        ("device-0", "compute", "client_forward", 0, 1, 0, -1),
        ("server", "compute", "server_forward", 1, 4, 0, 1),
        ("server", "compute", "server_forward", 4, 6, 3, 0),
    )
    assert {"queue": 3.0, "server": 2.0, "nothing": 4.0} == pytest.approx(idle_s(run, "device-0", "compute"))


def test_a_device_counts_in_the_rounds_that_select_it() -> None:
    """With sampled clients, the times of a device sum to the length of its own rounds."""
    run = cutlayer.run(
        "timeline_only",
        schemes=["psl"],
        overrides=["devices.count=12", "participation={per_round: 4}", "stop.rounds=8"],
    )
    lengths_s = run.rounds.set_index("round")["latency_s"]
    table = run.breakdown()
    for node, rows in table[table["node"].str.startswith("device")].groupby("node"):
        selected = run.intervals.loc[run.intervals["node"] == node, "round"].unique()
        assert {len(selected)} == set(rows["rounds"])
        sums = rows.groupby("lane")["time_s"].sum()
        assert [lengths_s[selected].sum()] * len(sums) == pytest.approx(sums.tolist())


def test_missing_rounds_and_lost_intervals_are_named() -> None:
    """The errors say which rounds there are, or why there are no intervals."""
    run = cutlayer.run("timeline_only", schemes=["psl"], overrides=["stop.rounds=2"])
    with pytest.raises(NoTimelineError, match="rounds 3 to 4: the run's rounds are 1 to 2"):
        run.breakdown((3, 4))
    lost = replace(run, recorded=RecordedTable(INTERVALS, lost="the disk is full"))
    with pytest.raises(NoTimelineError, match="the disk is full"):
        lost.overlap()


def test_chosen_rounds_are_counted_alone() -> None:
    """The breakdown of rounds 2 to 3 has their length."""
    run = cutlayer.run("timeline_only", schemes=["psl", "epsl"], overrides=["stop.rounds=4"])
    sums = run.breakdown((2, 3)).groupby(LANE)["time_s"].sum()
    chosen = run.rounds[run.rounds["round"].between(2, 3)].groupby("label")["latency_s"].sum()
    assert chosen[sums.index.get_level_values("label")].tolist() == pytest.approx(sums.tolist())
