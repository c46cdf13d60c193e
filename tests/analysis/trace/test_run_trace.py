"""The trace of a run shows each interval, each event and each round, and obeys the rules of its format."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import cutlayer
from cutlayer.analysis.results import recorded_tables
from cutlayer.analysis.results.table_formats import INTERVALS
from cutlayer.analysis.trace.run_trace import UntraceableRunError, write_trace
from tests.support.stopped_runs import scenario
from tests.support.traces import Event, busy_ns, check_trace, nanoseconds_of, trace_events

FAULTS = {
    "faults": {
        "outage": {"mean_up_s": 0.05, "mean_down_s": 0.01},
        "availability": {"mean_on_s": 0.05, "mean_off_s": 0.01},
        "lost_update": 0.2,
    },
    "stragglers": {"slowdown": {"factor": 5, "mean_normal_s": 0.01, "mean_slow_s": 0.01}},
    "round_policy": {"deadline_s": 0.05},
}
RUNS: list[tuple[str, dict[str, Any]]] = [
    ("timeline_only", {}),
    ("quickstart", {"learning": None, "stop.rounds": 5}),
    ("mpsl", {"learning": None, "stop.rounds": 3}),
    ("stragglers", {"stop.rounds": 5}),
    ("edgesplit", {"learning": None, "stop.rounds": 2}),
]


def events_of(run: cutlayer.Run, folder: Path, **options: Any) -> list[Event]:
    """Return the checked events of a run's trace."""
    path = folder / "trace.json.gz"
    write_trace(run, path, **options)
    events = trace_events(path)
    check_trace(events)
    return events


def check_sums(run: cutlayer.Run, events: list[Event]) -> None:
    """Compare the numbers of intervals and their total times with stages.csv, for each node and phase."""
    totals = busy_ns(events)
    stages = run.stages[run.stages["intervals"] > 0]
    assert len(stages)
    for stage in stages.itertuples():
        number, total_ns = totals[f"{run.shown_label(str(stage.label))} · {stage.node}", str(stage.phase)]
        assert number == stage.intervals
        assert total_ns == pytest.approx(1e9 * float(str(stage.busy_s)), rel=1e-9, abs=number)


@pytest.mark.parametrize(("name", "changes"), RUNS, ids=[name for name, _ in RUNS])
def test_a_trace_is_valid_and_complete(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    """Intervals nest, flows have both ends, and the sums of durations are those of stages.csv."""
    overrides = [f"{key}={'null' if value is None else value}" for key, value in changes.items()]
    run = cutlayer.run(name, overrides=overrides)
    events = events_of(run, tmp_path)
    check_sums(run, events)
    kinds = Counter(event["ph"] for event in events)
    assert kinds["X"] == len(run.intervals) + len(run.rounds)


def test_every_event_is_shown(tmp_path: Path) -> None:
    """States of nodes are intervals on tracks of their own, and all other events are marks."""
    run = cutlayer.run(scenario(tmp_path, schemes=["psl", "sfl"], **FAULTS))
    events = events_of(run, tmp_path)
    states = run.events["end_s"].notna()
    assert states.any() and not states.all()
    kinds = Counter(event["ph"] for event in events)
    assert kinds["i"] == (~states).sum()
    assert kinds["X"] == len(run.intervals) + len(run.rounds) + states.sum()
    marks = Counter(event["name"] for event in events if event["ph"] == "i")
    assert marks == Counter(run.events.loc[~states, "kind"])


def test_uploads_lead_to_the_server_and_on_to_downloads(tmp_path: Path) -> None:
    """In a round of PSL, an arrow leads from each upload to the server, and one from it to each download."""
    run = cutlayer.run(scenario(tmp_path, schemes=["psl"], stop={"rounds": 1}))
    events = events_of(run, tmp_path)
    arrows = [event for event in events if event["ph"] in "sf"]
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    lanes = {event["id"]: ["", ""] for event in arrows}
    for event in arrows:
        lanes[event["id"]]["sf".index(event["ph"])] = names[event["tid"]]
    expected = Counter({("uplink", "compute"): 3, ("compute", "downlink"): 3})
    assert expected == Counter(tuple(ends) for ends in lanes.values())


def test_the_critical_path_of_each_round_is_a_chain(tmp_path: Path) -> None:
    """The chain of a round has the activities of the critical path that the explanation shows."""
    run = cutlayer.run("timeline_only", overrides=["stop.rounds=2"])
    events = events_of(run, tmp_path)
    names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    shown = [(names[e["pid"]], e["name"], nanoseconds_of(e["ts"])) for e in events if "bind_id" in e]
    path = run.explain().path
    path = path[path["row"] >= 0]
    starts_ns = [round(1e9 * start_s) for start_s in path["start_s"]]
    each = [(f"{run.shown_label(str(row.label))} · {row.node}", row.phase) for row in path.itertuples()]
    assert sorted(shown) == sorted((*known, start) for known, start in zip(each, starts_ns, strict=True))


def test_the_queue_of_the_server_is_counted(tmp_path: Path) -> None:
    """With a server that serves on arrival, the counter's time integral is the sum of the waiting times."""
    server = {"service": "arrival", "clock_hz": 1e6}
    run = cutlayer.run(scenario(tmp_path, schemes=["sfl"], server=server, devices={"count": 6}))
    counts = [e for e in events_of(run, tmp_path) if e["ph"] == "C" and e["name"] == "queue of compute"]
    times_ns = [nanoseconds_of(e["ts"]) for e in counts]
    values = [e["args"]["value"] for e in counts]
    assert sorted(times_ns) == times_ns and values[-1] == 0
    integral_ns = sum(
        value * (after - before) for value, before, after in zip(values, times_ns, times_ns[1:], strict=False)
    )
    waited = run.intervals.loc[run.intervals["node"] == "server", "wait_s"]
    assert waited.sum() > 0
    assert integral_ns == pytest.approx(1e9 * waited.sum(), abs=2 * len(waited))


def test_busy_subchannels_never_exceed_the_band(tmp_path: Path) -> None:
    """Clients of PSL send on all their subchannels at once, and never on more than the band has."""
    events = events_of(cutlayer.run("timeline_only", schemes=["psl"]), tmp_path)
    busy = [e["args"]["value"] for e in events if e["name"] == "busy subchannels, uplink"]
    assert 20 == max(busy)


def test_the_memory_of_compute_nodes_is_shown(tmp_path: Path) -> None:
    """The last value of each node's counter is the last one of memory.parquet."""
    run = cutlayer.run("mpsl", overrides=["learning=null", "stop.rounds=2"], schemes=["mpsl"])
    events = events_of(run, tmp_path, labels=["mpsl"])
    names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    last = {names[e["pid"]]: e["args"]["value"] for e in events if e["name"] == "memory held [MiB]"}
    end_s = run.rounds.loc[run.rounds["label"] == "mpsl", "end_s"].max()
    in_run = run.memory[(run.memory["label"] == "mpsl") & (run.memory["time_s"] <= end_s)]
    held = in_run.groupby("node", observed=True)["held_bits"].last() / (8 * 2**20)
    assert {f"MP-SL · {node}": value for node, value in held.items()} == last


def test_chosen_rounds_and_schemes_alone_are_shown(tmp_path: Path) -> None:
    """The file has the intervals of these rounds and schemes, and no others."""
    run = cutlayer.run("timeline_only", overrides=["stop.rounds=5"])
    events = events_of(run, tmp_path, rounds=(2, 3), labels=["psl", "fl"])
    wanted = run.intervals["round"].between(2, 3) & run.intervals["label"].isin(["psl", "fl"])
    assert wanted.sum() + 4 == sum(event["ph"] == "X" for event in events)
    assert {2, 3} == {event["args"]["round"] for event in events if "round" in event.get("args", {})}


def test_equal_runs_give_equal_bytes(tmp_path: Path) -> None:
    """The file has no time of its own, whether it is compressed or not."""
    for suffix in (".json", ".json.gz"):
        each = []
        for name in ("one", "two"):
            path = tmp_path / f"{name}{suffix}"
            write_trace(cutlayer.run("timeline_only", overrides=["stop.rounds=2"]), path)
            each.append(path.read_bytes())
        assert each[0] == each[1]


def test_a_hostile_label_stays_text(tmp_path: Path) -> None:
    """Quotes and backslashes in a label are escaped."""
    label = 'a "quoted" \\ label'
    run = cutlayer.run(scenario(tmp_path, schemes=[{"name": "psl", "label": label}], stop={"rounds": 1}))
    names = {e["args"]["name"] for e in events_of(run, tmp_path) if e["name"] == "process_name"}
    assert {label, f"{label} · server"} <= names


def test_what_cannot_be_traced_is_refused(tmp_path: Path) -> None:
    """Another ending, or rounds beyond the last one, are refused with a message, and nothing is written."""
    run = cutlayer.run("timeline_only", overrides=["stop.rounds=2"], schemes=["psl"])
    with pytest.raises(UntraceableRunError, match=r"trace.txt must end in .json.gz or .json"):
        write_trace(run, tmp_path / "trace.txt")
    with pytest.raises(UntraceableRunError, match="the run has no rounds 3 to 4; rounds count from 1 to 2"):
        write_trace(run, tmp_path / "trace.json", rounds=(3, 4))
    with pytest.raises(cutlayer.RunFolderError, match=r"cannot write .*: No such file"):
        write_trace(run, tmp_path / "missing" / "trace.json")
    assert [] == list(tmp_path.iterdir())


def test_parts_do_not_change_the_intervals(tmp_path: Path) -> None:
    """A run whose row groups end in the middle of rounds has the same intervals and the same arrows."""
    whole = cutlayer.run("timeline_only", overrides=["stop.rounds=6"], schemes=["psl", "sfl"])
    parts = [
        frame.iloc[first : first + 17]
        for _, frame in whole.intervals.groupby("label", sort=False)
        for first in range(0, len(frame), 17)
    ]
    writer = recorded_tables.TableWriter(INTERVALS)
    for part in parts:
        writer.add(part.astype({"label": "category"}))
    in_parts = replace(whole, recorded=writer.finish())
    tables = []
    for run in (whole, in_parts):
        events = events_of(run, tmp_path)
        kept = [e for e in events if e["ph"] in "XC"]
        tables.append(sorted(str({k: v for k, v in e.items() if k != "bind_id"}) for e in kept))
        tables.append([str(Counter(e["ph"] for e in events))])
    assert tables[:2] == tables[2:]


@pytest.mark.slow
def test_a_long_run_needs_little_memory(tmp_path: Path) -> None:
    """Beyond the table of a row group, a run of more than 100,000 intervals needs less than 40 MiB."""
    cutlayer.run(
        "timeline_only",
        overrides=["stop.rounds=10100", "devices.count=2"],
        schemes=["psl"],
        out=tmp_path / "long",
        figures=False,
    )
    run = cutlayer.load(tmp_path / "long")
    (group,) = run.recorded.groups()
    assert len(group) > 100_000
    tracemalloc.start()
    write_trace(run, tmp_path / "trace.json.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - group.memory_usage(deep=True).sum() < 40 * 2**20
    check_trace(trace_events(tmp_path / "trace.json.gz"))
