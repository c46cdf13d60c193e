"""The figures of a finished run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from ...scenarios.text import one_line
from ..results.run_folder import Run
from .charts.learning_curves import accuracy_figure
from .gantt import gantt_figure
from .memory import memory_figure
from .style import save_figure
from .visible_rows import plotted_events, plotted_intervals

__all__ = ["draw_figures"]


def draw_figures(run: Run, folder: Path) -> list[str]:
    """Write every figure for which the run has data into the folder. Each may fail without the others.

    Returns
    -------
    list of str
        A line for each figure that could not be drawn or written.
    """
    problems = []
    for name, draw in _FIGURES.items():
        try:
            figure = draw(run)
            if figure is not None:
                save_figure(figure, folder / name)
        except Exception as error:  # of any kind: the tables are complete without the figure
            problems.append(f"{name} could not be drawn: {one_line(error)}")
    return problems


def _gantt(run: Run) -> Figure | None:
    intervals = run.with_shown_labels(plotted_intervals(run))
    if intervals.empty:
        return None
    return gantt_figure(intervals, events=run.with_shown_labels(plotted_events(run, intervals)))


def _memory(run: Run) -> Figure | None:
    if not len(run.memory):
        return None
    return memory_figure(*(run.with_shown_labels(table) for table in (run.memory, run.nodes, run.rounds)))


def _accuracy(run: Run) -> Figure | None:
    if not run.rounds["test_accuracy"].notna().any():
        return None
    return accuracy_figure(run.with_shown_labels(run.rounds), target=run.summary["target_accuracy"])


_FIGURES: dict[str, Callable[[Run], Figure | None]] = {
    "gantt.png": _gantt,
    "memory.png": _memory,
    "accuracy.png": _accuracy,
}
