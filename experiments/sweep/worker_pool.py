"""A pool of worker processes that survives a worker's death, and finishes its items after an interrupt."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, TypeAlias, TypeVar

from ...scenarios.plugins import Plugin, require_plugins

__all__ = [
    "StartExecutor",
    "WorkerDiedError",
    "WorkerPool",
    "WorkersError",
    "cores",
    "exit_if_reimported",
    "process_executor",
]

Item = TypeVar("Item")
Result = TypeVar("Result")
StartExecutor: TypeAlias = Callable[[int], Executor]
"""Starts an executor of concurrent.futures for a number of simultaneous items."""

_POLL_S = 0.2
_MAX_FAILED_STARTS = 3
_FAILED_TO_START = (
    "the worker processes end before their first point; their messages are above. Either they are killed,\n"
    "for example for lack of memory, or a script of yours starts the sweep outside of the guard\n"
    '    if __name__ == "__main__":\n'
    "Workers import the script anew, and would start the sweep again."
)
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class WorkersError(Exception):
    """Raised if no workers are available, or all are lost, for a reason that no item has caused."""


class WorkerDiedError(Exception):
    """The exception of an item whose worker died at every attempt."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_executor(jobs: int, plugins: Sequence[Plugin] = ()) -> Executor:
    """Return an executor of new processes, which import all modules anew and share no state with this one.

    Parameters
    ----------
    jobs : int
        Number of processes.
    plugins : sequence of Plugin
        Plug-ins that each process imports before its first item.
    """
    return _ProcessExecutor(jobs, plugins)


class _ProcessExecutor(ProcessPoolExecutor):
    """An executor to which each worker reports its start with one byte.

    A task that reports the start would not do, because the executor may start one more worker for it.
    """

    def __init__(self, jobs: int, plugins: Sequence[Plugin]) -> None:
        context = multiprocessing.get_context("spawn")
        self._start_reports, report_end = context.Pipe(duplex=False)
        super().__init__(jobs, mp_context=context, initializer=_start_worker, initargs=(report_end, plugins))

    @property
    def failed_to_start(self) -> bool:
        """Return whether none of the workers has ever started."""
        return not self._start_reports.poll()


def _start_worker(report_end: Connection, plugins: Sequence[Plugin]) -> None:
    """Prepare this worker for items, report its start, and end it as soon as its parent process has ended.

    Without the last step, the workers of a killed parent would wait forever.
    """
    require_plugins(plugins)  # before the first item, whose classes a plug-in may define
    report_end.send_bytes(b".")
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for_parent = parent.join

    def exit_with_parent() -> None:
        wait_for_parent()
        os._exit(1)

    threading.Thread(target=exit_with_parent, daemon=True).start()


def exit_if_reimported() -> None:
    """End this process if it is a starting worker that imports a script which starts a sweep again.

    It ends without a message, because the process that waits for its workers explains the problem.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # the test of multiprocessing itself
        raise SystemExit(1)


class WorkerPool:
    """A context with workers, which are started at the first item.

    After an interrupt (Ctrl-C), running items finish and no others start. A second interrupt ends the workers
    and raises ``KeyboardInterrupt``.

    Parameters
    ----------
    jobs : int or callable
        The number of simultaneous items, or a function that returns the current number.
    start : StartExecutor
        Starts the executor, and starts another one after a worker has died.

    Attributes
    ----------
    interrupted : bool
        Whether an interrupt has arrived.
    """

    def __init__(self, jobs: int | Callable[[], int], start: StartExecutor = process_executor) -> None:
        self.interrupted = False
        self._jobs = jobs
        self._stopped = False
        self._start = start
        self._executor: Executor | None = None
        self._failed_starts = 0  # in a row
        self._other_children: set[Any] = set()
        self._previous_handler: Any = None

    def __enter__(self) -> WorkerPool:
        """Handle interrupts from now on, if this is the main thread and they are not ignored."""
        self._other_children = set(multiprocessing.active_children())
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            self._previous_handler = signal.signal(signal.SIGINT, self._on_interrupt)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """End the workers: immediately after an exception, otherwise when they are idle.

        Even idle worker processes are killed. If one of them was killed while it waited for an item, it holds
        the lock of their queue forever, so that the others would never receive the order to end.
        """
        try:
            if self._executor is not None:
                self._executor.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - self._other_children:
                process.kill()
                process.join()
            if self._executor is not None:
                self._executor.shutdown(wait=kind is None)  # waits for threads, and for workers elsewhere
        finally:
            if self._previous_handler is not None:
                signal.signal(signal.SIGINT, self._previous_handler)

    @property
    def jobs(self) -> int:
        """Return the number of simultaneous items."""
        return self._jobs if isinstance(self._jobs, int) else self._jobs()

    def stop(self) -> None:
        """Start no further items. Running items finish."""
        self._stopped = True

    def _on_interrupt(self, *signal_and_frame: object) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True

    def map_unordered(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Future[Result]]]:
        """Call the function on each item in a worker; yield items with their futures, as they finish.

        When a worker dies, its executor breaks, and all running items are lost. Each of them is tried once
        more, alone, so that a further death has one possible cause: the future of that item gets a
        ``WorkerDiedError`` as its exception. After an interrupt, items that have not started are left out.

        Raises
        ------
        WorkersError
            If no workers are available any more.
        """
        waiting, suspects = deque(items), deque[Item]()
        running: dict[Future[Result], tuple[Item, bool, Executor]] = {}
        while True:
            # submit no more items than run at once, because the executor starts all that it holds
            while not (self.interrupted or self._stopped) and (suspects or waiting):
                alone = bool(suspects) or any(retried for _, retried, _ in running.values())
                if len(running) >= (1 if alone else self.jobs):
                    break
                queue = suspects or waiting
                try:
                    executor, future = self._submit(function, queue[0])
                except BrokenExecutor:  # a worker died between two items; running items are handled below
                    self._discard(self._executor)
                    if running:
                        break
                    continue
                running[future] = (queue.popleft(), alone, executor)
            if not running:
                return
            done, _ = wait(running, timeout=_POLL_S, return_when=FIRST_COMPLETED)
            for future in done:
                item, retried, executor = running.pop(future)
                error = future.exception()
                if isinstance(error, WorkersError):
                    raise error
                if isinstance(error, BrokenExecutor):
                    if self._discard(executor):
                        (suspects if retried else waiting).appendleft(item)
                        continue
                    if not retried:
                        suspects.append(item)
                        continue
                    future = Future()
                    future.set_exception(WorkerDiedError())
                yield item, future

    def _submit(self, function: Callable[[Item], Result], item: Item) -> tuple[Executor, Future[Result]]:
        with _environment_of_workers():
            if self._executor is None:
                self._executor = self._start(self.jobs)
            return self._executor, self._executor.submit(function, item)

    def _discard(self, broken: Executor | None) -> bool:
        """Discard a broken executor; return whether its workers never started, so that no item broke it.

        Raises
        ------
        WorkersError
            If the workers of several executors in a row have never started.
        """
        failed_to_start = isinstance(broken, _ProcessExecutor) and broken.failed_to_start
        if broken is self._executor:
            self._executor = None
            self._failed_starts = self._failed_starts + 1 if failed_to_start else 0
            if self._failed_starts >= _MAX_FAILED_STARTS:
                raise WorkersError(_FAILED_TO_START)
        return failed_to_start


@contextmanager
def _environment_of_workers() -> Iterator[None]:
    """Block interrupts and limit libraries to one thread, for the workers that start meanwhile.

    A terminal sends an interrupt to every process of its group, but a worker must finish its item.
    """
    added = [name for name in _THREAD_VARIABLES if name not in os.environ]
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
