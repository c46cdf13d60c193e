"""Worker processes of runs and sweeps: how they start, which threads they use, and when they end."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from ...scenarios.plugins import Plugin, require_plugins
from .library_threads import one_library_thread

__all__ = [
    "FAILED_TO_START",
    "WorkerDiedError",
    "WorkerProcess",
    "WorkersError",
    "cores",
    "exit_if_reimported",
    "picklable_error",
]

FAILED_TO_START = (
    "the worker processes end before they start to work; their messages are above. Either they are killed,\n"
    "for example for lack of memory, or a script of yours starts them outside of the guard\n"
    '    if __name__ == "__main__":\n'
    "Workers import the script anew, and would start workers again."
)


class WorkersError(Exception):
    """Raised if no workers are available, or all are lost, for a reason that no item has caused."""


class WorkerDiedError(Exception):
    """The error of a scheme or a point whose worker process ended without a result."""

    def __init__(
        self, text: str = "the worker process died: it crashed, was killed, or was out of memory"
    ) -> None:
        super().__init__(text)


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class WorkerProcess:
    """A new Python process that runs one function, and a pipe between both processes.

    The process imports all modules itself, and shares no state with this one. It ends with this process,
    however that ends. An interrupt of the terminal (Ctrl-C) reaches it once it unblocks the signal SIGINT.

    Parameters
    ----------
    function : callable
        Called in the new process with its end of the pipe and the argument.
    argument : Any
        An object that can be pickled.
    plugins : sequence of Plugin
        Plug-ins that the process imports before it unpickles the argument, whose classes they may define.

    Attributes
    ----------
    connection : Connection
        This process's end of the pipe. Receiving from it raises ``EOFError`` once the worker has ended.
    """

    def __init__(
        self, function: Callable[[Connection, Any], None], argument: Any, plugins: Sequence[Plugin] = ()
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other_end = context.Pipe()
        arguments = other_end, tuple(plugins), function, pickle.dumps(argument)
        self._process = context.Process(target=_work, args=arguments)
        with _environment_of_workers():
            self._process.start()
        other_end.close()  # so that the end of the worker closes the pipe

    def interrupt(self) -> None:
        """Send the worker the signal of Ctrl-C."""
        if self._process.is_alive() and self._process.pid is not None:
            os.kill(self._process.pid, signal.SIGINT)

    def kill(self) -> None:
        """End the worker at once."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def _work(
    connection: Connection,
    plugins: Sequence[Plugin],
    function: Callable[[Connection, Any], None],
    pickled_argument: bytes,
) -> None:
    """Run the function of a worker process."""
    _end_with_parent()
    require_plugins(plugins)
    function(connection, pickle.loads(pickled_argument))


def _end_with_parent() -> None:
    """End this worker process as soon as its parent process has ended, by whatever cause.

    Without it, the workers of a killed parent would wait or compute forever.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for_parent = parent.join

    def exit_with_parent() -> None:
        wait_for_parent()
        os._exit(1)

    threading.Thread(target=exit_with_parent, daemon=True).start()


def exit_if_reimported() -> None:
    """End this process if it is a starting worker that imports a script which starts workers again.

    It ends without a message, because the process that waits for its workers explains the problem.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # the test of multiprocessing itself
        raise SystemExit(1)


@contextmanager
def _environment_of_workers() -> Iterator[None]:
    """Block interrupts, and limit libraries to one thread, for the workers that start meanwhile.

    A terminal sends an interrupt to every process of its group, but a worker must finish its item.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with one_library_thread():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def picklable_error(error: BaseException) -> Exception:
    """Return the error, or one with its type and text if the error cannot be pickled."""
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:  # of any kind, because the error defines how it is pickled
        copy = None
    return error if isinstance(error, Exception) and copy is not None else RuntimeError(repr(error))
