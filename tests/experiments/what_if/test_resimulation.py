"""What-if: a change is an override, and its re-simulation is a fresh run of the changed scenario."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cutlayer
from cutlayer.analysis.comparison.experiment_groups import scenario_of
from cutlayer.analysis.results.run import Run
from cutlayer.experiments.what_if.changes import blamed_devices, changes
from cutlayer.experiments.what_if.resimulation import resimulate, what_if

OVERRIDES = [
    "learning=null",
    "stop={rounds: 12}",
    "schemes=[psl, {name: epsl, phi: 0.5}]",
    "radio.fading={model: rayleigh, coherence_s: 0.01}",
    "stragglers.slowdown={factor: 5, mean_normal_s: 0.05, mean_slow_s: 0.05}",
    "round_policy={deadline_s: 0.2}",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run with slow-downs, a deadline and fading."""
    folder = tmp_path_factory.mktemp("runs") / "stragglers"
    cutlayer.run("stragglers", out=folder, overrides=OVERRIDES, figures=False)
    return folder


def _equal(one: Run, other: Run) -> None:
    pd.testing.assert_frame_equal(one.intervals, other.intervals, check_exact=True)
    pd.testing.assert_frame_equal(one.rounds, other.rounds, check_exact=True)


@pytest.mark.parametrize(
    "override",
    [
        "radio.subchannels=21",
        "allocation.cut=1",
        "stragglers.slowdown=null",
        "radio.fading={model: none}",
        "devices.overrides={'9': {clock_hz: 2e7}}",
        "devices.exclude=[9]",
    ],
)
def test_what_if_is_a_fresh_run_of_the_changed_scenario(folder: Path, override: str) -> None:
    """The rows of a re-simulation equal those of a run of the scenario with the override, to the bit."""
    fresh = cutlayer.run("stragglers", overrides=[*OVERRIDES, override], schemes=["psl"])
    _equal(fresh, resimulate(folder / "scenario.yaml", "psl", 12, [override]))


def test_a_trained_run_is_simulated_again_without_learning(tmp_path: Path) -> None:
    """The re-simulation of a run with learning has the run's own rows, and learns nothing."""
    trained = cutlayer.run(
        "stragglers", out=tmp_path / "run", overrides=["stop={rounds: 2}"], schemes=["psl"], figures=False
    )
    again = resimulate(tmp_path / "run" / "scenario.yaml", "psl", 2)
    pd.testing.assert_frame_equal(trained.intervals, again.intervals, check_exact=True)
    assert again.rounds["test_accuracy"].isna().all()


def test_savings_are_paired_differences(folder: Path) -> None:
    """The saving of a change is the mean difference of round times, over the rounds that batches cover."""
    run = cutlayer.load(folder)
    table = what_if(run, folder, ["psl"])
    (row,) = table[table["change"] == "without stragglers.slowdown"].to_dict("records")
    fresh = cutlayer.run("stragglers", overrides=[*OVERRIDES, "stragglers.slowdown=null"], schemes=["psl"])
    before_s = run.rounds[run.rounds["label"] == "psl"]["latency_s"].to_numpy()
    after_s = fresh.rounds["latency_s"].to_numpy()
    assert 12 == row["rounds"]
    assert np.isclose((before_s - after_s).mean(), row["saving_s"], rtol=1e-12)
    assert np.isclose(after_s.mean(), row["mean_s"], rtol=1e-12)
    assert row["saving_low_s"] < row["saving_s"] < row["saving_high_s"]


def test_changes_fit_the_scenario_and_the_scheme(folder: Path) -> None:
    """Each fault is switched off, the cut moves by one, and there is one subchannel more."""
    run = cutlayer.load(folder)
    names = [change.name for change in changes(run, "psl", run.explain(["psl"]))]
    expected = [
        "21 subchannels instead of 20",
        "cut 1 instead of 2",
        "cut 3 instead of 2",
        "without stragglers.slowdown",
        "without radio.fading",
    ]
    assert expected == [name for name in names if "device-" not in name]
    blamed = blamed_devices(run.explain(["psl"]), "psl")
    assert [f"device-{device} with twice its clock" for device in blamed] == names[: len(blamed)]
    assert [f"without device-{device}" for device in blamed] == names[len(blamed) : 2 * len(blamed)]


def test_a_blamed_device_gets_twice_its_clock(tmp_path: Path) -> None:
    """The override doubles the device's own clock, and keeps the overrides that the scenario has."""
    own = "devices.overrides={'2': {power_max_dbm: 20.0}, '9': {clock_hz: 3e6}}"
    run = cutlayer.run(
        "stragglers", out=tmp_path / "run", overrides=[*OVERRIDES, own], schemes=["psl"], figures=False
    )
    change = changes(run, "psl", run.explain())[0]
    assert "device-9 with twice its clock" == change.name
    again = resimulate(tmp_path / "run" / "scenario.yaml", "psl", 2, change.overrides)
    expected = run.devices.set_index("device")["clock_hz"].copy()
    expected[9] *= 2
    assert expected.tolist() == again.devices["clock_hz"].tolist()
    overrides = scenario_of(again)["devices"]["overrides"]
    assert 20.0 == {int(number): values for number, values in overrides.items()}[2]["power_max_dbm"]


def test_a_change_that_is_not_possible_is_a_row_with_the_reason(tmp_path: Path) -> None:
    """A cut behind the last unit is no error of the command: its row says why it is not possible."""
    links = ["devices.uplink_bps=1e8", "devices.downlink_bps=1e8"]
    overrides = ["learning=null", "stop={rounds: 2}", "allocation.cut=5", *links]
    run = cutlayer.run(
        "quickstart", out=tmp_path / "run", overrides=overrides, schemes=["psl"], figures=False
    )
    table = what_if(run, tmp_path / "run").set_index("change")
    assert "" == table.loc["cut 4 instead of 5", "problem"]
    assert "cut" in str(table.loc["cut 6 instead of 5", "problem"])
    assert not any("subchannels" in change for change in table.index)  # fixed links have none
