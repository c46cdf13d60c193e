"""The record of a run: one row for each interval of activity, the only source of every result."""

from __future__ import annotations

import hashlib
from array import array

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .phases import Phase

__all__ = ["IntervalRecord"]

_COLUMNS = ("round", "node", "phase", "start_s", "end_s", "wait_s", "bits", "flops", "energy_j", "client")
_WIDTH = len(_COLUMNS)
_START, _END, _BITS, _FLOPS, _ENERGY = (
    _COLUMNS.index(name) for name in ("start_s", "end_s", "bits", "flops", "energy_j")
)


class IntervalRecord:
    """Rows of a run in the order of their start, kept as flat doubles: appending costs one call.

    Parameters
    ----------
    nodes : list of str
        Names of the nodes; rows hold indices into it.
    """

    def __init__(self, nodes: list[str]) -> None:
        self.nodes = nodes
        self.round = 0
        self._phases: dict[Phase, int] = {}
        self._cells = array("d")

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._cells) // _WIDTH

    def phase_index(self, phase: Phase) -> int:
        """Return the number that rows hold for the phase."""
        return self._phases.setdefault(phase, len(self._phases))

    def append(
        self,
        node: int,
        phase: int,
        start_s: float,
        end_s: float,
        wait_s: float,
        bits: float,
        flops: float,
        energy_j: float,
        client: int,
    ) -> int:
        """Add one row and return its number."""
        cells = self._cells
        row = len(cells)
        cells.extend((self.round, node, phase, start_s, end_s, wait_s, bits, flops, energy_j, client))
        return row // _WIDTH

    def truncate(self, row: int, end_s: float) -> None:
        """End a row early, with the share of its bits, FLOPs and energy that was done by then."""
        base = row * _WIDTH
        cells = self._cells
        start_s, planned_s = cells[base + _START], cells[base + _END]
        if end_s <= start_s:  # it had not begun
            share = 0.0
            cells[base + _START] = cells[base + _END] = end_s
        else:
            share = (end_s - start_s) / (planned_s - start_s)
            cells[base + _END] = end_s
        for column in (_BITS, _FLOPS, _ENERGY):
            cells[base + column] *= share

    def frame(self) -> pd.DataFrame:
        """Return ``round, node, lane, phase, start_s, end_s, wait_s, bits, flops, energy_j, client``.

        ``client`` is the device that a server's work is for, -1 where it is for several.
        """
        # [num_rows, num_columns]
        cells = np.frombuffer(self._cells, dtype=np.float64).reshape(-1, _WIDTH)
        cells = cells[cells[:, _END] > cells[:, _START]]
        column = {name: cells[:, index] for index, name in enumerate(_COLUMNS)}
        phases = list(self._phases)
        phase = column["phase"].astype(np.int32)
        lanes: list[str] = sorted({phase.lane for phase in phases})
        lane_of_phase = np.array([lanes.index(phase.lane) for phase in phases], dtype=np.int32)
        return pd.DataFrame(
            {
                "round": column["round"].astype(np.int64),
                "node": _named(column["node"].astype(np.int32), self.nodes),
                "lane": _named(lane_of_phase[phase], lanes),
                "phase": _named(phase, [phase.name for phase in phases]),
                **{name: column[name].copy() for name in _COLUMNS[3:-1]},
                "client": column["client"].astype(np.int64),
            }
        )

    def fingerprint(self) -> str:
        """Return a hash of the timeline: two runs that agree in it did the same at the same instants."""
        digest = hashlib.sha256()
        table = self.frame()
        for name in table.columns:
            values = table[name]
            text = values.dtype == "category"
            digest.update(name.encode())
            digest.update("\n".join(values).encode() if text else values.to_numpy().tobytes())
        return digest.hexdigest()


def _named(codes: NDArray[np.int32], names: list[str]) -> pd.Categorical[str]:
    return pd.Categorical.from_codes(codes, pd.Index(names, dtype="str"))
