"""A sweep: check every point of a scenario's ``sweep``, then run each unfinished point in a worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

from ...analysis.results.atomic_files import RunFolderError, portable_name
from ...analysis.results.sweeps.new_targets import renew_target
from ...analysis.results.sweeps.sweep_folder import POINTS, Shard, SweepFolder, SweepResult, load_sweep
from ...analysis.results.sweeps.sweep_sections import SWEEP
from ...analysis.results.sweeps.sweep_tables import point_table
from ...scenarios.loading.loader import ScenarioSource, scenario_yaml
from ...scenarios.loading.sweep_points import Point, load_points
from ...scenarios.ordered_sum import ordered_sum
from ...scenarios.plugins import load_plugins, loaded_plugins
from ...scenarios.schema.sweep import SweepFigure
from ..processes.folder_locks import sweep_lock
from ..processes.worker_processes import WorkersError, cores, exit_if_reimported
from .checks import SweepChecks
from .point_tasks import ROUNDS_TIMED, PointTask, estimate_wall_s, outcome_of_error, run_point
from .worker_pool import StartExecutor, WorkerPool, process_executor

__all__ = ["OnProgress", "SweepRun", "SweepStoppedError", "time_left_s"]

OnProgress: TypeAlias = Callable[[str, int, int, int, float | None], None]
"""Called with the step (``checking`` or ``running``), the number of points that are done, of those that have
failed, and of all, and the remaining wall time, [s], or None if it is unknown."""

_WRITE_EVERY_S = 2.0
_GRACE_S = 5.0
"""The time after a point's limit at which its worker is ended, if no round has ended meanwhile, [s]."""
_RESUME_ADVICE = "the finished points are kept; the same command continues"


class SweepStoppedError(Exception):
    """Raised if a sweep stops before its end. Its finished points are kept."""


def time_left_s(wall_s: Sequence[float], points: int, jobs: int) -> float | None:
    """Return the remaining wall time, [s], or None if no point has been timed.

    It is the mean wall time of a point, times the number of points for each job, but at least 1.

    Parameters
    ----------
    wall_s : sequence of float
        The wall times of other points, [s].
    points : int
        Number of remaining points.
    jobs : int
        Number of points that run at the same time.
    """
    if not points:
        return 0.0
    return ordered_sum(wall_s) / len(wall_s) * max(1.0, points / jobs) if wall_s else None


class SweepRun:
    """A sweep with its points and its folder. Its construction checks the keys and writes nothing.

    Parameters
    ----------
    scenario : str, Path or mapping
        Path of a scenario file, the name of a scenario in the library, or the scenario as a dictionary.
    out : str or Path, optional
        Folder of the sweep; ``sweeps/NAME`` by default.
    overrides : sequence of str
        ``"key.path=value"`` each, with the value in YAML.
    jobs : int, optional
        Points that run at the same time. By default as many as the cores can run, with the torch threads of
        each, or one for each worker of the scheduler. Results do not depend on it.
    plugins : sequence of str or Path
        Python files or modules that this process and each worker import first.
    allow_imports : bool
        Let ``model: {name: imported}`` import and run your code.
    scheduler : str, optional
        Address of a dask.distributed scheduler whose workers run the points.
    shard : (int, int), optional
        Number K and count N: every N-th point from the K-th on, K = 1 … N. Other shards may run in the same
        folder at the same time, on other machines too. Tables over all points are written by :meth:`gather`.
    seed : int, optional
        Replaces the scenario's seed: the only one, or the first of a count of ``sweep.seeds``.
    schemes : sequence of str, optional
        Names or labels of the schemes to run; all by default.
    start : StartExecutor, optional
        Starts the workers if there is no scheduler; worker processes by default.

    Attributes
    ----------
    loaded : LoadedScenario
        The scenario with its sweep.
    points : dict of str to Point
        All points by name.
    folder : SweepFolder
        The folder of the sweep.
    jobs : int
        Points that run at the same time.

    Raises
    ------
    ScenarioError
        With all issues of the keys of the scenario and its points at once. :meth:`run` and :meth:`estimate`
        report the issues of data, plans, gains and figures.
    RunFolderError
        If the folder holds something else.
    ValueError
        If there is no such shard.
    """

    def __init__(
        self,
        scenario: ScenarioSource,
        *,
        out: str | Path | None = None,
        overrides: Sequence[str] = (),
        jobs: int | None = None,
        plugins: Sequence[str | Path] = (),
        allow_imports: bool = False,
        scheduler: str | None = None,
        shard: tuple[int, int] | None = None,
        seed: int | None = None,
        schemes: Sequence[str] | None = None,
        start: StartExecutor | None = None,
    ) -> None:
        exit_if_reimported()
        chosen = None if shard is None else Shard(*shard)
        load_plugins(plugins)
        self.loaded, points = load_points(scenario, overrides, seed=seed, schemes=schemes)
        self._plugins = loaded_plugins()
        self.points = {point.name: point for point in points}
        table = point_table(
            list(self.points),
            [point.overrides for point in points],
            [point.loaded.scenario.model_dump(mode="json", exclude_none=True) for point in points],
        )
        folder = Path(out or Path("sweeps") / portable_name(self.loaded.scenario.name))
        self.folder = SweepFolder(folder, table, chosen)
        self.folder.check()
        self._checks = SweepChecks(self.loaded, self.points, self.folder, allow_imports=allow_imports)
        # points that share a core only slow each other down
        threads = max(p.loaded.scenario.learning.threads if p.loaded.scenario.learning else 1 for p in points)
        self.jobs = jobs or max(1, cores() // threads)
        self._max_jobs = jobs
        self._allow_imports = allow_imports
        self._scheduler = scheduler
        self._start = start or partial(process_executor, plugins=self._plugins)

    def pending(self, *, retry_failed: bool = False) -> list[Point]:
        """Return the points that :meth:`run` would run."""
        states = ("pending", "failed") if retry_failed else ("pending",)
        return [self.points[name] for state in states for name in self.folder.with_status(state)]

    def run(
        self,
        *,
        retry_failed: bool = False,
        mix_versions: bool = False,
        time_limit_s: float | None = None,
        fail_fast: bool = False,
        on_progress: OnProgress = lambda *progress: None,
    ) -> SweepResult:
        """Check the pending points, run them, and return the tables of all finished points.

        After an interrupt the running points finish, and the result is marked as interrupted. A second
        interrupt ends them. The result of a shard has the states of its own points, and no other table.

        Parameters
        ----------
        retry_failed : bool
            Run the points again that failed before.
        mix_versions : bool
            Continue although other versions of the code computed the finished points.
        time_limit_s : float, optional
            Longest wall time of a point, [s]. A point that takes longer is ended, and has failed.
        fail_fast : bool
            Start no further point once one has failed. The running points finish.
        on_progress : callable
            Shows the progress.

        Raises
        ------
        ScenarioError
            With all issues of all points at once. Nothing is run or written then.
        RunFolderError
            If another sweep is running in the folder, or other versions computed the finished points and
            ``mix_versions`` is not set.
        WorkersError
            If no workers are available.
        SweepStoppedError
            If the folder can no longer be written, or all workers are lost. The finished points are kept.
        KeyboardInterrupt
            After a second interrupt, or if the first arrives before any point runs.
        """
        part = "" if self.folder.shard is None else self.folder.shard.name
        with sweep_lock(self.folder.path, shared=bool(part), part=part):
            if not mix_versions:
                self._checks.check_versions()
            self._renew_targets()
            tasks = self._tasks(retry_failed=retry_failed, limit_s=time_limit_s)
            return self._run_locked(tasks, on_progress, mix_versions=mix_versions, fail_fast=fail_fast)

    def gather(self, *, mix_versions: bool = False) -> SweepResult:
        """Write the tables of the points that are finished so far, and return them. No point is run.

        Parameters
        ----------
        mix_versions : bool
            Gather points although different versions of the code computed them.

        Raises
        ------
        RunFolderError
            If the folder holds no sweep, a sweep without shards is running in it, or its points are of
            different versions.
        SweepStoppedError
            If the folder can no longer be written.
        """
        if not (self.folder.path / POINTS).is_file():
            raise RunFolderError(f"{self.folder.path} is not a sweep folder: {POINTS} is missing")
        with sweep_lock(self.folder.path, shared=True):
            if not mix_versions:
                self._checks.check_same_versions()
            self._renew_targets()
            self._write_tables()
            return load_sweep(self.folder.path)

    def _renew_targets(self) -> None:
        """Give finished points the target accuracy of the scenario, if an earlier sweep had another one."""
        try:
            for name in self.folder.own_points["point"]:
                if self.folder.has_results(name):
                    renew_target(self.folder.path / name, scenario_yaml(self.points[name].loaded.scenario))
        except RunFolderError as error:
            raise SweepStoppedError(str(error)) from None

    def _run_locked(
        self, tasks: Sequence[PointTask], on_progress: OnProgress, *, mix_versions: bool, fail_fast: bool
    ) -> SweepResult:
        opened = False
        try:
            with self._workers(len(tasks), mix_versions=mix_versions) as (workers, require_shared_folder):
                self._check_points(tasks, workers, on_progress)
                if workers.interrupted:
                    raise KeyboardInterrupt
                self.folder.open()
                require_shared_folder(self.folder.path.absolute())
                opened = True
                self._run_tasks(tasks, workers, on_progress, fail_fast=fail_fast)
            self.folder.remove_drafts()  # of workers that died meanwhile
        except WorkersError as error:
            if not opened:
                raise
            raise SweepStoppedError(f"{error}\n{_RESUME_ADVICE}") from None
        finally:  # the workers have ended, so that no further point finishes
            if opened and self.folder.shard is None:
                self._write_tables()
        if self.folder.shard is not None:
            self.folder.write_points()
            return self.folder.progress(interrupted=workers.interrupted)
        return load_sweep(self.folder.path, interrupted=workers.interrupted)

    def estimate(
        self, *, mix_versions: bool = False, on_progress: OnProgress = lambda *progress: None
    ) -> tuple[float | None, str]:
        """Check the pending points; return the wall time that they will take, [s], and the estimate's basis.

        Parameters
        ----------
        mix_versions : bool
            Accept workers of a scheduler with other versions of the code.
        on_progress : callable
            Shows the progress of the checks.

        Raises
        ------
        ScenarioError
            With all issues of all points at once.
        WorkersError
            If no workers are available.
        """
        tasks = self._tasks(retry_failed=False)
        with self._workers(len(tasks), mix_versions=mix_versions) as (workers, _):
            self._check_points(tasks, workers, on_progress)
            wall_s = [self.folder.wall_s[name] for name in self.points if name in self.folder.wall_s]
            basis = f"from {len(wall_s)} finished points"
            if tasks and not wall_s and not workers.interrupted:
                for _, future in workers.map_unordered(estimate_wall_s, tasks[:1]):
                    first_s = None if future.exception() else future.result()
                    wall_s = [] if first_s is None else [first_s]
                basis = f"roughly, from {ROUNDS_TIMED} rounds of the first"
            self.jobs = workers.jobs
        if workers.interrupted:
            raise KeyboardInterrupt
        return time_left_s(wall_s, len(tasks), self.jobs), basis

    @property
    def figures(self) -> tuple[SweepFigure, ...]:
        """Return the figures of the sweep."""
        sweep = self.loaded.scenario.sweep
        return sweep.figure if sweep else ()

    @contextmanager
    def _workers(
        self, items: int, *, mix_versions: bool
    ) -> Iterator[tuple[WorkerPool, Callable[[Path], None]]]:
        """Open the workers, and yield them with a function that checks that they see a folder."""
        if self._scheduler is None or not items:
            with WorkerPool(min(self.jobs, max(1, items)), self._start) as workers:
                yield workers, lambda folder: None
            return
        try:
            from .dask_workers import DaskWorkers  # here, because the package distributed is optional
        except ImportError as error:
            if (error.name or "").split(".")[0] not in ("distributed", "dask"):
                raise
            raise WorkersError(
                "workers of a scheduler need the package distributed: pip install 'cutlayer[cluster]'"
            ) from None
        trained = self.loaded.scenario.learning is not None
        with DaskWorkers(
            self._scheduler, trained=trained, mix_versions=mix_versions, plugins=self._plugins
        ) as dask_workers:
            max_jobs = min(items, self._max_jobs or items)
            with WorkerPool(
                lambda: min(max_jobs, dask_workers.num_workers()), dask_workers.executor
            ) as workers:
                yield workers, dask_workers.require_shared_folder

    def _check_points(self, tasks: Sequence[PointTask], workers: WorkerPool, on_progress: OnProgress) -> None:
        def on_checked(done: int) -> None:
            on_progress("checking", done, 0, len(tasks), None)

        on_checked(0)
        self._checks.check_points(tasks, workers, on_checked)

    def _tasks(self, *, retry_failed: bool, limit_s: float | None = None) -> list[PointTask]:
        folder = self.folder.path.absolute()  # workers may have another working directory
        return [
            PointTask(point, folder / point.name, self._allow_imports, limit_s)
            for point in self.pending(retry_failed=retry_failed)
        ]

    def _run_tasks(
        self, tasks: Sequence[PointTask], workers: WorkerPool, on_progress: OnProgress, *, fail_fast: bool
    ) -> None:
        total = len(self.folder.own_points)
        done, failed, written_s = total - len(tasks), 0, time.monotonic()
        earlier_s, wall_s = list(self.folder.wall_s.values()), list[float]()
        unwritable = ""
        left_s = time_left_s(earlier_s, len(tasks), workers.jobs)
        on_progress("running", done, failed, total, left_s)
        limit_s = tasks[0].limit_s if tasks else None
        hard_limit_s = None if limit_s is None else limit_s + _GRACE_S
        for task, future in workers.map_unordered(run_point, tasks, limit_s=hard_limit_s):
            outcome = outcome_of_error(future.exception(), limit_s) or future.result()
            if outcome.wall_s is not None:
                wall_s.append(outcome.wall_s)
            done += 1
            failed += outcome.error is not None
            if failed and fail_fast:
                workers.stop()
            left_s = time_left_s(wall_s or earlier_s, total - done, workers.jobs)
            try:
                if outcome.unwritable is not None:
                    raise RunFolderError(outcome.unwritable)
                if outcome.error is not None:
                    self.folder.fail(task.point.name, outcome.error)
                else:
                    self.folder.finish(task.point.name, outcome.wall_s)
                on_progress("running", done, failed, total, left_s)
                if outcome.error is not None or time.monotonic() > written_s + _WRITE_EVERY_S:
                    self.folder.write_points()
                    written_s = time.monotonic()
            except (OSError, RunFolderError) as error:
                # no other point starts, because it could not be written either; running points may still fit
                unwritable = unwritable or str(error)
                workers.stop()
        if unwritable:
            raise SweepStoppedError(f"{unwritable}\n{_RESUME_ADVICE}")

    def _write_tables(self) -> None:
        try:
            self.folder.write_tables()
            self.folder.write_text(SWEEP, scenario_yaml(self.loaded.scenario))
        except RunFolderError as error:
            raise SweepStoppedError(f"{error}\n{_RESUME_ADVICE}") from None
