"""The charts of a finished run, and the intervals that its Gantt chart shows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..results.run_folder import Run
from .gantt import gantt_figure
from .gantt_rows import MAX_BARS
from .learning_curves import accuracy_figure
from .memory import memory_figure
from .style import save_figure

__all__ = ["draw_figures", "plotted_intervals"]


def plotted_intervals(run: Run, rounds: tuple[int, int] | None = None) -> pd.DataFrame:
    """Return the intervals of a run for a Gantt chart of these rounds, by default of the first ones.

    Raises
    ------
    ValueError
        If the run has none of the rounds.
    """
    if rounds is None:
        return run.recorded.beginning(MAX_BARS)
    last = int(run.rounds["round"].max())
    if rounds[0] > last:
        raise ValueError(f"rounds {rounds[0]} to {rounds[1]}: the table's rounds are 1 to {last}")
    return run.recorded.of_rounds(*rounds)


def draw_figures(run: Run, folder: Path) -> None:
    """Draw what the run has something to show of, into its folder."""
    drawn = plotted_intervals(run)
    if len(drawn):
        save_figure(gantt_figure(drawn), folder / "gantt.png")
    if len(run.memory):
        save_figure(memory_figure(run.memory, run.nodes, run.rounds), folder / "memory.png")
    if run.rounds["test_accuracy"].notna().any():
        target = run.summary["target_accuracy"]
        save_figure(accuracy_figure(run.rounds, target=target), folder / "accuracy.png")
