"""The workers of a dask.distributed scheduler, with the interface of concurrent.futures."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distributed import Client, Worker, get_worker
from distributed.protocol.pickle import dumps, loads
from distributed.scheduler import KilledWorker

from ...scenarios.plugins import Plugin, PluginError, require_plugins
from ..provenance import versions
from .worker_pool import WorkerDiedError, WorkersError

__all__ = ["Cluster"]

_CONNECT_S = 10.0
_FIRST_WORKER_S = 10.0
_COUNT_EVERY_S = 1.0


@dataclass(frozen=True)
class _Demands:
    """What a worker must be to take items.

    Attributes
    ----------
    versions : what it must have of each; empty where they may differ
    trained : whether torch is one of them
    token : a file that it must see
    plugins : tuple[Plugin, ...]
        Plug-ins that the worker imports before its first item.
    """

    versions: Mapping[str, str]
    trained: bool
    token: Path | None = None
    plugins: tuple[Plugin, ...] = ()

    def unmet_by(self, worker: Worker) -> str:
        """Return what is wrong with a worker, in one line; empty if nothing is."""
        threads = worker.state.nthreads
        if threads != 1:
            return (
                f"has {threads} threads, but torch's state is one a process;"
                " start it with: dask worker --nthreads 1"
            )
        try:
            require_plugins(self.plugins)
        except PluginError as error:
            return f"cannot take part: {error}"
        own = versions(trained=self.trained) if self.versions else {}
        told = [f"{k} {own.get(k)} instead of {v}" for k, v in self.versions.items() if own.get(k) != v]
        if told:
            return (
                f"has other versions ({', '.join(told)}); start it anew with this code,"
                " or allow it with --mix-versions"
            )
        if self.token is not None and not self.token.is_file():
            return (
                f"does not see {self.token.parent}, the sweep's folder;"
                " it must be on a file system that all workers share"
            )
        return ""


def _unmet(demands: _Demands, dask_worker: Worker) -> str:
    return demands.unmet_by(dask_worker)


def _on_worker(demands: _Demands, packed_call: bytes) -> Any:
    """Call the function, unless this worker joined later and does not meet the demands.

    The call is packed, because a plug-in that this worker has yet to import may define the item's classes.
    """
    worker = get_worker()
    if unmet := demands.unmet_by(worker):
        raise WorkersError(f"worker {worker.address} {unmet}")
    function, arguments, named = loads(packed_call)
    return function(*arguments, **named)


class Cluster:
    """The workers that a scheduler has; a context.

    Parameters
    ----------
    address : of the scheduler, ``tcp://HOST:PORT``
    trained : whether the items train, so that torch's version counts
    mix_versions : take workers with other versions than this process
    plugins : Sequence[Plugin]
        Plug-ins that each worker imports; their contents must be those of this process.

    Raises
    ------
    WorkersError
        If no scheduler answers, or it has no workers, or one of them is not fit.
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
        current = {} if mix_versions else versions(trained=trained)
        self._demands = _Demands(current, trained, plugins=tuple(plugins))
        self._known, self._known_s = 0, -_COUNT_EVERY_S
        # what they would log, with a traceback, is raised here in a line
        for name in ("distributed.client", "tornado.application"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            self._client: Any = Client(address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            told = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise WorkersError(f"no scheduler answers at {address}: {told}") from None
        try:
            self._client.wait_for_workers(1, timeout=_FIRST_WORKER_S)
            self._check()
        except TimeoutError:
            self._client.close()
            raise WorkersError(
                f"the scheduler at {address} has no workers; start some with:"
                f" dask worker {address} --nthreads 1"
            ) from None
        except BaseException:
            self._client.close()
            raise

    def __enter__(self) -> Cluster:
        """Return the cluster."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the scheduler; what its workers have begun they finish."""
        if self._demands.token is not None:
            self._demands.token.unlink(missing_ok=True)
        self._client.close()

    def require_shared_folder(self, folder: Path) -> None:
        """Have only workers from here on that see a folder.

        Raises
        ------
        WorkersError
            If a worker does not see it.
        """
        # named like a draft, which the next sweep removes should this one be killed
        token = folder / f".seen.{uuid.uuid4().int}"
        try:
            token.touch()
        except OSError as error:
            raise WorkersError(f"cannot write {folder}: {error.strerror or error}") from None
        self._demands = replace(self._demands, token=token)
        self._check()

    def jobs(self) -> int:
        """Return how many workers there are now; 1 if there are none, so that one item waits for the next."""
        if time.monotonic() >= self._known_s + _COUNT_EVERY_S:
            with self._lost_is_told():
                self._known = len(self._client.nthreads())
            self._known_s = time.monotonic()
        return max(1, self._known)

    def executor(self, jobs: int) -> Executor:
        """Return what runs items on the workers, as many at a time as it is given."""
        return _DaskExecutor(self._client, self)

    def gone(self) -> WorkersError:
        """Return what is told of a scheduler that is lost: the same, whoever notices it first."""
        return WorkersError(f"the scheduler at {self.address} is gone")

    @property
    def demands(self) -> _Demands:
        """Return what workers must be."""
        return self._demands

    @contextmanager
    def _lost_is_told(self) -> Iterator[None]:
        try:
            if self._client.scheduler is None:  # it has closed for good
                raise self.gone()
            yield
        except OSError:
            raise self.gone() from None

    def _check(self) -> None:
        with self._lost_is_told():
            found = self._client.run(_unmet, self._demands, on_error="return")
        told = [f"worker {address} {_in_words(answer)}" for address, answer in found.items() if answer]
        if told:
            raise WorkersError("\n".join(told))


def _in_words(answer: str | BaseException) -> str:
    return answer if isinstance(answer, str) else f"can't run this version of cutlayer: {answer!r}"


class _DaskExecutor(Executor):
    """Distributed's executor, which tells deaths and a lost scheduler apart from the errors of items."""

    def __init__(self, client: Any, cluster: Cluster) -> None:
        self._client = client
        self._inner: Any = client.get_executor(pure=False)  # equal items are not one: a retry must run
        self._cluster = cluster

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a worker call the function on an item."""
        passed: Future[Any] = Future()

        def pass_on(inner: Future[Any]) -> None:
            if inner.cancelled():
                passed.set_exception(self._cluster.gone())
            elif (error := inner.exception()) is None:
                passed.set_result(inner.result())
            else:
                passed.set_exception(WorkerDiedError() if isinstance(error, KilledWorker) else error)

        inner = self._inner.submit(_on_worker, self._cluster.demands, dumps((fn, args, kwargs)))
        inner.add_done_callback(pass_on)
        return passed

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more items; what a worker has begun it finishes, and with ``wait`` this waits for it."""
        if self._client.status == "running":
            self._inner.shutdown(wait=wait)
