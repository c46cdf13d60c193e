"""The tasks of a sweep's workers on one point: check it, run it, estimate its time, or show its columns."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ...analysis.results.atomic_files import RunFolderError
from ...analysis.results.recorded_tables import SpillError
from ...analysis.results.run_files import ERRORS
from ...analysis.results.run_folder import save_run
from ...analysis.results.sweeps.sweep_tables import scheme_rows
from ...scenarios.errors import ScenarioError, ScenarioIssue
from ...scenarios.loading.loader import LoadedScenario
from ...scenarios.loading.sweep_points import Point
from ...scenarios.schema.scenario import Scenario
from ...sim.schemes.round_loop import RoundResult
from ..experiment import Experiment
from ..preparation import prepare
from ..processes.worker_processes import WorkerDiedError
from ..runner import run_experiment
from .worker_pool import TimeLimitError

__all__ = [
    "ROUNDS_TIMED",
    "PointOutcome",
    "PointTask",
    "estimate_wall_s",
    "first_round_tables",
    "outcome_of_error",
    "point_issues",
    "run_point",
    "time_limit_text",
]

ROUNDS_TIMED = 3
"""Rounds that an estimate runs: the first, which loads libraries; one without an evaluation; one with it."""


@dataclass(frozen=True)
class PointTask:
    """A point of a sweep, and the path of its run folder.

    Attributes
    ----------
    point : Point
        The point.
    folder : Path
        Its run folder.
    allow_imports : bool
        Let ``model: {name: imported}`` import and run the user's code.
    limit_s : float or None
        The longest wall time of the run, [s].
    """

    point: Point
    folder: Path
    allow_imports: bool
    limit_s: float | None = None

    @property
    def finished(self) -> bool:
        """Return whether the run folder is complete, and none of its schemes has failed."""
        return (self.folder / "summary.json").is_file() and not _has_failed_schemes(self.folder)

    def prepare(self) -> Experiment:
        """Prepare the scenario of the point."""
        return prepare(self.point.loaded, allow_imports=self.allow_imports)

    def prepare_variant(self, scenario: Scenario) -> Experiment:
        """Prepare a changed scenario. Its issues name the lines of the point."""
        loaded = self.point.loaded
        changed = LoadedScenario(scenario, loaded.source, loaded.lines, loaded.overridden)
        return prepare(changed, allow_imports=self.allow_imports)


@dataclass(frozen=True)
class PointOutcome:
    """The outcome of running a point.

    Attributes
    ----------
    wall_s : float or None
        The wall time of the run, [s]; None if the point was finished already.
    error : str or None
        The traceback of a point that failed.
    unwritable : str or None
        The reason why the run folder could not be written. Other points of the sweep would meet it too.
    """

    wall_s: float | None
    error: str | None = None
    unwritable: str | None = None


class _TimeLimitReached(BaseException):
    """Ends a run between two rounds. It is no ``Exception``, which would cost a single scheme."""


def time_limit_text(limit_s: float) -> str:
    """Return the reason why a point failed that has reached its time limit, [s]."""
    return f"took longer than {limit_s:g} s"


def point_issues(task: PointTask) -> tuple[ScenarioIssue, ...]:
    """Return the issues that the preparation of the point finds."""
    try:
        prepare(task.point.loaded, allow_imports=task.allow_imports, simulate_plans=False)
    except ScenarioError as error:
        return tuple(error.located())
    except Exception:  # not an issue of the scenario: the run will raise it again, and is recorded as failed
        return ()
    return ()


def run_point(task: PointTask) -> PointOutcome:
    """Run a point and write its run folder."""
    if task.finished:  # by a worker that died before it could report so
        return PointOutcome(None)
    started_s = time.perf_counter()
    error = unwritable = None

    def on_round(label: str, result: RoundResult) -> None:
        if task.limit_s is not None and time.perf_counter() > started_s + task.limit_s:
            raise _TimeLimitReached(time_limit_text(task.limit_s))

    try:
        # records that do not fit into the memory go beside the run folder, not to a disk of the worker
        run = run_experiment(task.prepare(), on_round, folder=task.folder)
        if run.is_record_lost:
            raise SpillError(run.recorded.lost or run.recorded_events.lost)
        save_run(run, task.folder, overwrite=_has_failed_schemes(task.folder))
        if run.failed:
            summary = "; ".join(f"{label}: {text}" for label, text in run.failed.items())
            error = f"{run.errors}\n{summary}\n"
    except _TimeLimitReached as reached:
        error = str(reached)
    except (RunFolderError, SpillError) as reason:
        if not task.finished:  # another worker, which the scheduler believed dead, may have been faster
            unwritable = str(reason)
    except Exception as failure:  # of any kind: the other points of the sweep continue
        error = traceback.format_exc()
        lines = str(failure).splitlines()
        if len(lines) > 1:  # one more line, because tables show the last line of the traceback
            error += f"{type(failure).__name__}: {' '.join(lines)}\n"
    return PointOutcome(time.perf_counter() - started_s, error, unwritable)


def _has_failed_schemes(folder: Path) -> bool:
    return (folder / ERRORS).is_file()


def estimate_wall_s(task: PointTask) -> float | None:
    """Return a rough wall time of the point, [s], from its first rounds; None if their number is unknown.

    Each scheme runs for three rounds, and evaluates only the last. The times of the second and third round
    are extrapolated to all rounds and evaluations of the point.
    """
    scenario = task.point.loaded.scenario
    num_rounds = scenario.stop.rounds
    if num_rounds is None:
        return None
    every = scenario.learning.evaluate_every if scenario.learning else num_rounds
    short = scenario
    if num_rounds > ROUNDS_TIMED:
        stop = scenario.stop.model_copy(update={"rounds": ROUNDS_TIMED, "accuracy": None})
        short = scenario.model_copy(update={"stop": stop})
        if scenario.learning is not None:
            learning = scenario.learning.model_copy(update={"evaluate_every": ROUNDS_TIMED})
            short = short.model_copy(update={"learning": learning})
    round_ends_s: dict[str, list[float]] = {}

    def on_round(label: str, result: RoundResult) -> None:
        round_ends_s.setdefault(label, []).append(time.perf_counter())

    started_s = time.perf_counter()
    run_experiment(task.prepare_variant(short), on_round)
    wall_s = time.perf_counter() - started_s
    if short is scenario:
        return wall_s
    evaluations = -(-num_rounds // every)  # rounded up, because the last round is always evaluated
    for ends_s in round_ends_s.values():
        if len(ends_s) == ROUNDS_TIMED:  # a scheme with fewer rounds has run to its end
            first_s, second_s, third_s = ends_s
            round_s = second_s - first_s
            evaluation_s = max(0.0, third_s - second_s - round_s)
            wall_s += round_s * (num_rounds - ROUNDS_TIMED) + evaluation_s * (evaluations - 1)
    return wall_s


def first_round_tables(task: PointTask) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of ``schemes.csv`` and ``rounds.parquet`` after one round without learning.

    They show the columns that the tables of the sweep will have. Values that need learning are None or NaN.
    """
    scenario = task.point.loaded.scenario
    stop = scenario.stop.model_copy(update={"rounds": 1})
    short = scenario.model_copy(update={"stop": stop, "learning": None})
    run = run_experiment(task.prepare_variant(short))
    return pd.DataFrame(scheme_rows(run.summary)), run.rounds


def outcome_of_error(error: BaseException | None, limit_s: float | None) -> PointOutcome | None:
    """Return the outcome of a point whose worker died, was ended, or raised an error; None without an error.

    Parameters
    ----------
    error : BaseException or None
        The exception of the point's future.
    limit_s : float or None
        The time limit of a point, [s].
    """
    if error is None:
        return None
    if isinstance(error, TimeLimitError) and limit_s is not None:
        return PointOutcome(None, time_limit_text(limit_s))
    return PointOutcome(None, str(error) if isinstance(error, WorkerDiedError) else repr(error))
