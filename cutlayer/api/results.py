"""Load finished runs, compare them, and draw their figures."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cutlayer.analysis.comparison.columns import chosen_table
from cutlayer.analysis.comparison.table import comparison
from cutlayer.analysis.figures.figure_format import FigureFormat, font_family, width_in
from cutlayer.analysis.figures.style import save_figure, shown_in_notebooks
from cutlayer.analysis.redraw.named_figures import FigureRequest, figure_named, run_figures
from cutlayer.analysis.redraw.sweep_figures import figures_of_folders
from cutlayer.analysis.results.run import Run
from cutlayer.analysis.results.run_folder import load_run
from cutlayer.analysis.results.sweeps.sweep_folder import load_runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["compare", "figure", "load"]


def load(folder: str | Path) -> Run:
    """Read a run folder.

    Raises
    ------
    RunFolderError
        If the folder is not a run folder, or a file in it is damaged.
    """
    return load_run(Path(folder))


def figure(
    *runs: Run | str | Path,
    name: str,
    output: str | Path | None = None,
    width: str | None = None,
    font: str | None = None,
    font_size: float | None = None,
    schemes: Sequence[str] = (),
    where: Mapping[str, Any] | None = None,
    columns: Sequence[str] = (),
) -> Figure:
    """Draw a figure of finished runs, a sweep or a comparison again, without simulating.

    Parameters
    ----------
    *runs : Run | str | Path
        Finished runs, run folders, or sweep folders.
    name : str
        The figure's name, as ``cutlayer figure DIR`` lists them: for example ``"accuracy"``.
    output : str | Path | None
        File of the figure, which ends in .png, .svg, .pdf or .html. Without it nothing is written.
    width : str | None
        Width of the figure, for example ``"3.5in"`` or ``"89mm"``.
    font : str | None
        Family of the letters, which must be installed.
    font_size : float | None
        Size of the labels, 7 to 24 points; 8 by default.
    schemes : Sequence[str]
        Names or labels of the schemes to show; all by default.
    where : Mapping[str, Any] | None
        Values of swept keys, as in the figure section of a sweep.
    columns : Sequence[str]
        Columns of the figure ``"comparison"``, as for ``cutlayer compare --columns``.

    Returns
    -------
    Figure
        The figure of Matplotlib.

    Raises
    ------
    ValueError
        If there is no such figure, scheme, column or value, or if the format is wrong.
    RunFolderError
        If a folder is no run folder and no sweep folder.
    """
    form = FigureFormat()
    if width is not None:
        form = replace(form, width_in=width_in(width))
    if font is not None:
        form = replace(form, family=font_family(font))
    if font_size is not None:
        form = replace(form, label_pt=font_size)
    is_default = width is None and font is None and font_size is None
    request = FigureRequest(None if is_default else form, tuple(schemes), dict(where or {}), tuple(columns))
    if any(isinstance(item, Run) for item in runs):
        figures = run_figures(_loaded(runs))
    else:
        figures = figures_of_folders([Path(str(item)) for item in runs])
    drawing = figure_named(figures, name).draw(request)
    if output is not None:
        save_figure(drawing.figure, Path(output))
    for note in drawing.notes:
        warnings.warn(note, stacklevel=2)
    return shown_in_notebooks(drawing.figure)


def compare(
    *runs: Run | str | Path,
    reference: str | None = None,
    columns: Sequence[str] | None = None,
    intervals: bool = False,
) -> pd.DataFrame:
    """Return the comparison table: a row for each experiment and scheme, with paired differences over seeds.

    Parameters
    ----------
    *runs : Run | str | Path
        Finished runs, run folders, or sweep folders.
    reference : str | None
        Label of the scheme that the others are compared with; SL by default, or the first without SL.
    columns : Sequence[str] | None
        Names of columns as for ``cutlayer compare --columns``, for example ``["latency", "energy"]``; by
        default all columns and all confidence intervals.
    intervals : bool
        Keep the ends of the confidence intervals of the chosen columns: ``_low`` and ``_high``.

    Raises
    ------
    UnknownColumnError
        If there is no such column.
    UnknownReferenceError
        If no experiment has the reference.
    """
    return chosen_table(comparison(_loaded(runs), reference), columns, intervals=intervals)


def _loaded(runs: Sequence[Run | str | Path]) -> list[Run]:
    """Return finished runs, with those of all folders."""
    loaded: list[Run] = []
    for item in runs:
        loaded += [item] if isinstance(item, Run) else load_runs(Path(item))
    return loaded
