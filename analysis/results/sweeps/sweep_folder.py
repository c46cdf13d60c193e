"""The folder of a sweep: one run folder a point, the reasons of failed points, and tables over all points.

``NAME/`` is the run folder of a finished point, and ``NAME.failed`` has the reason why a point failed. All
other files are derived from these in the order of the points, so they do not depend on the order in which
points end.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ..atomic_files import RunFolderError, check_writable, write_whole
from ..run import Run, failed_schemes
from ..run_files import ERRORS, read_csv
from ..run_folder import load_run
from .sweep_tables import scheme_rows

__all__ = [
    "LOCK",
    "Shard",
    "SweepFolder",
    "SweepResult",
    "is_sweep_folder",
    "load_points",
    "load_runs",
    "load_sweep",
    "missing_points",
]

POINTS, ROUNDS, SCHEMES, TIMES = "points.csv", "rounds.parquet", "schemes.csv", "wall_times.csv"
LOCK = ".lock"
"""The lock file of the process that runs the sweep."""
_DRAFT = re.compile(r"\.[0-9a-f]{16}-|\..+\.[0-9]+$")
"""Names of the drafts that a killed process leaves behind, of a run folder or of a file."""


@dataclass(frozen=True, repr=False)
class SweepResult:
    """The results of a sweep so far.

    Attributes
    ----------
    folder : Path
        The sweep folder.
    points : DataFrame
        One row a point: ``point, status``, a column for each swept key, ``seed, overrides, error``.
    schemes : DataFrame
        One row a finished point and label: ``point``, the swept keys, ``seed, label`` and every value of
        the run's summary. Values that do not exist are NaN.
    rounds : DataFrame
        The rounds of all finished points, with ``point`` and the swept keys.
    interrupted : bool
        Whether the sweep was stopped before its end.
    """

    folder: Path
    points: pd.DataFrame
    schemes: pd.DataFrame
    rounds: pd.DataFrame
    interrupted: bool = False

    def __repr__(self) -> str:
        """Return one line: the folder, and the number of points in each state."""
        counts = self.points["status"].value_counts().to_dict()
        return f"<Sweep in {self.folder}: {', '.join(f'{n} {status}' for status, n in counts.items())}>"

    @property
    def keys(self) -> list[str]:
        """Return the swept keys, without the seed."""
        return _keys(self.points)

    def report(
        self,
        path: str | Path | None = None,
        *,
        rounds: tuple[int, int] | None = None,
        points: bool | None = None,
    ) -> Path:
        """Write the sweep as one HTML page, with links to the pages of its points.

        Parameters
        ----------
        path : str or Path, optional
            The file; ``report.html`` in the sweep folder by default.
        rounds : (first, last), optional
            The rounds of the Gantt charts of the points.
        points : bool, optional
            Whether to write the page of each point that has none; by default for up to 30 points.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        MissingPackageError
            If Bokeh is not installed.
        RunFolderError
            If no point is finished, or if a file cannot be written.
        ValueError
            If a point has none of the rounds.
        """
        from ...report.requirement import require_bokeh

        require_bokeh()
        from ...report.report import FILE_NAME, write_sweep_report  # it needs this class

        target = self.folder / FILE_NAME if path is None else Path(path)
        return write_sweep_report(self, target, rounds=rounds, points=points)


def _keys(points: pd.DataFrame) -> list[str]:
    return [name for name in points.columns if name not in ("point", "status", "seed", "overrides", "error")]


@dataclass(frozen=True)
class Shard:
    """One of several parts of a sweep: every n-th point, in the order of the points.

    Attributes
    ----------
    number : int
        From 1.
    count : int
        The number of shards.

    Raises
    ------
    ValueError
        If the number is not in 1 to ``count``.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(f"a shard is K/N with K from 1 to N, for example 1/8; it is {self}")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard of a text ``K/N``.

        Raises
        ------
        ValueError
            If the text is not of this form, or K is not in 1 to N.
        """
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal()):
            raise ValueError(f"a shard is K/N with K from 1 to N, for example 1/8; it is {text}")
        return cls(int(number), int(count))

    def __str__(self) -> str:
        """Return ``K/N``."""
        return f"{self.number}/{self.count}"

    @property
    def rows(self) -> slice:
        """Return the rows of the shard in the table of points."""
        return slice(self.number - 1, None, self.count)

    @property
    def name(self) -> str:
        """Return the part of file names that stands for the shard."""
        return f"{self.number}-of-{self.count}"


class SweepFolder:
    """A sweep's folder while the sweep runs. Its files are always complete.

    Several shards may use a folder at the same time. A shard removes only drafts of its own points, and it
    writes the wall times of its points to a separate file.

    Parameters
    ----------
    path : Path
        The sweep folder.
    points : DataFrame
        The result of :func:`.sweep_tables.point_table`.
    shard : Shard, optional
        The part of the points that this process runs; all by default.

    Attributes
    ----------
    own_points : DataFrame
        The rows of ``points`` that this process runs.
    wall_s : dict of str to float
        The wall time of each point that was timed, [s].
    """

    def __init__(self, path: Path, points: pd.DataFrame, shard: Shard | None = None) -> None:
        self.path = path
        self.points = points
        self.shard = shard
        self.own_points = points if shard is None else points.iloc[shard.rows].reset_index(drop=True)
        self.wall_s: dict[str, float] = {}
        for times in self._files_of_times():
            with suppress(FileNotFoundError):  # the tables have just been gathered
                self.wall_s.update(read_csv(times).itertuples(index=False, name=None))

    def check(self) -> None:
        """Check that the sweep can be written to its folder without the loss of other files.

        Raises
        ------
        RunFolderError
            If the path holds anything but a sweep folder, or is not writable.
        """
        if self.path.exists() and not self.path.is_dir():
            raise RunFolderError(f"{self.path} exists and is not a folder; choose another folder")
        check_writable(self.path)
        if not self.path.is_dir() or (self.path / POINTS).is_file():
            return
        if not all(entry.name.startswith(LOCK) or _DRAFT.match(entry.name) for entry in self.path.iterdir()):
            raise RunFolderError(
                f"{self.path} holds something, and is not a sweep folder; choose another folder"
            )

    def open(self) -> None:
        """Create the folder, and remove the drafts of killed processes.

        Raises
        ------
        RunFolderError
            If the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.remove_drafts()
        except OSError as error:
            raise RunFolderError(f"cannot write {self.path}: {error.strerror or error}") from None
        self.write_points()

    def remove_drafts(self) -> None:
        """Remove the drafts of killed processes. No point of this process may be running meanwhile."""
        own = None if self.shard is None else tuple(f".{point}" for point in self.own_points["point"])
        for draft in self.path.iterdir():
            if _DRAFT.match(draft.name) and (own is None or draft.name.startswith(own)):
                _remove(draft)

    def status(self, point: str) -> str:
        """Return the state of a point: ``finished``, ``failed`` or ``pending``.

        A point of which one scheme has failed is failed, although the results of the others are there.
        """
        has_results = self.has_results(point)
        if has_results and not (self.path / point / ERRORS).is_file():
            return "finished"
        return "failed" if has_results or self._failure_file(point).is_file() else "pending"

    def has_results(self, point: str) -> bool:
        """Return whether the run folder of the point is there, also if one of its schemes has failed."""
        return (self.path / point / "summary.json").is_file()

    def with_status(self, status: str) -> list[str]:
        """Return the names of the points of this process in a state."""
        return [point for point in self.own_points["point"] if self.status(point) == status]

    def finish(self, point: str, wall_s: float | None) -> None:
        """Record that the point's run folder is complete, and the wall time of the run if it was measured."""
        self._failure_file(point).unlink(missing_ok=True)
        if wall_s is not None:
            self.wall_s[point] = wall_s

    def fail(self, point: str, reason: str) -> None:
        """Record the reason why the point failed: a text whose last line is a summary."""
        self.write_text(self._failure_file(point).name, reason)

    def versions(self, point: str) -> dict[str, str]:
        """Return the versions of the packages and the code that produced a finished point."""
        return dict(self._summary(point)["versions"])

    def write_text(self, name: str, text: str) -> None:
        """Write a text file of the folder."""
        self._write(name, lambda draft: draft.write_text(text, encoding="utf-8"))

    def write_points(self) -> None:
        """Write the table of the points and the wall times."""
        self._write_points([self.status(point) for point in self.points["point"]])

    def _write_points(self, status: Sequence[str]) -> None:
        table = self._with_status(self.points, status)
        self._write(POINTS, lambda draft: table.to_csv(draft, index=False))
        timed = [(point, self.wall_s[point]) for point in self.own_points["point"] if point in self.wall_s]
        times = pd.DataFrame(timed, columns=["point", "wall_s"])
        name = TIMES if self.shard is None else f"wall_times.{self.shard.name}.csv"
        self._write(name, lambda draft: times.to_csv(draft, index=False))

    def write_tables(self) -> None:
        """Write all tables again from the run folders."""
        # The states are read once: an abandoned worker of a cluster may still finish a point meanwhile.
        status = [self.status(point) for point in self.points["point"]]
        self._write_points(status)
        states = zip(self.points["point"], status, strict=True)
        finished = self.points[[state != "pending" and self.has_results(point) for point, state in states]]
        keys = [name for name in self.points.columns if name not in ("overrides", "seed")]
        rounds, schemes = [], []
        for row in finished.to_dict("records"):
            point_values = {key: row[key] for key in keys}
            summary = self._summary(row["point"])
            table = read_csv(self.path / row["point"] / "rounds.csv")
            table = table[~table["label"].isin(failed_schemes(summary))]
            rounds.append(table.assign(**point_values)[[*keys, *(c for c in table if c not in keys)]])
            for scheme_row in scheme_rows(summary):
                schemes.append({**point_values, "seed": row["seed"], **scheme_row})
        all_rounds = pd.concat(rounds, ignore_index=True) if rounds else pd.DataFrame(columns=keys)
        all_schemes = pd.DataFrame(schemes, columns=None if schemes else [*keys, "seed", "label"])
        self._write(ROUNDS, lambda draft: all_rounds.to_parquet(draft, index=False))
        self._write(SCHEMES, lambda draft: all_schemes.to_csv(draft, index=False))
        if "pending" not in status:  # the shards have ended, and their wall times are in the common file
            for times in self._files_of_times():
                if times.name != TIMES:
                    times.unlink(missing_ok=True)

    def progress(self, *, interrupted: bool) -> SweepResult:
        """Return the states of the points of this process, without tables of results."""
        table = self._with_status(self.own_points, [self.status(point) for point in self.own_points["point"]])
        return SweepResult(self.path, table, pd.DataFrame(), pd.DataFrame(), interrupted)

    def _with_status(self, points: pd.DataFrame, status: Sequence[str]) -> pd.DataFrame:
        states = zip(points["point"], status, strict=True)
        table = points.assign(error=[self._error(p) if s == "failed" else "" for p, s in states])
        table.insert(1, "status", status)
        return table

    def _files_of_times(self) -> list[Path]:
        return sorted(self.path.glob("wall_times*.csv"))

    def _summary(self, point: str) -> dict[str, Any]:
        summary = json.loads((self.path / point / "summary.json").read_text(encoding="utf-8"))
        assert isinstance(summary, dict)
        return summary

    def _failure_file(self, point: str) -> Path:
        return self.path / f"{point}.failed"

    def _error(self, point: str) -> str:
        """Return the last line of the reason why the point failed."""
        try:
            lines = self._failure_file(point).read_text(encoding="utf-8").split("\n")
        except FileNotFoundError:  # the process ended before it could record the failed scheme
            if not self.has_results(point):  # another process has just run the point again
                return ""
            errors = failed_schemes(self._summary(point))
            return "; ".join(f"{label}: {text}" for label, text in errors.items())
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
    # A worker of a cluster may still be writing in the draft. The rename keeps the worker from moving a half
    # removed draft to the point's run folder: the worker fails, and this process runs the point again.
    removed = draft.with_name(f"{draft.name}.{uuid.uuid4().int}")
    with suppress(OSError):  # the worker has just moved the draft
        draft.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)


def load_sweep(folder: Path, *, interrupted: bool = False) -> SweepResult:
    """Read a sweep folder.

    Raises
    ------
    RunFolderError
        If the folder is not a sweep folder, or is broken.
    """
    try:
        tables = read_csv(folder / POINTS), read_csv(folder / SCHEMES), pd.read_parquet(folder / ROUNDS)
    except FileNotFoundError as error:
        raise RunFolderError(
            f"{folder} is not a sweep folder: {Path(error.filename).name} is missing"
        ) from None
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{folder} cannot be read: {error}") from None
    return SweepResult(folder, *tables, interrupted)


def missing_points(folder: Path) -> int:
    """Return the number of points of a sweep folder that are not finished; 0 for a run folder."""
    if not is_sweep_folder(folder):
        return 0
    points = read_csv(folder / POINTS)["point"]
    return sum(not (folder / point / "summary.json").is_file() for point in points)


def load_runs(folder: Path) -> list[Run]:
    """Read a run folder, or all finished points of a sweep folder.

    Raises
    ------
    RunFolderError
        If the folder is neither, or is broken.
    """
    if not is_sweep_folder(folder):
        return [load_run(folder)]
    runs = load_points(folder, read_csv(folder / POINTS)["point"].tolist())
    if not runs:
        raise RunFolderError(f"{folder} is a sweep folder without a finished point")
    return runs


def load_points(folder: Path, points: Sequence[str]) -> list[Run]:
    """Read those of the points of a sweep folder that are finished.

    Raises
    ------
    RunFolderError
        If the folder of a point is broken.
    """
    finished = [folder / point for point in points if (folder / point / "summary.json").is_file()]
    return [replace(load_run(point), folder=str(folder.absolute())) for point in finished]


def is_sweep_folder(folder: Path) -> bool:
    """Return whether a folder is a sweep's."""
    return (folder / POINTS).is_file()
