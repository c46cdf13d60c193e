"""Checkpoints of a run: its state on the disk, from which a stopped run continues to the same results.

The folder ``DIR.checkpoint/`` is next to the run folder ``DIR``:

- ``run.json`` identifies the run: scenario, versions, and digests of its files and samples.
  A later process may have a later end or another target accuracy.
- ``N.log`` is the log of scheme number N. Each checkpoint appends the new rows, events and results to it, so
  that the cost of a checkpoint does not grow with the rounds before it.
- ``N.state`` is the rest of the scheme's latest checkpoint.
- ``N.done`` has the results of a scheme that has finished. ``N.state`` stays, so that the scheme can go on if
  the run is continued to a later end.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from ..analysis.results.atomic_files import RunFolderError, write_whole
from ..scenarios.errors import ScenarioError
from ..scenarios.loading.continuation import may_continue
from ..scenarios.loading.differences import differences
from ..scenarios.loading.loader import LoadedScenario, scenario_yaml
from ..scenarios.loading.referenced_files import content_digest, named_files
from ..sim.schemes.round_loop import RoundCursor, RoundResult
from ..sim.schemes.round_planners.round_planner import DevicePlan, PlannerSnapshot
from ..sim.timeline.event_log import LoggedEvent
from ..sim.timeline.interval_record import IntervalRecord, read_rows
from ..sim.world.world_state import WorldSnapshot
from .execution.record_streams import Recorded
from .execution.round_log import LoggedRounds, RoundLogSnapshot
from .provenance.versions import versions

if TYPE_CHECKING:
    from ..models.learning.client_data import ClientData  # a timeline alone does not import torch
    from .execution.scheme_results import SchemeRun

__all__ = [
    "CheckpointError",
    "CheckpointIncrement",
    "Checkpoints",
    "FinishedScheme",
    "SchemeCheckpoint",
    "SchemeCheckpoints",
    "checkpoint_folder",
]

_MAX_LISTED_DIFFERENCES = 3
"""The number of different keys that the refusal of another run lists."""


class CheckpointError(Exception):
    """Raised if a checkpoint cannot be taken or written; the message gives the reason."""


@dataclass(frozen=True)
class SchemeCheckpoint:
    """The state of a scheme's run between two rounds.

    Attributes
    ----------
    world : WorldSnapshot
        The state of nodes, links and record.
    learner : bytes or None
        The state of the learner; None without learning.
    planner : PlannerSnapshot
        The state of the round planner, with the current plan.
    cursor : RoundCursor
        The number of finished rounds, and the round from which on masks are to be renewed.
    round_log : RoundLogSnapshot
        The results of the finished rounds that are kept between two checkpoints.
    """

    world: WorldSnapshot
    learner: bytes | None
    planner: PlannerSnapshot
    cursor: RoundCursor
    round_log: RoundLogSnapshot


@dataclass(frozen=True)
class CheckpointIncrement:
    """The results that rounds have added since the previous checkpoint.

    Attributes
    ----------
    rounds : LoggedRounds
        The results of these rounds.
    memory_changes : dict of str to array
        The changes of each compute node's memory, packed.
    device_plans : mapping of int to DevicePlan
        The plans of the devices that these rounds have sampled.
    """

    rounds: LoggedRounds
    memory_changes: dict[str, array[float]]
    device_plans: Mapping[int, DevicePlan]


@dataclass(frozen=True)
class FinishedScheme:
    """The results of a scheme that has finished in a run that has not.

    Attributes
    ----------
    run : SchemeRun
        The scheme's tables and summary.
    record : IntervalRecord
        A record without rows, with the names of nodes and phases that the logged rows refer to.
    last_round : RoundResult
        The last round.
    """

    run: SchemeRun
    record: IntervalRecord
    last_round: RoundResult


class Checkpoints:
    """The checkpoints of one run.

    Parameters
    ----------
    run_folder : Path
        The run folder; the checkpoints stand beside it.
    every : int
        Rounds between two checkpoints.
    loaded : LoadedScenario
        The scenario of the run.

    Attributes
    ----------
    folder : Path
        The folder of the checkpoints.
    exist : bool
        Whether an earlier process has left checkpoints of this run, from which it continues. That process may
        have had an earlier end, or another target accuracy.

    Raises
    ------
    RunFolderError
        If the folder has checkpoints of another run, of other versions, or of files that have changed since.
    """

    def __init__(self, run_folder: Path, every: int, loaded: LoadedScenario) -> None:
        self.folder = checkpoint_folder(run_folder)
        self.every = every
        self._scenario = scenario_yaml(loaded.scenario)
        self._versions = versions(trained=loaded.scenario.learning is not None)
        self._files = {str(path): content_digest(path).hex() for path in named_files(loaded.scenario)}
        self._samples: str | None = None
        self._run_file = self.folder / "run.json"
        self._changed = False
        self.exist = self._run_file.is_file()
        if self.exist:
            self._check()

    def _check(self) -> None:
        """Refuse checkpoints of a run that is not this one."""
        try:
            saved = json.loads(self._run_file.read_text(encoding="utf-8"))
            changes = differences(self._scenario, saved["scenario"])
            self._changed = bool(changes)
            if may_continue(self._scenario, saved["scenario"]):
                changes = []
            saved_versions, saved_files = dict(saved["versions"]), dict(saved.get("files", {}))
            self._samples = saved.get("samples")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ScenarioError) as error:
            raise _damaged(self._run_file, error) from None
        if changes:
            num_more = len(changes) - _MAX_LISTED_DIFFERENCES
            more = f", and {num_more} more" if num_more > 0 else ""
            self._refuse(f"{'; '.join(changes[:_MAX_LISTED_DIFFERENCES])}{more}")
        for name in sorted({*self._versions, *saved_versions}):
            if self._versions.get(name) != saved_versions.get(name):
                current, earlier = (v.get(name, "not imported") for v in (self._versions, saved_versions))
                self._refuse(f"{name} is {current}, and was {earlier}")
        for path, digest in self._files.items():
            if saved_files.get(path) != digest:
                self._refuse(f"{path} has changed")

    def _refuse(self, reason: str) -> NoReturn:
        raise RunFolderError(
            f"{self.folder} has checkpoints of another run: {reason}; repeat the earlier command, or delete"
            " the folder"
        )

    def begin(self, data: ClientData | None, *, has_callbacks: bool = False) -> None:
        """Create the folder, or remove the drafts that a killed process has left in it.

        Parameters
        ----------
        data : ClientData or None
            The clients' samples; None for a timeline alone.
        has_callbacks : bool
            Whether callbacks follow the run. Without them, a scheme that a callback had ended goes on.

        Raises
        ------
        CheckpointError
            If the folder cannot be written.
        RunFolderError
            If the checkpoints are of other samples.
        """
        samples = None if data is None else data.fingerprint()
        if self.exist and samples != self._samples:
            self._refuse("the samples of the data set have changed")
        with _write_errors(self.folder):
            if not self.exist:
                shutil.rmtree(self.folder, ignore_errors=True)
                self.folder.mkdir(parents=True)
            for done in self.folder.glob("*.done"):  # such schemes go on from their last checkpoint
                if self._changed or (not has_callbacks and _ended_by_callback(done)):
                    done.unlink()
            if self._changed or not self.exist:
                identity = {
                    "scenario": self._scenario,
                    "versions": self._versions,
                    "files": self._files,
                    "samples": samples,
                }
                text = json.dumps(identity, ensure_ascii=False, indent=2)
                write_whole(self._run_file, lambda draft: draft.write_text(text, encoding="utf-8"))
            for draft in self.folder.glob(".*"):
                if draft.is_dir():
                    shutil.rmtree(draft)
                else:
                    draft.unlink()

    def of_scheme(self, number: int) -> SchemeCheckpoints:
        """Return the checkpoints of one scheme, by its number in the scenario, from 0."""
        return SchemeCheckpoints(self.folder, number, self.every)

    def remove(self) -> None:
        """Remove the folder after the end of the run."""
        self._run_file.unlink()  # first, because without it no run continues from the other files
        shutil.rmtree(self.folder)


class SchemeCheckpoints:
    """The checkpoints of one scheme's run.

    Attributes
    ----------
    every : int
        Rounds between two checkpoints.
    latest : SchemeCheckpoint or None
        The latest checkpoint; None before the first, and after the scheme has finished.
    finished : FinishedScheme or None
        The scheme's results; None if it has not finished.
    """

    def __init__(self, folder: Path, number: int, every: int) -> None:
        self.every = every
        self._log = folder / f"{number}.log"
        self._state = folder / f"{number}.state"
        self._done = folder / f"{number}.done"
        self.latest: SchemeCheckpoint | None = None
        self.finished: FinishedScheme | None
        self._log_bytes, self.finished = _load(self._done)
        if self.finished is None:
            self._log_bytes, self.latest = _load(self._state)
        with self._log.open("ab") as file:
            if file.tell() < self._log_bytes:
                raise _damaged(self._log, "its end is missing")
            file.truncate(self._log_bytes)  # removes the entries after the latest checkpoint

    def log(self) -> Iterator[Recorded | CheckpointIncrement]:
        """Yield the rows, events and increments up to the latest checkpoint, in the order of writing."""
        with self._log.open("rb") as file:
            while file.tell() < self._log_bytes:
                entry = _unpickle(file, self._log)
                yield read_rows(entry) if isinstance(entry, bytes) else entry

    def add(self, recorded: Recorded) -> None:
        """Append rows or events, which must not change any more, to the log."""
        self._append(recorded if isinstance(recorded, list) else recorded.tobytes())

    def save(self, checkpoint: SchemeCheckpoint, increment: CheckpointIncrement) -> None:
        """Write a checkpoint. Until it is complete, the previous one stays valid.

        The rows and events of all finished rounds must be in the log already.
        """
        self._append(increment)
        self._write(self._state, checkpoint)

    def finish(self, finished: FinishedScheme) -> None:
        """Write the results of the finished scheme."""
        self._write(self._done, finished)

    def _append(self, entry: bytes | list[LoggedEvent] | CheckpointIncrement) -> None:
        packed = pickle.dumps(entry, protocol=pickle.HIGHEST_PROTOCOL)
        with _write_errors(self._log), self._log.open("ab") as file:
            file.write(packed)
        self._log_bytes += len(packed)

    def _write(self, path: Path, content: SchemeCheckpoint | FinishedScheme) -> None:
        packed = pickle.dumps((self._log_bytes, content), protocol=pickle.HIGHEST_PROTOCOL)
        with _write_errors(path):
            with self._log.open("rb") as file:
                os.fsync(file.fileno())  # before the file that states the length of the log
            write_whole(path, lambda draft: draft.write_bytes(packed))


def checkpoint_folder(run_folder: Path) -> Path:
    """Return the folder of a run's checkpoints."""
    return run_folder.with_name(f"{run_folder.name}.checkpoint")


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    """Turn a failure of the file system into a :class:`CheckpointError` that names the path."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"cannot write {path}: {error.strerror or error}") from None


def _ended_by_callback(done: Path) -> bool:
    _, finished = _load(done)
    return finished is not None and finished.run.summary.get("stopped_by") is not None


def _load(path: Path) -> tuple[int, Any]:
    """Return the length of the log when the file was written, [B], and the file's content."""
    if not path.is_file():
        return 0, None
    with path.open("rb") as file:
        log_bytes, content = _unpickle(file, path)
        return log_bytes, content


def _unpickle(file: BinaryIO, path: Path) -> Any:
    try:
        return pickle.load(file)
    except Exception as error:  # a damaged file may raise any exception
        raise _damaged(path, error) from None


def _damaged(path: Path, reason: object) -> RunFolderError:
    return RunFolderError(f"{path} cannot be read: {reason}; delete {path.parent} to begin anew")
