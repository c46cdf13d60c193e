"""An interrupted run keeps its finished rounds, and writes nothing without a finished round."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cutlayer
from tests.support.processes import messages

SCENARIO = """\
name: endless
stop: {rounds: 1000000000}
schemes: [psl, sl]
model: {name: lenet, input_shape: [1, 8, 8], classes: 10}
devices: {count: 2}
"""
# A process may be started with interrupts ignored; a terminal's is not.
HEAD = """\
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from cutlayer.cli import main as cli
from cutlayer.progress import displays as progress
from cutlayer.experiments.execution import scheme_run as experiment
"""
TELL_ROUND_5 = """\
show = progress.RunProgress.on_round
def on_round(self, label, result):
    show(self, label, result)
    if result.number == 5:
        print("ready", flush=True)
progress.RunProgress.on_round = on_round
"""
FIRST_ROUND_TAKES_LONG = """\
def rounds(*arguments, **options):
    print("ready", flush=True)
    time.sleep(600)
    yield
assert experiment.run_rounds  # after a rename, this fails at once, instead of a run without end
experiment.run_rounds = rounds
"""


def interrupted(folder: Path, change: str) -> tuple[int, str]:
    """Run the command with changed code, and interrupt it when it is ready; return status and errors."""
    (folder / "endless.yaml").write_text(SCENARIO, encoding="utf-8")
    command = [sys.executable, "-c", f"{HEAD}{change}cli.main()", "run", "endless.yaml", "--out", "out"]
    said = folder / "said.txt"
    with said.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.PIPE, text=True)
    try:
        while "ready" not in said.read_text() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    finally:
        process.kill()
    return process.returncode, messages(errors)


@pytest.mark.slow
def test_finished_rounds_are_kept(tmp_path: Path) -> None:
    """An interrupted run ends with status 130, and its folder holds every finished round and no other."""
    status, errors = interrupted(tmp_path, TELL_ROUND_5)
    assert (130, "interrupted: the finished rounds are kept\n") == (status, errors)
    run = cutlayer.load(tmp_path / "out")
    assert run.interrupted
    assert ["psl"] == list(run.summary["schemes"])
    finished = run.summary["schemes"]["psl"]["rounds"]
    assert finished >= 5
    assert list(range(1, finished + 1)) == run.rounds["round"].tolist()
    assert set(run.rounds["round"]) == set(run.intervals["round"])
    assert run.rounds["end_s"].max() == run.intervals["end_s"].max()


@pytest.mark.slow
def test_without_a_finished_round_nothing_is_written(tmp_path: Path) -> None:
    """Interrupted in the first round, the command ends with status 130 and leaves no file."""
    status, errors = interrupted(tmp_path, FIRST_ROUND_TAKES_LONG)
    assert (130, "interrupted: nothing was finished, nothing was written\n") == (status, errors)
    assert {"endless.yaml", "said.txt"} == {path.name for path in tmp_path.iterdir()}
