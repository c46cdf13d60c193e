"""The record of a run: one row for each interval of activity. All results are computed from it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .event_log import EventLog
from .phases import LaneName, Phase

__all__ = [
    "ROW_BYTES",
    "IntervalRecord",
    "RecordState",
    "Rows",
    "TimelineHash",
    "empty_rows",
    "in_order",
    "lasting",
    "packed",
    "read_rows",
    "unpacked",
]

Rows: TypeAlias = NDArray[np.void]
"""Packed rows. Text columns hold numbers, for which the record has the names."""
Kind: TypeAlias = tuple[str, LaneName]

_FIELDS = (
    ("round", "i"),
    ("node", "i"),
    ("phase", "i"),
    ("client", "i"),
    ("start_s", "d"),
    ("end_s", "d"),
    ("wait_s", "d"),
    ("bits", "d"),
    ("flops", "d"),
    ("energy_j", "d"),
)
_ROW = np.dtype(list(_FIELDS))
ROW_BYTES = _ROW.itemsize
_LANES: list[str] = sorted(get_args(LaneName))
_pack_row = Struct("=" + "".join(code for _, code in _FIELDS)).pack


class _Numbering(dict[Phase, int]):
    """Numbers phases in the order in which they are first used; equal name and lane mean one phase."""

    def __init__(self, kinds: tuple[Kind, ...] = ()) -> None:
        super().__init__()
        self.kinds = {kind: number for number, kind in enumerate(kinds)}

    def __missing__(self, phase: Phase) -> int:
        number = self[phase] = self.kinds.setdefault((phase.name, phase.lane), len(self.kinds))
        return number


@dataclass(frozen=True)
class RecordState:
    """The state from which a record continues: its number of rows, all taken out, and the names in them."""

    num_rows: int = 0
    phases: tuple[Kind, ...] = ()
    nodes: dict[int, str] = field(default_factory=dict)


class IntervalRecord:
    """The rows of a run, stored as 64 packed bytes each.

    Rows leave the record in the order of their start, and of their node if they start together. This order
    does not depend on the order in which they were added. Rows that cannot change any more may be taken out,
    so that the record of a long run stays small.

    Parameters
    ----------
    nodes : sequence of str
        The names of the nodes, by the number that rows hold.
    state : RecordState, optional
        The state from which the record continues; by default it is empty.

    Attributes
    ----------
    nodes : dict of int to str
        The names so far; a node needs its name before its first row.
    events : EventLog
        The log of what happened to the nodes besides activity.
    active_times : dict of int to callable
        For the rows of the round whose activities pause: from two instants to the time between them in which
        the activity goes on, [s].
    """

    def __init__(self, nodes: Sequence[str], state: RecordState | None = None) -> None:
        state = state or RecordState()
        self.nodes = dict(enumerate(nodes)) | state.nodes
        self.round = 0
        self.events = EventLog()
        self.active_times: dict[int, Callable[[float, float], float]] = {}
        self._phases = _Numbering(state.phases)
        self._rows = bytearray()
        self._count = self._taken = state.num_rows

    def __len__(self) -> int:
        """Return the number of rows, including those that were taken out."""
        return self._count

    @property
    def num_kept(self) -> int:
        """Return the number of rows that were not taken out."""
        return self._count - self._taken

    @property
    def phases(self) -> tuple[Kind, ...]:
        """Return name and lane of each phase, in the order of their numbers."""
        return tuple(self._phases.kinds)

    def append(
        self,
        node: int,
        phase: Phase,
        start_s: float,
        end_s: float,
        wait_s: float,
        bits: float,
        flops: float,
        energy_j: float,
        client: int,
    ) -> int:
        """Add one row and return its number."""
        number = self._count
        self._count = number + 1
        self._rows += _pack_row(
            self.round, node, self._phases[phase], client, start_s, end_s, wait_s, bits, flops, energy_j
        )
        return number

    def extend(self, rows: Rows) -> int:
        """Add packed rows, with phases by :meth:`phase_number`, and return the first one's number."""
        number = self._count
        self._count = number + rows.size
        self._rows += rows.tobytes()
        return number

    def phase_number(self, phase: Phase) -> int:
        """Return the number of a phase in the rows."""
        return self._phases[phase]

    def span(self, row: int) -> tuple[float, float]:
        """Return a row's start and end, [s]."""
        cells = self._cells(row)
        return float(cells["start_s"][0]), float(cells["end_s"][0])

    def lasts_beyond(self, row: int, time_s: float) -> bool:
        """Return whether a row ends after an instant, [s]; a row that was taken out has ended."""
        return row >= self._taken and self.span(row)[1] > time_s

    def energy_j(self, row: int) -> float:
        """Return a row's energy, [J]."""
        return float(self._cells(row)["energy_j"][0])

    def bits(self, row: int) -> float:
        """Return a row's bits."""
        return float(self._cells(row)["bits"][0])

    def pauses(self) -> Iterator[tuple[int, str, float]]:
        """Yield node, lane and paused time, [s], of each activity of the round that pauses."""
        for row, active_s in self.active_times.items():
            start_s, end_s = self.span(row)
            if start_s < end_s:
                cells = self._cells(row)
                _, lane = self.phases[int(cells["phase"][0])]
                yield int(cells["node"][0]), lane, end_s - start_s - active_s(start_s, end_s)

    def truncate(self, row: int, end_s: float, work_fraction: float, energy_fraction: float) -> None:
        """End a row early. A row that had not begun gets no duration.

        Parameters
        ----------
        row : int
            The row's number.
        end_s : float
            The actual end, [s].
        work_fraction, energy_fraction : float
            The fractions of its bits and FLOPs, and of its energy, up to that end.
        """
        cells = self._cells(row)
        cells["start_s"] = np.minimum(cells["start_s"], end_s)
        cells["end_s"] = end_s
        cells["bits"] *= work_fraction
        cells["flops"] *= work_fraction
        cells["energy_j"] *= energy_fraction

    def close(self, row: int, end_s: float, bits: float, energy_j: float) -> None:
        """End a row whose end was unknown at its start.

        Parameters
        ----------
        row : int
            The row's number.
        end_s : float
            The end, [s].
        bits, energy_j : float
            The bits that were sent, and the energy that was spent, [J].
        """
        cells = self._cells(row)
        cells["end_s"], cells["bits"], cells["energy_j"] = end_s, bits, energy_j

    def _cells(self, row: int) -> Rows:
        index = row - self._taken
        assert index >= 0, f"row {row} was taken out, so it cannot be read or changed"
        return read_rows(self._rows)[index : index + 1]

    def rows_from(self, row: int) -> Rows:
        """Return a copy of the rows from this one on, in their order; they stay in the record."""
        index = row - self._taken
        assert index >= 0, f"row {row} was taken out, so it cannot be read"
        return in_order(read_rows(self._rows[index * ROW_BYTES :]))

    def take(self, end: int) -> Rows:
        """Remove and return the rows before row ``end``, which cannot be changed any more."""
        size = (end - self._taken) * ROW_BYTES
        rows = in_order(read_rows(self._rows[:size]))
        del self._rows[:size]
        self._taken = end
        return rows

    def state(self) -> RecordState:
        """Return the state from which another record continues with the next row."""
        return RecordState(len(self), self.phases, dict(self.nodes))

    def emptied(self) -> IntervalRecord:
        """Return a record without rows that has the same names and numbers."""
        return IntervalRecord([], self.state())

    def frame(self) -> pd.DataFrame:
        """Return the table of the rows that were not taken out."""
        return self.table(in_order(read_rows(self._rows[:])))

    def table(self, rows: Rows) -> pd.DataFrame:
        """Return ``round, node, lane, phase, start_s, end_s, wait_s, bits, flops, energy_j, client``.

        ``client`` is the device that the server works for, -1 for none or several. Rows without duration are
        left out.
        """
        rows = lasting(rows)
        numbers = sorted(self.nodes)
        lane_of_phase = np.array([_LANES.index(lane) for _, lane in self.phases], dtype=np.int32)
        return pd.DataFrame(
            {
                "round": rows["round"].astype(np.int64),
                "node": _named(np.searchsorted(numbers, rows["node"]), [self.nodes[i] for i in numbers]),
                "lane": _named(lane_of_phase[rows["phase"]], _LANES),
                "phase": _named(rows["phase"], [name for name, _ in self.phases]),
                **{name: rows[name].copy() for name, code in _FIELDS if code == "d"},
                "client": rows["client"].astype(np.int64),
            }
        )

    def fingerprint(self) -> str:
        """Return the hash of the timeline so far; it needs a record from which no rows were taken out."""
        timeline = TimelineHash()
        timeline.add(in_order(read_rows(self._rows[:])))
        return timeline.hexdigest(self)


def empty_rows(*shape: int) -> Rows:
    """Return rows of zeros in this shape."""
    return np.zeros(shape, dtype=_ROW)


def packed(rows: Rows) -> NDArray[np.uint8]:
    """Return rows, [...], as bytes on the same memory, [..., ROW_BYTES], which NumPy copies faster."""
    return rows.view(np.uint8).reshape(*rows.shape, ROW_BYTES)


def unpacked(cells: NDArray[np.uint8]) -> Rows:
    """Return bytes, [..., ROW_BYTES], as rows on the same memory, [...]."""
    rows: Rows = cells.view(_ROW)[..., 0]
    return rows


def read_rows(packed: bytes | bytearray) -> Rows:
    """Return packed rows as an array on the same memory."""
    return np.frombuffer(packed, dtype=_ROW)


def in_order(rows: Rows) -> Rows:
    """Return rows in the order of their start, then of their node, then of their addition."""
    ordered: Rows = rows[np.lexsort((rows["node"], rows["start_s"]))]
    return ordered


def lasting(rows: Rows) -> Rows:
    """Return the rows that have a duration."""
    return rows[rows["end_s"] > rows["start_s"]]


class TimelineHash:
    """A hash of rows: two runs with equal hashes have equal timelines.

    It does not depend on the number of rows that are added at a time.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, rows: Rows) -> None:
        """Add further rows."""
        self._digest.update(lasting(rows).tobytes())

    def hexdigest(self, record: IntervalRecord) -> str:
        """Return the hash of the rows, and of the record's names of nodes and phases."""
        digest = self._digest.copy()
        nodes = [record.nodes[number] for number in sorted(record.nodes)]
        digest.update("|".join([*nodes, *(name for name, _ in record.phases)]).encode())
        return digest.hexdigest()


def _named(codes: NDArray[np.integer[Any]], names: list[str]) -> pd.Categorical[str]:
    return pd.Categorical.from_codes(codes, pd.Index(names, dtype="str"))
