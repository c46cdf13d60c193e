"""A sweep: every point of a scenario's ``sweep`` is checked, then run in a worker, once and for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

from ...analysis.results.atomic_files import RunFolderError
from ...analysis.results.sweep_folder import SweepFolder, SweepResult, load_sweep
from ...analysis.results.sweep_tables import point_table
from ...scenarios.loading.loader import scenario_yaml
from ...scenarios.loading.sweep_points import Point, load_points
from ...scenarios.ordered_sum import ordered_sum
from ...scenarios.plugins import load_plugins, loaded_plugins
from ...scenarios.schema.sweep import SweepFigure
from ..folder_locks import sweep_lock
from . import point_tasks as sweep_tasks
from .checks import SweepChecks
from .point_tasks import Outcome, Task
from .worker_pool import (
    StartPool,
    WorkerDiedError,
    Workers,
    WorkersError,
    cores,
    exit_if_reimported,
    process_pool,
)

__all__ = ["OnProgress", "SweepRun", "SweepStoppedError", "time_left_s"]

OnProgress: TypeAlias = Callable[[str, int, int, int, float | None], None]
"""Called with what is done, ``checking`` or ``running``; the points done, failed, and in all; and how long
it will take yet, [s], where that is known."""

_WRITE_EVERY_S = 2.0
_DIED = "the worker process died: it crashed, was killed, or was out of memory"
_KEPT = "the finished points are kept; the same command goes on"


class SweepStoppedError(Exception):
    """A sweep that could not go on to its end; its finished points are kept."""


def time_left_s(wall_s: Sequence[float], points: int, jobs: int) -> float | None:
    """Return how long points will take, so many at a time, by the mean of the times that others took.

    None if nothing is known; never less than one point's time, however many run side by side.
    """
    if not points:
        return 0.0
    return ordered_sum(wall_s) / len(wall_s) * max(1.0, points / jobs) if wall_s else None


def _stem(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name)


class SweepRun:
    """A sweep that is about to run: its points are read and checked, nothing is written yet.

    Parameters
    ----------
    scenario : a path, or the name of a scenario of the library
    out : folder of the sweep; ``sweeps/NAME`` by default
    overrides : ``"key.path=value"`` each, the value in YAML
    jobs : points that run at the same time; by default as many as there are cores for the torch threads of
        each, or workers of the scheduler. Results do not depend on it.
    plugins : Sequence[str | Path]
        Files or modules that this process and each worker import first.
    allow_imports : let ``model: {name: imported}`` import and run your code
    scheduler : address of a dask.distributed scheduler whose workers run the points
    start : StartPool | None
        Starts the pool of workers, where no scheduler is given; worker processes by default.

    Raises
    ------
    ScenarioError
        With all faults of the scenario and its points at once, but those of data, plans and gains, and those
        of figures alone: a run or an estimate tells them all.
    RunFolderError
        If the folder holds something else.
    """

    def __init__(
        self,
        scenario: str | Path,
        *,
        out: str | Path | None = None,
        overrides: Sequence[str] = (),
        jobs: int | None = None,
        plugins: Sequence[str | Path] = (),
        allow_imports: bool = False,
        scheduler: str | None = None,
        start: StartPool | None = None,
    ) -> None:
        exit_if_reimported()
        load_plugins(plugins)
        self.loaded, points = load_points(scenario, overrides)
        self._plugins = loaded_plugins()
        self.points = {point.name: point for point in points}
        table = point_table(
            list(self.points),
            [point.overrides for point in points],
            [point.loaded.scenario.model_dump(mode="json", exclude_none=True) for point in points],
        )
        folder = Path(out or Path("sweeps") / _stem(self.loaded.scenario.name))
        self.folder = SweepFolder(folder, table)
        self.folder.check()
        self._checks = SweepChecks(self.loaded, self.points, self.folder, allow_imports=allow_imports)
        # more points than cores would only slow each other down
        threads = max(p.loaded.scenario.learning.threads if p.loaded.scenario.learning else 1 for p in points)
        self.jobs = jobs or max(1, cores() // threads)
        self._most_jobs = jobs
        self._allow_imports = allow_imports
        self._scheduler = scheduler
        self._start = start or partial(process_pool, plugins=self._plugins)

    def pending(self, *, retry_failed: bool = False) -> list[Point]:
        """Return the points that are to be run."""
        states = ("pending", "failed") if retry_failed else ("pending",)
        return [self.points[name] for state in states for name in self.folder.with_status(state)]

    def run(
        self,
        *,
        retry_failed: bool = False,
        mix_versions: bool = False,
        on_progress: OnProgress = lambda *progress: None,
    ) -> SweepResult:
        """Check what is pending, run it, and return the tables of all finished points.

        After an interrupt the running points finish; the result says so. A second interrupt ends them.

        Raises
        ------
        ScenarioError
            With all faults of all points at once; nothing is run or written then.
        RunFolderError
            If another sweep is running in the folder, or finished points were made by other versions, unless
            ``mix_versions`` is set.
        WorkersError
            If there are no workers to be had.
        SweepStoppedError
            If the folder can't be written any more, or all workers are lost; what is finished is kept.
        KeyboardInterrupt
            After a second interrupt, or if all was interrupted before the first point was run.
        """
        with sweep_lock(self.folder.path):
            return self._run_alone(on_progress, retry_failed=retry_failed, mix_versions=mix_versions)

    def _run_alone(self, on_progress: OnProgress, *, retry_failed: bool, mix_versions: bool) -> SweepResult:
        if not mix_versions:
            self._checks.refuse_other_versions()
        tasks = self._tasks(retry_failed=retry_failed)
        opened = False
        try:
            with self._workers(len(tasks), mix_versions=mix_versions) as (workers, require_shared_folder):
                self._checks.refuse_faults(
                    tasks, workers, lambda done: on_progress("checking", done, 0, len(tasks), None)
                )
                if workers.interrupted:
                    raise KeyboardInterrupt
                self.folder.open()
                require_shared_folder(self.folder.path.absolute())
                opened = True
                self._run(tasks, workers, on_progress)
            self.folder.remove_drafts()  # of workers that died on the way
        except WorkersError as error:
            if not opened:
                raise
            raise SweepStoppedError(f"{error}\n{_KEPT}") from None
        finally:  # when no worker of this process can finish a point any more
            if opened:
                self._write_tables()
        return load_sweep(self.folder.path, interrupted=workers.interrupted)

    def estimate(self, *, mix_versions: bool = False) -> tuple[float | None, str]:
        """Check the pending points; return the wall time that they will take, and what it is reckoned from.

        Raises
        ------
        ScenarioError
            With all faults of all points at once.
        WorkersError
            If there are no workers to be had.
        """
        tasks = self._tasks(retry_failed=False)
        with self._workers(len(tasks), mix_versions=mix_versions) as (workers, _):
            self._checks.refuse_faults(tasks, workers, lambda done: None)
            known = [self.folder.wall_s[name] for name in self.points if name in self.folder.wall_s]
            source = f"from {len(known)} finished points"
            if tasks and not known and not workers.interrupted:
                for _, future in workers.each(sweep_tasks.estimated_s, tasks[:1]):
                    first_s = None if future.exception() else future.result()
                    known = [] if first_s is None else [first_s]
                source = f"roughly, from {sweep_tasks.ROUNDS_TIMED} rounds of the first"
            self.jobs = workers.jobs
        if workers.interrupted:
            raise KeyboardInterrupt
        return time_left_s(known, len(tasks), self.jobs), source

    @property
    def figures(self) -> tuple[SweepFigure, ...]:
        """Return what is to be drawn."""
        sweep = self.loaded.scenario.sweep
        return sweep.figure if sweep else ()

    @contextmanager
    def _workers(self, items: int, *, mix_versions: bool) -> Iterator[tuple[Workers, Callable[[Path], None]]]:
        """Have workers; where they are not this machine's, with what makes sure that they see a folder."""
        if self._scheduler is None or not items:
            with Workers(min(self.jobs, max(1, items)), self._start) as workers:
                yield workers, lambda folder: None
            return
        try:
            from .dask_workers import Cluster  # a plain sweep needs no distributed
        except ImportError as error:
            if (error.name or "").split(".")[0] not in ("distributed", "dask"):
                raise
            raise WorkersError(
                "workers of a scheduler take the package distributed: pip install 'cutlayer[cluster]'"
            ) from None
        trained = self.loaded.scenario.learning is not None
        with Cluster(
            self._scheduler, trained=trained, mix_versions=mix_versions, plugins=self._plugins
        ) as cluster:
            most = min(items, self._most_jobs or items)
            with Workers(lambda: min(most, cluster.jobs()), cluster.executor) as workers:
                yield workers, cluster.require_shared_folder

    def _tasks(self, *, retry_failed: bool) -> list[Task]:
        folder = self.folder.path.absolute()  # workers may have another working directory
        return [
            Task(point, folder / point.name, self._allow_imports)
            for point in self.pending(retry_failed=retry_failed)
        ]

    def _run(self, tasks: Sequence[Task], workers: Workers, on_progress: OnProgress) -> None:
        done, failed, written_s = len(self.points) - len(tasks), 0, time.monotonic()
        earlier_s, own_s = list(self.folder.wall_s.values()), list[float]()
        unwritable = ""
        left_s = time_left_s(earlier_s, len(tasks), workers.jobs)
        on_progress("running", done, failed, len(self.points), left_s)
        for task, future in workers.each(sweep_tasks.run, tasks):
            outcome = _outcome(future.exception()) or future.result()
            if outcome.wall_s is not None:
                own_s.append(outcome.wall_s)
            done += 1
            failed += outcome.error is not None
            left_s = time_left_s(own_s or earlier_s, len(self.points) - done, workers.jobs)
            try:
                if outcome.unwritable is not None:
                    raise RunFolderError(outcome.unwritable)
                if outcome.error is not None:
                    self.folder.fail(task.point.name, outcome.error)
                else:
                    self.folder.finish(task.point.name, outcome.wall_s)
                on_progress("running", done, failed, len(self.points), left_s)
                if outcome.error is not None or time.monotonic() > written_s + _WRITE_EVERY_S:
                    self.folder.write_points()
                    written_s = time.monotonic()
            except (OSError, RunFolderError) as error:  # others would meet it too; what runs may still fit
                unwritable = unwritable or str(error)
                workers.stop()
        if unwritable:
            raise SweepStoppedError(f"{unwritable}\n{_KEPT}")

    def _write_tables(self) -> None:
        try:
            self.folder.write_tables()
            self.folder.write_text("sweep.yaml", scenario_yaml(self.loaded.scenario))
        except RunFolderError as error:
            raise SweepStoppedError(f"{error}\n{_KEPT}") from None


def _outcome(error: BaseException | None) -> Outcome | None:
    """Return what a point has become whose worker did not tell."""
    if error is None:
        return None
    return Outcome(None, _DIED if isinstance(error, WorkerDiedError) else repr(error))
