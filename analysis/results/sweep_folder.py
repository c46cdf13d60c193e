"""The folder of a sweep: one run folder a point, what failed, and the tables over all of them.

``NAME/`` is a finished point's run folder and ``NAME.failed`` says why a point failed. Everything else is
derived from these, in the order of the points, so that it does not depend on which point ended first.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from .atomic_files import RunFolderError, check_writable, write_whole
from .run_folder import Run, load_run, read_csv
from .sweep_tables import scheme_rows

__all__ = ["LOCK", "SweepFolder", "SweepResult", "load_runs", "load_sweep"]

POINTS, ROUNDS, SCHEMES, TIMES = "points.csv", "rounds.parquet", "schemes.csv", "wall_times.csv"
LOCK = ".lock"
"""What the process of a running sweep has for itself."""
_DRAFT = re.compile(r"\.[0-9a-f]{16}-|\..+\.[0-9]+$")
"""What a killed process leaves: a run folder, or a file with the number of the process."""


@dataclass(frozen=True, repr=False)
class SweepResult:
    """What a sweep produced so far.

    Attributes
    ----------
    folder : Path
    points : DataFrame
        One row a point: ``point, status``, a column for each swept key, ``seed, overrides, error``.
    schemes : DataFrame
        One row a finished point and label: ``point``, the swept keys, ``seed, label`` and every figure of
        the run's summary; figures that do not exist are NaN.
    rounds : DataFrame
        The rounds of all finished points, with ``point`` and the swept keys.
    interrupted : whether it was stopped before its end
    """

    folder: Path
    points: pd.DataFrame
    schemes: pd.DataFrame
    rounds: pd.DataFrame
    interrupted: bool = False

    def __repr__(self) -> str:
        """Return one line: the folder and how many points are in which state."""
        counts = self.points["status"].value_counts().to_dict()
        return f"<Sweep in {self.folder}: {', '.join(f'{n} {status}' for status, n in counts.items())}>"

    @property
    def keys(self) -> list[str]:
        """Return the swept keys, without the seed."""
        return _keys(self.points)


def _keys(points: pd.DataFrame) -> list[str]:
    return [name for name in points.columns if name not in ("point", "status", "seed", "overrides", "error")]


class SweepFolder:
    """A sweep's folder while the sweep runs; every file of it is written whole or not at all.

    Parameters
    ----------
    path : Path
    points : DataFrame
        What :func:`.sweep_rows.point_table` returns.
    """

    def __init__(self, path: Path, points: pd.DataFrame) -> None:
        self.path = path
        self.points = points
        times = path / TIMES
        self.wall_s: dict[str, float] = (
            dict(read_csv(times).itertuples(index=False, name=None)) if times.is_file() else {}
        )

    def check(self) -> None:
        """Refuse a place that holds something else, or where nothing can be written.

        Raises
        ------
        RunFolderError
        """
        if self.path.exists() and not self.path.is_dir():
            raise RunFolderError(f"{self.path} exists and is no folder; choose another place")
        check_writable(self.path)
        if not self.path.is_dir() or (self.path / POINTS).is_file():
            return
        if not all(entry.name == LOCK or _DRAFT.match(entry.name) for entry in self.path.iterdir()):
            raise RunFolderError(f"{self.path} holds something, and is no sweep folder; choose another place")

    def open(self) -> None:
        """Make the folder; remove drafts that a killed process has left.

        Raises
        ------
        RunFolderError
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.remove_drafts()
        except OSError as error:
            raise RunFolderError(f"cannot write {self.path}: {error.strerror or error}") from None
        self.write_points()

    def remove_drafts(self) -> None:
        """Remove what processes that were killed have left unfinished; for when no point is running."""
        for draft in self.path.iterdir():
            if _DRAFT.match(draft.name):
                _remove(draft)

    def status(self, point: str) -> str:
        """Return ``finished``, ``failed`` or ``pending``."""
        if (self.path / point / "summary.json").is_file():
            return "finished"
        return "failed" if self._failure(point).is_file() else "pending"

    def with_status(self, status: str) -> list[str]:
        """Return the names of the points in that state."""
        return [point for point in self.points["point"] if self.status(point) == status]

    def finish(self, point: str, wall_s: float | None) -> None:
        """Note that the point's run folder is there, and how long it took where that is known."""
        self._failure(point).unlink(missing_ok=True)
        if wall_s is not None:
            self.wall_s[point] = wall_s

    def fail(self, point: str, reason: str) -> None:
        """Note why the point failed: a text whose last line says it in short."""
        self.write_text(self._failure(point).name, reason)

    def versions(self, point: str) -> dict[str, str]:
        """Return the versions of what made a finished point."""
        return dict(self._summary(point)["versions"])

    def write_text(self, name: str, text: str) -> None:
        """Write a text file of the folder."""
        self._write(name, lambda draft: draft.write_text(text, encoding="utf-8"))

    def write_points(self) -> None:
        """Write the table of the points and the wall times."""
        self._write_points([self.status(point) for point in self.points["point"]])

    def _write_points(self, status: Sequence[str]) -> None:
        known = zip(self.points["point"], status, strict=True)
        table = self.points.assign(error=[self._error(p) if s == "failed" else "" for p, s in known])
        table.insert(1, "status", status)
        self._write(POINTS, lambda draft: table.to_csv(draft, index=False))
        timed = [(point, self.wall_s[point]) for point in self.points["point"] if point in self.wall_s]
        times = pd.DataFrame(timed, columns=["point", "wall_s"])
        self._write(TIMES, lambda draft: times.to_csv(draft, index=False))

    def write_tables(self) -> None:
        """Write all tables anew from the run folders."""
        # asked once: a worker of a cluster that was given up may yet finish a point
        status = [self.status(point) for point in self.points["point"]]
        self._write_points(status)
        finished = self.points[[state == "finished" for state in status]]
        keys = [name for name in self.points.columns if name not in ("overrides", "seed")]
        rounds, schemes = [], []
        for row in finished.to_dict("records"):
            place = {key: row[key] for key in keys}
            table = read_csv(self.path / row["point"] / "rounds.csv")
            rounds.append(table.assign(**place)[[*keys, *(c for c in table if c not in keys)]])
            for own in scheme_rows(self._summary(row["point"])):
                schemes.append({**place, "seed": row["seed"], **own})
        every_round = pd.concat(rounds, ignore_index=True) if rounds else pd.DataFrame(columns=keys)
        every_scheme = pd.DataFrame(schemes, columns=None if schemes else [*keys, "seed", "label"])
        self._write(ROUNDS, lambda draft: every_round.to_parquet(draft, index=False))
        self._write(SCHEMES, lambda draft: every_scheme.to_csv(draft, index=False))

    def _summary(self, point: str) -> dict[str, Any]:
        summary = json.loads((self.path / point / "summary.json").read_text(encoding="utf-8"))
        assert isinstance(summary, dict)
        return summary

    def _failure(self, point: str) -> Path:
        return self.path / f"{point}.failed"

    def _error(self, point: str) -> str:
        lines = self._failure(point).read_text(encoding="utf-8").split("\n")
        return next((line for line in reversed(lines) if line), "")

    def _write(self, name: str, write: Callable[[Path], Any]) -> None:
        try:
            write_whole(self.path / name, write)
        except OSError as error:
            raise RunFolderError(f"cannot write {self.path / name}: {error.strerror or error}") from None


def _remove(draft: Path) -> None:
    if not draft.is_dir():
        draft.unlink(missing_ok=True)
        return
    # A worker of a cluster may be writing in it yet. Under another name it can't move it, half removed,
    # to the point's place: it fails, and who has removed it runs the point itself.
    removed = draft.with_name(f"{draft.name}.{uuid.uuid4().int}")
    with suppress(OSError):  # the worker has just moved it
        draft.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)


def load_sweep(folder: Path, *, interrupted: bool = False) -> SweepResult:
    """Read a sweep folder.

    Raises
    ------
    RunFolderError
        If it is none, or is broken.
    """
    try:
        tables = read_csv(folder / POINTS), read_csv(folder / SCHEMES), pd.read_parquet(folder / ROUNDS)
    except FileNotFoundError as error:
        raise RunFolderError(f"{folder} is no sweep folder: {Path(error.filename).name} is missing") from None
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{folder} cannot be read: {error}") from None
    return SweepResult(folder, *tables, interrupted)


def load_runs(folder: Path) -> list[Run]:
    """Read a run folder, or all finished points of a sweep folder.

    Raises
    ------
    RunFolderError
        If it is neither, or is broken.
    """
    if not (folder / POINTS).is_file():
        return [load_run(folder)]
    points = read_csv(folder / POINTS)["point"]
    finished = [folder / point for point in points if (folder / point / "summary.json").is_file()]
    if not finished:
        raise RunFolderError(f"{folder} is a sweep folder without a finished point")
    return [load_run(point) for point in finished]
