"""Another target accuracy changes no round, so that a sweep reads its finished points again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import cutlayer
from cutlayer.analysis.results.sweeps.new_targets import renew_target
from cutlayer.analysis.results.sweeps.sweep_folder import SweepResult
from tests.support.sweeps import SWEEP, folder_bytes, in_threads, written

LEARNING = """\
target_accuracy: 0.12
learning: {dataset: {name: digits}, optimizer: {client_lr: 3.0e-3, server_lr: 3.0e-3}}
"""
TRAINED = SWEEP.replace("seeds: 3", "seeds: 1").replace("{rounds: 2}", "{rounds: 4}") + LEARNING


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> SweepResult:
    """Return a sweep with a target that some schemes reach."""
    place = tmp_path_factory.mktemp("targets")
    result: SweepResult = in_threads(written(place, TRAINED), place / "out").run()
    return result


@pytest.mark.parametrize("target", ["0.3", "null"])
def test_a_new_target_gives_the_bytes_of_a_new_sweep(
    target: str, finished: SweepResult, tmp_path: Path
) -> None:
    """A finished sweep with another target runs no point, and its files are those of a fresh sweep."""
    scenario, override = written(tmp_path, TRAINED), [f"target_accuracy={target}"]
    shutil.copytree(finished.folder, tmp_path / "again")
    again = in_threads(scenario, tmp_path / "again", overrides=override)
    assert [] == again.pending()
    again.run()
    in_threads(scenario, tmp_path / "fresh", overrides=override).run()
    assert folder_bytes(tmp_path / "fresh") == folder_bytes(tmp_path / "again")
    assert folder_bytes(finished.folder) != folder_bytes(tmp_path / "again")


def test_gathered_tables_have_the_new_target(finished: SweepResult, tmp_path: Path) -> None:
    """Tables that are written without a run of points are those of the new target too."""
    shutil.copytree(finished.folder, tmp_path / "again")
    override = ["target_accuracy=0.3"]
    gathered = in_threads(written(tmp_path, TRAINED), tmp_path / "again", overrides=override).gather()
    assert {0.3} == set(gathered.schemes["target_accuracy"])


def test_points_may_differ_in_their_target(tmp_path: Path) -> None:
    """A sweep over targets has a point for each of them."""
    text = TRAINED.replace("devices.count: [1, 3]", "target_accuracy: [0.1, 0.2, 0.3]")
    assert 3 == len(in_threads(written(tmp_path, text), tmp_path / "out").points)


def test_a_run_of_another_scenario_is_left_alone(finished: SweepResult, tmp_path: Path) -> None:
    """A folder whose scenario differs in another key keeps its bytes."""
    point = finished.points["point"].iloc[0]
    shutil.copytree(finished.folder / point, tmp_path / "point")
    scenario = cutlayer.load(tmp_path / "point").scenario.replace("batch_size: 8", "batch_size: 9")
    assert not renew_target(tmp_path / "point", scenario.replace("0.12", "0.3"))
    assert folder_bytes(finished.folder / point) == folder_bytes(tmp_path / "point")


def test_without_a_target_no_table_shows_one(tmp_path: Path) -> None:
    """A run without target_accuracy has accuracies, and neither a time to a target nor a note on it."""
    run = cutlayer.run(
        written(tmp_path, TRAINED), overrides=["sweep=null", "target_accuracy=null", "devices.count=2"]
    )
    assert run.summary["target_accuracy"] is None
    table = cutlayer.compare(run)
    assert table["final_accuracy"].notna().all()
    assert table["time_below_target_s"].isna().all() and table["time_to_target_s"].isna().all()
