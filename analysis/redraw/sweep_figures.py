"""The figures of a sweep folder: those of its section ``sweep.figure``, and those over its points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...scenarios.schema.sweep import SweepFigure
from ...scenarios.scheme_names import labels_of
from ..comparison.sweep_report import figure_notes, figure_of_table
from ..figures.axis_text import axis_label
from ..results.paper_labels import paper_labels_of_table
from ..results.run import Run
from ..results.sweeps.sweep_folder import SweepResult, is_sweep_folder, load_points, load_runs, load_sweep
from ..results.sweeps.sweep_sections import recorded_figures
from ..results.sweeps.sweep_selection import points_where
from ..results.sweeps.sweep_statistics import figure_table
from .named_figures import Drawing, FigureRequest, NamedFigure, run_figures

__all__ = ["figures_of_folders"]


def figures_of_folders(folders: Sequence[Path]) -> dict[str, NamedFigure]:
    """Return the figures of run folders and sweep folders, by name.

    A single sweep folder has the figures of its section ``sweep.figure`` too.

    Raises
    ------
    RunFolderError
        If a folder is neither, or is broken.
    """
    runs = [run for folder in folders for run in load_runs(folder)]
    if len(folders) != 1 or not is_sweep_folder(folders[0]):
        return run_figures(runs)
    result = load_sweep(folders[0])
    figures = {
        name: NamedFigure(_summary(figure), partial(_draw, result, figure))
        for name, figure in recorded_figures(folders[0]).items()
    }
    others = run_figures(runs, partial(_finished_runs, result))
    return figures | {name: figure for name, figure in others.items() if name not in figures}


def _summary(figure: SweepFigure) -> str:
    along = axis_label(figure.x)
    return f"{axis_label(figure.y)} over {along[:1].lower()}{along[1:]}"


def _draw(result: SweepResult, figure: SweepFigure, request: FigureRequest) -> Drawing:
    """Return a figure of the section, restricted to a request, with its notes and its numbers."""
    rows = result.schemes.drop_duplicates("label")
    papers = paper_labels_of_table(rows)
    names = dict(zip(rows["label"].astype(str), rows["scheme"].astype(str), strict=True))
    schemes = {label: (name, papers[label]) for label, name in names.items()}
    changes: dict[str, Any] = {"where": {**figure.where, **request.where}}
    if request.schemes:
        changes["schemes"] = tuple(labels_of(request.schemes, schemes))
    shown = figure.model_copy(update=changes)
    table = figure_table(result, shown)
    drawn = figure_of_table(result, shown, table, request.form)
    return Drawing(drawn, tuple(figure_notes(result, shown, table)), table, shown)


def _finished_runs(result: SweepResult, where: Mapping[str, Any]) -> list[Run]:
    """Return the runs of the points whose swept keys have the values."""
    points = points_where(result.points, where)
    return load_points(result.folder, points["point"].tolist())
