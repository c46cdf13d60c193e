"""Finished points stay complete if a sweep is killed at any instant, or cannot write."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from typer.testing import CliRunner

from cutlayer.analysis.results.sweeps.sweep_folder import load_sweep
from cutlayer.cli.main import app
from cutlayer.experiments.sweep.worker_pool import WorkerPool
from tests.support.processes import COMMAND, messages
from tests.support.sweeps import SWEEP, folder_bytes, in_threads, written

KILLS = 4
KEPT = "the finished points are kept; the same command continues"


def started(folder: Path, most_bytes: int | None = None) -> subprocess.Popen[str]:
    """Start a sweep with two worker processes, whose files may have at most ``most_bytes`` bytes."""

    def limit() -> None:
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    return subprocess.Popen(
        [*COMMAND, "sweep", "small.yaml", "--out", "out", "--jobs", "2"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=limit,
    )  # fmt: skip


def opened(folder: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the points are checked, so that the first may run."""
    while not (folder / "out" / "points.csv").exists() and process.poll() is None:
        time.sleep(0.005)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float, float]:
    """Return every file of the sweep, and its wall times before and from the first point on, [s]."""
    folder = tmp_path_factory.mktemp("undisturbed")
    written(folder)
    began_s = time.monotonic()
    process = started(folder)
    opened(folder, process)
    opened_s = time.monotonic()
    assert ("", 0) == (messages(process.communicate()[1]), process.returncode)
    return folder_bytes(folder / "out"), opened_s - began_s, time.monotonic() - opened_s


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the worker processes of a sweep."""
    try:
        children = psutil.Process(process.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    except psutil.NoSuchProcess:
        return []


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["sweep", "worker"])
def test_a_kill_at_any_instant_costs_nothing(
    victim: str, undisturbed: tuple[dict[str, bytes], float, float], tmp_path: Path
) -> None:
    """A sweep that is killed at any instant and repeated leaves the files of one that was never disturbed.

    If only a worker is killed, the sweep recovers without a repetition. Half of the instants are drawn evenly
    over the whole sweep, and half over the much shorter time from the first point on.
    """
    files, before_s, after_s = undisturbed
    rng = np.random.default_rng(["sweep", "worker"].index(victim))
    shares = (rng.permutation(KILLS) + rng.uniform(size=KILLS)) / KILLS

    def disturbed(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        written(folder)
        process = started(folder)
        whole = number % 2 == 0
        if not whole:
            opened(folder, process)
        time.sleep(shares[number] * (before_s * whole + after_s))
        workers = workers_of(process)
        if victim == "worker" and workers:
            with suppress(psutil.NoSuchProcess):  # it has just ended
                workers[int(rng.integers(len(workers)))].kill()
            process.communicate()
            assert 0 == process.returncode
        else:
            process.kill()
            process.communicate()
            psutil.wait_procs(workers)  # they end with their parent
            in_threads(folder / "small.yaml", folder / "out").run()
        assert files == folder_bytes(folder / "out")
        shutil.rmtree(folder)

    with ThreadPoolExecutor(2) as pool:
        assert KILLS == len(list(pool.map(disturbed, range(KILLS))))


def test_an_unresponsive_idle_worker_does_not_delay_the_end() -> None:
    """A stopped worker, or one that waits for the lock of a killed one, is ended with the others."""
    with WorkerPool(2) as workers:
        assert {1, 2} == {future.result() for _, future in workers.map_unordered(abs, [-1, -2])}
        pids = [process.pid for process in multiprocessing.active_children() if process.pid is not None]
        os.kill(pids[0], signal.SIGSTOP)
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_single_item_starts_a_single_worker() -> None:
    """A second, idle worker could die, and its death would be attributed to the item."""
    with WorkerPool(4) as workers:
        for _, future in workers.map_unordered(abs, [-1]):
            assert 1 == future.result()
            assert 1 == len(multiprocessing.active_children())


@pytest.mark.slow
def test_a_script_without_a_main_guard_is_reported(tmp_path: Path) -> None:
    """Without the guard no worker starts; the sweep ends with advice, and no point is recorded as failed."""
    written(tmp_path)
    (tmp_path / "script.py").write_text("import cutlayer\ncutlayer.sweep('small.yaml', jobs=2, out='out')\n")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert 1 == done.returncode
    assert 'outside of the guard\n    if __name__ == "__main__":\n' in done.stderr[-400:]
    assert 1 == done.stderr.count("Traceback"), "the workers say nothing"
    assert not (tmp_path / "out" / "points.csv").exists()


def largest(files: dict[str, bytes]) -> int:
    """Return the size of the largest file, [B]."""
    return max(len(content) for content in files.values())


@pytest.mark.slow
@pytest.mark.parametrize("full", ["in the middle of a point", "in the middle of a table"])
def test_a_full_disk_stops_the_sweep(full: str, tmp_path: Path) -> None:
    """If files cannot grow, the sweep ends with status 1 and one message; its finished points are complete.

    No point is recorded as failed. With free space the same command leaves the files of a sweep that was
    never disturbed.
    """
    text = SWEEP.replace("radio:", "devices: {count: 2}\nradio:")
    if full == "in the middle of a point":
        text = text.replace("devices.count: [1, 3]", "stop.rounds: [1, 200]")
    else:  # many small points make a large table
        text = text.replace("devices.count: [1, 3]", "stop.rounds: [1]").replace("seeds: 3", "seeds: 24")
    written(tmp_path, text)
    in_threads(tmp_path / "small.yaml", tmp_path / "whole").run()
    files = folder_bytes(tmp_path / "whole")
    points = load_sweep(tmp_path / "whole").points
    short = points.loc[points["stop.rounds"] == 1, "point"]
    most_bytes = largest({name: content for name, content in files.items() if name[:16] in set(short)})
    assert most_bytes < largest(files)

    process = started(tmp_path, most_bytes)
    errors = messages(process.communicate()[1]).splitlines()
    assert 1 == process.returncode
    assert (2, KEPT) == (len(errors), errors[1])
    assert errors[0].startswith("cannot write ")
    assert errors[0].endswith("File too large")
    kept = {name: content for name, content in folder_bytes(tmp_path / "out").items() if "/" in name}
    assert set(short) == {name[:16] for name in kept}
    assert kept.items() <= files.items()
    assert not list((tmp_path / "out").glob("*.failed"))
    in_threads(tmp_path / "small.yaml", tmp_path / "out").run()
    assert files == folder_bytes(tmp_path / "out")


@pytest.mark.parametrize("out", ["file/out", "/proc/out"])
def test_a_folder_that_cannot_be_created_is_refused(out: str, tmp_path: Path) -> None:
    """A folder that cannot be created is wrong input: one message names it, and the status is 2."""
    scenario = written(tmp_path)
    (tmp_path / "file").touch()
    place = tmp_path / out
    result: Any = CliRunner().invoke(app, ["sweep", str(scenario), "--out", str(place), "--jobs", "1"])
    assert 2 == result.exit_code
    assert result.stderr.startswith(f"cannot write {place}: ")
    assert 1 == len(result.stderr.splitlines())
