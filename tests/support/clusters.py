"""A dask.distributed scheduler and its workers, as processes of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from distributed import Client

__all__ = ["LocalCluster", "running"]

_DASK = [sys.executable, "-m", "dask"]


class LocalCluster:
    """A scheduler at an address of its own, and the workers that were started for it.

    Parameters
    ----------
    folder : Path
        For its files; the workers' working directory.
    settings : of Dask, as environment variables
    preload : path of a script that workers run before they start
    """

    def __init__(self, folder: Path, *, settings: Mapping[str, str] = {}, preload: str = "") -> None:
        self._settings = settings
        self._preload = ["--preload", preload] if preload else []
        self.workers: list[subprocess.Popen[bytes]] = []
        self.folder = folder
        place = folder / "scheduler.json"
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(place)]
        self.scheduler = self._started([*_DASK, "scheduler", *options])
        while not place.exists():
            assert self.scheduler.poll() is None
            time.sleep(0.05)
        with Client(scheduler_file=str(place), set_as_default=False) as client:
            self.address = str(client.scheduler.address)

    def add(self, count: int = 1, *, threads: int = 1) -> None:
        """Start workers, and wait until the scheduler knows them."""
        options = ["--no-dashboard", "--no-nanny", "--nthreads", str(threads), "--local-directory"]
        command = [*_DASK, "worker", self.address, *options, str(self.folder), *self._preload]
        self.workers += [self._started(command) for _ in range(count)]
        alive = sum(worker.poll() is None for worker in self.workers)
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(alive, timeout=60)

    def stop(self) -> None:
        """End everything."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _started(self, command: list[str]) -> subprocess.Popen[bytes]:
        settings = os.environ | {"DASK_LOGGING__DISTRIBUTED": "critical"} | dict(self._settings)
        with (self.folder / "log.txt").open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, env=settings, stdout=log, stderr=log)


@contextmanager
def running(folder: Path, workers: int = 0, **options: Any) -> Iterator[LocalCluster]:
    """Have a cluster for as long as the context lasts."""
    with ExitStack() as stack:
        cluster = LocalCluster(folder, **options)
        stack.callback(cluster.stop)
        if workers:
            cluster.add(workers)
        yield cluster
