"""The report of a sweep: its figures with their tables, and lines for the terminal."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pandas as pd
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ...scenarios.schema.sweep import SweepFigure
from ...scenarios.text import one_line
from ..figures.axis_text import axis_label, value_text
from ..figures.charts.sweep import sweep_figure
from ..figures.figure_format import FigureFormat
from ..figures.style import FIGURE_SUFFIXES, save_figure, time_unit
from ..results.atomic_files import write_whole
from ..results.confidence_intervals import CONFIDENCE, FEW_SEEDS, FEW_SEEDS_NOTE, is_accuracy
from ..results.paper_labels import paper_labels_of_table
from ..results.sweeps.sweep_folder import SweepFolder, SweepResult
from ..results.sweeps.sweep_gaps import gap_notes
from ..results.sweeps.sweep_sections import target_accuracy
from ..results.sweeps.sweep_statistics import figure_table, grouped, lines_without_best_value, num_diverged

__all__ = [
    "draw_figures",
    "estimate_line",
    "failures",
    "figure_notes",
    "figure_of_table",
    "last_rounds",
    "missing_line",
    "outcome_line",
    "point_listing",
]

Listing: TypeAlias = tuple[Table, *tuple[str, ...]]
"""A table for the terminal, and the notes below it."""

_MAX_FAILURES = 10


def draw_figures(
    result: SweepResult, figures: Sequence[SweepFigure], *, partial: bool = False
) -> tuple[list[Listing], list[str]]:
    """Write each figure, and before it its table as a CSV of the same name.

    Parameters
    ----------
    result : SweepResult
        The tables of the sweep.
    figures : sequence of SweepFigure
        The figures of its scenario.
    partial : bool
        Draw figures of the finished points although others are pending.

    Returns
    -------
    listings : list of Listing
        A table for the terminal for each figure; an overview if there are no figures.
    problems : list of str
        A message for each figure that could not be drawn or written.
    """
    pending = not partial and (result.points["status"] == "pending").any()
    if not len(result.schemes) or pending:
        return [], []
    listings: list[Listing] = [] if figures else _overview(result)
    problems = _changed_files(result)
    for figure in figures:
        path = result.folder / figure.file
        path = path if path.suffix.lower() in FIGURE_SUFFIXES else Path(f"{path}.png")
        try:
            table = figure_table(result, figure)
        except ValueError as error:
            problems.append(str(error))
            continue
        try:
            write_whole(path.with_suffix(".csv"), functools.partial(table.to_csv, index=False))
            save_figure(figure_of_table(result, figure, table), path)
        except OSError as error:  # the disk is full, for example
            problems.append(f"cannot write {path}: {error.strerror or error}")
            continue
        except Exception as error:  # of any kind: the other figures are drawn
            problems.append(f"{path} could not be drawn: {one_line(error)}")
            continue
        listings.append(_listing(result, figure, table, path))
    return listings, problems


def figure_of_table(
    result: SweepResult, figure: SweepFigure, table: pd.DataFrame, form: FigureFormat | None = None
) -> Figure:
    """Return the figure of a sweep.

    Parameters
    ----------
    result : SweepResult
        The tables of the sweep.
    figure : SweepFigure
        The figure's section of the scenario.
    table : DataFrame
        Its data, as :func:`.figure_table` returns them.
    form : FigureFormat, optional
        Width of the figure, and its letters.
    """
    rows = result.schemes.drop_duplicates("label")
    schemes = {str(label): str(scheme) for label, scheme in zip(rows["label"], rows["scheme"], strict=True)}
    return sweep_figure(table, figure, schemes=schemes, target=target_accuracy(result), form=form)


def _changed_files(result: SweepResult) -> list[str]:
    """Return a message for each file or data set whose contents differ between points of the sweep.

    Points are named after the contents of small files, but after the path of a data set alone.
    """
    contents: dict[tuple[str, str], set[str]] = {}
    for point in result.points.loc[result.points["status"] == "finished", "point"]:
        summary = json.loads((result.folder / str(point) / "summary.json").read_text(encoding="utf-8"))
        for file in summary.get("files", ()):
            contents.setdefault((file["key"], file["path"]), set()).add(str(file["sha256"]))
    return [
        f"{key}: {path} had other contents in some points, so that means over seeds mix them; delete the"
        " folders of the older points, and run the sweep again"
        for (key, path), digests in contents.items()
        if len(digests) > 1
    ]


def _divergence_notes(result: SweepResult, figure: SweepFigure) -> list[str]:
    """Return notes on the runs that diverged, which a figure may not show."""
    notes = _num_diverged_note(result) if is_accuracy(figure.y) else []
    if figure.best_over is not None:
        notes += [
            f"{line}: runs diverged at every value of {figure.best_over.key}; it is left out"
            for line in lines_without_best_value(result, figure)
        ]
    return notes


def _num_diverged_note(result: SweepResult) -> list[str]:
    count = num_diverged(result)
    if not count:
        return []
    return [
        f"{count} of {len(result.schemes)} runs diverged (diverged_in_round in schemes.csv): they have no"
        " final accuracy, and a mean over seeds that includes one of them has no value"
    ]


def _overview(result: SweepResult) -> list[Listing]:
    """Return a table of the round time and one of the accuracy, over all swept keys and labels."""
    by = [*result.keys, "label"]
    listings: list[Listing] = []
    schemes = result.schemes.replace({"label": paper_labels_of_table(result.schemes)})
    for y in ("mean_latency_s", "final_accuracy"):
        if y in result.schemes and result.schemes[y].notna().any():
            table = grouped(schemes, by, y)
            remarks = _num_diverged_note(result) if is_accuracy(y) else []
            if table["seeds"].between(2, FEW_SEEDS - 1).any():
                remarks.append(FEW_SEEDS_NOTE)
            listings.append((_rich(table, y, "mean", axis_label(y)), *remarks))
    return listings


def figure_notes(result: SweepResult, figure: SweepFigure, table: pd.DataFrame) -> list[str]:
    """Return notes on what a figure shows and what it lacks.

    Parameters
    ----------
    result : SweepResult
        The tables of the sweep.
    figure : SweepFigure
        The figure's section of the scenario.
    table : DataFrame
        Its data, as :func:`.figure_table` returns them.
    """
    notes = [*_divergence_notes(result, figure), *gap_notes(table, figure)]
    if figure.centre == "mean" and table["seeds"].between(2, FEW_SEEDS - 1).any():
        notes.append(FEW_SEEDS_NOTE)
    if figure.best_over is not None:
        best, rank = figure.best_over, "greatest" if is_accuracy(figure.best_over.by) else "least"
        notes.append(f"{axis_label(best.key)}: the value with the {rank} mean {best.by} over seeds")
    return notes


def _listing(result: SweepResult, figure: SweepFigure, table: pd.DataFrame, path: Path) -> Listing:
    """Return the table of a figure for the terminal, with notes on the figure."""
    notes = figure_notes(result, figure, table)
    shown = table
    if figure.kind == "curves":
        shown = last_rounds(table, figure)
        notes.append("the last round of each curve; all rounds are in the table's file")
    notes.append(f"written to {path}, its numbers to {path.with_suffix('.csv').name}")
    title = f"{figure.file}: {axis_label(figure.y)}"
    if figure.normalise_to is not None:
        title += f", as a multiple of that of {figure.normalise_to}"
    scaled = figure.normalise_to is None
    return (_rich(_with_paper_labels(shown), figure.y, figure.centre, title, in_percent=scaled), *notes)


def last_rounds(table: pd.DataFrame, figure: SweepFigure) -> pd.DataFrame:
    """Return the last row of each curve in the table of a figure."""
    line = [name for name in (figure.panels, figure.lines, "label") if name]
    return table.sort_values("round", kind="stable").drop_duplicates(line, keep="last").sort_index()


def _with_paper_labels(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of a figure with labels as papers write them, and without the names of schemes."""
    labelled = table.assign(label=table["paper_label"])
    return labelled.drop(columns=["scheme", "paper_label"])


def _rich(table: pd.DataFrame, y: str, centre: str, title: str, *, in_percent: bool = True) -> Table:
    """Return a table of centres with confidence intervals for the terminal; accuracies are in per cent."""
    rich = Table(title=Text(title), box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    scale = 100.0 if in_percent and is_accuracy(y) else 1.0
    counts = ("seeds", "seeds_with_value", "seeds_planned")
    keys = [name for name in table.columns if name not in (y, f"{y}_low", f"{y}_high", *counts)]
    for key in keys:
        rich.add_column(Text(axis_label(key)), no_wrap=True)
    for heading in (centre, f"{100 * CONFIDENCE:g} % confidence interval", "seeds"):
        rich.add_column(Text(heading), justify="right", no_wrap=True)
    for row in table.to_dict("records"):
        value, low, high = (scale * row[name] for name in (y, f"{y}_low", f"{y}_high"))
        centre_text = "–" if pd.isna(value) else f"{value:.4g}"
        interval = "–" if pd.isna(low) else f"{low:.4g} to {high:.4g}"
        valued, planned = (row.get(name, row["seeds"]) for name in counts[1:])
        seeds = str(planned) if valued == planned else f"{valued} of {planned}"
        cells = (*(_cell(row[key]) for key in keys), centre_text, interval, seeds)
        rich.add_row(*(Text(cell) for cell in cells))
    return rich


def _cell(value: object) -> str:
    return "–" if value is None or value is pd.NA or value != value else value_text(value)


def point_listing(folder: SweepFolder) -> Table:
    """Return the points of a sweep and their states as a table for the terminal."""
    rich = Table(title=Text(str(folder.path)), box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    shown = folder.own_points.drop(columns="overrides")
    for name in (*shown.columns, "status"):
        rich.add_column(Text(name), no_wrap=True)
    for row in shown.to_dict("records"):
        rich.add_row(*(Text(value_text(value)) for value in (*row.values(), folder.status(row["point"]))))
    return rich


def estimate_line(pending: int, jobs: int, wall_s: float | None, source: str) -> str:
    """Return a line with the number of pending points and the time that they will take."""
    if not pending:
        return "nothing is left to run"
    time = "an unknown time" if wall_s is None else f"about {time_unit(wall_s).text(wall_s)} ({source})"
    return f"{pending} points to run, {jobs} at a time: {time}"


def outcome_line(result: SweepResult) -> str:
    """Return a line with the folder of the sweep, and the number of points in each state."""
    counts = result.points["status"].value_counts()
    states = ", ".join(
        f"{counts[state]} {state}" for state in ("finished", "failed", "pending") if state in counts
    )
    return f"written to {result.folder}: {states} of {len(result.points)} points"


def missing_line(result: SweepResult) -> str | None:
    """Return a line with the number of points that the tables lack; None if they have all points."""
    missing = int((result.points["status"] != "finished").sum())
    if not missing:
        return None
    total = len(result.points)
    return f"{missing} of {total} points are missing from the tables: they are pending or have failed"


def failures(result: SweepResult) -> list[str]:
    """Return a line for each of the first ten failed points, and lines on the others and on a retry."""
    failed = result.points[result.points["status"] == "failed"].to_dict("records")
    lines = []
    for row in failed[:_MAX_FAILURES]:
        values = {**{key: row[key] for key in result.keys}, "seed": row["seed"]}
        settings = ", ".join(f"{key}={value_text(value)}" for key, value in values.items())
        lines.append(f"failed: {row['point']} ({settings}): {row['error']}")
    if len(failed) > _MAX_FAILURES:
        lines.append(f"and {len(failed) - _MAX_FAILURES} more failed; points.csv lists them")
    if failed:
        lines.append(
            "POINT.failed in the sweep folder has the details; --retry-failed runs these points again"
        )
    return lines
