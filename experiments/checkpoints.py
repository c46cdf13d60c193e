"""What a long run leaves beside its folder, so that it can be stopped and go on as if it had not been.

``DIR.checkpoint/`` holds ``run.json``, which run it is; and of each scheme, by its number: ``0.log``, packed
rows of its record and what else grows, as it came; ``0.state``, the rest of its last checkpoint; ``0.done``,
its results at its end. So a checkpoint costs what is new.
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
from ..scenarios.loading.differences import differences
from ..scenarios.loading.loader import LoadedScenario, scenario_yaml
from ..scenarios.loading.referenced_files import content_digest, named_files
from ..sim.schemes.round_loop import RoundCursor
from ..sim.schemes.round_planners.round_planner import DevicePlan, PlannerSnapshot
from ..sim.timeline.interval_record import Rows, read_rows
from ..sim.world.world_state import WorldSnapshot
from .provenance import versions
from .round_log import LearntRounds, LearntState

if TYPE_CHECKING:  # a timeline alone does without torch
    from ..models.learning.client_data import ClientData

__all__ = [
    "CheckpointError",
    "CheckpointIncrement",
    "Checkpoints",
    "SchemeCheckpoint",
    "SchemeCheckpoints",
    "checkpoint_place",
]

_MOST_TOLD = 3
"""Keys in which another run differs that its refusal names."""


class CheckpointError(Exception):
    """A checkpoint that can't be made or written; the message says why."""


@dataclass(frozen=True)
class SchemeCheckpoint:
    """A scheme's run between two rounds.

    Attributes
    ----------
    world : WorldSnapshot
        The state of nodes, links and record.
    learner : bytes or None
        The state of the learner; None without learning.
    planner : PlannerSnapshot
        The state of the round planner, with the current plan.
    cursor : RoundCursor
        The number of finished rounds.
    round_log : LearntState
        The totals of the finished rounds.
    """

    world: WorldSnapshot
    learner: bytes | None
    planner: PlannerSnapshot
    cursor: RoundCursor
    round_log: LearntState


@dataclass(frozen=True)
class CheckpointIncrement:
    """The results that rounds have added since the previous checkpoint.

    Attributes
    ----------
    rounds : LearntRounds
        The results of these rounds.
    memory_changes : dict of str to array
        The changes of each compute node's memory, packed.
    device_plans : mapping of int to DevicePlan
        The plans of the devices that these rounds have sampled.
    """

    rounds: LearntRounds
    memory_changes: dict[str, array[float]]
    device_plans: Mapping[int, DevicePlan]


class Checkpoints:
    """The checkpoints of one run.

    Parameters
    ----------
    folder : the run folder
    every : int
        Rounds between two checkpoints.
    loaded : the scenario that is to be run

    Attributes
    ----------
    place : their folder
    found : whether there are some to go on from

    Raises
    ------
    RunFolderError
        If there are some of another run, of other versions, or of files that have changed.
    """

    def __init__(self, folder: Path, every: int, loaded: LoadedScenario) -> None:
        self.place = checkpoint_place(folder)
        self.every = every
        self._scenario = scenario_yaml(loaded.scenario)
        self._versions = versions(trained=loaded.scenario.learning is not None)
        self._files = {str(path): content_digest(path).hex() for path in named_files(loaded.scenario)}
        self._samples: str | None = None
        self._told = self.place / "run.json"
        self.found = self._told.is_file()
        if self.found:
            self._check()

    def _check(self) -> None:
        try:
            made = json.loads(self._told.read_text(encoding="utf-8"))
            told, made_by = differences(self._scenario, made["scenario"]), dict(made["versions"])
            files, self._samples = dict(made.get("files", {})), made.get("samples")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ScenarioError) as error:
            raise _damaged(self._told, error) from None
        if told:
            more = f", and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
            self._refuse(f"{'; '.join(told[:_MOST_TOLD])}{more}")
        for name in sorted({*self._versions, *made_by}):
            if self._versions.get(name) != made_by.get(name):
                current, earlier = (v.get(name, "not imported") for v in (self._versions, made_by))
                self._refuse(f"{name} is {current}, and was {earlier}")
        for path, digest in self._files.items():
            if files.get(path) != digest:
                self._refuse(f"{path} has changed")

    def _refuse(self, why: str) -> NoReturn:
        raise RunFolderError(
            f"{self.place} is of another run: {why}; run it as it was, or delete the checkpoints"
        )

    def begin(self, data: ClientData | None) -> None:
        """Make the folder, or remove from it what a killed process has left half done.

        Parameters
        ----------
        data : the clients' samples, None for a timeline alone

        Raises
        ------
        CheckpointError
            If it can't be written.
        RunFolderError
            If there are checkpoints of other samples.
        """
        samples = None if data is None else data.fingerprint()
        if self.found and samples != self._samples:
            self._refuse("the samples of the data set have changed")
        with _writing(self.place):
            if not self.found:
                shutil.rmtree(self.place, ignore_errors=True)
                self.place.mkdir(parents=True)
                made = {
                    "scenario": self._scenario,
                    "versions": self._versions,
                    "files": self._files,
                    "samples": samples,
                }
                text = json.dumps(made, ensure_ascii=False, indent=2)
                write_whole(self._told, lambda draft: draft.write_text(text, encoding="utf-8"))
            for left in self.place.glob(".*"):
                if left.is_dir():
                    shutil.rmtree(left)
                else:
                    left.unlink()

    def of_scheme(self, number: int) -> SchemeCheckpoints:
        """Return the checkpoints of the run's scheme of this number, from 0."""
        return SchemeCheckpoints(self.place, number, self.every)

    def remove(self) -> None:
        """Remove them all: the run has ended."""
        self._told.unlink()  # first: without it the rest is nothing to go on from
        shutil.rmtree(self.place)


class SchemeCheckpoints:
    """The checkpoints of one scheme's run.

    Attributes
    ----------
    stopped : Stopped or None
        The last checkpoint; None where there is none.
    done : the scheme's results, the names in its rows, and its last round; None where it has not ended
    """

    def __init__(self, place: Path, number: int, every: int) -> None:
        self.every = every
        self._log, self._state, self._done = (place / f"{number}.{kind}" for kind in ("log", "state", "done"))
        self.stopped: SchemeCheckpoint | None = None
        self._size, self.done = _load(self._done)
        if self.done is None:
            self._size, self.stopped = _load(self._state)
        with self._log.open("ab") as file:
            if file.tell() < self._size:
                raise _damaged(self._log, "its end is missing")
            file.truncate(self._size)  # what was written after the last checkpoint

    def log(self) -> Iterator[Rows | CheckpointIncrement]:
        """Yield rows and news up to the last checkpoint, as they came."""
        with self._log.open("rb") as file:
            while file.tell() < self._size:
                part = _unpickled(file, self._log)
                yield read_rows(part) if isinstance(part, bytes) else part

    def add(self, rows: Rows) -> None:
        """Note further rows, which will not change any more."""
        self._append(rows.tobytes())

    def save(self, stopped: SchemeCheckpoint, news: CheckpointIncrement) -> None:
        """Make a checkpoint, of which all rows are noted; the one before it holds until it is whole."""
        self._append(news)
        self._write(self._state, stopped)

    def finish(self, *results: Any) -> None:
        """Note that the scheme has ended, and with what."""
        self._write(self._done, results)
        self._state.unlink(missing_ok=True)

    def _append(self, part: bytes | CheckpointIncrement) -> None:
        packed = pickle.dumps(part, protocol=pickle.HIGHEST_PROTOCOL)
        with _writing(self._log), self._log.open("ab") as file:
            file.write(packed)
        self._size += len(packed)

    def _write(self, path: Path, content: Any) -> None:
        packed = pickle.dumps((self._size, content), protocol=pickle.HIGHEST_PROTOCOL)
        with _writing(path):
            with self._log.open("rb") as file:
                os.fsync(file.fileno())  # before what says how long it is
            write_whole(path, lambda draft: draft.write_bytes(packed))


def checkpoint_place(folder: Path) -> Path:
    """Return where the checkpoints of the run in a folder are."""
    return folder.with_name(f"{folder.name}.checkpoint")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"cannot write {path}: {error.strerror or error}") from None


def _load(path: Path) -> tuple[int, Any]:
    """Return how long the log was, [B], and what else is in the file."""
    if not path.is_file():
        return 0, None
    with path.open("rb") as file:
        size, content = _unpickled(file, path)
        return size, content


def _unpickled(file: BinaryIO, path: Path) -> Any:
    try:
        return pickle.load(file)
    except Exception as error:  # whatever a broken file may raise
        raise _damaged(path, error) from None


def _damaged(path: Path, why: object) -> RunFolderError:
    return RunFolderError(f"{path} cannot be read: {why}; delete {path.parent} to begin anew")
