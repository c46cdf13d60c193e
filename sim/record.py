"""The record of a run: one row for each interval of activity, the only source of every result."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from struct import Struct
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .phases import Phase

__all__ = ["IntervalRecord", "timeline_fingerprint"]

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
_ROW_BYTES = _ROW.itemsize
_pack_row = Struct("=" + "".join(code for _, code in _FIELDS)).pack


class _Numbering(dict[Phase, int]):
    """Phases numbered in the order in which they are first asked for."""

    def __missing__(self, phase: Phase) -> int:
        number = self[phase] = len(self)
        return number


class IntervalRecord:
    """Rows of a run in the order of their start, kept as packed bytes: 64 a row, one call to append.

    Parameters
    ----------
    nodes : names of the nodes by the number that rows hold

    Attributes
    ----------
    nodes : dict of int to str
        The names that are known so far; a node's must be before its first row.
    """

    def __init__(self, nodes: Sequence[str]) -> None:
        self.nodes = dict(enumerate(nodes))
        self.round = 0
        self._phases = _Numbering()
        self._rows = bytearray()

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows) // _ROW_BYTES

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
        number = len(self._rows) // _ROW_BYTES
        self._rows += _pack_row(
            self.round, node, self._phases[phase], client, start_s, end_s, wait_s, bits, flops, energy_j
        )
        return number

    def span(self, row: int) -> tuple[float, float]:
        """Return a row's start and end, [s]."""
        cells = np.frombuffer(self._rows, dtype=_ROW)[row]
        return float(cells["start_s"]), float(cells["end_s"])

    def energy_j(self, row: int) -> float:
        """Return a row's energy, [J]."""
        return float(np.frombuffer(self._rows, dtype=_ROW)[row]["energy_j"])

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
        cells = np.frombuffer(self._rows, dtype=_ROW)[row : row + 1]
        cells["start_s"] = np.minimum(cells["start_s"], end_s)
        cells["end_s"] = end_s
        cells["bits"] *= done_share
        cells["flops"] *= done_share
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
        cells = np.frombuffer(self._rows, dtype=_ROW)[row : row + 1]
        cells["end_s"], cells["bits"], cells["energy_j"] = end_s, bits, energy_j

    def frame(self) -> pd.DataFrame:
        """Return ``round, node, lane, phase, start_s, end_s, wait_s, bits, flops, energy_j, client``.

        ``client`` is the device that a server's work is for, -1 where it is for several.
        """
        rows = np.frombuffer(self._rows, dtype=_ROW)
        rows = rows[rows["end_s"] > rows["start_s"]]
        phases = list(self._phases)
        lanes: list[str] = sorted({phase.lane for phase in phases})
        known = sorted(self.nodes)
        lane_of_phase = np.array([lanes.index(phase.lane) for phase in phases], dtype=np.int32)
        return pd.DataFrame(
            {
                "round": rows["round"].astype(np.int64),
                "node": _named(np.searchsorted(known, rows["node"]), [self.nodes[i] for i in known]),
                "lane": _named(lane_of_phase[rows["phase"]], lanes),
                "phase": _named(rows["phase"], [phase.name for phase in phases]),
                **{name: rows[name].copy() for name, code in _FIELDS if code == "d"},
                "client": rows["client"].astype(np.int64),
            }
        )

    def fingerprint(self) -> str:
        """Return the hash of the timeline so far."""
        return timeline_fingerprint(self.frame())


def timeline_fingerprint(table: pd.DataFrame) -> str:
    """Return a hash of intervals: two runs that agree in it did the same at the same instants.

    Parameters
    ----------
    table : rows of :meth:`IntervalRecord.frame`
    """
    digest = hashlib.sha256()
    for name in table.columns:
        values = table[name]
        digest.update(name.encode())
        if isinstance(values.dtype, pd.CategoricalDtype):
            digest.update("|".join(values.cat.categories).encode())
            values = values.cat.codes
        digest.update(values.to_numpy().tobytes())
    return digest.hexdigest()


def _named(codes: NDArray[np.integer[Any]], names: list[str]) -> pd.Categorical[str]:
    return pd.Categorical.from_codes(codes, pd.Index(names, dtype="str"))
