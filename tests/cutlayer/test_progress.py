"""Progress is shown in a terminal and in a file, and a file holds lines without control characters."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cutlayer.progress import notebook
from cutlayer.progress.lines import RunLines, SweepLines, pause_s
from cutlayer.scenarios.loading.loader import load_scenario
from tests.support.processes import COMMAND
from tests.support.sweeps import SWEEP, written

LONG = """\
name: long
stop: {rounds: 100000}
schemes: [psl]
model: {name: lenet, input_shape: [1, 8, 8], classes: 10}
devices: {count: 2}
"""


def finished(number: int, accuracy: float | None = None, *, is_last: bool = False) -> Any:
    """Return a finished round."""
    mean = None if accuracy is None else SimpleNamespace(mean=accuracy)
    return SimpleNamespace(number=number, end_s=0.5 * number, accuracy=mean, is_last=is_last)


def test_a_line_names_scheme_round_rate_and_accuracy() -> None:
    """The rate is that of the rounds since the previous line; a scheme that has ended is shown once."""
    file, now_s = io.StringIO(), [0.0]
    lines = RunLines(load_scenario("quickstart").scenario, file, lambda: now_s[0])
    lines.on_round("psl", finished(1))
    now_s[0] = 10.0
    lines.on_round("psl", finished(41, 0.876))
    lines.on_round("sl", finished(7))
    lines.write()
    now_s[0] = 20.0
    lines.on_round("psl", finished(300, is_last=True))
    lines.write()
    lines.write()
    assert [
        "psl: round 41 of 300, 4 rounds/s, accuracy 87.6%, 20.5 s simulated",
        "sl: round 7 of 300, 0 rounds/s, 3.5 s simulated",
        "psl: round 300 of 300, 25.9 rounds/s, accuracy 87.6%, 150 s simulated",
        "sl: round 7 of 300, 0 rounds/s, 3.5 s simulated",
        "sl: round 7 of 300, 0 rounds/s, 3.5 s simulated",
    ] == file.getvalue().splitlines()


def test_a_line_of_a_sweep_has_its_step_and_the_remaining_time() -> None:
    """The line shows the number of points that are checked, or done and failed."""
    file = io.StringIO()
    lines = SweepLines(file)
    lines.write()
    lines.on_progress("checking", 20, 0, 100, None)
    lines.write()
    lines.on_progress("running", 40, 1, 100, 90.0)
    lines.write()
    assert "checking: 20 of 100 points\nrunning: 40 of 100 points, 1 failed, about 0:01:30 left\n" == (
        file.getvalue()
    )


def test_control_characters_do_not_reach_a_file() -> None:
    """A label with a terminal's escape sequence is written without it."""
    file = io.StringIO()
    lines = RunLines(load_scenario("quickstart").scenario, file)
    lines.on_round("\x1b[31mred\n", finished(1))
    lines.write()
    assert file.getvalue().startswith("\\x1b[31mred\\n: round 1")


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    """Lines to a closed file are lost, and nothing else."""
    file = io.StringIO()
    lines = SweepLines(file)
    lines.on_progress("running", 1, 0, 2, None)
    file.close()
    lines.write()


def test_lines_become_rarer() -> None:
    """The pause grows with the time so far, so that a run of days writes few lines."""
    pauses = [pause_s(elapsed_s) for elapsed_s in (0.0, 10.0, 200.0, 1e6)]
    assert sorted(pauses) == pauses
    assert (10.0, 600.0) == (pauses[0], pauses[-1])


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_a_command_without_a_terminal_writes_lines(command: str, tmp_path: Path) -> None:
    """Standard error of a run and of a sweep gets lines, although rich is told to draw colours."""
    written(tmp_path, LONG if command == "run" else SWEEP.replace("{rounds: 2}", "{rounds: 2000}"))
    script = f"from cutlayer.progress import lines; lines.pause_s = lambda elapsed_s: 0.05; {COMMAND[2]}"
    rest = ["--jobs", "1"] if command == "sweep" else []
    process = subprocess.Popen(
        [*COMMAND[:2], script, command, "small.yaml", "--out", "out", *rest],
        cwd=tmp_path, env={**os.environ, "FORCE_COLOR": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    line = process.stderr.readline()
    process.kill()
    process.communicate()
    assert line.startswith("psl: round " if command == "run" else "checking: 0 of 6 points"), line
    assert "\x1b" not in line


def test_a_notebook_shows_the_last_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below a cell, the text is replaced only from time to time, and at the end it has the last state."""
    shown: list[list[str]] = []

    def show(self: notebook._Text, lines: list[str]) -> None:
        shown.append(lines)
        self._shown_s = 1e12  # no further text is due

    monkeypatch.setattr(notebook._Text, "show", show)
    sweep = notebook.NotebookSweep()
    for done in range(4):
        sweep.on_progress("running", done, 0, 3, None)
    assert [["running: 0 of 3 points"]] == shown
    sweep.stop()
    assert ["running: 3 of 3 points"] == shown[-1]
