"""The tables of a run with compute nodes agree with its intervals and its scenario, also once loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import cutlayer
from cutlayer.analysis.results.run import Run
from cutlayer.analysis.results.run_folder import load_run, save_run
from cutlayer.experiments.experiment import Experiment
from cutlayer.experiments.runner import run_experiment
from cutlayer.models.unit_tables import named_unit_table
from tests.support import part_sizes
from tests.support.networks import FAST, MIB, own_links, write_profile
from tests.support.part_sizes import resident_bits
from tests.support.worlds import experiment

BATCH = 16
UNITS = named_unit_table("lenet", (1, 28, 28), 10)
SECTIONS: dict[str, Any] = {
    "stop": {"rounds": 2},
    "batch_size": BATCH,
    "allocation": {},
    "schemes": [
        {"name": "mpsl", "placement": [3], "batches": 2},
        {"name": "one_hop", "workflow": [1, 1, 1]},
        {"name": "edgesplit", "cuts": [1, 2, 3]},
        "esfl",
        "psl",
    ],
    "devices": {"count": 3, "memory_mib": [90.0, 80.0, 70.0]},
    "server": {"price_per_hour": 5.0, "memory_mib": 4096.0},
    "network": {
        "nodes": [
            {"name": "cheap", "clock_hz": 2e9, "price_per_hour": 0.5, "memory_mib": 64.0},
            {"name": "dear", "clock_hz": 8e9, "price_per_hour": 3.0},
        ]
    },
}


@pytest.fixture(scope="module")
def ready() -> Experiment:
    """Return the prepared scenario with all schemes."""
    return experiment(**SECTIONS)


@pytest.fixture(scope="module")
def run(ready: Experiment) -> Run:
    """Return the run of all schemes."""
    return run_experiment(ready)


def copy_bits(first: int, end: int) -> float:
    """Return the memory of a copy of some units: parameters, gradients and Adam's state, [bit]."""
    return resident_bits(UNITS, first, end)


def batch_bits(first: int, end: int) -> float:
    """Return the memory that a mini-batch adds in some units, [bit]."""
    return part_sizes.batch_bits(UNITS, first, end, BATCH)


def nodes_of(run: Run, label: str) -> pd.DataFrame:
    """Return a scheme's rows of the table, by node."""
    return run.nodes[run.nodes["label"] == label].set_index("node")


def test_nodes_have_a_row_where_they_are_used(run: Run) -> None:
    """The server has a row in every scheme; a node, even an idle one, in each scheme that can train on it."""
    labels = list(run.summary["schemes"])
    for label, expected in zip(labels, [["server", "cheap", "dear"]] * 2 + [["server"]] * 3, strict=True):
        assert expected == list(nodes_of(run, label).index)
    assert ["", "2-3", "4-5"] == nodes_of(run, labels[0])["units"].tolist()
    assert ["", "", "2-5"] == nodes_of(run, labels[1])["units"].tolist()


def test_memory_of_nodes(run: Run) -> None:
    """The plan has three copies and batches; the peak is between the weights and the plan."""
    mpsl, one_hop = (nodes_of(run, label) for label in list(run.summary["schemes"])[:2])
    for name, first, end in (("cheap", 1, 3), ("dear", 3, 5)):
        planned = 3 * (copy_bits(first, end) + batch_bits(first, end))
        assert pytest.approx(planned) == mpsl.loc[name, "memory_planned_bits"]
        peak = float(mpsl["memory_peak_bits"][name])
        assert 3 * copy_bits(first, end) + batch_bits(first, end) <= peak * (1 + 1e-12)
        assert peak <= planned * (1 + 1e-12)
    assert (0.0, 0.0) == tuple(one_hop.loc["cheap", ["memory_planned_bits", "memory_peak_bits"]])
    assert 64 * MIB == mpsl.loc["cheap", "memory_limit_bits"]
    assert mpsl["memory_limit_bits"].isna()["dear"]
    assert 4096 * MIB == mpsl.loc["server", "memory_limit_bits"]
    assert mpsl["memory_peak_bits"].isna()["server"]


def test_nodes_are_busy_as_long_as_their_intervals(run: Run) -> None:
    """busy_s is the sum of a node's compute intervals, and utilisation is its fraction of the scheme's time.

    The server's row counts the FLOPs on its shares, because an interval on a share takes longer.
    """
    for label, rows in run.intervals.groupby("label"):
        total_s = rows["end_s"].max()
        for name, node in nodes_of(run, str(label)).iterrows():
            if name == "server":
                flops = rows.loc[rows["node"].str.startswith("server"), "flops"].sum()
                expected_s = flops * 0.03125 / 5e9
            else:
                mine = rows[(rows["node"] == name) & (rows["lane"] == "compute")]
                expected_s = (mine["end_s"] - mine["start_s"]).sum()
            assert pytest.approx(expected_s, rel=1e-9) == node["busy_s"]
            assert pytest.approx(expected_s / total_s, rel=1e-9) == node["utilisation"]


def test_costs_are_prices_times_the_time(run: Run) -> None:
    """The server and nodes with a part cost their price for the whole run; the summary has the sum."""
    prices = {"server": 5.0, "cheap": 0.5, "dear": 3.0}
    for label, summary in run.summary["schemes"].items():
        hours = run.intervals.loc[run.intervals["label"] == label, "end_s"].max() / 3600
        nodes = nodes_of(run, label)
        used = [name == "server" or bool(units) for name, units in nodes["units"].items()]
        expected = [prices[str(name)] * hours * paid for name, paid in zip(nodes.index, used, strict=True)]
        assert pytest.approx(expected) == nodes["cost"].tolist()
        assert [prices[name] for name in nodes.index] == nodes["price_per_hour"].tolist()
        assert pytest.approx(sum(expected)) == summary["cost"]


def test_memory_over_time(run: Run) -> None:
    """Each change of a node's memory is a row; the largest value is the peak, and the last is the weights."""
    label = next(iter(run.summary["schemes"]))
    rows = run.memory[run.memory["label"] == label]
    assert {"cheap", "dear"} == set(rows["node"])
    for name, first, end in (("cheap", 1, 3), ("dear", 3, 5)):
        mine = rows[rows["node"] == name]
        assert mine["time_s"].is_monotonic_increasing
        assert nodes_of(run, label).loc[name, "memory_peak_bits"] == mine["held_bits"].max()
        assert pytest.approx(3 * copy_bits(first, end)) == mine["held_bits"].iloc[-1]
        # copies of three owners' weights, and in two rounds two batches each, in and out
        assert 3 + 2 * 2 * 3 * 2 == len(mine)


def test_devices_have_their_cuts_shares_and_memory(ready: Experiment, run: Run) -> None:
    """A device's row has its cut, its shares of band and server, the memory of its part, and its limit."""
    cuts = {"edgesplit cuts 1|2|3": ["1", "2", "3"], "mpsl 3": ["1"] * 3}
    for label, expected in cuts.items():
        rows = run.devices[run.devices["label"] == label]
        assert expected == rows["cut"].tolist()
        assert [90 * MIB, 80 * MIB, 70 * MIB] == rows["memory_limit_bits"].tolist()
    split = run.devices[run.devices["label"] == "edgesplit cuts 1|2|3"]
    needed = [copy_bits(0, cut) + batch_bits(0, cut) for cut in (1, 2, 3)]
    assert pytest.approx(needed) == split["memory_bits"].tolist()
    assert pytest.approx(1.0) == split["band_share"].sum()
    assert pytest.approx([1 / 3] * 3) == split["server_share"].tolist()
    assert pytest.approx(1.0) == run.devices.loc[run.devices["label"] == "esfl", "server_share"].sum()
    psl = run.devices[run.devices["label"] == "psl"]
    assert psl["band_share"].isna().all()
    assert psl["server_share"].isna().all()
    owner = copy_bits(0, 1) + batch_bits(0, 1) + copy_bits(5, 6) + batch_bits(5, 6)
    assert (
        pytest.approx([owner] * 3)
        == run.devices.loc[run.devices["label"] == "mpsl 3", "memory_bits"].tolist()
    )
    for (scheme, plan), (_, rows) in zip(
        ready.schemes, run.devices.groupby("label", sort=False), strict=True
    ):
        assert plan.links.uplink_bps.tolist() == rows["uplink_bps"].tolist(), scheme.parameters.label


def test_the_summary_has_the_largest_memories(run: Run) -> None:
    """Memories in the summary are the largest of the tables; cuts are lists if they differ."""
    for label, summary in run.summary["schemes"].items():
        devices, nodes = run.devices[run.devices["label"] == label], nodes_of(run, label)
        assert devices["memory_bits"].max() == summary["device_memory_bits"]
        assert nodes["memory_planned_bits"].max() == summary["node_memory_bits"]
    assert [1, 2, 3] == run.summary["schemes"]["edgesplit cuts 1|2|3"]["cut"]
    assert {"1|2|3"} == set(run.rounds.loc[run.rounds["label"] == "edgesplit cuts 1|2|3", "cut"])
    assert "1|3|5" == run.summary["schemes"]["mpsl 3"]["placement"]


def test_loaded_tables_equal_saved_tables(run: Run, tmp_path: Path) -> None:
    """Saved and loaded tables are bit-identical, and the scenario keeps its nodes."""
    save_run(run, tmp_path / "run")
    loaded = load_run(tmp_path / "run")
    for table in ("rounds", "devices", "nodes", "memory", "intervals"):
        pd.testing.assert_frame_equal(getattr(run, table), getattr(loaded, table), check_dtype=False)
    assert run.summary == loaded.summary
    assert run.scenario == loaded.scenario


def test_without_compute_nodes_there_is_no_memory_over_time(tmp_path: Path) -> None:
    """A folder without the file of memory changes loads with the table's columns and no rows."""
    run = run_experiment(experiment(schemes=["psl"]))
    save_run(run, tmp_path / "run")
    assert not (tmp_path / "run" / "memory.parquet").exists()
    loaded = load_run(tmp_path / "run")
    assert 0 == len(loaded.memory)
    assert list(run.memory.columns) == list(loaded.memory.columns)
    assert ["server"] == loaded.nodes["node"].tolist()


def test_a_round_does_not_wait_for_the_last_update_of_a_node(tmp_path: Path) -> None:
    """A round of 18 ms ends then, although a node updates for 92 ms more; the next round begins at once.

    The second round waits for the node until 114 ms, and ends 20 ms later.
    """
    rows = [[1.0, 1.0, 0.0], [2.0, 4.0, 100.0], [3.0, 5.0, 0.0], [1.0, 1.0, 0.0]]
    profile = write_profile(tmp_path / "four", {"it": rows}, [1.0] * 4, [1.0] * 4)
    run = run_experiment(
        experiment(
            schemes=[{"name": "mpsl", "placement": [2]}],
            stop={"rounds": 2},
            allocation={},
            batch_size=128,
            model={"name": "measured", "profile": str(profile)},
            devices=own_links(1e18, count=1, profile="it"),
            network={"nodes": [{"name": "n", "count": 2, "profile": "it"}], "wire": FAST},
        )
    )
    end_s = run.rounds["end_s"].tolist()
    assert pytest.approx(18e-3, abs=1e-9) == end_s[0]
    assert end_s[0] == run.rounds["start_s"].iloc[1]
    assert pytest.approx(run.summary["schemes"]["mpsl 2"]["total_time_s"], rel=1e-12) == end_s[1]


def test_rounds_that_a_deadline_ends_do_not_wait_for_nodes() -> None:
    """A node finishes the work of clients that a deadline has cut off, but the round ends at the deadline."""
    sections = {
        "schemes": ["mpsl"],
        "stop": {"rounds": 2},
        "allocation": {},
        "batch_size": BATCH,
        "devices": own_links(1e12, count=2, clock_hz=1e12, cycles_per_flop=1.0),
        "network": {"nodes": [{"name": "n", "clock_hz": 1e6, "cycles_per_flop": 1.0}], "wire": FAST},
    }
    run = run_experiment(experiment(**sections, round_policy={"deadline_s": 1.0}))
    assert [1.0, 2.0] == run.rounds["end_s"].tolist()
    assert [0, 0] == run.rounds["participants"].tolist()


def test_a_node_without_a_part_costs_nothing() -> None:
    """Only the server and the one helper of three that has a data owner cost something."""
    ran = cutlayer.run(
        "all_schemes",
        overrides=["learning=null", "stop.rounds=1", "schemes=[{name: one_hop, workflow: [1, 1, 1, 1, 1]}]"],
    )
    nodes = ran.nodes.set_index("node")
    total_h = ran.rounds["end_s"].max() / 3600
    assert {"server", "node-2"} == set(nodes.index[nodes["cost"] > 0])
    assert pytest.approx((12 + 4) * total_h) == nodes["cost"].sum()
