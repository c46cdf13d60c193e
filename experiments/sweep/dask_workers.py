"""The workers of a dask.distributed scheduler, as an executor with the interface of concurrent.futures."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distributed import Client, Worker, get_worker
from distributed.protocol.pickle import dumps, loads
from distributed.scheduler import KilledWorker

from ...scenarios.plugins import Plugin, PluginError, require_plugins
from ..processes.worker_processes import WorkerDiedError, WorkersError
from ..provenance.versions import versions

__all__ = ["DaskWorkers"]

_CONNECT_TIMEOUT_S = 10.0
_FIRST_WORKER_TIMEOUT_S = 10.0
_COUNT_EVERY_S = 1.0


@dataclass(frozen=True)
class _Requirements:
    """The requirements that a worker must meet before it takes items.

    Attributes
    ----------
    versions : mapping of str to str
        The required versions; empty if they may differ.
    trained : bool
        Whether the version of torch is one of them.
    token : Path or None
        A file that the worker must see.
    plugins : tuple of Plugin
        Plug-ins that the worker imports before its first item.
    """

    versions: Mapping[str, str]
    trained: bool
    token: Path | None = None
    plugins: tuple[Plugin, ...] = ()

    def problem_of(self, worker: Worker) -> str:
        """Return the first requirement that a worker fails to meet, in one line; empty if it meets all."""
        threads = worker.state.nthreads
        if threads != 1:
            return (
                f"has {threads} threads, but torch has one state for a whole process;"
                " start it with: dask worker --nthreads 1"
            )
        try:
            require_plugins(self.plugins)
        except PluginError as error:
            return f"cannot take part: {error}"
        installed = versions(trained=self.trained) if self.versions else {}
        differing = [
            f"{name} {installed.get(name)} instead of {version}"
            for name, version in self.versions.items()
            if installed.get(name) != version
        ]
        if differing:
            return (
                f"has other versions ({', '.join(differing)}); restart it with this code,"
                " or allow it with --mix-versions"
            )
        if self.token is not None and not self.token.is_file():
            return (
                f"cannot see {self.token.parent}, the sweep's folder;"
                " it must be on a file system that all workers share"
            )
        return ""


def _problem_of(requirements: _Requirements, dask_worker: Worker) -> str:
    """Check the worker that runs this function. Dask fills in the argument ``dask_worker`` by its name."""
    return requirements.problem_of(dask_worker)


def _call_on_worker(requirements: _Requirements, packed_call: bytes) -> Any:
    """Call a function on this worker, if it meets the requirements.

    They are checked again for each call, because the worker may have joined after the first check.

    The call is packed, because a plug-in that this worker has yet to import may define the item's classes.
    """
    worker = get_worker()
    if problem := requirements.problem_of(worker):
        raise WorkersError(f"worker {worker.address} {problem}")
    function, arguments, keyword_arguments = loads(packed_call)
    return function(*arguments, **keyword_arguments)


class DaskWorkers:
    """A context with a connection to a scheduler and its workers.

    Parameters
    ----------
    address : str
        The address of the scheduler, ``tcp://HOST:PORT``.
    trained : bool
        Whether the items train, so that the version of torch counts.
    mix_versions : bool
        Accept workers with other versions than this process has.
    plugins : sequence of Plugin
        Plug-ins that each worker imports; their contents must be those of this process.

    Raises
    ------
    WorkersError
        If no scheduler answers, it has no workers, or one of them does not meet the requirements.
    """

    def __init__(
        self,
        address: str,
        *,
        trained: bool,
        mix_versions: bool = False,
        plugins: Sequence[Plugin] = (),
    ) -> None:
        self.address = address
        required = {} if mix_versions else versions(trained=trained)
        self._requirements = _Requirements(required, trained, plugins=tuple(plugins))
        self._num_workers, self._counted_at_s = 0, -_COUNT_EVERY_S
        # these log tracebacks of errors that are raised here with a message of one line
        for name in ("distributed.client", "tornado.application"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            self._client: Any = Client(address, timeout=_CONNECT_TIMEOUT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise WorkersError(f"no scheduler answers at {address}: {reason}") from None
        try:
            self._client.wait_for_workers(1, timeout=_FIRST_WORKER_TIMEOUT_S)
            self._check()
        except TimeoutError:
            self._disconnect()
            raise WorkersError(
                f"the scheduler at {address} has no workers; start some with:"
                f" dask worker {address} --nthreads 1"
            ) from None
        except BaseException:
            self._disconnect()
            raise

    def __enter__(self) -> DaskWorkers:
        """Return the workers."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Disconnect from the scheduler. The workers finish the items that they have started."""
        if self._requirements.token is not None:
            self._requirements.token.unlink(missing_ok=True)
        self._disconnect()

    def _disconnect(self) -> None:
        """Close the connection, and ignore errors on the way.

        Closing raises errors of many classes if the scheduler is gone, for example RuntimeError if a timeout
        expires meanwhile. By then the items are done or their errors are raised, and neither may be lost.
        """
        with suppress(Exception):
            self._client.close()

    def require_shared_folder(self, folder: Path) -> None:
        """Require from now on that each worker sees a folder.

        Raises
        ------
        WorkersError
            If a worker cannot see it.
        """
        # named like a draft, so that the next sweep removes it if this one is killed
        token = folder / f".seen.{uuid.uuid4().int}"
        try:
            token.touch()
        except OSError as error:
            raise WorkersError(f"cannot write {folder}: {error.strerror or error}") from None
        self._requirements = replace(self._requirements, token=token)
        self._check()

    def num_workers(self) -> int:
        """Return the current number of workers, but at least 1, so that one item waits for a new worker."""
        if time.monotonic() >= self._counted_at_s + _COUNT_EVERY_S:
            with self._report_lost_scheduler():
                self._num_workers = len(self._client.nthreads())
            self._counted_at_s = time.monotonic()
        return max(1, self._num_workers)

    def executor(self, jobs: int) -> Executor:
        """Return an executor on the workers. It sets no limit: the caller submits at most ``jobs`` items."""
        return _DaskExecutor(self._client, self)

    def lost_scheduler_error(self) -> WorkersError:
        """Return the error of a lost scheduler, whichever call notices the loss first."""
        return WorkersError(f"the scheduler at {self.address} is gone")

    @property
    def requirements(self) -> _Requirements:
        """Return the requirements that workers must meet."""
        return self._requirements

    @contextmanager
    def _report_lost_scheduler(self) -> Iterator[None]:
        try:
            if self._client.scheduler is None:  # the client has given up the connection
                raise self.lost_scheduler_error()
            yield
        except OSError:
            raise self.lost_scheduler_error() from None

    def _check(self) -> None:
        """Check all current workers."""
        with self._report_lost_scheduler():
            answers = self._client.run(_problem_of, self._requirements, on_error="return")
        problems = [f"worker {address} {_as_text(answer)}" for address, answer in answers.items() if answer]
        if problems:
            raise WorkersError("\n".join(problems))


def _as_text(answer: str | BaseException) -> str:
    return answer if isinstance(answer, str) else f"can't run this version of cutlayer: {answer!r}"


class _DaskExecutor(Executor):
    """Distributed's executor, with separate errors for a dead worker, a lost scheduler, and a failed item."""

    def __init__(self, client: Any, dask_workers: DaskWorkers) -> None:
        self._client = client
        self._inner: Any = client.get_executor(pure=False)  # a repeated item must run again
        self._dask_workers = dask_workers

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call the function on a worker."""
        outer: Future[Any] = Future()

        def pass_on(inner: Future[Any]) -> None:
            if inner.cancelled():
                outer.set_exception(self._dask_workers.lost_scheduler_error())
            elif (error := inner.exception()) is None:
                outer.set_result(inner.result())
            else:
                outer.set_exception(WorkerDiedError() if isinstance(error, KilledWorker) else error)

        packed_call = dumps((fn, args, kwargs))
        inner = self._inner.submit(_call_on_worker, self._dask_workers.requirements, packed_call)
        inner.add_done_callback(pass_on)
        return outer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more items. Workers finish the items that they have started; ``wait`` waits for them."""
        if self._client.status == "running":
            self._inner.shutdown(wait=wait)
