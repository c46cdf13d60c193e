"""What a worker does with one point of a sweep: check it, run it, or tell from its start what to expect."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ...analysis.results.atomic_files import RunFolderError
from ...analysis.results.interval_store import SpillError
from ...analysis.results.run_folder import save_run
from ...analysis.results.sweep_tables import scheme_rows
from ...scenarios.errors import ScenarioError, ScenarioIssue
from ...scenarios.loading.loader import LoadedScenario
from ...scenarios.loading.sweep_points import Point
from ...scenarios.schema.scenario import Scenario
from ...sim.schemes.round_loop import RoundResult
from ..preparation import Experiment, prepare
from ..runner import run_loaded

__all__ = ["ROUNDS_TIMED", "Outcome", "Task", "estimated_s", "faults", "first_rows", "run"]

ROUNDS_TIMED = 3
"""The first, in which libraries warm up; one without an evaluation; one with."""


@dataclass(frozen=True)
class Task:
    """A point, and where its run folder is to be."""

    point: Point
    folder: Path
    allow_imports: bool

    @property
    def finished(self) -> bool:
        """Return whether the run folder is there."""
        return (self.folder / "summary.json").is_file()

    def prepared(self) -> Experiment:
        """Return the point made ready to run."""
        return prepare(self.point.loaded, allow_imports=self.allow_imports)

    def prepared_as(self, scenario: Scenario) -> Experiment:
        """Return another scenario, with the point's lines in its faults, made ready to run."""
        loaded = self.point.loaded
        changed = LoadedScenario(scenario, loaded.source, loaded.lines, loaded.overridden)
        return prepare(changed, allow_imports=self.allow_imports)


@dataclass(frozen=True)
class Outcome:
    """What has become of a point that was run.

    Attributes
    ----------
    wall_s : how long it took; None if it was finished already
    error : the traceback of a point that failed
    unwritable : why its folder could not be written: a fault of the place, so that others would meet it too
    """

    wall_s: float | None
    error: str | None = None
    unwritable: str | None = None


def faults(task: Task) -> tuple[ScenarioIssue, ...]:
    """Return what is wrong with the point, as far as that shows before it runs."""
    try:
        task.prepared()
    except ScenarioError as error:
        return tuple(error.located())
    except Exception:  # no fault of the scenario: the run will meet it again, and it is recorded there
        return ()
    return ()


def run(task: Task) -> Outcome:
    """Run a point and write its folder."""
    if task.finished:  # by a worker that was lost before it could say so
        return Outcome(None)
    began_s = time.perf_counter()
    error = unwritable = None
    try:
        # what is too much for the memory goes where the point will be, and not to a disk of the worker's own
        save_run(run_loaded(task.prepared(), folder=task.folder), task.folder)
    except (RunFolderError, SpillError) as reason:
        if not task.finished:  # a worker that was given up for lost may have been quicker
            unwritable = str(reason)
    except Exception as fault:  # whatever it is, the other points go on
        error = traceback.format_exc()
        lines = str(fault).splitlines()
        if len(lines) > 1:  # the last line is what tables show
            error += f"{type(fault).__name__}: {' '.join(lines)}\n"
    return Outcome(time.perf_counter() - began_s, error, unwritable)


def estimated_s(task: Task) -> float | None:
    """Return a rough wall time of the point, [s], from its first rounds; None if their number is unknown.

    Each scheme is run for three rounds, of which the last alone is evaluated; what the second and third
    took is reckoned up to all rounds and evaluations of the point.
    """
    scenario = task.point.loaded.scenario
    total = scenario.stop.rounds
    if total is None:
        return None
    every = scenario.learning.evaluate_every if scenario.learning else total
    short = scenario
    if total > ROUNDS_TIMED:
        stop = scenario.stop.model_copy(update={"rounds": ROUNDS_TIMED, "accuracy": None})
        short = scenario.model_copy(update={"stop": stop})
        if scenario.learning is not None:
            rarely = scenario.learning.model_copy(update={"evaluate_every": ROUNDS_TIMED})
            short = short.model_copy(update={"learning": rarely})
    ends_s: dict[str, list[float]] = {}

    def on_round(label: str, result: RoundResult) -> None:
        ends_s.setdefault(label, []).append(time.perf_counter())

    began_s = time.perf_counter()
    run_loaded(task.prepared_as(short), on_round)
    taken_s = time.perf_counter() - began_s
    if short is scenario:
        return taken_s
    evaluations = -(-total // every)  # the last round is always evaluated
    for ends in ends_s.values():
        if len(ends) == ROUNDS_TIMED:  # else it ends before, and has been run whole
            first_s, second_s, third_s = ends
            round_s = second_s - first_s
            evaluation_s = max(0.0, third_s - second_s - round_s)
            taken_s += round_s * (total - ROUNDS_TIMED) + evaluation_s * (evaluations - 1)
    return taken_s


def first_rows(task: Task) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a row a scheme as in ``schemes.csv``, and its first round's: what columns the tables will have.

    Nothing is learnt for it; what is not known after a round without learning is None or NaN.
    """
    scenario = task.point.loaded.scenario
    stop = scenario.stop.model_copy(update={"rounds": 1})
    short = scenario.model_copy(update={"stop": stop, "learning": None})
    result = run_loaded(task.prepared_as(short))
    return pd.DataFrame(scheme_rows(result.summary)), result.rounds
