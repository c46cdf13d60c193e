"""Sweeps on a cluster whose points wait until a test lets them go on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Client, Worker

from tests.support.sweeps import written

__all__ = ["HOLD", "held", "wait_for", "when_idle"]

HOLD = """\
import time
from cutlayer.experiments.sweep import point_tasks as sweep_tasks
from cutlayer.experiments.runner import run_experiment

def held(experiment, *more, folder=None):
    hold = folder.parent.with_name("hold") if folder else None
    if hold and hold.exists() and list(folder.parent.glob("[!.]*/summary.json")):
        folder.parent.with_name("begun").touch()
        while hold.exists():
            time.sleep(0.02)
    return run_experiment(experiment, *more, folder=folder)
sweep_tasks.run_experiment = held
"""
"""What workers preload: once a point of a sweep is finished, the next ones begin and wait, as long as there
is a file ``hold`` beside the sweep's folder."""

_HEARING = """\
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from cutlayer.cli import main as cli
from cutlayer.experiments.sweep import worker_pool as workers
hear = workers.WorkerPool._on_interrupt
def on_interrupt(self, *signal_and_frame):
    Path("heard").touch()
    hear(self, *signal_and_frame)
workers.WorkerPool._on_interrupt = on_interrupt
cli.main()
"""


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a file is there, as long as the process lasts."""
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)


@contextmanager
def held(folder: Path, address: str) -> Iterator[subprocess.Popen[str]]:
    """Have a sweep in a process of its own, some of whose points are finished; the running ones wait."""
    written(folder)
    (folder / "hold").touch()
    command = [sys.executable, "-c", _HEARING, "sweep", "small.yaml", "--out", "out", "--scheduler", address]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            wait_for(folder / "begun", process)
            yield process
        finally:
            (folder / "hold").unlink(missing_ok=True)
            process.kill()


def when_idle(address: str) -> None:
    """Wait until no worker runs anything, even what nobody waits for any more."""

    def executing(dask_worker: Worker) -> int:
        return int(dask_worker.state.executing_count)

    with Client(address, set_as_default=False) as client:
        while any(client.run(executing).values()):
            time.sleep(0.02)
