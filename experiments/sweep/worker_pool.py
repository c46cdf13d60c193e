"""A pool of worker processes that outlives the death of one of them, and ends well when interrupted."""

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
    "StartPool",
    "WorkerDiedError",
    "Workers",
    "WorkersError",
    "cores",
    "exit_if_reimported",
    "process_pool",
]

Item = TypeVar("Item")
Result = TypeVar("Result")
StartPool: TypeAlias = Callable[[int], Executor]
"""From the number of jobs to an executor; anything with the interface of concurrent.futures will do."""

_POLL_S = 0.2
_MOST_STILLBORN = 3
_STILLBORN = (
    "the workers end before they begin; what they say is above. They may be killed, for want of memory for\n"
    "example; or a script of yours starts the sweep elsewhere than below\n"
    '    if __name__ == "__main__":\n'
    "since workers import the script anew, and would start the sweep again"
)
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class WorkersError(Exception):
    """Workers that can't be had, or are lost; the message says why. No item is at fault."""


class WorkerDiedError(Exception):
    """An item whose worker died, each time that it was tried."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_pool(jobs: int, plugins: Sequence[Plugin] = ()) -> Executor:
    """Return a pool of processes that import everything anew, so that nothing of the parent's leaks in."""
    return _Pool(jobs, plugins)


class _Pool(ProcessPoolExecutor):
    """A pool that hears of each worker that begins, by a byte: a task for it would start a worker more."""

    def __init__(self, jobs: int, plugins: Sequence[Plugin]) -> None:
        context = multiprocessing.get_context("spawn")
        self._begun, begun = context.Pipe(duplex=False)
        super().__init__(jobs, mp_context=context, initializer=_begin, initargs=(begun, plugins))

    @property
    def failed_to_start(self) -> bool:
        """Return whether none of its workers has ever begun."""
        return not self._begun.poll()


def _begin(begun: Connection, plugins: Sequence[Plugin]) -> None:
    """Say that this worker can take items; end it when its parent has ended, however that came.

    A pool's workers would wait forever.
    """
    require_plugins(plugins)  # before the first item, whose classes they may define
    begun.send_bytes(b".")
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinel = parent

    def watch() -> None:
        sentinel.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def exit_if_reimported() -> None:
    """End this process if it is a worker that has not begun: it imports a script that starts the sweep anew.

    It does so without a word, since the process that waits for its workers says what to do.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # as multiprocessing asks itself
        raise SystemExit(1)


class Workers:
    """Workers that are started at their first item; a context.

    An interrupt (Ctrl-C) lets running items finish and starts no others; a second one ends the workers and
    is raised as ``KeyboardInterrupt``.

    Parameters
    ----------
    jobs : items that run at the same time, or what tells their number whenever one could begin
    start : starts the pool, and starts it again after a worker has died
    """

    def __init__(self, jobs: int | Callable[[], int], start: StartPool = process_pool) -> None:
        self.interrupted = False
        self._jobs = jobs
        self._stopped = False
        self._start = start
        self._executor: Executor | None = None
        self._stillborn = 0  # pools in a row
        self._others: set[Any] = set()
        self._handler: Any = None

    def __enter__(self) -> Workers:
        """Take over interrupts, unless they are ignored or another thread's."""
        self._others = set(multiprocessing.active_children())
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            self._handler = signal.signal(signal.SIGINT, self._on_interrupt)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """End the workers: at once after an exception, else when they are idle.

        A pool's processes are ended from outside even when they are idle: one that was killed while it
        waited for an item has the lock of their queue for ever, and the others would never hear of the end.
        """
        try:
            if self._executor is not None:
                self._executor.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - self._others:
                process.kill()
                process.join()
            if self._executor is not None:
                self._executor.shutdown(wait=kind is None)  # threads, and workers elsewhere
        finally:
            if self._handler is not None:
                signal.signal(signal.SIGINT, self._handler)

    @property
    def jobs(self) -> int:
        """Return how many items run at the same time."""
        return self._jobs if isinstance(self._jobs, int) else self._jobs()

    def stop(self) -> None:
        """Let running items finish and start no others."""
        self._stopped = True

    def _on_interrupt(self, *signal_and_frame: object) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True

    def each(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Future[Result]]]:
        """Call the function on each item in a worker; yield items with their finished futures, as they end.

        When a worker dies, its pool is lost with all that runs in it. Each of these items is tried once
        more, alone, so that the death is held against the one that caused it: its future has a
        ``WorkerDiedError`` as its exception. After an interrupt, items that have not begun are left out.

        Raises
        ------
        WorkersError
            If there are no workers to be had any more.
        """
        waiting, suspects = deque(items), deque[Item]()
        running: dict[Future[Result], tuple[Item, bool, Executor]] = {}
        while True:
            # never more than run: what a pool holds in advance can't be called back
            while not (self.interrupted or self._stopped) and (suspects or waiting):
                alone = bool(suspects) or any(again for _, again, _ in running.values())
                if len(running) >= (1 if alone else self.jobs):
                    break
                queue = suspects or waiting
                try:
                    pool, future = self._submit(function, queue[0])
                except BrokenExecutor:  # a worker died between two items; what still ran is told below
                    self._give_up(self._executor)
                    if running:
                        break
                    continue
                running[future] = (queue.popleft(), alone, pool)
            if not running:
                return
            done, _ = wait(running, timeout=_POLL_S, return_when=FIRST_COMPLETED)
            for future in done:
                item, again, pool = running.pop(future)
                told = future.exception()
                if isinstance(told, WorkersError):
                    raise told
                if isinstance(told, BrokenExecutor):
                    if self._give_up(pool):
                        (suspects if again else waiting).appendleft(item)
                        continue
                    if not again:
                        suspects.append(item)
                        continue
                    future = Future()
                    future.set_exception(WorkerDiedError())
                yield item, future

    def _submit(self, function: Callable[[Item], Result], item: Item) -> tuple[Executor, Future[Result]]:
        with _inherited_by_workers():
            if self._executor is None:
                self._executor = self._start(self.jobs)
            return self._executor, self._executor.submit(function, item)

    def _give_up(self, pool: Executor | None) -> bool:
        """Do without a pool that broke; return whether no item can be at fault.

        Raises
        ------
        WorkersError
            If no worker of several pools in a row was ever ready.
        """
        failed_to_start = isinstance(pool, _Pool) and pool.failed_to_start
        if pool is self._executor:
            self._executor = None
            self._stillborn = self._stillborn + 1 if failed_to_start else 0
            if self._stillborn >= _MOST_STILLBORN:
                raise WorkersError(_STILLBORN)
        return failed_to_start


@contextmanager
def _inherited_by_workers() -> Iterator[None]:
    """Keep interrupts from the workers, and their libraries to one thread: a pool starts them as it needs.

    An interrupt of the terminal goes to every process of the group, and a worker must finish its item.
    """
    added = [name for name in _ONE_THREAD if name not in os.environ]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
