"""The columns of the recorded tables, intervals and events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow

__all__ = ["EVENTS", "INTERVALS", "TEXT", "TableFormat"]

TEXT, _INTEGER, _FLOAT = pyarrow.large_string(), pyarrow.int64(), pyarrow.float64()


@dataclass(frozen=True)
class TableFormat:
    """The name and the columns of a recorded table. Each has the columns ``label`` and ``round``.

    Attributes
    ----------
    name : str
        The plural of its rows, for messages; its file has this name with the suffix ``.parquet``.
    columns : mapping of str to pyarrow.DataType
        The type of each column, in their order.
    """

    name: str
    columns: Mapping[str, pyarrow.DataType]

    @property
    def file_name(self) -> str:
        """Return the name of the table's file in a run folder."""
        return f"{self.name}.parquet"

    @property
    def schema(self) -> pyarrow.Schema:
        """Return the columns as a schema of Arrow."""
        return pyarrow.schema(list(self.columns.items()))

    @property
    def texts(self) -> list[str]:
        """Return the columns of text."""
        return [name for name, kind in self.columns.items() if kind == TEXT]


INTERVALS = TableFormat(
    "intervals",
    {
        "label": TEXT,
        "seed": _INTEGER,
        "round": _INTEGER,
        "node": TEXT,
        "lane": TEXT,
        "phase": TEXT,
        "start_s": _FLOAT,
        "end_s": _FLOAT,
        "wait_s": _FLOAT,
        "bits": _FLOAT,
        "flops": _FLOAT,
        "energy_j": _FLOAT,
        "client": _INTEGER,
    },
)
"""One row an interval of activity."""
EVENTS = TableFormat(
    "events",
    {
        "label": TEXT,
        "seed": _INTEGER,
        "round": _INTEGER,
        "time_s": _FLOAT,
        "end_s": _FLOAT,
        "node": TEXT,
        "kind": TEXT,
        "value": _FLOAT,
        "detail": TEXT,
    },
)
"""One row an event, or a state of a node between two instants."""
