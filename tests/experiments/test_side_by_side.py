"""Schemes that run side by side in worker processes give the results of one process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

import cutlayer
from cutlayer.analysis.results import recorded_tables
from cutlayer.experiments.execution import record_streams, scheme_workers
from cutlayer.experiments.execution.scheme_workers import default_jobs
from cutlayer.scenarios import plugins, registry
from cutlayer.scenarios.loading.loader import load_scenario
from tests.support.processes import INTERRUPTIBLE
from tests.support.stopped_runs import contents, scenario

PLUGIN = """\
import multiprocessing
import os
import signal
import cutlayer
from cutlayer.analysis.results import recorded_tables
from cutlayer.experiments.execution import record_streams
from cutlayer.scenarios.schema.registered import SchemeParameters
from cutlayer.sim.schemes.sl import SL

IN_WORKER = multiprocessing.parent_process() is not None
if IN_WORKER:
    recorded_tables.KEPT_ROWS = 100
    record_streams.GROUP_ROWS = 41

class Dying(SL):
    def round(self, context):
        if IN_WORKER and context.world.env.now > 0:
            os._exit(7)
        return super().round(context)

class Stopped(SL):
    def round(self, context):
        if IN_WORKER and context.world.env.now > 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().round(context)

class Failing(SL):
    def round(self, context):
        if context.world.env.now > 0:
            raise RuntimeError("the radio link was lost")
        return super().round(context)

for kind in (Dying, Stopped, Failing):
    cutlayer.register("scheme", kind.__name__.lower(), kind, parameters=SchemeParameters, summary="a test")
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a plug-in with schemes that end in several ways, and with small row groups in workers."""
    for kind, registered in registry._specs.items():
        monkeypatch.setitem(registry._specs, kind, dict(registered))
    monkeypatch.setattr(plugins, "_loaded", {})
    monkeypatch.setattr(recorded_tables, "KEPT_ROWS", 100)
    monkeypatch.setattr(record_streams, "GROUP_ROWS", 41)
    path = tmp_path / "plugin.py"
    path.write_text(PLUGIN, encoding="utf-8")
    return path


def test_learning_gives_the_same_bytes(tmp_path: Path) -> None:
    """Every file of the run folder, with checkpoints in the run with workers, is equal to the byte."""
    learning = {"dataset": {"name": "digits"}, "evaluate_every": 2}
    schemes = ["sfl", {"name": "epsl", "phi": 0.5}]
    path = scenario(tmp_path, schemes=schemes, learning=learning, stop={"rounds": 3})
    cutlayer.run(path, out=tmp_path / "one")
    cutlayer.run(path, out=tmp_path / "two", jobs=2, checkpoint_every=1)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert not list(tmp_path.glob(".*"))
    assert not list(tmp_path.glob("*.checkpoint"))


def test_row_groups_and_failures_are_the_same(plugin: Path, tmp_path: Path) -> None:
    """Intervals that do not fit into the memory of a worker, and a scheme that raises an error, are the same.

    The schemes are plug-ins.
    """
    path = scenario(tmp_path, schemes=["psl", "failing", "sfl"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        options: dict[str, Any] = {"plugins": [plugin]}
        one = cutlayer.run(path, out=tmp_path / "one", **options)
        two = cutlayer.run(path, out=tmp_path / "two", jobs=2, **options)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert ["failing"] == list(one.failed) == list(two.failed)
    assert two.recorded.in_file
    assert not list(tmp_path.glob(".two*"))


def test_a_worker_that_dies_costs_its_scheme_alone(plugin: Path, tmp_path: Path) -> None:
    """Its scheme has failed. A worker that gets SIGTERM keeps finished rounds. All others are complete."""
    path = scenario(tmp_path, schemes=["dying", "stopped", "psl", "sl"])
    with pytest.warns(UserWarning, match="dying failed: the worker process died"):
        run = cutlayer.run(path, out=tmp_path / "out", jobs=2, plugins=[plugin])
    assert ["dying"] == list(run.failed)
    assert {"stopped": 1, "psl": 5, "sl": 5} == run.rounds["label"].value_counts().to_dict()
    assert run.interrupted
    alone = cutlayer.run(path, schemes=["psl", "sl"])
    for label, figures in alone.summary["schemes"].items():
        assert figures == run.summary["schemes"][label]
    assert not multiprocessing.active_children()


TELL = """\
from cutlayer.cli import main as cli
from cutlayer.progress import displays as progress
show = progress.RunProgress.on_round
heard = set()
def on_round(self, label, result):
    show(self, label, result)
    heard.add(label)
    if len(heard) == 2:
        print("ready", flush=True)
        heard.add("")
progress.RunProgress.on_round = on_round
"""


def started(folder: Path) -> subprocess.Popen[str]:
    """Start a long run of three schemes in two workers, and wait until both have finished rounds."""
    script = INTERRUPTIBLE[2].replace("from cutlayer.cli.main import main; main()", f"\n{TELL}cli.main()")
    command = [sys.executable, "-c", script, "run", "stopped.yaml", "--out", "out", "--jobs", "2"]
    process = subprocess.Popen(
        [*command, "--checkpoint-every", "20"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "ready\n" == line, process.communicate()
    return process


def wait_for_end(process: subprocess.Popen[str]) -> None:
    """Wait until no process of the command's group is left."""
    until_s = time.monotonic() + 60
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < until_s:
            os.killpg(process.pid, 0)
            time.sleep(0.05)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_run_continues_to_the_same_bytes(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    """SIGTERM to the command, and Ctrl-C to all processes, keep finished rounds and leave no process.

    The same command with one job ends with the bytes of a run that was never interrupted.
    """
    path = scenario(tmp_path, schemes=["sl", "psl", "sfl"], stop={"rounds": 1000})
    process = started(tmp_path)
    if number == signal.SIGINT:  # as a terminal does
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, errors = process.communicate()
    last = "interrupted: the finished rounds are kept; the same command continues"
    assert (status, last) == (process.returncode, errors.splitlines()[-1]), errors
    wait_for_end(process)
    kept = cutlayer.load(tmp_path / "out")
    assert kept.interrupted
    assert {"sl", "psl"} == set(kept.summary["schemes"])
    cutlayer.run(path, out=tmp_path / "out", checkpoint_every=20)
    whole = cutlayer.run(path, out=tmp_path / "whole")
    for label in ("sl", "psl"):
        rounds = whole.rounds[whole.rounds["label"] == label]
        finished = kept.rounds[kept.rounds["label"] == label].reset_index(drop=True)
        assert rounds.head(len(finished)).reset_index(drop=True).equals(finished)
    assert contents(tmp_path / "whole") == contents(tmp_path / "out")


def test_workers_end_with_their_run(tmp_path: Path) -> None:
    """If the command is killed, its workers end too."""
    scenario(tmp_path, schemes=["sl", "psl", "sfl"], stop={"rounds": 10**9})
    process = started(tmp_path)
    process.kill()
    process.wait()
    wait_for_end(process)
    process.communicate()


@pytest.mark.slow
def test_a_script_without_a_main_guard_is_reported(tmp_path: Path) -> None:
    """Workers that cannot start end the run with advice."""
    scenario(tmp_path, schemes=["sl", "psl"])
    (tmp_path / "script.py").write_text("import cutlayer\ncutlayer.run('stopped.yaml', jobs=2)\n")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert 1 == done.returncode
    assert 'outside of the guard\n    if __name__ == "__main__":\n' in done.stderr[-400:]


def test_the_default_is_a_core_for_each_scheme_that_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timelines run in one process, and so does training on a GPU; torch's threads share the cores."""
    monkeypatch.setattr(scheme_workers, "cores", lambda: 8)

    def jobs(name: str, *overrides: str) -> int:
        return default_jobs(load_scenario(name, overrides).scenario)

    assert 8 == jobs("quickstart")
    assert 2 == jobs("quickstart", "learning.threads=4")
    assert 1 == jobs("quickstart", "learning.threads=9")
    assert 1 == jobs("quickstart", "learning.device=cuda")
    assert 1 == jobs("timeline_only")
