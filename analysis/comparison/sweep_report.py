"""The report of a sweep: its figures with their tables, and lines for the terminal."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ...scenarios.schema.sweep import SweepFigure
from ..figures.axis_text import axis_label, value_text
from ..figures.style import FIGURE_SUFFIXES, save_figure, time_unit
from ..figures.sweep import sweep_figure
from ..results.atomic_files import write_whole
from ..results.sweep_folder import SweepFolder, SweepResult
from ..results.sweep_statistics import (
    CONFIDENCE,
    figure_table,
    grouped,
    is_accuracy,
    lines_without_best_value,
    num_diverged,
)

__all__ = ["draw_figures", "estimate_line", "failures", "outcome_line", "point_listing"]

Listing: TypeAlias = tuple[Table, *tuple[str, ...]]
"""A table for the terminal, and the notes below it."""

_MAX_FAILURES = 10


def draw_figures(result: SweepResult, figures: Sequence[SweepFigure]) -> tuple[list[Listing], list[str]]:
    """Write each figure, and its table as a CSV of the same name, unless a point of the sweep is pending.

    Returns
    -------
    listings : list of Listing
        A table for the terminal for each figure; an overview if there are no figures.
    problems : list of str
        A message for each figure that could not be drawn or written.
    """
    if not len(result.schemes) or (result.points["status"] == "pending").any():
        return [], []
    listings: list[Listing] = [] if figures else _overview(result)
    problems = []
    for figure in figures:
        path = result.folder / figure.file
        path = path if path.suffix.lower() in FIGURE_SUFFIXES else Path(f"{path}.png")
        try:
            table = figure_table(result, figure)
        except ValueError as error:
            problems.append(str(error))
            continue
        try:
            save_figure(sweep_figure(table, figure), path)
            write_whole(path.with_suffix(".csv"), functools.partial(table.to_csv, index=False))
        except OSError as error:  # the disk is full, for example
            problems.append(f"cannot write {path}: {error.strerror or error}")
            continue
        listings.append(_listing(table, figure, path, _divergence_notes(result, figure)))
    return listings, problems


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
    for y in ("mean_latency_s", "final_accuracy"):
        if y in result.schemes and result.schemes[y].notna().any():
            notes = _num_diverged_note(result) if is_accuracy(y) else []
            listings.append((_rich(grouped(result.schemes, by, y), y, "mean", axis_label(y)), *notes))
    return listings


def _listing(table: pd.DataFrame, figure: SweepFigure, path: Path, remarks: Sequence[str]) -> Listing:
    """Return the table of a figure for the terminal, with these remarks and notes on the figure."""
    notes = [*remarks]
    shown = table
    if figure.kind == "curves":
        line = [name for name in (figure.panels, figure.lines, "label") if name]
        shown = table.sort_values("round", kind="stable").drop_duplicates(line, keep="last").sort_index()
        notes.append("the last round of each curve; all rounds are in the table's file")
    if figure.best_over is not None:
        best, rank = figure.best_over, "greatest" if is_accuracy(figure.best_over.by) else "least"
        notes.append(f"{axis_label(best.key)}: the value with the {rank} mean {best.by} over seeds")
    notes.append(f"written to {path}, its numbers to {path.with_suffix('.csv').name}")
    title = f"{figure.file}: {axis_label(figure.y)}"
    if figure.normalise_to is not None:
        title += f", as a multiple of that of {figure.normalise_to}"
    scaled = figure.normalise_to is None
    return (_rich(shown.drop(columns="scheme"), figure.y, figure.centre, title, in_percent=scaled), *notes)


def _rich(table: pd.DataFrame, y: str, centre: str, title: str, *, in_percent: bool = True) -> Table:
    """Return a table of centres with their intervals for the terminal; accuracies are in per cent."""
    rich = Table(title=Text(title), box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    scale = 100.0 if in_percent and is_accuracy(y) else 1.0
    keys = [name for name in table.columns if name not in (y, f"{y}_low", f"{y}_high", "seeds")]
    for key in keys:
        rich.add_column(Text(axis_label(key)), no_wrap=True)
    for heading in (centre, f"{100 * CONFIDENCE:g} % interval", "seeds"):
        rich.add_column(Text(heading), justify="right", no_wrap=True)
    for row in table.to_dict("records"):
        value, low, high = (scale * row[name] for name in (y, f"{y}_low", f"{y}_high"))
        centre_text = "–" if pd.isna(value) else f"{value:.4g}"
        interval = "–" if pd.isna(low) else f"{low:.4g} to {high:.4g}"
        cells = (*(value_text(row[key]) for key in keys), centre_text, interval, str(row["seeds"]))
        rich.add_row(*(Text(cell) for cell in cells))
    return rich


def point_listing(folder: SweepFolder) -> Table:
    """Return the points of a sweep and their states as a table for the terminal."""
    rich = Table(title=Text(str(folder.path)), box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    shown = folder.points.drop(columns="overrides")
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
