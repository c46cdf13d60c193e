"""Shards of a sweep share a folder, tables are gathered without a run, and points have a time limit."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import cutlayer
from cutlayer.analysis.results.atomic_files import RunFolderError
from cutlayer.analysis.results.sweeps.sweep_folder import Shard, SweepResult
from cutlayer.cli.main import app
from cutlayer.experiments import runner
from cutlayer.experiments.processes.folder_locks import sweep_lock
from cutlayer.experiments.sweep import point_tasks as sweep_tasks
from cutlayer.experiments.sweep.worker_pool import TimeLimitError, WorkerPool
from tests.support.sweeps import SWEEP, folder_bytes, in_threads, written

FIGURE = "  figure: [{file: a, x: devices.count, y: mean_latency_s}]\n"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the files of a sweep that ran at once."""
    folder = tmp_path_factory.mktemp("undisturbed")
    in_threads(written(folder, SWEEP + FIGURE), folder / "out").run()
    return folder_bytes(folder / "out")


@given(st.integers(0, 200), st.integers(1, 50))
def test_each_point_is_in_one_shard(points: int, count: int) -> None:
    """The shards have all points, none twice, and sizes that differ by at most one."""
    shards = [list(range(points))[Shard(number, count).rows] for number in range(1, count + 1)]
    assert list(range(points)) == sorted(point for shard in shards for point in shard)
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3"])
def test_a_shard_that_does_not_exist_is_refused(text: str, tmp_path: Path) -> None:
    """The message gives the form, the status is 2, and nothing is written."""
    arguments = ["sweep", str(written(tmp_path)), "--out", str(tmp_path / "out"), f"--shard={text}"]
    result = CliRunner().invoke(app, arguments)
    assert (2, f"--shard: a shard is K/N with K from 1 to N, for example 1/8; it is {text}\n") == (
        result.exit_code,
        result.stderr,
    )
    assert not (tmp_path / "out").exists()


def test_shards_side_by_side_make_the_files_of_one_sweep(
    undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """Shards that run at the same time, in any order, leave the files of one sweep once they are gathered."""
    scenario = written(tmp_path, SWEEP + FIGURE)

    def run(number: int) -> SweepResult:
        result: SweepResult = in_threads(scenario, tmp_path / "out", shard=(number, 4)).run()
        return result

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(run, [2, 1, 4, 3]))
    assert [2, 2, 1, 1] == [len(result.points) for result in results]
    assert {"finished"} == {status for result in results for status in result.points["status"]}
    assert not (tmp_path / "out" / "rounds.parquet").exists()
    gathered = in_threads(scenario, tmp_path / "out").gather()
    assert {"finished": 6} == gathered.points["status"].value_counts().to_dict()
    assert undisturbed == folder_bytes(tmp_path / "out")
    times = (tmp_path / "out" / "wall_times.csv").read_text(encoding="utf-8")
    assert 7 == len(times.splitlines())


def test_a_shard_keeps_the_drafts_of_others(tmp_path: Path) -> None:
    """A shard removes the half-written files of its own points alone; a sweep of all points removes all."""
    scenario, out = written(tmp_path), tmp_path / "out"
    first, second = in_threads(scenario, out, shard=(1, 2)), in_threads(scenario, out, shard=(2, 2))
    drafts = [out / f".{shard.folder.own_points['point'][0]}-abc" for shard in (first, second)]
    first.run()
    for draft in drafts:
        draft.mkdir()
    first.run()
    assert [False, True] == [draft.exists() for draft in drafts]
    in_threads(scenario, out).run()
    assert [False, False] == [draft.exists() for draft in drafts]


def test_locks_of_shards(tmp_path: Path) -> None:
    """Other shards and gathering share the folder; the same shard and a whole sweep do not."""
    scenario, out = written(tmp_path), tmp_path / "out"
    in_threads(scenario, out, shard=(1, 3)).run()
    with sweep_lock(out, shared=True, part="1-of-3"):
        in_threads(scenario, out, shard=(2, 3)).run()
        in_threads(scenario, out).gather()
        for options in ({}, {"shard": (1, 3)}):
            with pytest.raises(RunFolderError, match="is in use by process"):
                in_threads(scenario, out, **options).run()
    with sweep_lock(out):
        with pytest.raises(RunFolderError, match="is in use by process"):
            in_threads(scenario, out, shard=(3, 3)).run()
        with pytest.raises(RunFolderError, match="is in use by process"):
            in_threads(scenario, out).gather()
    assert not list(out.glob(".lock*"))


def test_a_lock_that_is_shared_outlives_its_first_holder(tmp_path: Path) -> None:
    """The end of one shard leaves the lock of the others in force."""
    out = tmp_path / "out"
    with sweep_lock(out, shared=True, part="1"):
        with sweep_lock(out, shared=True, part="2"):
            pass
        with pytest.raises(RunFolderError, match="is in use by process"), sweep_lock(out):
            pass
    with sweep_lock(out):
        pass


def test_tables_are_gathered_from_the_finished_points(tmp_path: Path) -> None:
    """Tables and figures are written without a run, and the number of missing points is printed."""
    scenario, out = written(tmp_path, SWEEP + FIGURE), tmp_path / "out"
    arguments = ["sweep", str(scenario), "--out", str(out), "--tables"]
    empty = CliRunner().invoke(app, arguments)
    assert (2, f"{out} is not a sweep folder: points.csv is missing\n") == (empty.exit_code, empty.stderr)
    assert not out.exists()
    in_threads(scenario, out, shard=(1, 2)).run()
    result = CliRunner().invoke(app, arguments)
    assert 0 == result.exit_code
    assert "written to" in result.stdout
    assert "3 of 6 points are missing from the tables: they are pending or have failed\n" == result.stderr
    assert {"a.png", "a.csv", "rounds.parquet", "schemes.csv", "sweep.yaml"} <= {
        p.name for p in out.iterdir()
    }
    assert 3 == len({entry.parent for entry in out.glob("*/summary.json")})
    compared = CliRunner().invoke(app, ["compare", str(out)])
    assert f"{out}: 3 points are missing: they are pending or have failed\n" == compared.stderr
    wrong = CliRunner().invoke(app, [*arguments, "--shard", "1/2"])
    assert (2, "--tables runs no points;") == (wrong.exit_code, wrong.stderr[:24])
    assert 6 == len(cutlayer.sweep(scenario, out=out, tables=True).schemes)


def test_points_of_different_versions_are_gathered_on_request(tmp_path: Path) -> None:
    """Points that two versions of the code computed are no one study, unless the user says so."""
    scenario, out = written(tmp_path), tmp_path / "out"
    in_threads(scenario, out).run()
    summary = next(iter(out.glob("*/summary.json")))
    content = json.loads(summary.read_text(encoding="utf-8"))
    content["versions"]["code"] = "other"
    summary.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"different versions \(code"):
        in_threads(scenario, out).gather()
    assert 12 == len(in_threads(scenario, out).gather(mix_versions=True).schemes)


def test_a_worker_that_exceeds_its_limit_is_ended_alone() -> None:
    """The item is ended although it returns to Python late, and the other items finish."""
    with WorkerPool(2) as workers:
        outcomes = {
            item: future.exception()
            for item, future in workers.map_unordered(time.sleep, [600.0, 0.0, 0.01, 0.02], limit_s=0.3)
        }
    assert isinstance(outcomes.pop(600.0), TimeLimitError)
    assert {0.0: None, 0.01: None, 0.02: None} == outcomes


def test_a_point_past_its_limit_has_failed(tmp_path: Path) -> None:
    """It is recorded with its limit, leaves no run folder, and runs again on request."""
    scenario, out = written(tmp_path), tmp_path / "out"
    points = in_threads(scenario, out).run(time_limit_s=0.0).points
    assert {"took longer than 0 s"} == set(points["error"])
    assert not list(out.glob("*/summary.json"))
    again = in_threads(scenario, out).run(time_limit_s=1000.0, retry_failed=True).points
    assert {"finished"} == set(again["status"])


def test_the_first_failure_ends_a_sweep_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``fail_fast``, no point starts after one has failed; all others are pending."""
    scenario, out = written(tmp_path), tmp_path / "out"

    def run_experiment(experiment: Any, *more: Any, **named: Any) -> Any:
        if experiment.loaded.scenario.seed == 1:
            raise RuntimeError("the radio link was lost")
        return runner.run_experiment(experiment, *more, **named)

    monkeypatch.setattr(sweep_tasks, "run_experiment", run_experiment)
    points = in_threads(scenario, out).run(fail_fast=True).points
    assert ["finished", "failed", *["pending"] * 4] == points["status"].tolist()


def test_checks_are_shown_from_their_start(tmp_path: Path) -> None:
    """The progress of the checks begins with none of the points, and that of the points follows."""
    calls: list[tuple[Any, ...]] = []
    in_threads(written(tmp_path), tmp_path / "out").run(on_progress=lambda *p: calls.append(p))
    assert [("checking", done, 0, 6, None) for done in range(7)] == calls[:7]
    assert [("running", done, 0, 6) for done in range(7)] == [call[:4] for call in calls[7:]]


def test_the_estimate_shows_its_checks(tmp_path: Path) -> None:
    """A dry run shows the progress of the checks too."""
    calls: list[tuple[Any, ...]] = []
    in_threads(written(tmp_path), tmp_path / "out").estimate(on_progress=lambda *p: calls.append(p))
    assert [("checking", done, 0, 6, None) for done in range(7)] == calls
