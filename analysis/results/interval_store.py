"""The table of intervals, in memory or in a file, written and read a row group at a time."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.compute
from pyarrow import parquet

__all__ = ["GROUP_ROWS", "KEPT_ROWS", "IntervalWriter", "Intervals", "SpillError", "read_intervals"]

GROUP_ROWS = 2**17
"""Rows of a row group, the last one of each scheme apart: what is in memory at a time."""
KEPT_ROWS = 2**18
"""Rows that stay in memory: a short run writes its intervals once, at its end."""
_NAME = "intervals.parquet"
_TEXT = ["label", "node", "lane", "phase"]
_COLUMNS = {
    "label": pyarrow.large_string(),
    "seed": pyarrow.int64(),
    "round": pyarrow.int64(),
    "node": pyarrow.large_string(),
    "lane": pyarrow.large_string(),
    "phase": pyarrow.large_string(),
    "start_s": pyarrow.float64(),
    "end_s": pyarrow.float64(),
    "wait_s": pyarrow.float64(),
    "bits": pyarrow.float64(),
    "flops": pyarrow.float64(),
    "energy_j": pyarrow.float64(),
    "client": pyarrow.int64(),
}
_SCHEMA = pyarrow.schema(list(_COLUMNS.items()))


class Intervals:
    """All intervals of a run; what is asked for is read when it is asked for.

    Parameters
    ----------
    source : the file, or the row groups themselves
    keep : what the file lives as long as
    """

    def __init__(self, source: Path | list[pyarrow.Table], keep: Any = None) -> None:
        self._source = source
        self._keep = keep

    def frame(self) -> pd.DataFrame:
        """Return the whole table."""
        return _frame(list(self._tables()))

    def groups(self) -> Iterator[pd.DataFrame]:
        """Yield the row groups one after the other, texts as categories."""
        for group in self._tables():
            yield group.to_pandas(categories=_TEXT)

    def first_rounds(self, enough: int) -> pd.DataFrame:
        """Return each label's first row groups, up to where its whole rounds have more rows than this."""
        found: list[pyarrow.Table] = []
        total: Counter[str] = Counter()
        last: dict[str, tuple[int, int]] = {}  # the last round, which may go on, and its rows
        done: set[str] = set()
        for number in range(self._num_groups()):
            if self._only_label(number) in done:
                continue
            group = self._group(number)
            found.append(group)
            for label in pyarrow.compute.unique(group["label"]).to_pylist():
                rounds = group.filter(pyarrow.compute.field("label") == label)["round"].to_numpy()
                rows = int((rounds == rounds[-1]).sum())
                if label in last and last[label][0] == rounds[-1]:
                    rows += last[label][1]
                last[label] = int(rounds[-1]), rows
                total[label] += len(rounds)
                if rounds[-1] > 1 and total[label] - rows > enough:
                    done.add(label)
        return _frame(found)

    def select_rounds(self, first: int, last: int) -> pd.DataFrame:
        """Return the row groups that have intervals of these rounds, or of the one after them."""
        return _frame(
            [
                self._group(number)
                for number in range(self._num_groups())
                if self._has(number, first, last + 1)
            ]
        )

    def write(self, path: Path) -> None:
        """Write the file."""
        if isinstance(self._source, Path):
            try:
                os.link(self._source, path)
            except OSError:  # on another file system, or one without links
                shutil.copyfile(self._source, path)
            return
        with parquet.ParquetWriter(path, _SCHEMA) as writer:
            for group in self._source:
                writer.write_table(group)

    def _tables(self) -> Iterator[pyarrow.Table]:
        return (self._group(number) for number in range(self._num_groups()))

    @cached_property
    def _file(self) -> parquet.ParquetFile:
        return parquet.ParquetFile(self._source)

    def _num_groups(self) -> int:
        return self._file.num_row_groups if isinstance(self._source, Path) else len(self._source)

    def _group(self, number: int) -> pyarrow.Table:
        if isinstance(self._source, Path):
            return self._file.read_row_group(number).replace_schema_metadata()
        return self._source[number]

    def _only_label(self, number: int) -> str | None:
        """Return the label of all rows of a group; None where they have several."""
        low, high = self._bounds(number, "label")
        return low if low == high else None

    def _has(self, number: int, first: int, last: int) -> bool:
        low, high = self._bounds(number, "round")
        return bool(low <= last and high >= first)

    def _bounds(self, number: int, column: str) -> tuple[Any, Any]:
        if not isinstance(self._source, Path):
            found = pyarrow.compute.min_max(self._source[number][column]).as_py()
            return found["min"], found["max"]
        index = self._file.schema_arrow.get_field_index(column)
        statistics = self._file.metadata.row_group(number).column(index).statistics
        return statistics.min, statistics.max


def _frame(groups: list[pyarrow.Table]) -> pd.DataFrame:
    table = pyarrow.concat_tables(groups) if groups else _SCHEMA.empty_table()
    frame: pd.DataFrame = table.to_pandas()
    return frame


def read_intervals(path: Path) -> Intervals:
    """Return the intervals of a file.

    Raises
    ------
    ValueError
        If it is no Parquet file, or has other columns.
    """
    found = parquet.read_schema(path)
    missing = [name for name in _COLUMNS if name not in found.names]
    if missing:
        raise ValueError(f"{path.name} has no column {', '.join(missing)}")
    return Intervals(path)


class SpillError(Exception):
    """A file of intervals that can't be written while they come; the message says why."""


class IntervalWriter:
    """Takes the intervals of a run a row group at a time; keeps a few, and writes a file if there are more.

    Parameters
    ----------
    beside : where a run folder will be, so that its file is not moved to another disk; else a place for
        temporary files
    """

    def __init__(self, beside: Path | None = None) -> None:
        self._beside = beside
        self._groups: list[pyarrow.Table] = []
        self._place: tempfile.TemporaryDirectory[str] | None = None
        self._writer: parquet.ParquetWriter | None = None

    def add(self, frame: pd.DataFrame) -> None:
        """Add a row group: ``label, seed`` and the columns of a record's table.

        Raises
        ------
        SpillError
            If the file can't be written.
        """
        columns = [
            pyarrow.array(frame[name]).cast(kind) if name in _TEXT else pyarrow.array(frame[name], type=kind)
            for name, kind in _COLUMNS.items()
        ]
        group = pyarrow.table(columns, schema=_SCHEMA)
        with self._writing():
            if self._writer is None:
                self._groups.append(group)
                if sum(len(kept) for kept in self._groups) > KEPT_ROWS:
                    self._open()
            else:
                self._writer.write_table(group)

    def finish(self) -> Intervals:
        """Return all that was added.

        Raises
        ------
        SpillError
            If the file can't be written.
        """
        if self._writer is None or self._place is None:
            return Intervals(self._groups)
        with self._writing():
            self._writer.close()
        return Intervals(Path(self._place.name) / _NAME, keep=self._place)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:  # pyarrow's are of this kind
            told = self._beside or tempfile.gettempdir()
            raise SpillError(f"cannot write {told}: {error.strerror or error}") from None

    def _open(self) -> None:
        prefix, parent = ".cutlayer-", None
        if self._beside is not None:
            prefix, parent = f".{self._beside.name}-", self._beside.parent
            parent.mkdir(parents=True, exist_ok=True)
        self._place = tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True)
        self._writer = parquet.ParquetWriter(Path(self._place.name) / _NAME, _SCHEMA)
        for group in self._groups:
            self._writer.write_table(group)
        self._groups = []
