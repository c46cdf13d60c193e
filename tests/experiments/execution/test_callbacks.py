"""Callbacks follow a run in order, and change no result unless they end a scheme."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import cutlayer
from cutlayer.analysis.figures import run as run_figures
from cutlayer.cli.main import app
from cutlayer.experiments import checkpoints
from tests.support.stopped_runs import Killed, contents, scenario

LEARNING = {"dataset": "digits", "evaluate_every": 2}
SCHEMES = ["psl", "sfl"]


class Recorder:
    """Keeps everything that it is told, and spoils its arguments."""

    def __init__(self) -> None:
        self.starts: list[str] = []
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.runs: list[cutlayer.Run] = []

    def on_start(self, scenario: dict[str, Any], label: str) -> None:
        self.starts.append(f"{scenario['name']}: {label}")
        scenario.clear()

    def on_round(self, label: str, row: dict[str, Any]) -> None:
        self.rows.setdefault(label, []).append(dict(row))
        row.clear()
        np.random.seed(1)  # noqa: NPY002 - a callback may do so
        random.seed(1)

    def on_end(self, run: cutlayer.Run) -> None:
        self.runs.append(run)
        run.rounds["end_s"] = 0.0
        run.summary.clear()


def after(number: int, answer: object = True) -> Callable[[str, dict[str, Any]], object]:
    """Return a callback that ends psl after a round."""
    return lambda label, row: answer if label == "psl" and row["round"] >= number else None


@pytest.mark.parametrize("jobs", [1, 2])
def test_callbacks_change_no_result(jobs: int, tmp_path: Path) -> None:
    """A callback that spoils all its arguments leaves the bytes of the run folder as they are."""
    path = scenario(tmp_path, schemes=SCHEMES, learning=LEARNING)
    recorder = Recorder()
    cutlayer.run(path, out=tmp_path / "alone")
    run = cutlayer.run(path, out=tmp_path / "followed", jobs=jobs, callbacks=[recorder])
    assert contents(tmp_path / "alone") == contents(tmp_path / "followed")
    assert ["stopped: psl", "stopped: sfl"] == sorted(recorder.starts)
    assert list(run.summary["schemes"]) == SCHEMES
    assert 1 == len(recorder.runs)


@pytest.mark.parametrize("jobs", [1, 2])
def test_rows_are_those_of_the_table(jobs: int, tmp_path: Path) -> None:
    """Each scheme's rows arrive in order, with the values of rounds.csv."""
    recorder = Recorder()
    run = cutlayer.run(
        scenario(tmp_path, schemes=SCHEMES, learning=LEARNING), jobs=jobs, callbacks=[recorder]
    )
    for label, rows in recorder.rows.items():
        table = run.rounds.loc[run.rounds["label"] == label, list(rows[0])].to_dict("records")
        assert rows == [
            {name: None if pd.isna(value) else value for name, value in row.items()} for row in table
        ]
        assert [2, 4, 5] == [row["round"] for row in rows if row["test_accuracy"] is not None]


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(("answer", "reason"), [(True, "callback after.<locals>.<lambda>"), ("flat", "flat")])
def test_a_callback_ends_a_scheme_after_the_round(
    jobs: int, answer: object, reason: str, tmp_path: Path
) -> None:
    """Its rounds are the first ones of the whole run, the reason is in the summary, and others go on."""
    path = scenario(tmp_path, schemes=SCHEMES, learning=LEARNING)
    whole = cutlayer.run(path)
    run = cutlayer.run(path, out=tmp_path / "run", jobs=jobs, callbacks=[after(3, answer)])
    kept = whole.rounds[(whole.rounds["label"] == "sfl") | (whole.rounds["round"] <= 3)]
    pd.testing.assert_frame_equal(kept.reset_index(drop=True), run.rounds)
    figures = json.loads((tmp_path / "run" / "summary.json").read_text())["schemes"]
    assert {"psl": reason, "sfl": None} == {label: each["stopped_by"] for label, each in figures.items()}
    assert not run.interrupted and not run.failed


def test_an_error_costs_one_warning(tmp_path: Path) -> None:
    """A callback that always fails costs one warning, and neither the run nor the other callbacks."""

    class Broken:
        def on_start(self, scenario: dict[str, Any], label: str) -> None:
            raise RuntimeError("no network")

        def on_round(self, label: str, row: dict[str, Any]) -> bool:
            raise SystemExit(3)

    recorder = Recorder()
    path = scenario(tmp_path, schemes=SCHEMES)
    cutlayer.run(path, out=tmp_path / "alone", figures=False)
    with pytest.warns(UserWarning) as caught:
        cutlayer.run(path, out=tmp_path / "run", figures=False, callbacks=[Broken(), recorder])
    (warning,) = caught
    assert str(warning.message).endswith("Broken: on_start failed: RuntimeError before psl: no network")
    assert contents(tmp_path / "alone") == contents(tmp_path / "run")
    assert [5, 5] == [len(rows) for rows in recorder.rows.values()]


def test_a_continued_run_calls_for_the_remaining_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a kill, callbacks hear of the rounds behind the checkpoint, and of no finished scheme."""
    monkeypatch.setattr(run_figures, "draw_figures", lambda run, folder: [])
    path = scenario(tmp_path, schemes=SCHEMES)
    save = checkpoints.SchemeCheckpoints.save

    def save_and_be_killed(self: checkpoints.SchemeCheckpoints, *more: Any) -> None:
        save(self, *more)
        if "1.state" in str(self._state):
            raise Killed

    monkeypatch.setattr(checkpoints.SchemeCheckpoints, "save", save_and_be_killed)
    with pytest.raises(Killed):
        cutlayer.run(path, out=tmp_path / "run", checkpoint_every=2, callbacks=[after(3)])
    monkeypatch.setattr(checkpoints.SchemeCheckpoints, "save", save)
    recorder = Recorder()
    cutlayer.run(path, out=tmp_path / "run", checkpoint_every=2, callbacks=[recorder])
    assert {"sfl": [3, 4, 5]} == {
        label: [row["round"] for row in rows] for label, rows in recorder.rows.items()
    }
    cutlayer.run(path, out=tmp_path / "at once", callbacks=[after(3)])
    assert contents(tmp_path / "at once") == contents(tmp_path / "run")


def test_what_is_no_callback_is_refused(tmp_path: Path) -> None:
    """An object without any of the methods, and a class, are refused before the run begins."""
    for wrong in (object(), Recorder, 3):
        with pytest.raises(cutlayer.CallbackError, match="is no callback: a callback is an object with"):
            cutlayer.run("timeline_only", callbacks=[wrong])


CODE = """\
class Stop:
    def on_round(self, label, row):
        return "enough" if row["round"] == 2 else None

def stop(label, row):
    return row["round"] == 1

broken = 3
"""


@pytest.mark.parametrize(
    ("name", "rounds"), [("follow:Stop", 2), ("follow.py:Stop", 2), ("follow.py:stop", 1)]
)
def test_the_option_names_a_callback(
    name: str, rounds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class, or a function as on_round, is taken from a module of the working folder or from a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "follow.py").write_text(CODE)
    arguments = ["run", "timeline_only", "--schemes", "psl", "--out", "run", "--callback", name]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert 0 == result.exit_code, result.output
    assert rounds == len(cutlayer.load(tmp_path / "run").rounds)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("follow.py", "'follow.py' is not of the form MODULE:NAME or FILE.py:NAME"),
        ("folow.py:Stop", "folow.py: no such file; did you mean 'follow.py'?"),
        ("follow.py:Stopp", "follow.py has no 'Stopp'; did you mean 'Stop'?"),
        ("follow.py:broken", "int is no callback: a callback is an object with a method"),
        ("no_such_module:Stop", "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_a_wrong_name_is_wrong_input(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says what is wrong, the status is 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "follow.py").write_text(CODE)
    result = CliRunner().invoke(app, ["run", "timeline_only", "--callback", name])
    assert 2 == result.exit_code
    assert message in result.stderr
    assert result.stderr.startswith("--callback: ")
    assert ["follow.py"] == [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"]


def test_without_callbacks_a_scheme_that_one_has_ended_goes_on(tmp_path: Path) -> None:
    """Repeating the command without the callback gives the bytes of a run that had none."""
    path = scenario(tmp_path, schemes=SCHEMES)
    checkpoints_kept: dict[str, Any] = {"checkpoint_every": 1, "keep_checkpoints": True}
    cutlayer.run(path, out=tmp_path / "run", callbacks=[after(3)], **checkpoints_kept)
    cutlayer.run(path, out=tmp_path / "run", overwrite=True, **checkpoints_kept)
    cutlayer.run(path, out=tmp_path / "at once")
    assert contents(tmp_path / "at once") == contents(tmp_path / "run")
