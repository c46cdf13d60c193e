"""A closed pipe, a full disk or an encoding below the output never costs a run or its status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import cutlayer
from cutlayer.analysis.results.sweeps.sweep_folder import load_sweep
from tests.support.processes import COMMAND

SCENARIO = """\
name: φ
stop: {rounds: 2}
schemes: [{name: epsl, phi: 0.5, label: EPSL φ}]
model: {name: lenet, input_shape: [1, 8, 8], classes: 10}
devices: {count: 2}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a scenario and a finished run of it."""
    folder = tmp_path_factory.mktemp("terminal")
    (folder / "phi.yaml").write_text(SCENARIO, encoding="utf-8")
    cutlayer.run(folder / "phi.yaml", out=folder / "finished", figures=False)
    return folder


def command(folder: Path, *arguments: str, output: Any, encoding: str = "utf-8") -> tuple[int, str]:
    """Return the exit status of a command, and its lines on standard error."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment,
        stdout=output,
        stderr=subprocess.PIPE,
        check=False,
    )
    return done.returncode, done.stderr.decode(encoding)


@pytest.mark.parametrize("arguments", [("run", "phi.yaml", "--no-figures", "--out"), ("compare", "finished")])
def test_a_closed_pipe_is_no_error(folder: Path, arguments: tuple[str, ...]) -> None:
    """With a closed pipe as its output a command ends quietly with status 0, and a run is written."""
    if arguments[0] == "run":
        arguments = (*arguments, "closed")
    reading, writing = os.pipe()
    os.close(reading)
    assert (0, "") == command(folder, *arguments, output=writing)
    os.close(writing)
    assert arguments[0] != "run" or 2 == len(cutlayer.load(folder / "closed").rounds)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_below_the_output(folder: Path) -> None:
    """A run keeps its status, since its results are in the folder; a table that is the result does not."""
    with Path("/dev/full").open("wb") as full:
        status, errors = command(folder, "run", "phi.yaml", "--no-figures", "--out", "full", output=full)
        assert (0, True) == (status, "standard output is incomplete" in errors)
        assert 1 == command(folder, "compare", "finished", "--format", "csv", output=full)[0]
    assert 2 == len(cutlayer.load(folder / "full").rounds)


def test_an_encoding_without_the_character(folder: Path, tmp_path: Path) -> None:
    """A character that the terminal lacks appears as a question mark, and the run is written."""
    with (tmp_path / "said").open("wb") as said:
        arguments = ("run", "phi.yaml", "--no-figures", "--out", "latin")
        assert (0, "") == command(folder, *arguments, output=said, encoding="iso-8859-1")
    assert b"EPSL ?" in (tmp_path / "said").read_bytes()
    assert ["EPSL φ"] == list(cutlayer.load(folder / "latin").summary["schemes"])


ENDLESS = """\
import sys
from pathlib import Path
from cutlayer.experiments import runner
from cutlayer.experiments.execution.scheme_run import SchemeExecution
add = SchemeExecution._add_round
def add_and_say_so(self, result):
    add(self, result)
    if result.number == 3:
        Path("ready").touch()
SchemeExecution._add_round = add_and_say_so
"""
CALLS = {
    "command": "sys.argv += ['run', 'phi.yaml', '--out', 'out', '--set', 'stop.rounds=1000000000']\n"
    "from cutlayer.cli.main import main; main()",
    "python": "import cutlayer\ncutlayer.run('phi.yaml', out='out', overrides=['stop.rounds=1000000000'])\n"
    "print('not reached')",
}


@pytest.mark.parametrize(("call", "status"), [("command", 143), ("python", -signal.SIGTERM)])
def test_a_termination_signal_keeps_the_finished_rounds(call: str, status: int, tmp_path: Path) -> None:
    """After SIGTERM the rounds are in the folder, with their table in the log, and no lock is left behind."""
    (tmp_path / "phi.yaml").write_text(SCENARIO, encoding="utf-8")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", ENDLESS + CALLS[call]], cwd=tmp_path, stdout=log, stderr=log
        )
    try:
        while not (tmp_path / "ready").exists() and process.poll() is None:
            time.sleep(0.02)
        process.terminate()
        assert status == process.wait(timeout=60)
    finally:
        process.kill()
    log_text = (tmp_path / "log").read_text(encoding="utf-8")
    assert {"phi.yaml", "log", "ready", "out"} == {path.name for path in tmp_path.iterdir()}, log_text
    run = cutlayer.load(tmp_path / "out")
    assert run.interrupted
    assert len(run.rounds) >= 3
    assert ("interrupted: the finished rounds are kept" in log_text) == (call == "command")
    assert "not reached" not in log_text


def test_a_termination_signal_ends_a_sweep_and_its_workers(tmp_path: Path) -> None:
    """After SIGTERM the finished points and their tables are in the folder, and no lock is left behind."""
    sweep = "sweep: {list: [{stop.rounds: 2}, {stop.rounds: 1000000000}]}\n"
    (tmp_path / "phi.yaml").write_text(SCENARIO + sweep, encoding="utf-8")
    out = tmp_path / "out"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*COMMAND, "sweep", "phi.yaml", "--out", "out", "--jobs", "2"],
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        )
    try:
        while not list(out.glob("[!.]*/summary.json")) and process.poll() is None:
            time.sleep(0.02)
        process.terminate()
        assert 143 == process.wait(timeout=60), (tmp_path / "log").read_text(encoding="utf-8")
    finally:
        process.kill()
    assert ["finished", "pending"] == sorted(load_sweep(out).points["status"])
    assert not (out / ".lock").exists()
