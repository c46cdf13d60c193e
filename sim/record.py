"""The record of a run: one row for each interval of activity, the only source of every result."""

from __future__ import annotations

import hashlib
from struct import Struct

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .phases import Phase
from .processor import SpeedTrace

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
    nodes : list of str
        Names of the nodes; rows hold indices into it.
    """

    def __init__(self, nodes: list[str]) -> None:
        self.nodes = nodes
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

    def truncate(self, row: int, end_s: float, speed: SpeedTrace | None = None) -> None:
        """End a row early, with the share of its bits, FLOPs and energy that was done by then.

        Parameters
        ----------
        row : int
            Its number.
        end_s : float
            When it ended, [s].
        speed : the trace of the processor's speed; without one the work was done at an even pace
        """
        cells = np.frombuffer(self._rows, dtype=_ROW)[row : row + 1]
        start_s, planned_s = float(cells["start_s"][0]), float(cells["end_s"][0])
        if end_s <= start_s:  # it had not begun
            share = 0.0
            cells["start_s"] = end_s
        else:
            done_s, all_s = end_s - start_s, planned_s - start_s
            if speed is not None:
                done_s, all_s = speed.work_s(start_s, end_s), speed.work_s(start_s, planned_s)
            share = done_s / all_s
        cells["end_s"] = end_s
        for amount in ("bits", "flops", "energy_j"):
            cells[amount] *= share

    def frame(self) -> pd.DataFrame:
        """Return ``round, node, lane, phase, start_s, end_s, wait_s, bits, flops, energy_j, client``.

        ``client`` is the device that a server's work is for, -1 where it is for several.
        """
        rows = np.frombuffer(self._rows, dtype=_ROW)
        rows = rows[rows["end_s"] > rows["start_s"]]
        phases = list(self._phases)
        lanes: list[str] = sorted({phase.lane for phase in phases})
        lane_of_phase = np.array([lanes.index(phase.lane) for phase in phases], dtype=np.int32)
        return pd.DataFrame(
            {
                "round": rows["round"].astype(np.int64),
                "node": _named(rows["node"], self.nodes),
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


def _named(codes: NDArray[np.int32], names: list[str]) -> pd.Categorical[str]:
    return pd.Categorical.from_codes(codes, pd.Index(names, dtype="str"))
