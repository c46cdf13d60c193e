"""A worker process of a run: it prepares the scenario, runs schemes by their number, and reports rounds."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

from ...analysis.results.atomic_files import RunFolderError
from ...analysis.results.recorded_tables import RecordedTables, RecordWriter
from ...scenarios.loading.loader import LoadedScenario
from ...scenarios.text import one_line
from ...sim.schemes.round_loop import RoundResult
from ..checkpoints import SchemeCheckpoints
from ..experiment import Experiment
from ..preparation import prepare
from ..processes.process_guards import INTERRUPTS, deferred_interrupt
from ..processes.worker_processes import picklable_error
from .callbacks import Row
from .scheme_results import Failure, SchemeRun, run_without_rounds
from .scheme_run import run_scheme

__all__ = [
    "ObservedRound",
    "ReportedRound",
    "SchemeOutcome",
    "StartedScheme",
    "WorkerTask",
    "run_schemes",
]

_SHOW_EVERY_S = 0.1
"""The least wall time between two rounds of a scheme that a worker reports, [s]."""


@dataclass(frozen=True)
class WorkerTask:
    """Everything that a worker needs to run any scheme of the scenario.

    Attributes
    ----------
    loaded : LoadedScenario
        The scenario.
    allow_imports : bool
        Let ``model: {name: imported}`` import and run the user's code.
    checkpoints : (Path, int) or None
        The folder of the checkpoints, and the rounds between two of them.
    overflow_folder : Path
        The folder of intervals and events that do not fit into the memory. It is created when it is needed.
    is_observed : bool
        Whether the other process has callbacks, which are told about each round.
    """

    loaded: LoadedScenario
    allow_imports: bool
    checkpoints: tuple[Path, int] | None
    overflow_folder: Path
    is_observed: bool


@dataclass(frozen=True)
class SchemeOutcome:
    """The result of a scheme in a worker.

    Attributes
    ----------
    run : SchemeRun or None
        The scheme's results; None if it was interrupted before its first round was finished, or if its worker
        has died.
    recorded : RecordedTables
        Its intervals and events.
    error : Exception or None
        The error that ended the scheme without results: its worker has died, or its checkpoint is damaged.
    """

    run: SchemeRun | None
    recorded: RecordedTables
    error: Exception | None = None

    def scheme_run(self, experiment: Experiment, number: int) -> SchemeRun | None:
        """Return the results of a scheme. A scheme that failed before its first round has empty tables.

        Parameters
        ----------
        number : int
            The scheme's number in the scenario's order.

        Raises
        ------
        RunFolderError
            If the scheme's checkpoint is damaged.
        """
        if self.error is None:
            return self.run
        if isinstance(self.error, RunFolderError):
            raise self.error
        details = "".join(traceback.format_exception(self.error))
        failure = Failure(self.error, one_line(self.error), details)
        return run_without_rounds(experiment, *experiment.schemes[number], failure)


@dataclass(frozen=True)
class ReportedRound:
    """A finished round, which a worker reports."""

    label: str
    result: RoundResult


@dataclass(frozen=True)
class StartedScheme:
    """The beginning of a scheme, which a worker reports to callbacks."""

    label: str


@dataclass(frozen=True)
class ObservedRound:
    """A finished round for callbacks. The worker waits for the reason to end the scheme, or for None."""

    label: str
    row: Row


@dataclass(frozen=True)
class _RemoteObserver:
    """Tells the process with the callbacks about a scheme of this worker."""

    connection: Connection

    def on_start(self, label: str) -> None:
        """Report the beginning of a scheme."""
        with deferred_interrupt():
            self.connection.send(StartedScheme(label))

    def on_round(self, label: str, row: Row) -> str | None:
        """Report a finished round, and return the reason to end the scheme, or None."""
        with deferred_interrupt():  # half a message would spoil all later ones
            self.connection.send(ObservedRound(label, row))
        answer: str | None = self.connection.recv()
        return answer


class _FirstInterrupt:
    """A signal handler that raises ``KeyboardInterrupt`` once.

    A terminal interrupts all processes, and the process that waits for the workers interrupts them too. A
    batch system sends SIGTERM to all of them.
    """

    def __init__(self) -> None:
        self._received = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self._received:
            self._received = True
            raise KeyboardInterrupt


def run_schemes(connection: Connection, task: WorkerTask) -> None:
    """Run schemes in this worker process: receive their numbers, and send rounds and outcomes."""
    handler = _FirstInterrupt()
    for number in INTERRUPTS:
        signal.signal(number, handler)
    sent: list[SchemeOutcome] = []  # an outcome deletes its file, which the other process has yet to read
    with suppress(KeyboardInterrupt, EOFError):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        connection.send(None)  # the worker has started
        experiment: Experiment | Exception
        try:
            experiment = prepare(task.loaded, allow_imports=task.allow_imports)
        except Exception as error:  # the other process finds and reports an issue of the scenario
            experiment = error
        while True:
            number = connection.recv()
            with deferred_interrupt():  # an interrupt ends the rounds, and once more this loop
                sent.append(_outcome(experiment, task, number, connection))
                connection.send(sent[-1])
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)  # without the deletion of files


def _outcome(
    experiment: Experiment | Exception, task: WorkerTask, number: int, connection: Connection
) -> SchemeOutcome:
    """Run a scheme, and return its outcome in a form that can be pickled."""
    shown_s = 0.0

    def on_round(label: str, result: RoundResult) -> None:
        nonlocal shown_s
        now_s = time.monotonic()
        if result.is_last or now_s >= shown_s + _SHOW_EVERY_S:
            shown_s = now_s
            with deferred_interrupt():  # half a message would spoil all later ones
                connection.send(ReportedRound(label, result))

    try:
        if isinstance(experiment, Exception):
            raise experiment
        checkpoints = None
        if task.checkpoints is not None:
            folder, every = task.checkpoints
            checkpoints = SchemeCheckpoints(folder, number, every)
        writer = RecordWriter(task.overflow_folder / str(number))
        scheme, plan = experiment.schemes[number]
        observer = _RemoteObserver(connection) if task.is_observed else None
        run = run_scheme(experiment, scheme, plan, on_round, writer, checkpoints, observer)
        return SchemeOutcome(None if run is None else _picklable(run), writer.finish())
    except Exception as error:
        return SchemeOutcome(None, RecordedTables(), picklable_error(error))


def _picklable(run: SchemeRun) -> SchemeRun:
    """Return the results of a scheme with an error that can be pickled."""
    if run.failure is None:
        return run
    return replace(run, failure=replace(run.failure, error=picklable_error(run.failure.error)))
