"""A sweep runs every point once, whatever fails or interrupts it, and with any number of jobs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import cutlayer
from cutlayer.analysis.comparison.experiment_differences import EXPERIMENT_COLUMNS
from cutlayer.analysis.comparison.sweep_report import draw_figures
from cutlayer.analysis.results.atomic_files import RunFolderError
from cutlayer.analysis.results.sweeps.sweep_folder import SweepResult, load_sweep
from cutlayer.cli.main import app
from cutlayer.experiments import runner
from cutlayer.experiments.sweep import point_tasks as sweep_tasks
from cutlayer.experiments.sweep import sweep as sweeping
from tests.support.processes import INTERRUPTIBLE, python
from tests.support.sweeps import SWEEP, folder_bytes, in_threads, written

INTERRUPTED = "interrupted: the finished points are kept; the same command continues"
SLOW = SWEEP.replace("{rounds: 2}", "{rounds: 300}")


def answer(status: int, *arguments: object) -> Any:
    """Return the result of a command that must end with this status."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert status == result.exit_code, (result.output, result.exception)
    return result


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> SweepResult:
    """Return a sweep that ran undisturbed."""
    place = tmp_path_factory.mktemp("sweep")
    result: SweepResult = in_threads(written(place), place / "out").run()
    return result


def mtimes(folder: Path) -> dict[str, int]:
    """Return the time at which each point's summary was written, by point."""
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("[!.]*/summary.json")}


def test_results_do_not_depend_on_the_number_of_jobs(finished: SweepResult, tmp_path: Path) -> None:
    """Two simultaneous processes write the same bytes to every file as one thread."""
    answer(0, "sweep", written(tmp_path), "--out", tmp_path / "out", "--jobs", 2)
    assert folder_bytes(finished.folder) == folder_bytes(tmp_path / "out")


def test_a_point_is_the_run_of_its_scenario(finished: SweepResult) -> None:
    """A point's folder equals a run with the same keys set, and the sweep's tables consist of its rows."""
    scenario = finished.folder.parent / "small.yaml"
    for point in finished.points.to_dict("records"):
        count = f"devices.count={point['devices.count']}"
        run = cutlayer.run(scenario, overrides=[count, "sweep=null"], seed=point["seed"])
        saved = cutlayer.load(finished.folder / point["point"])
        assert run.summary == saved.summary
        rows = finished.rounds[finished.rounds["point"] == point["point"]].reset_index(drop=True)
        pd.testing.assert_frame_equal(
            rows[list(saved.rounds)], saved.rounds, check_dtype=False, check_exact=True
        )
        figures = finished.schemes[finished.schemes["point"] == point["point"]].set_index("label")
        for label, summary in run.summary["schemes"].items():
            assert summary["mean_latency_s"] == figures.loc[label, "mean_latency_s"]


def test_contents_that_changed_between_points_are_reported(tmp_path: Path) -> None:
    """A data set has the same path and other samples in a later point: the sweep says that means mix both."""
    result = in_threads(written(tmp_path), tmp_path / "out").run()
    assert [] == draw_figures(result, ())[1]
    for number, point in enumerate(result.points["point"]):
        path = result.folder / point / "summary.json"
        summary = json.loads(path.read_text(encoding="utf-8"))
        record = {"key": "learning.dataset.path", "path": "/data", "sha256": f"{number // 3}", "bytes": None}
        path.write_text(json.dumps({**summary, "files": [record]}), encoding="utf-8")
    (message,) = draw_figures(result, ())[1]
    assert "learning.dataset.path: /data had other contents in some points" in message


def test_few_seeds_are_noted(finished: SweepResult) -> None:
    """The overview of a sweep over three seeds warns of confidence intervals from so few."""
    (listing,) = draw_figures(finished, ())[0]
    assert any("fewer than 5 seeds" in str(note) for note in listing[1:])


def test_the_points_are_listed(finished: SweepResult) -> None:
    """points.csv has one row for each point: name, status, swept keys, seed, and overrides as JSON."""
    assert ["point", "status", "devices.count", "seed", "overrides", "error"] == list(finished.points)
    assert [(1, 0), (1, 1), (1, 2), (3, 0), (3, 1), (3, 2)] == list(
        finished.points[["devices.count", "seed"]].itertuples(index=False, name=None)
    )
    assert {"finished"} == set(finished.points["status"])
    assert [{"devices.count": 1}] * 3 == [json.loads(text) for text in finished.points["overrides"][:3]]
    runs = {path.name for path in finished.folder.iterdir() if path.is_dir()}
    assert set(finished.points["point"]) == runs


def test_finished_points_are_skipped(finished: SweepResult, tmp_path: Path) -> None:
    """A repeated sweep writes no point again; with more seeds it runs only the new points."""
    scenario = written(tmp_path)
    in_threads(scenario, tmp_path / "out").run()
    before = mtimes(tmp_path / "out")
    in_threads(scenario, tmp_path / "out").run()
    assert before == mtimes(tmp_path / "out")
    larger = in_threads(scenario, tmp_path / "out", overrides=["sweep.seeds=4"])
    assert 2 == len(larger.pending())
    assert {"finished": 8} == larger.run().points["status"].value_counts().to_dict()
    assert before.items() < mtimes(tmp_path / "out").items()


def fail_at(seed: int) -> Callable[..., Any]:
    """Return a ``run_experiment`` that fails at one seed."""

    def run_experiment(experiment: Any, *more: Any, **named: Any) -> Any:
        if experiment.loaded.scenario.seed == seed:
            raise RuntimeError("the radio link was lost")
        return runner.run_experiment(experiment, *more, **named)

    return run_experiment


def test_a_failed_point_is_recorded_and_the_others_continue(
    finished: SweepResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed point is listed with its error, and runs again only on request; then no file is missing."""
    scenario = written(tmp_path)
    monkeypatch.setattr(sweep_tasks, "run_experiment", fail_at(1))
    points = in_threads(scenario, tmp_path / "out").run().points
    assert ["finished", "failed", "finished"] * 2 == points["status"].tolist()
    assert ["", "RuntimeError: the radio link was lost", ""] * 2 == points["error"].tolist()
    assert not load_sweep(tmp_path / "out").rounds["seed"].eq(1).any()
    monkeypatch.undo()
    assert ["finished", "failed", "finished"] * 2 == in_threads(scenario, tmp_path / "out").run().points[
        "status"
    ].tolist()
    in_threads(scenario, tmp_path / "out").run(retry_failed=True)
    assert folder_bytes(finished.folder) == folder_bytes(tmp_path / "out")


def test_the_command_reports_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command ends with status 1, names each failed point, and says how to try again."""
    monkeypatch.setattr(sweep_tasks, "run_experiment", fail_at(1))
    monkeypatch.setattr(sweeping, "SweepRun", lambda where, out, **options: in_threads(where, out))
    result = answer(1, "sweep", written(tmp_path), "--out", tmp_path / "out")
    assert "4 finished, 2 failed of 6 points" in result.stdout
    assert "(devices.count=3, seed=1): RuntimeError: the radio link was lost" in result.stderr
    assert "--retry-failed" in result.stderr


def test_impossible_plans_are_reported_before_any_point_runs(tmp_path: Path) -> None:
    """Too many clients at two values of the grid are reported together, and nothing is written."""
    scenario = written(tmp_path, SWEEP.replace("[1, 3]", "[1, 5, 6]"))
    with pytest.raises(cutlayer.ScenarioError) as caught:
        in_threads(scenario, tmp_path / "out").run()
    message = str(caught.value).splitlines()
    assert 2 == len(message)
    for line, count in zip(message, (5, 6), strict=True):
        assert f"{count} clients" in line
        assert f"(at devices.count={count}, seed=0 and 2 points more)" in line
    assert [scenario] == list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_dead_worker_costs_only_its_own_points(tmp_path: Path) -> None:
    """Points whose process dies are recorded; points that ran in the same pool run again and finish."""
    written(tmp_path)
    script = """\
import os
import cutlayer
from cutlayer.experiments.sweep import point_tasks as sweep_tasks

run_experiment = sweep_tasks.run_experiment
def die_at_seed_1(experiment, *more, **named):
    if experiment.loaded.scenario.seed == 1:
        os._exit(9)
    return run_experiment(experiment, *more, **named)
sweep_tasks.run_experiment = die_at_seed_1

if __name__ == "__main__":
    overrides = ["sweep.grid={}", "devices.count=2"]
    points = cutlayer.sweep("small.yaml", out="out", jobs=2, overrides=overrides).points
    print(*points["status"], points["error"][1], sep="; ")
"""
    (tmp_path / "die.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "die.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    died = "the worker process died: it crashed, was killed, or was out of memory"
    assert f"finished; failed; finished; {died}\n" == done.stdout


def started(folder: Path, points: int) -> subprocess.Popen[str]:
    """Start a sweep of slow points in another process, and return it when ``points`` points are finished."""
    written(folder, SLOW)
    process = subprocess.Popen(
        [*INTERRUPTIBLE, "sweep", "small.yaml", "--out", "out", "--jobs", "1"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while len(mtimes(folder / "out")) < points and process.poll() is None:
        time.sleep(0.01)
    return process


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return every file of an undisturbed sweep of slow points."""
    place = tmp_path_factory.mktemp("undisturbed")
    in_threads(written(place, SLOW), place / "out").run()
    files: dict[str, bytes] = folder_bytes(place / "out")
    return files


@pytest.mark.slow
@pytest.mark.parametrize("points", [0, 2])
def test_a_killed_sweep_continues(points: int, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """After a kill at any instant, a repeated sweep leaves the files of one that was never disturbed."""
    process = started(tmp_path, points)
    process.kill()
    process.communicate()
    before = mtimes(tmp_path / "out")
    in_threads(tmp_path / "small.yaml", tmp_path / "out").run()
    assert undisturbed == folder_bytes(tmp_path / "out")
    assert before.items() <= mtimes(tmp_path / "out").items()


@pytest.mark.slow
def test_an_interrupt_lets_running_points_finish(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """An interrupted sweep ends with status 130, lists its complete points, and can continue."""
    process = started(tmp_path, 1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert (130, INTERRUPTED) == (process.returncode, errors.splitlines()[-1])
    states = load_sweep(tmp_path / "out").points["status"].value_counts()
    assert 6 == states.sum()
    assert states["finished"] == len(mtimes(tmp_path / "out"))
    assert states["pending"] > 0
    in_threads(tmp_path / "small.yaml", tmp_path / "out").run()
    assert undisturbed == folder_bytes(tmp_path / "out")


def test_points_of_other_versions_are_refused_unless_mixing_is_allowed(tmp_path: Path) -> None:
    """A point that other code computed is refused with both versions named, unless mixing is allowed."""
    scenario = written(tmp_path)
    summary = next(iter(mtimes(in_threads(scenario, tmp_path / "out").run().folder)))
    path = tmp_path / "out" / summary / "summary.json"
    content = json.loads(path.read_text())
    content["versions"]["code"] = "f" * 16
    path.write_text(json.dumps(content))
    with pytest.raises(RunFolderError, match=r"holds points of other versions \(code f{16} instead of"):
        in_threads(scenario, tmp_path / "out").run()
    assert 6 == len(in_threads(scenario, tmp_path / "out").run(mix_versions=True).points)


def test_a_dry_run_lists_the_points_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every point is listed with its status, and the time of the pending points is estimated."""
    monkeypatch.setattr(sweeping, "SweepRun", lambda where, out, **options: in_threads(where, out))
    scenario = written(tmp_path)
    arguments = ("sweep", scenario, "--out", tmp_path / "out", "--dry-run")
    text = answer(0, *arguments).stdout
    assert 6 == text.count("pending")
    assert "6 points to run, 1 at a time: about" in text
    assert [scenario] == list(tmp_path.iterdir())
    in_threads(scenario, tmp_path / "out").run()
    text = answer(0, *arguments).stdout
    assert 6 == text.count("finished")
    assert "nothing is left to run" in text


def test_other_folders_are_refused(tmp_path: Path) -> None:
    """A folder with other files is refused and stays unchanged."""
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("")
    with pytest.raises(RunFolderError, match="holds something, and is not a sweep folder"):
        in_threads(written(tmp_path), tmp_path / "thesis")


def test_timelines_need_no_torch(tmp_path: Path) -> None:
    """Neither the sweep nor its workers import torch if nothing is trained."""
    written(tmp_path)
    script = (
        "import sys; import pathlib; sys.path[:0] = %r; from tests.support.sweeps import in_threads\n"
        % [str(Path(__file__).parents[3])]
    ) + "in_threads(pathlib.Path('small.yaml'), pathlib.Path('out')).run(); print('torch' in sys.modules)"
    assert "False\n" == python(script, tmp_path)


def test_a_sweep_compares_like_its_runs(finished: SweepResult) -> None:
    """A sweep's comparison equals that of its points, but for differences between experiments.

    Experiments name their differing keys. Those of one folder are points of one study, and are not paired.
    """
    runs = [finished.folder / point for point in finished.points["point"]]
    table, of_runs = cutlayer.compare(finished.folder), cutlayer.compare(*runs)
    between = list(EXPERIMENT_COLUMNS)
    assert table[between].drop(columns="experiment_pairs").isna().all(axis=None)
    assert of_runs["reference_experiment"].notna().all()
    pd.testing.assert_frame_equal(of_runs.drop(columns=between), table.drop(columns=between))
    assert ["small devices.count=1", "small devices.count=3"] == table["experiment"].unique().tolist()
    assert {3} == set(table["runs"])
    for form in ("table", "csv", "latex", "markdown"):
        shown = answer(0, "compare", finished.folder, "--format", form, "--reference", "psl").stdout
        assert ("latency_change_percent" if form == "csv" else "PSL") in shown
    assert (
        "no scheme is labelled 'epsl'" in answer(2, "compare", finished.folder, "--reference", "epsl").stderr
    )


def test_figures_are_written_to_the_folder(tmp_path: Path) -> None:
    """Each figure is written with its numbers; one that cannot be drawn is reported, and stops no other."""
    figures = """\
  figure:
    - {file: time, x: devices.count, y: mean_latency_s}
    - {file: no, x: label, y: time_to_target_s, panels: devices.count}
"""
    scenario = written(tmp_path, SWEEP + figures)
    with pytest.warns(UserWarning, match="figure no: time_to_target_s has no value at any point"):
        cutlayer.sweep(scenario, out=tmp_path / "out", jobs=1, overrides=["sweep.seeds=1"])
    assert (tmp_path / "out" / "time.png").read_bytes().startswith(b"\x89PNG")
    assert [1, 1, 3, 3] == pd.read_csv(tmp_path / "out" / "time.csv")["devices.count"].tolist()
    assert not (tmp_path / "out" / "no.png").exists()


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        ("x: devices.count, y: height", r"0\.y: no column of numbers is named height; .* mean_latency_s,"),
        ("x: devices.count, y: scheme", r"0\.y: no column of numbers is named scheme"),
        (
            "x: devices.count, y: energy_j, normalise_to: fl",
            r"0\.normalise_to: no label fl; labels: sl, psl$",
        ),
        (
            "x: label, y: energy_j, best_over: {key: devices.count, by: b}",
            r"0\.best_over\.by: no .* named b;",
        ),
        (
            "kind: curves, x: round, y: plans, panels: devices.count",
            r"0\.y: no .* named plans; .* train_loss,",
        ),
    ],
)
def test_figures_of_missing_columns_are_refused(figure: str, message: str, tmp_path: Path) -> None:
    """A column or label that no table will have is an issue of the scenario, and nothing runs."""
    scenario = written(tmp_path, f"{SWEEP}  figure: [{{file: a, {figure}}}]\n")
    with pytest.raises(cutlayer.ScenarioError, match=rf"small\.yaml:\d+: sweep\.figure\.{message}"):
        in_threads(scenario, tmp_path / "out").run()
    assert [scenario] == list(tmp_path.iterdir())


def test_all_issues_are_reported_at_once(tmp_path: Path) -> None:
    """Issues of the figures' keys, columns and labels come in one message, each with its line."""
    figures = """\
  figure:
    - {file: a, x: devices.count, y: height, lines: label}
    - {file: b, x: label, y: energy_j, normalise_to: fl}
"""
    scenario = written(tmp_path, SWEEP + figures)
    with pytest.raises(cutlayer.ScenarioError) as caught:
        in_threads(scenario, tmp_path / "out").run()
    assert [
        ("sweep.figure.0.lines", 11),
        ("sweep.figure.0.y", 11),
        ("sweep.figure.1", 12),
        ("sweep.figure.1.normalise_to", 12),
    ] == [(issue.key, int(str(issue.location).rpartition(":")[2])) for issue in caught.value.issues]
    little = ["devices.memory_mib=0.001"]  # of which no plan can be made, and no round of a first point
    with pytest.raises(cutlayer.ScenarioError) as caught:
        in_threads(scenario, tmp_path / "out", overrides=little).run()
    keys = {issue.key for issue in caught.value.issues}
    assert {"sweep.figure.0.lines", "sweep.figure.1"} < keys
    assert any(key.startswith("devices") for key in keys), keys


def test_labels_that_are_swept_can_be_named(tmp_path: Path) -> None:
    """A figure may name a label that only some points have."""
    text = SWEEP.replace("[sl, psl]", "[{name: epsl, phi: 0.5}]").replace("devices.count", "schemes.0.phi")
    figure = "  figure: [{file: a, x: schemes.0.phi, y: energy_j, normalise_to: epsl φ=1}]\n"
    scenario = written(tmp_path, text.replace("[1, 3]", "[0.5, 1.0]") + figure)
    points = in_threads(scenario, tmp_path / "out", overrides=["devices.count=2"]).run().points
    assert {"finished"} == set(points["status"])


def test_a_changed_file_makes_new_points(tmp_path: Path) -> None:
    """A point's name depends on the contents of the files that it names, not on their dates."""
    text = SWEEP.replace(
        "{name: lenet, input_shape: [1, 8, 8], classes: 10}", "{name: table, file: units.csv}"
    )
    units = tmp_path / "units.csv"
    units.write_text(answer(0, "profile", "lenet", "--input", "1x8x8", "--format", "csv").stdout)
    scenario = written(tmp_path, text)
    in_threads(scenario, tmp_path / "out").run()
    units.write_text(units.read_text())
    assert [] == in_threads(scenario, tmp_path / "out").pending()
    units.write_text(units.read_text() + "more,8,8,8,8,8\n")
    assert 6 == len(in_threads(scenario, tmp_path / "out").pending())


def test_a_figure_that_would_mix_points_is_refused(tmp_path: Path) -> None:
    """A figure that does not distinguish two points is refused, so that they are never averaged."""
    scenario = written(tmp_path, SWEEP + "  figure: [{file: a, x: label, y: energy_j}]\n")
    with pytest.raises(cutlayer.ScenarioError, match=r"differ in devices\.count would be drawn at the same"):
        in_threads(scenario, tmp_path / "out").run()


@pytest.mark.slow
def test_a_second_interrupt_stops_at_once(tmp_path: Path) -> None:
    """After two interrupts, the sweep drops the running points, and keeps and lists the finished ones."""
    process = started(tmp_path, 1)
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert (130, INTERRUPTED) == (process.returncode, errors.splitlines()[-1])
    states = load_sweep(tmp_path / "out").points["status"].value_counts()
    assert states["finished"] == len(mtimes(tmp_path / "out"))
