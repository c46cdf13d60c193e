"""The schemes of a run in parallel, each in a worker process, with the same results as one after the other.

A worker prepares the scenario itself and runs one scheme at a time. Random streams are keyed by purpose, so
that a scheme's results depend neither on the process nor on the other schemes.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from ...analysis.results.recorded_tables import RecordedTables
from ...scenarios.loading.loader import LoadedScenario
from ...scenarios.plugins import loaded_plugins
from ...scenarios.schema.scenario import Scenario
from ..checkpoints import Checkpoints
from ..processes.process_guards import InterruptCount, count_interrupts
from ..processes.worker_processes import (
    FAILED_TO_START,
    WorkerDiedError,
    WorkerProcess,
    WorkersError,
    cores,
    exit_if_reimported,
)
from .callbacks import RunObserver
from .scheme_run import OnRound
from .scheme_worker import (
    ObservedRound,
    ReportedRound,
    SchemeOutcome,
    StartedScheme,
    WorkerTask,
    run_schemes,
)

__all__ = ["SchemeWorkers", "default_jobs"]

_POLL_S = 0.2


def default_jobs(scenario: Scenario) -> int:
    """Return the number of schemes to run in parallel: as many as the cores can train.

    A timeline alone takes less time than the start of a process. On a GPU, several processes would share its
    memory. Both run in one process.
    """
    learning = scenario.learning
    if learning is None or learning.device != "cpu":
        return 1
    return max(1, cores() // learning.threads)


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
        self._task = WorkerTask(loaded, allow_imports, every, self._overflow_folder, observer is not None)
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
        self._workers.append(_Worker(WorkerProcess(run_schemes, self._task, loaded_plugins())))

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
            if isinstance(message, ReportedRound):
                on_round(message.label, message.result)
            elif isinstance(message, StartedScheme) and self._observer is not None:
                self._observer.on_start(message.label)
            elif isinstance(message, ObservedRound) and self._observer is not None:
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
