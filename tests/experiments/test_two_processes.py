"""Two processes and one folder: only one may write, and leftovers of killed workers do no harm."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cutlayer.analysis.results import atomic_files as folders
from cutlayer.analysis.results import recorded_tables
from cutlayer.analysis.results import run_folder as analysis_run
from cutlayer.analysis.results.atomic_files import RunFolderError
from cutlayer.cli.main import app
from cutlayer.experiments.processes import folder_locks as locks
from cutlayer.experiments.sweep import point_tasks as sweep_tasks
from cutlayer.experiments.sweep.point_tasks import PointTask
from tests.support.processes import messages
from tests.support.sweeps import SWEEP, folder_bytes, in_threads, written

PLAIN = SWEEP[: SWEEP.index("sweep:")] + "devices: {count: 2}\n"
HOLDER = """\
import sys, time
from pathlib import Path
from cutlayer.experiments.processes import folder_locks as locks
with getattr(locks, sys.argv[1])(Path(sys.argv[2])):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def holder(lock: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Open another process that holds a lock on a folder until it is killed."""
    command = [sys.executable, "-c", HOLDER, lock, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "held\n" == process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def answer(*arguments: object) -> tuple[int, str]:
    """Return the status and the errors of a command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, messages(result.stderr)


@pytest.mark.parametrize(
    ("command", "lock", "more"),
    [
        ("sweep", "sweep_lock", ["--jobs", 1]),
        ("run", "run_lock", []),
        ("run", "run_lock", ["--checkpoint-every", 1]),
    ],
)
def test_a_folder_in_use_is_refused(command: str, lock: str, more: list[object], tmp_path: Path) -> None:
    """The second process is refused with the name of the first, and writes nothing.

    After the first is killed, the second writes the same files as alone, and no lock file remains.
    """
    scenario = written(tmp_path, SWEEP if command == "sweep" else PLAIN)
    assert (0, "") == answer(command, scenario, "--out", tmp_path / "alone", *more)
    with holder(lock, tmp_path / "out") as first:
        before = folder_bytes(tmp_path)
        message = f"{tmp_path / 'out'} is in use by process {first.pid} on {socket.gethostname()};"
        message += " wait until that has ended, or choose another folder\n"
        assert (2, message) == answer(command, scenario, "--out", tmp_path / "out", *more)
        assert before == folder_bytes(tmp_path)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert (0, "") == answer(command, scenario, "--out", tmp_path / "out", *more)
    assert folder_bytes(tmp_path / "alone") == folder_bytes(tmp_path / "out")
    assert {scenario.name, "alone", "out"} == {path.name for path in tmp_path.iterdir()}


def test_a_run_of_the_same_name_takes_the_next_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an explicit folder, a run beside an unfinished or a finished one gets a number."""
    monkeypatch.chdir(tmp_path)
    scenario = written(tmp_path, PLAIN)
    with holder("run_lock", tmp_path / "runs" / "small"):
        assert (0, "") == answer("run", scenario)
    assert [tmp_path / "runs" / "small-2"] == list((tmp_path / "runs").glob("[!.]*"))
    assert (0, "") == answer("run", scenario)
    assert ["small", "small-2"] == sorted(path.name for path in (tmp_path / "runs").iterdir())


def test_a_lock_leaves_no_folder(tmp_path: Path) -> None:
    """Empty folders that were created for a lock are removed with it; others stay."""
    (tmp_path / "empty").mkdir()
    with locks.sweep_lock(tmp_path / "empty" / "new" / "out"), locks.run_lock(tmp_path / "run"):
        pass
    assert [tmp_path / "empty"] == list(tmp_path.rglob("*"))


def test_a_lock_on_a_removed_file_is_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that opens the lock file just before its removal holds no lock that others can see."""
    flock, tries = fcntl.flock, []

    def removed_before(file: int, operation: int) -> None:
        tries.append(file)
        if len(tries) == 1:
            (tmp_path / "out" / ".lock").unlink()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", removed_before)
    with (
        locks.sweep_lock(tmp_path / "out"),
        pytest.raises(RunFolderError, match=f"in use by process {os.getpid()} "),
        locks.sweep_lock(tmp_path / "out"),
    ):
        pass
    assert 3 == len(tries)


def test_a_file_system_without_locks_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without locks a sweep runs without one, and a full disk is reported."""

    def unknown(file: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    def full(file: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(fcntl, "flock", unknown)
    in_threads(written(tmp_path), tmp_path / "out").run()
    assert not (tmp_path / "out" / ".lock").exists()
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(RunFolderError, match=f"^cannot write {tmp_path / 'full'}: No space left on device$"):
        in_threads(tmp_path / "small.yaml", tmp_path / "full").run()


def first_task(folder: Path) -> PointTask:
    """Return the task of the first point of a sweep whose folder is open."""
    sweeping = in_threads(written(folder), folder / "out")
    sweeping.folder.open()
    (task, *_) = sweeping._tasks(retry_failed=False)
    return task


def test_the_second_writer_of_a_point_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If two workers run one point, since one was believed dead, the folder of the faster one stays."""
    task = first_task(tmp_path)
    write = analysis_run._write_tables

    def overtaken(run: Any, folder: Path) -> None:
        write(run, folder)
        monkeypatch.setattr(analysis_run, "_write_tables", write)
        with ThreadPoolExecutor(1) as other:
            assert other.submit(sweep_tasks.run_point, task).result().error is None
        inodes.append(task.folder.stat().st_ino)

    inodes: list[int] = []
    monkeypatch.setattr(analysis_run, "_write_tables", overtaken)
    outcome = sweep_tasks.run_point(task)
    assert (None, None) == (outcome.error, outcome.unwritable)
    assert [task.folder.stat().st_ino] == inodes
    assert [task.folder] == [path for path in task.folder.parent.iterdir() if path.is_dir()]


@pytest.mark.parametrize("when", ["before", "in the middle"])
def test_a_draft_that_is_removed_does_not_become_a_point(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose draft the next sweep removes fails, and leaves no part of a point."""
    task = first_task(tmp_path)
    folder = in_threads(tmp_path / "small.yaml", tmp_path / "out").folder
    move, rmtree = folders._move_into_place, shutil.rmtree
    failed = []

    def removed_before(draft: Path, place: Path, **options: Any) -> None:
        def removed_in_the_middle(path: Path, **options: Any) -> None:
            (path / "summary.json").unlink()
            try:
                move(draft, place, overwrite=False)
            except FileNotFoundError as error:
                failed.append(error)
            rmtree(path, **options)

        if when == "in the middle":
            monkeypatch.setattr(shutil, "rmtree", removed_in_the_middle)
        folder.remove_drafts()
        monkeypatch.setattr(shutil, "rmtree", rmtree)
        move(draft, place, **options)

    monkeypatch.setattr(folders, "_move_into_place", removed_before)
    outcome = sweep_tasks.run_point(task)
    assert outcome.unwritable is not None
    assert outcome.unwritable.endswith("No such file or directory")
    assert (when == "in the middle") == bool(failed)
    assert not [path for path in task.folder.parent.iterdir() if path.is_dir()]
    monkeypatch.undo()
    assert sweep_tasks.run_point(task).unwritable is None
    assert task.finished


def test_intervals_beyond_the_memory_stay_in_the_folder_of_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's file of intervals is a draft beside its point, which the next sweep removes if need be."""
    task = first_task(tmp_path)
    assert sweep_tasks.run_point(task).error is None
    expected = folder_bytes(task.folder)
    shutil.rmtree(task.folder)
    monkeypatch.setattr(recorded_tables, "KEPT_ROWS", 0)
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")

    def killed(writer: recorded_tables.TableWriter) -> recorded_tables.RecordedTable:
        found.extend(path.name for path in task.folder.parent.glob(".*"))
        raise KeyboardInterrupt

    found: list[str] = []
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(recorded_tables.TableWriter, "finish", killed)
        sweep_tasks.run_point(task)
    assert [f".{task.folder.name}-"] == [name[:18] for name in found]

    finish = recorded_tables.TableWriter.finish

    def full(writer: recorded_tables.TableWriter) -> recorded_tables.RecordedTable:
        writer._lose(OSError(errno.ENOSPC, "No space left on device"))
        return finish(writer)

    with monkeypatch.context() as patch:
        patch.setattr(recorded_tables.TableWriter, "finish", full)
        message = f"cannot write {task.folder}: No space left on device"
        assert message == sweep_tasks.run_point(task).unwritable
    assert sweep_tasks.run_point(task).error is None
    assert expected == folder_bytes(task.folder)
