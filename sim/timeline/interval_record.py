"""The record of a run: one row for each interval of activity, the only source of every result."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
"""Packed rows; of text columns they hold numbers, which the record knows the names of."""
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
    """Phases numbered in the order in which they are first asked for; those of one name and lane are one."""

    def __init__(self, kinds: tuple[Kind, ...] = ()) -> None:
        super().__init__()
        self.kinds = {kind: number for number, kind in enumerate(kinds)}

    def __missing__(self, phase: Phase) -> int:
        number = self[phase] = self.kinds.setdefault((phase.name, phase.lane), len(self.kinds))
        return number


@dataclass(frozen=True)
class RecordState:
    """What a record goes on from: how many rows it had, all taken out, and what their numbers stand for."""

    num_rows: int = 0
    phases: tuple[Kind, ...] = ()
    nodes: dict[int, str] = field(default_factory=dict)


class IntervalRecord:
    """Rows of a run, kept as packed bytes: 64 a row, one call to append.

    Rows leave it in the order of their start, those that start together by node: that does not depend on when
    they were known.
    Rows that can't change any more may be taken out, so that a long run's record stays small.

    Parameters
    ----------
    nodes : names of the nodes by the number that rows hold
    state : RecordState, optional
        What to go on from, with the names that were known; an empty record by default.

    Attributes
    ----------
    nodes : dict of int to str
        The names that are known so far; a node's must be before its first row.
    """

    def __init__(self, nodes: Sequence[str], state: RecordState | None = None) -> None:
        state = state or RecordState()
        self.nodes = dict(enumerate(nodes)) | state.nodes
        self.round = 0
        self._phases = _Numbering(state.phases)
        self._rows = bytearray()
        self._count = self._taken = state.num_rows

    def __len__(self) -> int:
        """Return the number of rows, with those that were taken out."""
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
        """Return the number that rows hold for a phase."""
        return self._phases[phase]

    def span(self, row: int) -> tuple[float, float]:
        """Return a row's start and end, [s]."""
        cells = self._cells(row)
        return float(cells["start_s"][0]), float(cells["end_s"][0])

    def energy_j(self, row: int) -> float:
        """Return a row's energy, [J]."""
        return float(self._cells(row)["energy_j"][0])

    def truncate(self, row: int, end_s: float, done_share: float, energy_share: float) -> None:
        """End a row early, or one that had not begun at its end, with what was done by then.

        Parameters
        ----------
        row : int
            Its number.
        end_s : float
            When it ended, [s].
        done_share, energy_share : float
            Shares of its bits and FLOPs, and of its energy, that were done and spent, [1].
        """
        cells = self._cells(row)
        cells["start_s"] = np.minimum(cells["start_s"], end_s)
        cells["end_s"] = end_s
        cells["bits"] *= done_share
        cells["flops"] *= done_share
        with np.errstate(invalid="ignore"):  # of what would take for ever
            cells["energy_j"] *= energy_share

    def close(self, row: int, end_s: float, bits: float, energy_j: float) -> None:
        """End a row whose end was not known when it started.

        Parameters
        ----------
        row : int
            Its number.
        end_s : float
            When it ended, [s].
        bits, energy_j : float
            What was sent, [bit], and spent, [J].
        """
        cells = self._cells(row)
        cells["end_s"], cells["bits"], cells["energy_j"] = end_s, bits, energy_j

    def _cells(self, row: int) -> Rows:
        place = row - self._taken
        assert place >= 0, f"row {row} was taken out, and is asked for"
        return read_rows(self._rows)[place : place + 1]

    def take(self, end: int) -> Rows:
        """Take out the rows before row ``end``; they can't be changed any more."""
        size = (end - self._taken) * ROW_BYTES
        rows = in_order(read_rows(self._rows[:size]))
        del self._rows[:size]
        self._taken = end
        return rows

    def state(self) -> RecordState:
        """Return what a record must know to go on with the next row."""
        return RecordState(len(self), self.phases, dict(self.nodes))

    def emptied(self) -> IntervalRecord:
        """Return a record without rows that has the same names."""
        return IntervalRecord([], self.state())

    def frame(self) -> pd.DataFrame:
        """Return the table of the rows that were not taken out."""
        return self.table(in_order(read_rows(self._rows[:])))

    def table(self, rows: Rows) -> pd.DataFrame:
        """Return ``round, node, lane, phase, start_s, end_s, wait_s, bits, flops, energy_j, client``.

        ``client`` is the device that a server's work is for, -1 where it is for several. Rows that have come
        to nothing are left out.
        """
        rows = lasting(rows)
        known = sorted(self.nodes)
        lane_of_phase = np.array([_LANES.index(lane) for _, lane in self.phases], dtype=np.int32)
        return pd.DataFrame(
            {
                "round": rows["round"].astype(np.int64),
                "node": _named(np.searchsorted(known, rows["node"]), [self.nodes[i] for i in known]),
                "lane": _named(lane_of_phase[rows["phase"]], _LANES),
                "phase": _named(rows["phase"], [name for name, _ in self.phases]),
                **{name: rows[name].copy() for name, code in _FIELDS if code == "d"},
                "client": rows["client"].astype(np.int64),
            }
        )

    def fingerprint(self) -> str:
        """Return the hash of the timeline so far, if no rows were taken out."""
        timeline = TimelineHash()
        timeline.add(in_order(read_rows(self._rows[:])))
        return timeline.hexdigest(self)


def empty_rows(*shape: int) -> Rows:
    """Return so many rows of zeros."""
    return np.zeros(shape, dtype=_ROW)


def packed(rows: Rows) -> NDArray[np.uint8]:
    """Return rows ``[...]`` as the bytes on the same memory, ``[..., ROW_BYTES]``: they are copied sooner."""
    return rows.view(np.uint8).reshape(*rows.shape, ROW_BYTES)


def unpacked(cells: NDArray[np.uint8]) -> Rows:
    """Return the rows ``[...]`` of bytes ``[..., ROW_BYTES]`` on the same memory."""
    rows: Rows = cells.view(_ROW)[..., 0]
    return rows


def read_rows(packed: bytes | bytearray) -> Rows:
    """Return packed rows as an array on the same memory."""
    return np.frombuffer(packed, dtype=_ROW)


def in_order(rows: Rows) -> Rows:
    """Return rows in the order of their start; those that start together by node, then as they came."""
    ordered: Rows = rows[np.lexsort((rows["node"], rows["start_s"]))]
    return ordered


def lasting(rows: Rows) -> Rows:
    """Return the rows without those that have come to nothing."""
    return rows[rows["end_s"] > rows["start_s"]]


class TimelineHash:
    """A hash of rows: two runs that agree in it did the same at the same instants.

    It does not depend on how many rows are added at a time.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, rows: Rows) -> None:
        """Go on with further rows."""
        self._digest.update(lasting(rows).tobytes())

    def hexdigest(self, record: IntervalRecord) -> str:
        """Return the hash of the rows, with what the record calls nodes and phases in them."""
        digest = self._digest.copy()
        nodes = [record.nodes[number] for number in sorted(record.nodes)]
        digest.update("|".join([*nodes, *(name for name, _ in record.phases)]).encode())
        return digest.hexdigest()


def _named(codes: NDArray[np.integer[Any]], names: list[str]) -> pd.Categorical[str]:
    return pd.Categorical.from_codes(codes, pd.Index(names, dtype="str"))
