"""A pool of worker processes that survives a worker's death, and finishes its items after an interrupt."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, TypeAlias, TypeVar

from ...scenarios.plugins import Plugin
from ..processes.worker_processes import (
    FAILED_TO_START,
    WorkerDiedError,
    WorkerProcess,
    WorkersError,
    picklable_error,
)

__all__ = [
    "StartExecutor",
    "TimeLimitError",
    "WorkerPool",
    "process_executor",
]

Item = TypeVar("Item")
Result = TypeVar("Result")
StartExecutor: TypeAlias = Callable[[int], Executor]
"""Starts an executor of concurrent.futures for a number of simultaneous items."""

_POLL_S = 0.2
_MAX_FAILED_STARTS = 3


class TimeLimitError(Exception):
    """The exception of an item that was ended because it took longer than its time limit."""


def process_executor(jobs: int, plugins: Sequence[Plugin] = ()) -> Executor:
    """Return an executor of new processes, which import all modules and share no state with this one.

    It sets no limit: the caller submits at most ``jobs`` items.

    Parameters
    ----------
    jobs : int
        Number of processes.
    plugins : sequence of Plugin
        Plug-ins that each process imports before its first item.
    """
    return _ProcessExecutor(plugins)


class _ProcessExecutor(Executor):
    """An executor with a pipe and a thread for each worker process.

    So the death of one worker is the end of one item, and an item that takes too long can be ended. The
    executor of concurrent.futures has one queue for all workers: if one dies, all of them end.

    Attributes
    ----------
    any_started : bool
        Whether a worker has ever started.
    """

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._plugins = plugins
        self._idle: list[WorkerProcess] = []
        self.any_started = self._closed = False
        self._threads: list[threading.Thread] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call the function in a worker that is idle, or in a new one."""
        return self.submit_limited(None, fn, *args, **kwargs)

    def submit_limited(
        self, limit_s: float | None, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        """Call the function in a worker, and end the worker if the call takes longer than the limit, [s]."""
        future: Future[Any] = Future()
        is_new = not self._idle
        worker = WorkerProcess(_run_items, None, self._plugins) if is_new else self._idle.pop()
        call = fn, args, kwargs
        thread = threading.Thread(
            target=self._call, args=(worker, is_new, call, limit_s, future), daemon=True
        )
        self._threads = [other for other in self._threads if other.is_alive()]
        self._threads.append(thread)
        thread.start()
        return future

    def _call(
        self, worker: WorkerProcess, is_new: bool, call: Any, limit_s: float | None, future: Future[Any]
    ) -> None:
        """Have a worker run a call, and complete its future."""
        try:
            if is_new:
                worker.connection.recv()  # a report of the start, which counts for no item
                self.any_started = True
            worker.connection.send(call)
            if not worker.connection.poll(limit_s):
                worker.kill()
                future.set_exception(TimeLimitError())
                return
            result, error = worker.connection.recv()
        except (EOFError, OSError):
            worker.kill()
            future.set_exception(BrokenExecutor())
            return
        if self._closed:
            worker.kill()
        else:
            self._idle.append(worker)  # before the future is complete, after which another item is submitted
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the idle workers; the others end after their items, which ``wait`` waits for."""
        self._closed = True
        for worker in self._idle:
            worker.kill()
        self._idle.clear()
        if wait:
            for thread in self._threads:
                thread.join()


def _run_items(connection: Connection, argument: None) -> None:
    """Run items in this worker process: receive calls, and send results or errors."""
    connection.send(None)  # the worker has started
    with suppress(EOFError):
        while True:
            function, arguments, named_arguments = connection.recv()
            result = error = None
            try:
                result = function(*arguments, **named_arguments)
            except (Exception, SystemExit) as raised:
                error = picklable_error(raised)
            connection.send((result, error))


class WorkerPool:
    """A context with workers, which are started when items need them.

    After an interrupt (Ctrl-C), running items finish and no others start. A second interrupt ends the workers
    and raises ``KeyboardInterrupt``.

    Parameters
    ----------
    jobs : int or callable
        The number of simultaneous items, or a function that returns the current number.
    start : StartExecutor
        Starts the executor.

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
        self._failed_starts = 0
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
        """End the workers: immediately after an exception, otherwise when they are idle."""
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
        self, function: Callable[[Item], Result], items: Iterable[Item], *, limit_s: float | None = None
    ) -> Iterator[tuple[Item, Future[Result]]]:
        """Call the function on each item in a worker; yield items with their futures, as they finish.

        An item whose worker dies is tried once more, alone, because all items together may have needed too
        much memory. If its worker dies again, its future gets a ``WorkerDiedError`` as its exception. After
        an interrupt, items that have not started are left out.

        Parameters
        ----------
        function : callable
            Called in a worker.
        items : iterable
            Its arguments.
        limit_s : float, optional
            A worker process that takes longer for an item is ended, [s]. The item's future gets a
            ``TimeLimitError``. Workers in threads and on other machines are not ended.

        Raises
        ------
        WorkersError
            If no workers are available any more.
        """
        waiting, suspects = deque(items), deque[Item]()
        running: dict[Future[Result], tuple[Item, bool]] = {}
        while True:
            # submit no more items than run at once, because an executor starts all that it holds
            while not (self.interrupted or self._stopped) and (suspects or waiting):
                alone = bool(suspects) or any(retried for _, retried in running.values())
                if len(running) >= (1 if alone else self.jobs):
                    break
                item = (suspects or waiting).popleft()
                running[self._submit(limit_s, function, item)] = item, alone
            if not running:
                return
            done, _ = wait(running, timeout=_POLL_S, return_when=FIRST_COMPLETED)
            for future in done:
                item, retried = running.pop(future)
                error = future.exception()
                if isinstance(error, WorkersError):
                    raise error
                if isinstance(error, BrokenExecutor):
                    if self._failed_to_start():
                        (suspects if retried else waiting).appendleft(item)
                        continue
                    if not retried:
                        suspects.append(item)
                        continue
                    future = Future()
                    future.set_exception(WorkerDiedError())
                yield item, future

    def _submit(
        self, limit_s: float | None, function: Callable[[Item], Result], item: Item
    ) -> Future[Result]:
        if self._executor is None:
            self._executor = self._start(self.jobs)
        if isinstance(self._executor, _ProcessExecutor):
            return self._executor.submit_limited(limit_s, function, item)
        return self._executor.submit(function, item)

    def _failed_to_start(self) -> bool:
        """Return whether no worker has ever started, so that no item has caused the death of one.

        Raises
        ------
        WorkersError
            If this has happened several times.
        """
        if not isinstance(self._executor, _ProcessExecutor) or self._executor.any_started:
            return False
        self._failed_starts += 1
        if self._failed_starts >= _MAX_FAILED_STARTS:
            raise WorkersError(FAILED_TO_START)
        return True
