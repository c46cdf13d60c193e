"""The figures of run folders and sweep folders, by their names, each drawn again without simulating."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from ...scenarios.schema.sweep import SweepFigure
from ...scenarios.scheme_names import labels_of
from ...scenarios.suggestions import closest
from ..comparison.columns import COLUMNS, column_names
from ..comparison.experiment_groups import group_runs
from ..comparison.table import comparison
from ..figures.axis_text import experiment_text
from ..figures.charts.comparison import comparison_figure
from ..figures.charts.learning_curves import Abscissa, accuracy_figure
from ..figures.figure_format import DEFAULT_FORMAT, FigureFormat
from ..figures.memory import memory_figure
from ..figures.run import run_gantt
from ..results.confidence_intervals import FEW_SEEDS, FEW_SEEDS_NOTE
from ..results.run import Run

__all__ = ["Drawing", "FigureRequest", "NamedFigure", "UnknownFigureError", "figure_named", "run_figures"]

MAX_EXPERIMENTS = 6
"""Greatest number of experiments of which one figure shows the comparison."""
_BARS = ("latency", "accuracy", "energy")
_CURVES: dict[str, tuple[str, tuple[Abscissa, ...]]] = {
    "accuracy": ("test accuracy over simulated time and over rounds", ("time_s", "round")),
    "accuracy_time": ("test accuracy over simulated time", ("time_s",)),
    "accuracy_rounds": ("test accuracy over rounds", ("round",)),
}
"""The summary and the abscissas of each figure of learning curves."""


class UnknownFigureError(ValueError):
    """Raised if there is no figure of a name; the message lists the names."""


@dataclass(frozen=True)
class FigureRequest:
    """The options of a figure: its format, and the schemes, points and columns to show.

    Attributes
    ----------
    form : FigureFormat or None
        Width of the figure, and its letters; None for the width that suits the figure.
    schemes : tuple of str
        The schemes to show; all if it is empty.
    where : mapping
        Values of swept keys, as in the figure section of a sweep.
    columns : tuple of str
        The columns of a comparison.
    """

    form: FigureFormat | None = None
    schemes: tuple[str, ...] = ()
    where: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Drawing:
    """A drawn figure, with notes, for example on missing points.

    ``numbers`` and ``section`` are the table and the section of a figure of a sweep; other figures have none.
    """

    figure: Figure
    notes: tuple[str, ...] = ()
    numbers: pd.DataFrame | None = None
    section: SweepFigure | None = None


@dataclass(frozen=True)
class NamedFigure:
    """A figure that can be drawn.

    Attributes
    ----------
    summary : str
        One line on what the figure shows.
    draw : callable
        Draws the figure of a request. It raises a ValueError if the request names something unknown, or if
        the request leaves nothing to draw.
    """

    summary: str
    draw: Callable[[FigureRequest], Drawing]


def figure_named(figures: Mapping[str, NamedFigure], name: str) -> NamedFigure:
    """Return the figure of a name.

    Raises
    ------
    UnknownFigureError
        If there is none.
    """
    if name not in figures:
        raise UnknownFigureError(
            f"there is no figure {name!r}; there are: {', '.join(figures)}{closest(name, list(figures))}"
        )
    return figures[name]


def run_figures(
    runs: Sequence[Run], chosen_runs: Callable[[Mapping[str, Any]], Sequence[Run]] | None = None
) -> dict[str, NamedFigure]:
    """Return the figures of runs by name: of one run its charts, of several their means over the seeds.

    Parameters
    ----------
    runs : sequence of Run
        Finished runs.
    chosen_runs : callable, optional
        Returns the runs whose swept keys have the values of ``where``; by default nothing can be chosen.
    """

    figures: dict[str, NamedFigure] = {}
    several = _SeveralRuns(runs, chosen_runs)
    if len(runs) == 1 and not runs[0].recorded.lost:
        figures["gantt"] = NamedFigure("latency Gantt charts", partial(_gantt, runs[0]))
    if any(run.rounds["test_accuracy"].notna().any() for run in runs):
        for name, (text, over) in _CURVES.items():
            figures[name] = NamedFigure(text, partial(_accuracy, several, over))
    if len(runs) == 1 and len(runs[0].memory):
        figures["memory"] = NamedFigure("memory of the compute nodes over time", partial(_memory, runs[0]))
    text = "bars of round time, accuracy and energy; --columns chooses others"
    figures["comparison"] = NamedFigure(text, partial(_comparison, several))
    return figures


@dataclass(frozen=True)
class _SeveralRuns:
    """The runs of a figure, of which ``where`` may choose some."""

    runs: Sequence[Run]
    choose: Callable[[Mapping[str, Any]], Sequence[Run]] | None

    def chosen(self, request: FigureRequest) -> Sequence[Run]:
        """Return the runs that a request asks for.

        Raises
        ------
        ValueError
            If the runs are no points of a sweep, or none is left.
        """
        if not request.where:
            return self.runs
        keys = ", ".join(request.where)
        if self.choose is None:
            raise ValueError(f"--where: {keys}: the runs are not of one sweep, so that no key is swept")
        runs = self.choose(request.where)
        if not runs:
            raise ValueError(f"--where: {keys}: no finished point has these values")
        return runs


def _labels(runs: Sequence[Run], wanted: Sequence[str]) -> list[str]:
    return labels_of(wanted, {label: names for run in runs for label, names in run.scheme_names.items()})


def _gantt(run: Run, request: FigureRequest) -> Drawing:
    labels = _labels([run], request.schemes)
    return Drawing(run_gantt(run, labels=labels, form=request.form or DEFAULT_FORMAT))


def _memory(run: Run, request: FigureRequest) -> Drawing:
    labels = _labels([run], request.schemes)
    tables = (table[table["label"].isin(labels)] for table in (run.memory, run.nodes, run.rounds))
    shown = (run.with_shown_labels(table) for table in tables)
    return Drawing(memory_figure(*shown, form=request.form or DEFAULT_FORMAT))


def _accuracy(several_runs: _SeveralRuns, over: Sequence[Abscissa], request: FigureRequest) -> Drawing:
    """Draw the learning curves of all runs: a curve for each scheme of each experiment."""
    runs = several_runs.chosen(request)
    table = comparison(runs)
    _refuse_many(table)
    several = table["experiment"].nunique() > 1
    wanted = _labels(runs, request.schemes)
    rounds, labels = [], []
    for grouped in group_runs(runs):
        name = experiment_text(grouped.name, grouped.settings)
        run, suffix = grouped.run, f", {name}" if several else ""
        shown = run.with_shown_labels(run.rounds)
        rounds.append(shown.assign(label=shown["label"] + suffix))
        labels += [run.shown_label(label) + suffix for label in run.summary["schemes"] if label in wanted]
    targets = {run.summary["target_accuracy"] for run in runs}
    figure = accuracy_figure(
        pd.concat(rounds, ignore_index=True),
        target=targets.pop() if len(targets) == 1 else None,
        labels=labels,
        over=over,
        form=request.form or DEFAULT_FORMAT,
    )
    return Drawing(figure, _seed_notes(table))


def _comparison(several_runs: _SeveralRuns, request: FigureRequest) -> Drawing:
    runs = several_runs.chosen(request)
    table = comparison(runs)
    _refuse_many(table)
    chosen = column_names(request.columns or _BARS)
    columns = [next(c for c in COLUMNS[name] if "below_target" not in c) for name in chosen]
    texts = [name for name, column in zip(chosen, columns, strict=True) if f"{column}_low" not in table]
    if texts:
        raise ValueError(f"--columns: {', '.join(texts)}: there are no bars of it")
    labels = _labels(runs, request.schemes)
    figure = comparison_figure(table, columns, labels=labels, form=request.form or DEFAULT_FORMAT)
    empty = [n for n, column in zip(chosen, columns, strict=True) if table[column].isna().all()]
    notes = [f"{name}: no run has a value" for name in empty if request.columns]
    return Drawing(figure, (*notes, *_seed_notes(table)))


def _refuse_many(table: pd.DataFrame) -> None:
    number = table["experiment"].nunique()
    if number > MAX_EXPERIMENTS:
        raise ValueError(
            f"{number} experiments are too many for one figure of at most {MAX_EXPERIMENTS}; choose some with"
            " --where KEY=VALUE"
        )


def _seed_notes(table: pd.DataFrame) -> tuple[str, ...]:
    return (FEW_SEEDS_NOTE,) if table["runs"].between(2, FEW_SEEDS - 1).any() else ()
