"""The recorded tables, intervals and events: in memory or in Parquet files, one row group at a time."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.compute
from pyarrow import parquet

from .table_formats import EVENTS, INTERVALS, TEXT, TableFormat

__all__ = [
    "GROUP_ROWS",
    "KEPT_ROWS",
    "RecordWriter",
    "RecordedTable",
    "RecordedTables",
    "SpillError",
    "TableWriter",
    "read_table",
]

GROUP_ROWS = 2**17
"""Rows of a row group, which is in memory as a whole. The last row group of each scheme may be shorter."""
KEPT_ROWS = 2**18
"""Rows up to which a run keeps a table in memory and writes it once, at its end."""


class RecordedTable:
    """One recorded table of a run. Each method reads only the row groups that it needs.

    Parameters
    ----------
    table_format : TableFormat
        The table's columns.
    source : Path or list of Table, optional
        The file, or the row groups; by default the table is empty.
    keep : Any, optional
        An object to keep alive as long as this one, for example the temporary folder of the file.
    lost : str, optional
        The reason why the rows are lost.

    Attributes
    ----------
    lost : str
        The reason why there are no rows, although the run had some; empty if they are not lost.
    """

    def __init__(
        self,
        table_format: TableFormat,
        source: Path | list[pyarrow.Table] | None = None,
        keep: Any = None,
        *,
        lost: str = "",
    ) -> None:
        self.lost = lost
        self._format = table_format
        self._source = [] if source is None else source
        self._keep = keep

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the source, and no object to keep alive: the process that wrote the file keeps it."""
        return RecordedTable, (self._format, self._source), {"lost": self.lost}

    @property
    def in_file(self) -> bool:
        """Return whether the table is in a file, and not in memory."""
        return isinstance(self._source, Path)

    def frame(self) -> pd.DataFrame:
        """Return the whole table."""
        return self._frame(list(self.tables()))

    def groups(self, rounds: tuple[int, int] | None = None) -> Iterator[pd.DataFrame]:
        """Yield the row groups one after the other, with texts as categories.

        Parameters
        ----------
        rounds : (first, last), optional
            Leave out row groups that have none of these rounds.
        """
        for number in range(self._num_groups()):
            if rounds is None or self._has_rounds(number, *rounds):
                yield self._group(number).to_pandas(categories=self._format.texts)

    def first_rounds(self, enough: int) -> pd.DataFrame:
        """Return each label's first row groups, until its complete rounds have more than ``enough`` rows."""
        groups: list[pyarrow.Table] = []
        total: Counter[str] = Counter()
        last: dict[str, tuple[int, int]] = {}  # the last round, which may be incomplete, and its rows
        done: set[str] = set()
        for number in range(self._num_groups()):
            if self._only_label(number) in done:
                continue
            group = self._group(number)
            groups.append(group)
            for label in pyarrow.compute.unique(group["label"]).to_pylist():
                rounds = group.filter(pyarrow.compute.field("label") == label)["round"].to_numpy()
                rows = int((rounds == rounds[-1]).sum())
                if label in last and last[label][0] == rounds[-1]:
                    rows += last[label][1]
                last[label] = int(rounds[-1]), rows
                total[label] += len(rounds)
                if rounds[-1] > 1 and total[label] - rows > enough:
                    done.add(label)
        return self._frame(groups)

    def select_rounds(self, first: int, last: int) -> pd.DataFrame:
        """Return the row groups with rows of rounds ``first`` to ``last`` or of the next round."""
        return self._frame(
            [
                self._group(number)
                for number in range(self._num_groups())
                if self._has_rounds(number, first, last + 1)
            ]
        )

    def of_rounds(self, label: str, rounds: Collection[int]) -> pd.DataFrame:
        """Return the rows of some rounds of a scheme; only row groups that may have any are read."""
        label_of, round_of = pyarrow.compute.field("label"), pyarrow.compute.field("round")
        wanted = (label_of == label) & round_of.isin(sorted(rounds))
        return self._frame(
            [
                self._group(number).filter(wanted)
                for number in range(self._num_groups())
                if self._may_have(number, label, rounds)
            ]
        )

    def _may_have(self, number: int, label: str, rounds: Collection[int]) -> bool:
        (first_label, last_label), (first, last) = (
            self._bounds(number, "label"),
            self._bounds(number, "round"),
        )
        return first_label <= label <= last_label and any(first <= each <= last for each in rounds)

    def write(self, path: Path) -> None:
        """Write the Parquet file."""
        if isinstance(self._source, Path):
            try:
                os.link(self._source, path)
            except OSError:  # the path is on another file system, or on one without hard links
                shutil.copyfile(self._source, path)
            return
        with parquet.ParquetWriter(path, self._format.schema) as writer:
            for group in self._source:
                writer.write_table(group)

    def tables(self) -> Iterator[pyarrow.Table]:
        """Yield the row groups one after the other as tables of Arrow."""
        return (self._group(number) for number in range(self._num_groups()))

    @cached_property
    def _file(self) -> parquet.ParquetFile:
        return parquet.ParquetFile(self._source)

    def _num_groups(self) -> int:
        return self._file.num_row_groups if isinstance(self._source, Path) else len(self._source)

    def _group(self, number: int) -> pyarrow.Table:
        if isinstance(self._source, Path):
            # in one chunk, as it was written, so that a copy of the file has the same bytes
            return self._file.read_row_group(number).replace_schema_metadata().combine_chunks()
        return self._source[number]

    def _only_label(self, number: int) -> str | None:
        """Return the label of all rows of a group, or None if the rows have several labels."""
        low, high = self._bounds(number, "label")
        return low if low == high else None

    def _has_rounds(self, number: int, first: int, last: int) -> bool:
        low, high = self._bounds(number, "round")
        return bool(low <= last and high >= first)

    def _bounds(self, number: int, column: str) -> tuple[Any, Any]:
        if not isinstance(self._source, Path):
            bounds = pyarrow.compute.min_max(self._source[number][column]).as_py()
            return bounds["min"], bounds["max"]
        index = self._file.schema_arrow.get_field_index(column)
        statistics = self._file.metadata.row_group(number).column(index).statistics
        return statistics.min, statistics.max

    def _frame(self, groups: list[pyarrow.Table]) -> pd.DataFrame:
        table = pyarrow.concat_tables(groups) if groups else self._format.schema.empty_table()
        frame: pd.DataFrame = table.to_pandas()
        return frame


def read_table(folder: Path, table_format: TableFormat) -> RecordedTable:
    """Return a table of a run folder.

    Raises
    ------
    ValueError
        If its file is no Parquet file, or if a column is missing.
    """
    path = folder / table_format.file_name
    schema = parquet.read_schema(path)
    missing = [name for name in table_format.columns if name not in schema.names]
    if missing:
        raise ValueError(f"{path.name} has no column {', '.join(missing)}")
    return RecordedTable(table_format, path)


class SpillError(Exception):
    """Raised by the workers of a sweep if the intervals or events of a point cannot be written."""


class TableWriter:
    """Collects the rows of a table; with more than ``KEPT_ROWS`` rows, in a temporary file.

    Parameters
    ----------
    table_format : TableFormat
        The table's columns.
    beside : Path, optional
        Path of the future run folder. The temporary file is created next to it, on the same disk. By default
        it is in the system's folder for temporary files.

    Attributes
    ----------
    lost : str
        The reason why the rows are lost; empty if they are not.
    """

    def __init__(self, table_format: TableFormat, beside: Path | None = None) -> None:
        self._format = table_format
        self._beside = beside
        self._groups: list[pyarrow.Table] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._writer: parquet.ParquetWriter | None = None
        self.lost = ""

    def add(self, frame: pd.DataFrame) -> None:
        """Add a row group with the columns of the table.

        If the file cannot be written, all rows are lost, and further ones are dropped. The run continues,
        because its other tables do not need them.
        """
        if self.lost:
            return
        columns = [
            pyarrow.array(frame[name]).cast(kind) if kind == TEXT else pyarrow.array(frame[name], type=kind)
            for name, kind in self._format.columns.items()
        ]
        self._add_group(pyarrow.table(columns, schema=self._format.schema))

    def add_all(self, table: RecordedTable) -> None:
        """Add the row groups of another writer. If they are lost, all rows of this one are lost too."""
        if table.lost:
            self._drop(table.lost)
        for group in table.tables():
            if not self.lost:
                self._add_group(group)

    def _add_group(self, group: pyarrow.Table) -> None:
        with self._writing():
            if self._writer is None:
                self._groups.append(group)
                if sum(len(group) for group in self._groups) > KEPT_ROWS:
                    self._open_file()
            else:
                self._writer.write_table(group)

    def finish(self) -> RecordedTable:
        """Return all added rows, or none if their file could not be written."""
        with self._writing():
            if self._writer is not None:
                self._writer.close()
        if self._writer is None or self._folder is None:
            return RecordedTable(self._format, self._groups, lost=self.lost)
        path = Path(self._folder.name) / self._format.file_name
        return RecordedTable(self._format, path, keep=self._folder)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:  # pyarrow's errors of input and output are OSErrors
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        self._drop(f"cannot write {self._beside or tempfile.gettempdir()}: {error.strerror or error}")

    def _drop(self, reason: str) -> None:
        """Note the reason, and remove the file, so that its space is free for the other tables."""
        self.lost = reason
        self._groups, self._writer = [], None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _open_file(self) -> None:
        prefix, parent = ".cutlayer-", None
        if self._beside is not None:
            prefix, parent = f".{self._beside.name}-", self._beside.parent
            parent.mkdir(parents=True, exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True)
        self._writer = parquet.ParquetWriter(
            Path(self._folder.name) / self._format.file_name, self._format.schema
        )
        for group in self._groups:
            self._writer.write_table(group)
        self._groups = []


@dataclass(frozen=True)
class RecordedTables:
    """The recorded tables of a run.

    Attributes
    ----------
    intervals, events : RecordedTable
        What the nodes did, and what happened to them besides.
    """

    intervals: RecordedTable = field(default_factory=lambda: RecordedTable(INTERVALS))
    events: RecordedTable = field(default_factory=lambda: RecordedTable(EVENTS))


class RecordWriter:
    """Collects the recorded tables of a run. Each may be lost without the other.

    Parameters
    ----------
    beside : Path, optional
        As for :class:`TableWriter`.

    Attributes
    ----------
    intervals, events : TableWriter
        The writers of the two tables.
    """

    def __init__(self, beside: Path | None = None) -> None:
        self.intervals = TableWriter(INTERVALS, beside)
        self.events = TableWriter(EVENTS, beside)

    def add_all(self, tables: RecordedTables) -> None:
        """Add the tables of another writer."""
        self.intervals.add_all(tables.intervals)
        self.events.add_all(tables.events)

    def finish(self) -> RecordedTables:
        """Return the tables."""
        return RecordedTables(self.intervals.finish(), self.events.finish())
