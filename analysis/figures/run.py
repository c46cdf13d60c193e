"""The figures of a finished run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ...scenarios.text import one_line
from ..explain.path_rows import path_rows
from ..results.run import Run
from .charts.learning_curves import accuracy_figure
from .figure_format import DEFAULT_FORMAT, FigureFormat
from .gantt import gantt_figure
from .memory import memory_figure
from .style import save_figure, shown_in_notebooks
from .visible_rows import plotted_events, plotted_intervals

__all__ = ["draw_figures", "run_accuracy", "run_gantt"]


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


def run_gantt(
    run: Run,
    rounds: tuple[int, int] | None = None,
    labels: Sequence[str] | None = None,
    *,
    critical_path: bool = False,
    form: FigureFormat = DEFAULT_FORMAT,
) -> Figure:
    """Draw the latency Gantt charts of a run.

    Parameters
    ----------
    rounds : (first, last), optional
        The rounds to show; by default as many of the first ones as fit.
    labels : sequence of str, optional
        The labels to show; all by default.
    critical_path : bool
        Mark the activities that decided on each round's end.
    form : FigureFormat
        Width of the figure, and its letters.

    Raises
    ------
    ValueError
        If the run has no such rounds.
    """
    shown = None if labels is None else [run.shown_label(label) for label in labels]
    intervals = plotted_intervals(run, rounds)
    events = plotted_events(run, intervals)
    figure = gantt_figure(
        run.with_shown_labels(intervals),
        rounds=rounds,
        labels=shown,
        events=run.with_shown_labels(events),
        path_rows=path_rows(run, intervals, events, rounds) if critical_path else set[int](),
        form=form,
    )
    return shown_in_notebooks(figure)


def run_accuracy(run: Run, labels: Sequence[str]) -> Figure:
    """Draw the learning curves of some schemes of a run.

    Raises
    ------
    ValueError
        If none of them was evaluated.
    """
    rounds = run.with_shown_labels(run.rounds[run.rounds["label"].isin(labels)])
    return shown_in_notebooks(accuracy_figure(rounds, target=run.summary["target_accuracy"]))


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
