"""The figures of a finished run."""

from __future__ import annotations

from pathlib import Path

from ..results.run_folder import Run
from .gantt import gantt_figure
from .gantt_rows import plotted_intervals
from .learning_curves import accuracy_figure
from .memory import memory_figure
from .style import save_figure

__all__ = ["draw_figures"]


def draw_figures(run: Run, folder: Path) -> None:
    """Write into the folder every figure for which the run has data."""
    intervals = plotted_intervals(run)
    if len(intervals):
        save_figure(gantt_figure(intervals), folder / "gantt.png")
    if len(run.memory):
        save_figure(memory_figure(run.memory, run.nodes, run.rounds), folder / "memory.png")
    if run.rounds["test_accuracy"].notna().any():
        target = run.summary["target_accuracy"]
        save_figure(accuracy_figure(run.rounds, target=target), folder / "accuracy.png")
