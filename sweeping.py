"""A sweep: every point of a scenario's ``sweep`` is checked, then run in a worker, once and for all."""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from .analysis.run import RunFolderError, save_run
from .analysis.sweep_folder import SweepFolder, SweepResult, load_sweep, point_table
from .analysis.sweep_report import draw_figures
from .analysis.sweep_statistics import ambiguous
from .code_version import versions
from .preparation import prepare
from .runner import run_loaded
from .scenarios.faults import Fault, ScenarioError
from .scenarios.loading import Loaded, scenario_yaml
from .scenarios.points import Point, gathered, load_points
from .scenarios.sweeps import SweepFigure
from .workers import StartPool, Workers, cores, process_pool

__all__ = ["OnProgress", "Sweeping", "sweep"]

OnProgress: TypeAlias = Callable[[str, int, int, int], None]
"""Called with what is going on, ``checking`` or ``running``, and the points done, failed, and in all."""

_WRITE_EVERY_S = 2.0
_ROUNDS_TIMED = 2
_DIED = "the worker process died: it crashed, was killed, or was out of memory"


@dataclass(frozen=True)
class _Task:
    point: Point
    folder: Path
    allow_imports: bool


def _faults(task: _Task) -> tuple[Fault, ...]:
    try:
        prepare(task.point.loaded, allow_imports=task.allow_imports)
    except ScenarioError as error:
        return tuple(error.placed())
    except Exception:  # no fault of the scenario: the run will meet it again, and it is recorded there
        return ()
    return ()


def _run(task: _Task) -> tuple[float, str | None]:
    """Run a point and write its folder; return the wall time, and the traceback if it failed."""
    began = time.perf_counter()
    error = None
    try:
        save_run(
            run_loaded(prepare(task.point.loaded, allow_imports=task.allow_imports)),
            task.folder,
            figures=False,
        )
    except Exception:  # whatever it is, the other points go on
        error = traceback.format_exc()
    return time.perf_counter() - began, error


def _timed(task: _Task) -> float | None:
    """Return a rough wall time of the point, from its first rounds; None where their number is not known."""
    loaded = task.point.loaded
    stop = loaded.scenario.stop
    if stop.rounds is None:
        return None
    began = time.perf_counter()
    count = min(_ROUNDS_TIMED, stop.rounds)
    short = loaded.scenario.model_copy(update={"stop": stop.model_copy(update={"rounds": count})})
    experiment = prepare(
        Loaded(short, loaded.source, loaded.lines, loaded.overridden), allow_imports=task.allow_imports
    )
    prepared = time.perf_counter()
    run_loaded(experiment)
    return prepared - began + (time.perf_counter() - prepared) * stop.rounds / count


def _stem(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name)


class Sweeping:
    """A sweep that is about to run: its points are read and checked, nothing is written yet.

    Parameters
    ----------
    scenario : a path, or the name of a scenario of the library
    out : folder of the sweep; ``sweeps/NAME`` by default
    overrides : ``"key.path=value"`` each, the value in YAML
    jobs : points that run at the same time; by default as many as there are cores for the torch threads of
        each. Results do not depend on it.
    allow_imports : let ``model: {name: imported}`` import and run your code
    start : starts the pool of workers

    Raises
    ------
    ScenarioError
        With all faults of the scenario and its points at once, but those of data, plans and gains.
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
        allow_imports: bool = False,
        start: StartPool = process_pool,
    ) -> None:
        self.loaded, points = load_points(scenario, overrides)
        self.points = {point.name: point for point in points}
        table = point_table(
            list(self.points),
            [point.overrides for point in points],
            [point.loaded.scenario.model_dump(mode="json", exclude_none=True) for point in points],
        )
        self.folder = SweepFolder(Path(out or Path("sweeps") / _stem(self.loaded.scenario.name)), table)
        self.folder.check()
        self._check_figures()
        # more points than cores would only slow each other down
        threads = max(p.loaded.scenario.learning.threads if p.loaded.scenario.learning else 1 for p in points)
        self.jobs = jobs or max(1, cores() // threads)
        self._allow_imports = allow_imports
        self._start = start

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
            If finished points were made by other versions, unless ``mix_versions`` is set.
        KeyboardInterrupt
            After a second interrupt, or if all was interrupted before the first point was run.
        """
        if not mix_versions:
            self._refuse_other_versions()
        tasks = self._tasks(retry_failed=retry_failed)
        opened = False
        try:
            with Workers(min(self.jobs, max(1, len(tasks))), self._start) as workers:
                self._check(tasks, workers, on_progress)
                if workers.interrupted:
                    raise KeyboardInterrupt
                self.folder.open()
                opened = True
                self._run(tasks, workers, on_progress)
        finally:  # when no worker can finish a point any more
            if opened:
                self.folder.write_tables()
        self._write_scenario()
        return load_sweep(self.folder.path, interrupted=workers.interrupted)

    def estimate(self) -> tuple[float | None, str]:
        """Check the pending points; return the wall time that they will take, and what it is reckoned from.

        Raises
        ------
        ScenarioError
            With all faults of all points at once.
        """
        tasks = self._tasks(retry_failed=False)
        with Workers(min(self.jobs, max(1, len(tasks))), self._start) as workers:
            self._check(tasks, workers, lambda *progress: None)
            known = [self.folder.wall_s[name] for name in self.points if name in self.folder.wall_s]
            source = f"from {len(known)} finished points"
            mean_s: float | None = sum(known) / len(known) if known else None
            if tasks and not known and not workers.interrupted:
                ((_, future),) = workers.each(_timed, tasks[:1])
                mean_s, source = future.result(), f"roughly, from {_ROUNDS_TIMED} rounds of the first"
        if workers.interrupted:
            raise KeyboardInterrupt
        return None if mean_s is None else mean_s * len(tasks) / self.jobs, source

    @property
    def figures(self) -> tuple[SweepFigure, ...]:
        """Return what is to be drawn."""
        sweep = self.loaded.scenario.sweep
        return sweep.figure if sweep else ()

    def _check_figures(self) -> None:
        faults = []
        for number, figure in enumerate(self.figures):
            keys = ambiguous(self.folder.points, figure)
            if keys:
                text = (
                    f"points that differ in {', '.join(keys)} fall on one place;"
                    " name a key as lines, panels or best_over"
                )
                faults.append(Fault(("sweep", "figure", number), text))
        if faults:
            raise self.loaded.error(faults)

    def _tasks(self, *, retry_failed: bool) -> list[_Task]:
        return [
            _Task(point, self.folder.path / point.name, self._allow_imports)
            for point in self.pending(retry_failed=retry_failed)
        ]

    def _refuse_other_versions(self) -> None:
        current = versions(trained=self.loaded.scenario.learning is not None)
        for name in self.folder.with_status("finished"):
            other = self.folder.versions(name)
            told = [
                f"{k} {other[k]} instead of {current[k]}"
                for k in current
                if other.get(k, current[k]) != current[k]
            ]
            if told:
                raise RunFolderError(
                    f"{self.folder.path} holds points of other versions ({', '.join(told)});"
                    " choose another place, or allow them with --mix-versions"
                )

    def _check(self, tasks: Sequence[_Task], workers: Workers, on_progress: OnProgress) -> None:
        found: dict[str, tuple[Fault, ...]] = {}
        for task, future in workers.each(_faults, tasks):
            found[task.point.name] = () if future.exception() else future.result()  # as above
            on_progress("checking", len(found), 0, len(tasks))
        faulty = [(p.told, found[p.name]) for p in self.points.values() if found.get(p.name)]
        if faulty:
            raise gathered(faulty, len(self.points), self.loaded.source)

    def _run(self, tasks: Sequence[_Task], workers: Workers, on_progress: OnProgress) -> None:
        done, failed, written_s = len(self.points) - len(tasks), 0, time.monotonic()
        on_progress("running", done, failed, len(self.points))
        for task, future in workers.each(_run, tasks):
            error: str | None
            broken = future.exception()
            if broken is not None:
                wall_s, error = 0.0, _DIED if isinstance(broken, BrokenExecutor) else repr(broken)
            else:
                wall_s, error = future.result()
            if error is None:
                self.folder.finish(task.point.name, wall_s)
            else:
                self.folder.fail(task.point.name, error)
                failed += 1
            done += 1
            on_progress("running", done, failed, len(self.points))
            if error is not None or time.monotonic() > written_s + _WRITE_EVERY_S:
                self.folder.write_points()
                written_s = time.monotonic()

    def _write_scenario(self) -> None:
        self.folder.write_text("sweep.yaml", scenario_yaml(self.loaded.scenario))


def sweep(
    scenario: str | Path,
    *,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    jobs: int | None = None,
    retry_failed: bool = False,
    mix_versions: bool = False,
    allow_imports: bool = False,
) -> SweepResult:
    """Run every point of a scenario's sweep that is not finished, and return the tables of all.

    Workers are processes that import the calling script anew: call it under ``if __name__ ==
    "__main__":``, and register plug-ins outside of that.

    Parameters
    ----------
    scenario : path of a scenario file, or the name of one in the library
    out : folder of the sweep; ``sweeps/NAME`` by default
    overrides : ``"key.path=value"`` each, the value in YAML
    jobs : points that run at the same time; one a core by default
    retry_failed : run points again that failed before
    mix_versions : go on although finished points were made by other versions
    allow_imports : let ``model: {name: imported}`` import and run your code

    Raises
    ------
    ScenarioError
        With all faults of all points at once.
    RunFolderError
        If the folder holds something else, or points of other versions.
    """
    sweeping = Sweeping(scenario, out=out, overrides=overrides, jobs=jobs, allow_imports=allow_imports)
    result = sweeping.run(retry_failed=retry_failed, mix_versions=mix_versions)
    for fault in draw_figures(result, sweeping.figures)[1]:
        warnings.warn(fault, stacklevel=2)
    return result
