"""Sweeps on the workers of a Dask scheduler leave the same files, whichever worker dies or joins."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cutlayer
from cutlayer.analysis.results.sweeps.sweep_folder import load_sweep
from cutlayer.cli.main import app
from cutlayer.experiments.processes.worker_processes import WorkersError
from cutlayer.experiments.sweep import dask_workers as cluster_module
from cutlayer.experiments.sweep.dask_workers import DaskWorkers
from cutlayer.experiments.sweep.worker_pool import WorkerPool
from tests.support.clusters import LocalCluster, running
from tests.support.held_sweeps import HOLD, held, wait_for, when_idle
from tests.support.processes import messages, python
from tests.support.sweeps import SWEEP, folder_bytes, in_threads, written

pytestmark = pytest.mark.slow

KEPT = "the finished points are kept; the same command continues"
DIE_AT_SEED_1 = """\
import os, signal
from pathlib import Path
from cutlayer.experiments.sweep import point_tasks as sweep_tasks
from cutlayer.experiments.runner import run_experiment

def die_at_seed_1(experiment, *more, **named):
    result = run_experiment(experiment, *more, **named)
    if experiment.loaded.scenario.seed == 1:
        try:
            Path("died").touch(exist_ok={always})
        except FileExistsError:  # once is enough
            return result
        os.kill(os.getpid(), signal.SIGKILL)
    return result
sweep_tasks.run_experiment = die_at_seed_1
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Return a scheduler with two workers."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "hold.py").write_text(HOLD)
    with running(folder, workers=2, preload="hold.py") as found:
        yield found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return every file of the sweep, from one job in a thread."""
    place = tmp_path_factory.mktemp("undisturbed")
    in_threads(written(place), place / "out").run()
    return folder_bytes(place / "out")


def answer(folder: Path, address: str, *options: str) -> tuple[int, str]:
    """Return the status and the errors of a sweep on a scheduler's workers, run in this process."""
    command = ["sweep", str(folder / "small.yaml"), "--out", str(folder / "out"), "--scheduler", address]
    result = CliRunner().invoke(app, [*command, *options])
    return result.exit_code, messages(result.stderr)


def test_results_do_not_depend_on_the_kind_of_worker(
    cluster: LocalCluster, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """Workers of a scheduler write the same bytes to every file as one thread."""
    result = cutlayer.sweep(written(tmp_path), out=tmp_path / "out", scheduler=cluster.address)
    assert {"finished"} == set(result.points["status"])
    assert undisturbed == folder_bytes(tmp_path / "out")


PLUGIN = """\
import cutlayer
from cutlayer.scenarios.schema.registered import SchemeParameters
from cutlayer.sim.schemes.sl import SL


class TwinParameters(SchemeParameters):
    pass


class Twin(SL):
    pass


cutlayer.register("scheme", "twin_of_a_test", Twin, parameters=TwinParameters, summary="SL once more")
"""
SWEEP_BY_SCRIPT = """\
import sys

import cutlayer

try:
    result = cutlayer.sweep("small.yaml", out="out", scheduler=sys.argv[1], plugins=["twin.py"])
    print(set(result.points["status"]))
except Exception as error:
    print(error)
"""


def test_workers_import_plugins(cluster: LocalCluster, tmp_path: Path) -> None:
    """Each worker imports the plug-in by its path; a worker with another version of it is refused."""
    written(tmp_path, SWEEP.replace("[sl, psl]", "[twin_of_a_test]"))

    def answer_of_script() -> str:
        command = [sys.executable, "-c", SWEEP_BY_SCRIPT, cluster.address]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    (tmp_path / "twin.py").write_text(PLUGIN, encoding="utf-8")
    assert "{'finished'}\n" == answer_of_script()
    (tmp_path / "twin.py").write_text(f"{PLUGIN}# changed\n", encoding="utf-8")
    (tmp_path / "out").rename(tmp_path / "earlier")
    answer = answer_of_script()
    assert 2 == answer.count(f"plug-in {tmp_path / 'twin.py'} has changed since it was imported")


def test_a_dry_run_writes_nothing(cluster: LocalCluster, tmp_path: Path) -> None:
    """The estimate assumes as many simultaneous points as there are workers."""
    scenario = written(tmp_path)
    arguments = ["sweep", str(scenario), "--out", str(tmp_path / "out"), "--dry-run"]
    result = CliRunner().invoke(app, [*arguments, "--scheduler", cluster.address])
    assert "6 points to run, 2 at a time: about" in result.stdout
    assert [scenario] == list(tmp_path.iterdir())


def test_workers_with_other_code_are_refused(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker is named with both versions and nothing is written, unless mixing is allowed."""
    scenario = written(tmp_path)
    monkeypatch.setattr(cluster_module, "versions", lambda trained: {"code": "f" * 16})
    status, errors = answer(tmp_path, cluster.address)
    assert 2 == status
    assert 2 == errors.count("has other versions (code ")
    assert 2 == errors.count(f" instead of {'f' * 16}); restart it with")
    assert [scenario] == list(tmp_path.iterdir())
    assert 0 == answer(tmp_path, cluster.address, "--mix-versions")[0]


def test_workers_that_do_not_see_the_folder_are_refused(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If workers do not find a file that this process wrote, no point runs."""
    written(tmp_path)
    monkeypatch.setattr(Path, "touch", lambda path: None)
    status, errors = answer(tmp_path, cluster.address)
    assert 2 == status
    assert f"cannot see {tmp_path / 'out'}, the sweep's folder; it must be on a file system" in errors
    assert not list(tmp_path.glob("out/*/"))


def test_an_interrupt_lets_running_points_finish(
    cluster: LocalCluster, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """After one interrupt, the running points finish, the others stay pending, and the status is 130."""
    with held(tmp_path, cluster.address) as process:
        process.send_signal(signal.SIGINT)
        wait_for(tmp_path / "heard", process)
        (tmp_path / "hold").unlink()
        _, errors = process.communicate()
    assert (130, f"interrupted: {KEPT}\n") == (process.returncode, messages(errors))
    states = load_sweep(tmp_path / "out").points["status"].value_counts()
    assert states["finished"] == len(list(tmp_path.glob("out/[!.]*/summary.json")))
    assert states["pending"] > 0
    assert {"finished", "pending"} == set(states.index)
    in_threads(tmp_path / "small.yaml", tmp_path / "out").run()
    assert undisturbed == folder_bytes(tmp_path / "out")


def test_a_second_interrupt_stops_at_once(
    cluster: LocalCluster, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """After two interrupts, the sweep ends with status 130 while workers run, and keeps finished points.

    A second sweep meanwhile leaves the files of a sweep that was never disturbed, and none of those workers'.
    """
    with held(tmp_path, cluster.address) as process:
        process.send_signal(signal.SIGINT)
        wait_for(tmp_path / "heard", process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        assert (130, f"interrupted: {KEPT}\n") == (process.returncode, messages(errors))
        points = load_sweep(tmp_path / "out").points
        assert {"finished", "pending"} == set(points["status"])
        finished = points.loc[points["status"] == "finished", "point"]
        before = {name: (tmp_path / "out" / name / "summary.json").stat().st_mtime_ns for name in finished}

        def go(what: str, *numbers: object) -> None:
            if what == "running":
                (tmp_path / "hold").unlink(missing_ok=True)

        in_threads(tmp_path / "small.yaml", tmp_path / "out").run(on_progress=go)
    when_idle(cluster.address)
    assert undisturbed == folder_bytes(tmp_path / "out")
    for name, written_ns in before.items():
        assert written_ns == (tmp_path / "out" / name / "summary.json").stat().st_mtime_ns
    assert {"finished"} == set(load_sweep(tmp_path / "out").points["status"])


def test_more_points_run_when_workers_join(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker runs one point; a later worker that fails a requirement is named, and runs nothing."""
    monkeypatch.setattr(cluster_module, "_COUNT_EVERY_S", 0.0)
    with DaskWorkers(cluster.address, trained=False) as joined:
        assert 2 == joined.num_workers()
        cluster.add(threads=2)
        assert 3 == joined.num_workers()
        message = rf"worker {cluster.address[:15]}\S+ has 2 threads.* start it with: dask worker --nthreads 1"
        with WorkerPool(8, joined.executor) as workers, pytest.raises(WorkersError, match=message):
            list(workers.map_unordered(time.sleep, [0.2] * 100))
    written(tmp_path)
    status, errors = answer(tmp_path, cluster.address)
    assert 2 == status
    assert "has 2 threads" in errors


def test_a_worker_killed_in_the_middle_of_a_point_costs_nothing(
    undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """Another worker runs the point again, and every file is the same."""
    written(tmp_path)
    (tmp_path / "die.py").write_text(DIE_AT_SEED_1.format(always=False))
    with running(tmp_path, workers=2, preload="die.py") as own:
        assert (0, "") == answer(tmp_path, own.address)
        assert [-signal.SIGKILL] == [worker.poll() for worker in own.workers if worker.poll() is not None]
    assert undisturbed == folder_bytes(tmp_path / "out")


def test_a_point_that_kills_its_workers_is_recorded(tmp_path: Path) -> None:
    """A point that the scheduler gives up is recorded as failed; the other points continue."""
    written(tmp_path)
    (tmp_path / "die.py").write_text(DIE_AT_SEED_1.format(always=True))
    settings = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with running(tmp_path, workers=2, preload="die.py", settings=settings) as own:
        status, errors = answer(tmp_path, own.address, "--set", "devices.count=2", "--set", "sweep.grid={}")
    assert 1 == status
    assert "seed=1): the worker process died: it crashed, was killed, or was out of memory" in errors
    assert ["finished", "failed", "finished"] == load_sweep(tmp_path / "out").points["status"].tolist()


def test_a_lost_scheduler_costs_only_running_points(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """The sweep ends with status 1 and one message, and keeps and lists the finished points."""
    (tmp_path / "hold.py").write_text(HOLD)
    with running(tmp_path, workers=1, preload="hold.py") as own, held(tmp_path, own.address) as process:
        own.scheduler.kill()
        _, errors = process.communicate()
    assert (1, f"the scheduler at {own.address} is gone\n{KEPT}\n") == (process.returncode, messages(errors))
    assert "finished" in set(load_sweep(tmp_path / "out").points["status"])
    in_threads(tmp_path / "small.yaml", tmp_path / "out").run()
    assert undisturbed == folder_bytes(tmp_path / "out")


def test_a_scheduler_lost_while_counting_workers_has_the_same_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is the same whether a point or the count of workers notices the loss first."""
    monkeypatch.setattr(cluster_module, "_COUNT_EVERY_S", 0.0)
    with running(tmp_path, workers=1) as own, DaskWorkers(own.address, trained=False) as joined:
        own.scheduler.kill()
        own.scheduler.wait()
        with pytest.raises(WorkersError, match=rf"^the scheduler at {own.address} is gone$"):
            for _ in range(1000):
                joined.num_workers()


def test_an_error_in_disconnecting_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaving the context raises nothing if the connection cannot be closed."""

    class Connection:
        def close(self) -> None:
            closed.append(self)
            raise RuntimeError("Cannot change state of expiring Timeout")

    closed: list[Connection] = []
    with (
        running(tmp_path, workers=1) as own,
        DaskWorkers(own.address, trained=False) as joined,
        monkeypatch.context() as patch,
    ):
        patch.setattr(joined, "_client", Connection())
        joined.__exit__(None, None, None)
    assert 1 == len(closed)


def test_a_scheduler_without_workers_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how to start workers, or that no scheduler answers at the address."""
    scenario = written(tmp_path)
    (tmp_path / "files").mkdir()
    monkeypatch.setattr(cluster_module, "_FIRST_WORKER_TIMEOUT_S", 0.3)
    with running(tmp_path / "files") as own:
        message = f"the scheduler at {own.address} has no workers; start some with: dask worker {own.address}"
        assert (2, f"{message} --nthreads 1\n") == answer(tmp_path, own.address)
    monkeypatch.setattr(cluster_module, "_CONNECT_TIMEOUT_S", 0.3)
    for address in (own.address, "nowhere"):
        status, errors = answer(tmp_path, address)
        assert 2 == status
        assert errors.startswith(f"no scheduler answers at {address}: ")
        assert 1 == len(errors.splitlines())
    assert {scenario, tmp_path / "files"} == set(tmp_path.iterdir())


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package distributed, the message names the extra to install."""
    written(tmp_path)
    monkeypatch.delitem(sys.modules, "cutlayer.experiments.sweep.dask_workers")
    monkeypatch.delattr("cutlayer.experiments.sweep.dask_workers")
    monkeypatch.setitem(sys.modules, "distributed", None)
    message = "workers of a scheduler need the package distributed: pip install 'cutlayer[cluster]'\n"
    assert (2, message) == answer(tmp_path, "tcp://127.0.0.1:1")


def test_plain_sweeps_do_not_import_distributed(tmp_path: Path) -> None:
    """A sweep in processes neither imports nor needs the package distributed."""
    written(tmp_path)
    script = (
        "import sys, cutlayer; cutlayer.sweep('small.yaml', jobs=1, overrides=['sweep.seeds=1']);"
        "print({'dask', 'distributed'} & set(sys.modules))"
    )
    assert "set()\n" == python(f"if __name__ == '__main__':\n    {script}", tmp_path)
