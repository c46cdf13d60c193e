"""No failure after the last round loses a table: tables come first, then figures, then the terminal."""

from __future__ import annotations

import errno
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from rich.console import Console
from typer.testing import CliRunner

import cutlayer
from cutlayer.analysis.comparison import report, table
from cutlayer.analysis.comparison.report import notes, rich_table
from cutlayer.analysis.figures import run, style
from cutlayer.analysis.figures.charts import learning_curves as _learning_curves  # noqa: F401 - before a replacement
from cutlayer.analysis.results import atomic_files, recorded_tables, run_folder
from cutlayer.analysis.results.atomic_files import portable_name
from cutlayer.cli import options
from cutlayer.cli.main import app
from cutlayer.cli.terminal import TolerantOutput
from cutlayer.experiments import runner
from cutlayer.experiments.checkpoints import Checkpoints
from cutlayer.progress import displays as progress
from tests.support.stopped_runs import contents

SCENARIO = """\
name: saved
stop: {rounds: 2}
schemes: [psl, sl]
model: {name: lenet, input_shape: [1, 8, 8], classes: 10}
devices: {count: 2}
"""
WRITES: list[tuple[Any, str]] = [
    (run_folder, "write_folder"),
    (run_folder, "_write_tables"),
    (run_folder, "_finite"),
    (pd.DataFrame, "to_csv"),
    (recorded_tables.RecordedTable, "write"),
    (atomic_files, "_flush_to_disk"),
    (atomic_files, "_move_into_place"),
    (Path, "write_text"),
]
AFTERWARDS: list[tuple[Any, str]] = [
    (Checkpoints, "remove"),
    (run, "draw_figures"),
    (run, "plotted_intervals"),
    (run, "gantt_figure"),
    (run, "save_figure"),
    (style, "figure_style"),
    (progress.RunProgress, "__enter__"),
    (progress.RunProgress, "on_round"),
    (progress.RunProgress, "__exit__"),
    (table, "paired_differences"),
    (report, "rich_table"),
    (report, "notes"),
    (options, "print_table"),
    (Console, "print"),
]
ERRORS = [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("broken"), MemoryError()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of the scenario."""
    (tmp_path / "saved.yaml").write_text(SCENARIO, encoding="utf-8")
    return tmp_path / "saved.yaml"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the tables of an undisturbed run."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "saved.yaml").write_text(SCENARIO, encoding="utf-8")
    cutlayer.run(folder / "saved.yaml", out=folder / "out", figures=False)
    return contents(folder / "out")


def failing(error: Exception) -> Callable[..., Any]:
    """Return a function that raises an error at every call."""

    def broken(*arguments: Any, **options: Any) -> Any:
        raise error

    return broken


@pytest.mark.parametrize(
    ("owner", "name", "error"),
    [(*step, ERRORS[number % len(ERRORS)]) for number, step in enumerate(WRITES)],
    ids=lambda value: str(getattr(value, "__name__", value)),
)
def test_tables_that_cannot_be_written_are_written_elsewhere(
    owner: Any,
    name: str,
    error: Exception,
    path: Path,
    undisturbed: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If a step of the writing fails, the command has status 1, and its message names a complete folder."""
    save = run_folder.save_run

    def save_and_fail(*arguments: Any, **options: Any) -> None:
        if not failed:
            failed.append(True)
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, failing(error))
                save(*arguments, **options)
        save(*arguments, **options)

    failed: list[bool] = []
    monkeypatch.setattr(runner, "save_run", save_and_fail)
    result = CliRunner().invoke(app, ["run", str(path), "--out", str(path.parent / "out")])
    assert 1 == result.exit_code, result.output
    assert "the tables of the run are in " in result.stderr
    (rescued,) = path.parent.glob("out-unsaved-*")
    assert str(rescued) in result.stderr.replace("\n", "")
    assert undisturbed == contents(rescued)
    assert {"psl", "sl"} == set(cutlayer.load(rescued).summary["schemes"])
    assert {rescued, path} == set(path.parent.iterdir())


@pytest.mark.parametrize(("owner", "name"), AFTERWARDS, ids=lambda v: str(getattr(v, "__name__", v)))
def test_a_failure_after_the_tables_changes_neither_them_nor_the_status(
    owner: Any, name: str, path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a figure, the progress or the report fails, all tables are there, and the status is 0."""
    out = path.parent / "out"
    monkeypatch.setattr(owner, name, failing(ERRORS[0]))
    command = ["run", str(path), "--out", str(out), "--checkpoint-every", "1"]
    result = CliRunner().invoke(app, command)
    assert 0 == result.exit_code, (result.output, result.exception)
    written = contents(out)
    assert undisturbed == {file: written[file] for file in undisturbed}
    assert set(written) <= {*undisturbed, "gantt.png"}
    if owner in (run, style, Checkpoints):
        assert "No space left on device" in result.stderr


def test_one_figure_fails_without_the_others(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result and a warning name the figure that failed; the others are drawn."""
    options: dict[str, Any] = {
        "out": path.parent / "out",
        "overrides": ["learning={dataset: digits}", "batch_size=2"],
        "schemes": ["psl"],
    }
    monkeypatch.setattr(run, "gantt_figure", failing(ERRORS[1]))
    with pytest.warns(UserWarning, match=r"gantt\.png could not be drawn: broken"):
        result = cutlayer.run(path, **options)
    assert ("gantt.png could not be drawn: broken",) == result.problems
    assert ["accuracy.png"] == [figure.name for figure in (path.parent / "out").glob("*.png")]


def test_no_figures_on_request(path: Path, undisturbed: dict[str, bytes]) -> None:
    """With --no-figures the folder holds the same tables and no figure."""
    out = path.parent / "out"
    result = CliRunner().invoke(app, ["run", str(path), "--out", str(out), "--no-figures"])
    assert 0 == result.exit_code
    assert undisturbed == contents(out)


def test_an_unsaved_run_is_not_lost_to_python(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no folder can be written at all, the error of the Python interface holds the run."""
    monkeypatch.setattr(runner, "save_run", failing(ERRORS[0]))
    with pytest.raises(runner.UnsavedRunError, match="are lost") as caught:
        cutlayer.run(path, out=path.parent / "out")
    assert 4 == len(caught.value.run.rounds)


def test_a_failed_replacement_keeps_the_earlier_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the new folder cannot be moved into place, the run that it would replace is still there."""
    out = path.parent / "out"
    cutlayer.run(path, out=out, figures=False)
    before = contents(out)
    replace, calls = Path.replace, list[Path]()

    def replace_others(self: Path, target: Path) -> Path:
        if Path(target) == out and not calls:
            calls.append(self)
            raise ERRORS[0]
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replace_others)
    command = ["run", str(path), "--out", str(out), "--overwrite", "--no-figures", "--seed", "1"]
    assert 1 == CliRunner().invoke(app, command).exit_code
    assert before == contents(out)
    (rescued,) = path.parent.glob("out-unsaved-*")
    assert 1 == cutlayer.load(rescued).summary["seed"]


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("x" * 201, "name is too long"),
        ("link", "symbolic link"),
        (".", "working folder"),
        ("file/out", "is not a folder"),
        ("a\0b", "NUL"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_first_round(
    out: str, message: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is checked before anything runs, and nothing is left behind."""
    monkeypatch.chdir(path.parent)
    (path.parent / "target").mkdir()
    (path.parent / "link").symlink_to(path.parent / "target")
    (path.parent / "file").touch()
    before = sorted(path.parent.rglob("*"))
    monkeypatch.setattr(runner, "run_experiment", failing(ERRORS[1]))
    with pytest.raises(cutlayer.RunFolderError, match=message):
        cutlayer.run(path, out=out)
    assert before == sorted(path.parent.rglob("*"))


def test_a_full_disk_is_found_before_the_first_round(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial of the writing raises the error that the end of the run would meet."""
    monkeypatch.setattr(atomic_files, "_flush_to_disk", failing(ERRORS[0]))
    monkeypatch.setattr(runner, "run_experiment", failing(ERRORS[1]))
    with pytest.raises(cutlayer.RunFolderError, match="No space left on device"):
        cutlayer.run(path, out=path.parent / "out")
    assert [path] == list(path.parent.iterdir())


def test_the_largest_seed_trains_and_is_saved(path: Path) -> None:
    """No step from the draws to the tables fails with the greatest seed."""
    seed = 2**63 - 1
    options = ["learning={dataset: digits}", "batch_size=4"]
    cutlayer.run(path, out=path.parent / "out", overrides=options, schemes=["psl"], seed=seed)
    assert [seed] * 2 == cutlayer.load(path.parent / "out").rounds["seed"].tolist()


TEXTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="'\\"), min_size=1, max_size=30
)


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    label=TEXTS,
    name=TEXTS,
    seed=st.integers(0, 2**63 - 1) | st.just(2**63 - 1),
    encoding=st.sampled_from(["utf-8", "ascii", "iso-8859-1", "cp1252", "shift_jis"]),
    devices=st.integers(1, 3),
    columns=st.integers(1, 200),
)
def test_any_label_seed_and_encoding(
    label: str, name: str, seed: int, encoding: str, devices: int, columns: int
) -> None:
    """Every accepted run is saved and read again, has its chart, and prints in any encoding and width."""
    quoted = label.replace("'", "''")
    overrides = [f"schemes=[{{name: psl, label: '{quoted}'}}]", f"devices.count={devices}"]
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder) / "any.yaml"
        scenario.write_text(SCENARIO, encoding="utf-8")
        out = Path(folder) / portable_name(name)
        try:
            finished = cutlayer.run(scenario, out=out, overrides=overrides, seed=seed)
        except cutlayer.ScenarioError:
            assert not out.exists()
            return
        loaded = cutlayer.load(out)
        assert finished.rounds["seed"].tolist() == loaded.rounds["seed"].tolist() == [seed, seed]
        assert {str(label)} == set(loaded.summary["schemes"])
        assert (out / "gantt.png").is_file()
        comparison = cutlayer.compare(loaded)
        stream = io.TextIOWrapper(
            io.BufferedWriter(TolerantOutput(io.BytesIO())), encoding=encoding, errors="replace"
        )
        console = Console(file=stream, width=columns)
        console.print(rich_table(comparison, title=name))
        for note in notes(comparison, [loaded]):
            console.print(note, markup=False)
        stream.flush()


def test_a_full_disk_below_the_intervals_costs_the_intervals_alone(
    path: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the file of the intervals cannot be continued, all schemes keep their other tables."""
    write = parquet.ParquetWriter.write_table
    written: list[bool] = []

    def full(self: Any, *arguments: Any, **options: Any) -> Any:
        written.append(True)
        if len(written) == 2:
            raise ERRORS[0]
        return write(self, *arguments, **options)

    monkeypatch.setattr(recorded_tables, "KEPT_ROWS", 0)
    monkeypatch.setattr(parquet.ParquetWriter, "write_table", full)
    with pytest.warns(UserWarning, match="No space left on device") as caught:
        result = cutlayer.run(path, out=path.parent / "out", figures=False)
    assert any("intervals are lost" in str(warning.message) for warning in caught)
    assert {} == result.failed
    loaded = cutlayer.load(path.parent / "out")
    written_tables = contents(path.parent / "out")
    tables = {"rounds.csv", "devices.csv", "nodes.csv", "stages.csv", "summary.json"}
    assert {name: undisturbed[name] for name in tables} == {name: written_tables[name] for name in tables}
    assert 0 == len(loaded.intervals)
