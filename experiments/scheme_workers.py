"""The schemes of a run in parallel, each in a worker process, with the same results as one after the other.

A worker prepares the scenario itself and runs one scheme at a time. Random streams are keyed by purpose, so
that a scheme's results depend neither on the process nor on the other schemes.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType

from ..analysis.results.atomic_files import RunFolderError
from ..analysis.results.recorded_tables import RecordedTables, RecordWriter
from ..scenarios.loading.loader import LoadedScenario
from ..scenarios.plugins import loaded_plugins
from ..scenarios.schema.scenario import Scenario
from ..scenarios.text import one_line
from ..sim.schemes.round_loop import RoundResult
from .callbacks import Row, RunObserver
from .checkpoints import Checkpoints, SchemeCheckpoints
from .experiment import Experiment
from .preparation import prepare
from .processes.process_guards import INTERRUPTS, InterruptCount, count_interrupts, deferred_interrupt
from .processes.worker_processes import (
    FAILED_TO_START,
    WorkerDiedError,
    WorkerProcess,
    WorkersError,
    cores,
    exit_if_reimported,
    picklable_error,
)
from .scheme_results import Failure, SchemeRun, run_without_rounds
from .scheme_run import OnRound, run_scheme

__all__ = ["SchemeOutcome", "SchemeWorkers", "default_jobs"]

_POLL_S = 0.2
_SHOW_EVERY_S = 0.1
"""The least wall time between two rounds of a scheme that a worker reports, [s]."""


def default_jobs(scenario: Scenario) -> int:
    """Return the number of schemes to run in parallel: as many as the cores can train.

    A timeline alone takes less time than the start of a process. On a GPU, several processes would share its
    memory. Both run in one process.
    """
    learning = scenario.learning
    if learning is None or learning.device != "cpu":
        return 1
    return max(1, cores() // learning.threads)


@dataclass(frozen=True)
class _Task:
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
class _Round:
    """A finished round, which a worker reports."""

    label: str
    result: RoundResult


@dataclass(frozen=True)
class _Started:
    """The beginning of a scheme, which a worker reports to callbacks."""

    label: str


@dataclass(frozen=True)
class _ObservedRound:
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
            self.connection.send(_Started(label))

    def on_round(self, label: str, row: Row) -> str | None:
        """Report a finished round, and return the reason to end the scheme, or None."""
        with deferred_interrupt():  # half a message would spoil all later ones
            self.connection.send(_ObservedRound(label, row))
        answer: str | None = self.connection.recv()
        return answer


@dataclass(eq=False)
class _Worker:
    """A worker process, and the scheme that it runs at the moment.

    Attributes
    ----------
    process : WorkerProcess
        The process.
    started : bool
        Whether it has reported its start.
    scheme : int or None
        The number of the scheme; None while the worker waits for one.
    """

    process: WorkerProcess
    started: bool = False
    scheme: int | None = None


class SchemeWorkers:
    """A context with worker processes, which prepare the scenario at once and then wait for schemes.

    Parameters
    ----------
    loaded : LoadedScenario
        The scenario.
    jobs : int
        The number of worker processes.
    allow_imports : bool
        Let ``model: {name: imported}`` import and run the user's code.
    folder : Path, optional
        The run folder. Intervals and events that do not fit into the memory go beside it.
    checkpoints : Checkpoints, optional
        Where the run is saved regularly.
    observer : RunObserver, optional
        The callbacks of the user, which this process calls. A worker waits for their answer after each round,
        so that a scheme ends in the same round as without workers.
    """

    def __init__(
        self,
        loaded: LoadedScenario,
        jobs: int,
        *,
        allow_imports: bool,
        folder: Path | None = None,
        checkpoints: Checkpoints | None = None,
        observer: RunObserver | None = None,
    ) -> None:
        exit_if_reimported()
        name = f".{folder.name if folder else 'cutlayer'}-{uuid.uuid4().hex}"
        parent = checkpoints.folder if checkpoints else folder.absolute().parent if folder else None
        self._overflow_folder = (parent or Path(tempfile.gettempdir())) / name
        every = (checkpoints.folder.absolute(), checkpoints.every) if checkpoints else None
        self._observer = observer
        self._task = _Task(loaded, allow_imports, every, self._overflow_folder, observer is not None)
        self._jobs = jobs
        self._workers: list[_Worker] = []
        self._any_started = False

    def __enter__(self) -> SchemeWorkers:
        """Start the workers."""
        for _ in range(self._jobs):
            self._start_worker()
        return self

    def __exit__(self, *exception: object) -> None:
        """End the workers, and remove their files."""
        for worker in self._workers:
            worker.process.kill()
        shutil.rmtree(self._overflow_folder, ignore_errors=True)

    def run(self, num_schemes: int, on_round: OnRound) -> tuple[list[SchemeOutcome | None], bool]:
        """Run the schemes, each in the next worker that is free.

        After an interrupt, no scheme starts, and the running ones end with their finished rounds. A second
        interrupt ends the workers at once; the schemes that have ended before keep their results.

        Parameters
        ----------
        num_schemes : int
            The number of schemes of the scenario.
        on_round : callable
            Called with finished rounds: a few in a second for each scheme, and the last one.

        Returns
        -------
        outcomes : list of SchemeOutcome or None
            The outcome of each scheme in the scenario's order; None for one that has not run.
        interrupted : bool
            Whether an interrupt has arrived.

        Raises
        ------
        WorkersError
            If the workers end before they start to work.
        """
        waiting = deque(range(num_schemes))
        outcomes: list[SchemeOutcome | None] = [None] * num_schemes
        forwarded = 0
        with count_interrupts() as interrupts:
            while True:
                if not interrupts.count:
                    self._hand_out(waiting)
                idle = all(worker.scheme is None for worker in self._workers)
                if idle and (interrupts.count or not waiting):
                    break
                self._receive(outcomes, waiting, on_round, interrupts)
                if interrupts.count > forwarded:
                    forwarded = interrupts.count
                    if forwarded > 1:
                        break
                    for worker in self._workers:
                        worker.process.interrupt()
        return outcomes, interrupts.count > 0

    def _start_worker(self) -> None:
        self._workers.append(_Worker(WorkerProcess(_run_schemes, self._task, loaded_plugins())))

    def _hand_out(self, waiting: deque[int]) -> None:
        """Give each idle worker the next scheme."""
        for worker in self._workers:
            if waiting and worker.scheme is None:
                with suppress(OSError):  # the worker has just ended, which is noticed when it is read from
                    worker.process.connection.send(waiting[0])
                    worker.scheme = waiting.popleft()

    def _receive(
        self,
        outcomes: list[SchemeOutcome | None],
        waiting: deque[int],
        on_round: OnRound,
        interrupts: InterruptCount,
    ) -> None:
        """Handle the messages that have arrived, or wait a moment for one."""
        by_connection = {worker.process.connection: worker for worker in self._workers}
        for connection in wait(list(by_connection), timeout=_POLL_S):
            assert isinstance(connection, Connection)
            worker = by_connection[connection]
            try:
                message = connection.recv()
            except (EOFError, OSError):
                self._replace(worker, outcomes, waiting, interrupts)
                continue
            worker.started = self._any_started = True
            if isinstance(message, _Round):
                on_round(message.label, message.result)
            elif isinstance(message, _Started) and self._observer is not None:
                self._observer.on_start(message.label)
            elif isinstance(message, _ObservedRound) and self._observer is not None:
                answer = self._observer.on_round(message.label, message.row)
                with suppress(OSError):  # the worker has just ended, which is noticed when it is read from
                    connection.send(answer)
            elif isinstance(message, SchemeOutcome) and worker.scheme is not None:
                outcomes[worker.scheme], worker.scheme = message, None

    def _replace(
        self,
        worker: _Worker,
        outcomes: list[SchemeOutcome | None],
        waiting: deque[int],
        interrupts: InterruptCount,
    ) -> None:
        """Record the scheme of a worker that has died, and start another worker if schemes are left.

        Raises
        ------
        WorkersError
            If no worker has ever started.
        """
        self._workers.remove(worker)
        worker.process.kill()
        if interrupts.count:  # a worker that had not begun its scheme
            return
        if not self._any_started:
            raise WorkersError(FAILED_TO_START)
        if not worker.started and worker.scheme is not None:  # no scheme has caused the end
            waiting.appendleft(worker.scheme)
        elif worker.scheme is not None:
            outcomes[worker.scheme] = SchemeOutcome(None, RecordedTables(), WorkerDiedError())
        if len(waiting) > sum(other.scheme is None for other in self._workers):
            self._start_worker()


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


def _run_schemes(connection: Connection, task: _Task) -> None:
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
    experiment: Experiment | Exception, task: _Task, number: int, connection: Connection
) -> SchemeOutcome:
    """Run a scheme, and return its outcome in a form that can be pickled."""
    shown_s = 0.0

    def on_round(label: str, result: RoundResult) -> None:
        nonlocal shown_s
        now_s = time.monotonic()
        if result.is_last or now_s >= shown_s + _SHOW_EVERY_S:
            shown_s = now_s
            with deferred_interrupt():  # half a message would spoil all later ones
                connection.send(_Round(label, result))

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
