"""The bars of an interactive Gantt chart as columns for Bokeh: positions, and values for the pointer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from ..figures.gantt_rows import Panel
from ..figures.style import TimeUnit, node_label
from .charts import plain

__all__ = ["ROUND_ROW", "Columns", "PanelRows", "bar_columns", "round_columns"]

ROUND_ROW = "Round"
"""The row at the top of a panel that has the numbers of the rounds."""
Columns: TypeAlias = dict[str, Any]
_FILL = 0.86  # of a sub-row's height that a bar covers
_NO_CUT = ""


@dataclass(frozen=True)
class PanelRows:
    """The rows of a panel, from top to bottom: that of the rounds, then one for each node."""

    panel: Panel

    @cached_property
    def name_of(self) -> dict[str, str]:
        """Return the name of each node's row; the names differ, although nodes may look alike."""
        names: dict[str, str] = {}
        taken = {ROUND_ROW}
        for node in self.panel.rows_pt:
            name = plain(node_label(node))
            while name in taken:
                name += "\u2060"
            taken.add(name)
            names[node] = name
        return names

    @property
    def names(self) -> list[str]:
        """Return the names of the rows."""
        return [ROUND_ROW, *self.name_of.values()]

    def middle(self, bars: pd.DataFrame) -> list[Any]:
        """Return the vertical middle of each bar: the row, and where the bar lies in it.

        The offset is positive upwards, from the middle of the row, as a fraction of the row's height.
        """
        tops_pt, rows_pt = self.panel.tops_pt, self.panel.rows_pt
        middles_pt = bars["top_pt"].to_numpy(float) + bars["height_pt"].to_numpy(float) / 2
        positions: list[Any] = []
        for node, middle_pt in zip(bars["node"], middles_pt, strict=True):
            offset = round(0.5 - (middle_pt - tops_pt[node]) / rows_pt[node], 4)
            name = self.name_of[node]
            positions.append((name, offset) if offset else name)
        return positions

    def heights(self, bars: pd.DataFrame) -> list[float]:
        """Return the height of each bar as a fraction of its row."""
        rows_pt = bars["node"].map(self.panel.rows_pt).to_numpy(float)
        heights: list[float] = (_FILL * bars["height_pt"].to_numpy(float) / rows_pt).round(4).tolist()
        return heights


def bar_columns(
    rows: PanelRows, bars: pd.DataFrame, intervals: pd.DataFrame, cuts: dict[str, str], unit: TimeUnit
) -> Columns:
    """Return the columns of the bars of one phase.

    Parameters
    ----------
    rows : PanelRows
        The rows of the panel.
    bars : DataFrame
        The bars, as in :class:`.Panel`.
    intervals : DataFrame
        The table of intervals, which has the row of each bar.
    cuts : dict of str to str
        The cut of each node; the empty text for a node without a cut.
    unit : TimeUnit
        The unit of the time axis.
    """
    start_s, end_s = bars["start_s"].to_numpy(float), bars["end_s"].to_numpy(float)
    columns: Columns = {
        "y": rows.middle(bars),
        "height": rows.heights(bars),
        "left": start_s / unit.seconds,
        "right": end_s / unit.seconds,
        "duration": (end_s - start_s) / unit.seconds,
        "node": [rows.name_of[node] for node in bars["node"]],
    }
    if (bars["row"] < 0).any():  # waiting has no interval
        return columns
    of_bars = intervals.loc[bars["row"]]
    columns["round"] = of_bars["round"].to_numpy(np.int32)
    lasted_s = (of_bars["end_s"] - of_bars["start_s"]).to_numpy(float)
    wait_s, bits, flops = (of_bars[name].to_numpy(float) for name in ("wait_s", "bits", "flops"))
    columns["wait"] = (wait_s / unit.seconds).astype(np.float32)
    columns["energy"] = of_bars["energy_j"].to_numpy(np.float32)
    columns["client"] = [f" for device {client}" if client >= 0 else "" for client in of_bars["client"]]
    if (of_bars["lane"] == "compute").all():
        columns["flops"] = (flops / 1e6).astype(np.float32)
    else:
        columns["bits"] = (bits / 1e6).astype(np.float32)
        rates = np.divide(bits, 1e6 * lasted_s, out=np.zeros(len(bits)), where=lasted_s > 0)
        columns["rate"] = rates.astype(np.float32)
    columns["cut"] = [plain(cuts.get(node, _NO_CUT)) or "–" for node in bars["node"]]
    return columns


def round_columns(panel: Panel, unit: TimeUnit) -> Columns:
    """Return the columns of the rounds: their ends, their middles, and their numbers."""
    start_s, end_s = (panel.rounds[name].to_numpy(float) for name in ("start_s", "end_s"))
    end_s = np.minimum(end_s, panel.end_s)
    shown = end_s > start_s
    return {
        "y": [ROUND_ROW] * int(shown.sum()),
        "left": start_s[shown] / unit.seconds,
        "right": end_s[shown] / unit.seconds,
        "middle": (start_s[shown] + end_s[shown]) / 2 / unit.seconds,
        "number": [str(number) for number in panel.rounds.index[shown]],
        "round": panel.rounds.index[shown].to_numpy(np.int32),
        "colour": ["#EEF2F6" if number % 2 else "#DDE4EA" for number in panel.rounds.index[shown]],
    }
