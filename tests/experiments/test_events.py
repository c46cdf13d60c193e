"""The table of events in the run folder: it agrees with the other tables, and is the same in every run."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

import cutlayer
from cutlayer.analysis.figures import run as run_figures
from cutlayer.analysis.results import recorded_tables
from cutlayer.analysis.results.table_formats import EVENTS
from cutlayer.experiments.execution import record_streams, scheme_run
from cutlayer.sim.schemes.base import RoundContext
from cutlayer.sim.schemes.epsl import EPSL
from cutlayer.sim.timeline.event_log import EventKind, EventLog
from cutlayer.sim.world.world import World
from tests.support.stopped_runs import contents, scenario, stopped

SLOW = {"slowdown": {"factor": 5, "mean_normal_s": 2e-3, "mean_slow_s": 1e-3}}
SEVERAL = ["sl", "psl", "fl", "edgesplit", "mpsl"]
SAMPLED = {
    "participation": {"per_round": 2},
    "schemes": ["sl", "sfl", "psl", "epsl", "fl"],
    "devices": {"count": 6},
}


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_figures, "draw_figures", lambda run, folder: [])


def states(run: cutlayer.Run) -> pd.DataFrame:
    """Return the states among the events, with their rounds' starts and ends."""
    events = run.events[run.events["end_s"].notna()]
    rounds = run.rounds[["label", "round", "start_s", "end_s", "participants"]]
    return events.merge(rounds, on=["label", "round"], suffixes=("", "_of_round"))


@pytest.mark.parametrize(
    "sections", [{}, SAMPLED, {"schemes": SEVERAL, "round_policy": {"deadline_s": 1.2e-3}}]
)
def test_states_lie_within_their_rounds_and_apart(sections: dict[str, Any], tmp_path: Path) -> None:
    """Each state begins and ends within its round, and two states of a node and kind never overlap."""
    run = cutlayer.run(scenario(tmp_path, stragglers=SLOW, **sections))
    found = states(run)
    assert set(run.summary["schemes"]) - {"centralised"} == set(found["label"])
    assert (found["start_s"] <= found["time_s"]).all()
    assert (found["time_s"] < found["end_s"]).all()
    assert (found["end_s"] <= found["end_s_of_round"]).all()
    for _, of_node in found.groupby(["label", "node", "kind"]):
        assert (of_node["time_s"].to_numpy()[1:] >= of_node["end_s"].to_numpy()[:-1]).all()


def test_shares_of_devices_are_those_of_the_events(tmp_path: Path) -> None:
    """A device's share of slow time is the sum of its states over the time of all rounds."""
    run = cutlayer.run(scenario(tmp_path, schemes=SEVERAL, stragglers=SLOW))
    found = states(run)
    slow_s = (found["end_s"] - found["time_s"]).groupby([found["label"], found["node"]]).sum()
    assert (run.devices["slow_share"] > 0).any()
    for label, device, share in run.devices[["label", "device", "slow_share"]].itertuples(index=False):
        total_s = run.rounds.loc[run.rounds["label"] == label, "end_s"].max()
        expected = slow_s.get((label, f"device-{device}"), 0.0) / total_s
        assert expected == pytest.approx(share, rel=1e-12), (label, device)
    assert (run.devices[["offline_share", "outage_share", "bits_resent"]] == 0.0).all(axis=None)


def test_shares_of_sampled_devices_count_their_own_rounds(tmp_path: Path) -> None:
    """With sampled clients, the shares refer to the rounds that selected the device."""
    run = cutlayer.run(scenario(tmp_path, stragglers=SLOW, **SAMPLED), schemes=["psl"])
    work = run.intervals[run.intervals["node"].str.startswith("device-")]
    found = states(run)
    for device, share in run.devices[["device", "slow_share"]].itertuples(index=False):
        selected = run.rounds["round"].isin(work.loc[work["node"] == f"device-{device}", "round"])
        total_s = run.rounds.loc[selected, "latency_s"].sum()
        own = found[found["node"] == f"device-{device}"]
        assert (own["end_s"] - own["time_s"]).sum() / total_s == pytest.approx(share, rel=1e-9)


@pytest.mark.parametrize("sampled", [False, True])
def test_devices_in_line_of_sight(sampled: bool, tmp_path: Path) -> None:
    """A model that draws the state says which devices are in sight; in mode mean, no device has a state."""
    radio = {"path_loss": {"model": "samimi_28ghz", "mode": "sampled" if sampled else "mean"}}
    run = cutlayer.run(scenario(tmp_path, schemes=["psl"], devices={"count": 12}, radio=radio))
    if not sampled:
        assert run.devices["los"].isna().all()
        return
    assert {0.0, 1.0} == set(run.devices["los"])
    losses_db = -run.devices.groupby("los")["gain_db"].mean()
    assert losses_db[1.0] < losses_db[0.0]


def test_schemes_meet_the_same_states(tmp_path: Path) -> None:
    """A state that one scheme meets, another one meets too, as far as its rounds reach."""
    run = cutlayer.run(scenario(tmp_path, stragglers=SLOW), schemes=["psl", "sfl"])
    ends_s, found = run.rounds.groupby("label")["end_s"].max(), states(run)
    for node in run.events["node"].unique():
        spans = []
        for label in ends_s.index:
            own = found[(found["label"] == label) & (found["node"] == node)]
            edges_s = np.concatenate([own["time_s"], own["end_s"]])
            edges_s = edges_s[~np.isin(edges_s, [*own["start_s"], *own["end_s_of_round"]])]
            spans.append(sorted(edges_s[edges_s < ends_s.min()]))
        assert spans[0] == spans[1]


def test_batches_have_the_same_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batched and event-by-event activities give the same bytes of events."""
    path = scenario(tmp_path, schemes=SEVERAL, stragglers=SLOW)
    cutlayer.run(path, out=tmp_path / "batched")
    initialise = World.__init__

    def without_batches(self: World, *arguments: Any, **options: Any) -> None:
        initialise(self, *arguments, **options, batch=False)

    monkeypatch.setattr(World, "__init__", without_batches)
    cutlayer.run(path, out=tmp_path / "one by one")
    one, other = (folder / "events.parquet" for folder in (tmp_path / "batched", tmp_path / "one by one"))
    assert one.read_bytes() == other.read_bytes()


def test_without_events_the_table_is_empty(tmp_path: Path) -> None:
    """A run in which nothing happens has a table without rows, and shares of 0."""
    run = cutlayer.run(scenario(tmp_path, schemes=["psl"]), out=tmp_path / "out")
    assert 0 == parquet.read_metadata(tmp_path / "out" / "events.parquet").num_rows
    assert list(EVENTS.columns) == list(run.events.columns)
    assert (run.devices[["slow_share", "offline_share", "outage_share", "bits_resent"]] == 0.0).all(axis=None)


def test_folders_of_earlier_versions_load_without_events(tmp_path: Path) -> None:
    """A run folder without the file loads with an empty table of the same columns."""
    run = cutlayer.run(scenario(tmp_path, schemes=["psl"], stragglers=SLOW), out=tmp_path / "out")
    loaded = cutlayer.load(tmp_path / "out")
    pd.testing.assert_frame_equal(run.events, loaded.events, check_exact=True)
    (tmp_path / "out" / "events.parquet").unlink()
    earlier = cutlayer.load(tmp_path / "out")
    assert 0 == len(earlier.events)
    assert list(loaded.events.columns) == list(earlier.events.columns)


def test_the_log_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log holds one round's events beyond the limit at the most, and the table is the same."""
    path = scenario(tmp_path, schemes=["psl"], stragglers=SLOW, stop={"rounds": 60})
    whole = cutlayer.run(path)
    assert len(whole.events) > 100
    a_round = whole.events.groupby("round").size().max()
    lengths: list[int] = []
    take = EventLog.take

    def counted(log: EventLog) -> Any:
        lengths.append(len(log))
        return take(log)

    monkeypatch.setattr(EventLog, "take", counted)
    monkeypatch.setattr(scheme_run, "SPILL_EVENTS", 10)
    monkeypatch.setattr(recorded_tables, "KEPT_ROWS", 0)
    monkeypatch.setattr(record_streams, "GROUP_ROWS", 7)
    small = cutlayer.run(path, out=tmp_path / "out")
    assert len(lengths) > 5
    assert max(lengths) < 10 + a_round
    assert small.recorded_events.in_file
    assert (
        -(-len(whole.events) // 7)
        == parquet.read_metadata(tmp_path / "out" / "events.parquet").num_row_groups
    )
    pd.testing.assert_frame_equal(whole.events, small.events, check_exact=True)


def test_stopped_runs_and_workers_write_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed and continued, and one with workers, have the same file as an undisturbed run."""
    path = scenario(tmp_path, schemes=["psl", "sl"], stragglers=SLOW)
    cutlayer.run(path, out=tmp_path / "undisturbed")
    expected = contents(tmp_path / "undisturbed")
    assert parquet.read_metadata(tmp_path / "undisturbed" / "events.parquet").num_rows > 0
    stopped(path, monkeypatch)
    cutlayer.run(path, out=tmp_path / "out", checkpoint_every=1)
    assert expected == contents(tmp_path / "out")
    cutlayer.run(path, out=tmp_path / "side by side", jobs=2)
    assert expected == contents(tmp_path / "side by side")


def test_rounds_that_did_not_finish_have_no_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The events of a scheme that fails are those of its finished rounds, and devices.csv sums these up."""
    path = scenario(tmp_path, schemes=["psl"])
    whole_round = EPSL.round

    def broken_round(self: Any, context: RoundContext) -> Generator[Any, Any, Any]:
        world = context.world
        world.record.events.add(float(world.env.now), 1, EventKind.RESENT, value=10.0 + context.number)
        if context.number == 4:
            raise RuntimeError("a model")
        return (yield from whole_round(self, context))

    monkeypatch.setattr(EPSL, "round", broken_round)
    with pytest.warns(UserWarning, match="psl failed"):
        broken = cutlayer.run(path)
    assert [(1, 11.0), (2, 12.0), (3, 13.0)] == list(
        broken.events[["round", "value"]].itertuples(index=False, name=None)
    )
    assert {"device-0"} == set(broken.events["node"])
    assert {"resent"} == set(broken.events["kind"])
    assert [36.0, 0.0, 0.0] == broken.devices["bits_resent"].tolist()


def test_a_full_disk_costs_the_events_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the file of the events cannot be continued, all other tables are complete, and a warning says so."""
    path = scenario(tmp_path, schemes=["psl"], stragglers=SLOW)
    cutlayer.run(path, out=tmp_path / "undisturbed")
    expected = contents(tmp_path / "undisturbed")
    finish = recorded_tables.TableWriter.finish

    def full(writer: recorded_tables.TableWriter) -> recorded_tables.RecordedTable:
        if writer._format is EVENTS:
            writer._lose(OSError(28, "No space left on device"))
        return finish(writer)

    monkeypatch.setattr(recorded_tables.TableWriter, "finish", full)
    with pytest.warns(UserWarning, match="all events are lost: cannot write .*: No space left on device"):
        run = cutlayer.run(path, out=tmp_path / "out")
    assert run.is_record_lost
    actual = contents(tmp_path / "out")
    assert 0 == len(cutlayer.load(tmp_path / "out").events)
    del expected["events.parquet"], actual["events.parquet"]
    assert expected == actual


def test_points_of_a_sweep_have_their_events(tmp_path: Path) -> None:
    """The folder of a point is that of a run of its scenario, with the file of events."""
    path = scenario(tmp_path, schemes=["psl"], stragglers=SLOW, sweep={"grid": {"devices.count": [2, 3]}})
    cutlayer.sweep(path, out=tmp_path / "sweep", jobs=1)
    tables = [cutlayer.load(file.parent).events for file in (tmp_path / "sweep").glob("*/summary.json")]
    assert 2 == len(tables)
    assert all(len(table) for table in tables)
