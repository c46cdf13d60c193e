"""Trials in worker processes with limited memory and time: a crash or a hang is one of the results."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from .fault_forms import write_traces
from .mutations import mutated

__all__ = ["Outcome", "run_trials"]

MEMORY_BYTES = 6 * 2**30
TIME_S = 20.0
"""Longest processor time of a trial, [s]."""
WAIT_PER_TIME = 10
"""Longest time of a trial, in its processor time: other processes may use the machine."""


@dataclass(frozen=True)
class Outcome:
    """The result of one trial.

    Attributes
    ----------
    number : int
        Number of the trial.
    kind : str
        ``refused``, ``timeline``, ``trained``, ``accepted``, ``crashed`` or ``hung``.
    detail : str
        Of a crash: the exception with its traceback, or the signal that ended the process.
    """

    number: int
    kind: str
    detail: str = ""


def run_trials(numbers: Iterable[int], *, time_s: float = TIME_S) -> Iterator[Outcome]:
    """Yield the outcome of each trial. A worker that crashes or hangs is replaced.

    Parameters
    ----------
    numbers : iterable of int
        Numbers of the trials.
    time_s : float
        The longest processor time of one trial, [s].
    """
    if (root := str(Path(__file__).parents[2])) not in sys.path:
        sys.path.append(root)  # a worker imports this module; the last place hides no package
    worker: _Worker | None = None
    try:
        for number in numbers:
            worker = worker or _Worker()
            outcome = worker.outcome(number, time_s)
            if outcome.kind == "hung" or outcome.detail.startswith("ended by"):
                worker.stop()
                worker = None
            yield outcome
    finally:
        if worker is not None:
            worker.stop()


class _Worker:
    """One process that runs trials, one after the other."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._connection.recv()  # the worker has imported everything

    def outcome(self, number: int, time_s: float) -> Outcome:
        """Return the outcome of a trial, or how the process ended."""
        try:
            self._connection.send((number, time_s))
            if not self._connection.poll(WAIT_PER_TIME * time_s):
                return Outcome(number, "hung", f"longer than {WAIT_PER_TIME * time_s:g} s")
            kind, detail = self._connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._process.join()
            if self._process.exitcode == -signal.SIGPROF:
                return Outcome(number, "hung", f"ended by its timer: {time_s:g} s of processor time")
            return Outcome(number, "crashed", f"ended by {_cause(self._process.exitcode)}")
        return Outcome(number, kind, detail)

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._connection.close()


def _cause(exit_code: int | None) -> str:
    return (
        signal.Signals(-exit_code).name if exit_code is not None and exit_code < 0 else f"status {exit_code}"
    )


def _serve(connection: Connection) -> None:
    """Answer numbers of trials with their outcomes until the connection closes."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    from .trial import trial

    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    connection.send(None)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_traces(Path(folder))
        path = Path(folder, "fuzzed.yaml")
        while True:
            try:
                number, time_s = connection.recv()
            except EOFError:
                return
            path.write_bytes(mutated(number).encode("utf-8", "surrogatepass"))
            shown = io.StringIO()
            signal.setitimer(signal.ITIMER_PROF, time_s)  # its signal ends the process
            try:
                with contextlib.redirect_stdout(shown):
                    kind, detail = trial(path, number), ""
            except (Exception, SystemExit):
                kind, detail = "crashed", traceback.format_exc()
            signal.setitimer(signal.ITIMER_PROF, 0)
            sys.stdout.flush()
            connection.send((kind, detail))
