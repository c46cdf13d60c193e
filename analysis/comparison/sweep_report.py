"""What a sweep tells: its figures with their tables, and lines for the terminal."""

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
from ..results.sweep_statistics import CONFIDENCE, figure_table, grouped, is_accuracy

__all__ = ["draw_figures", "estimate_line", "failures", "outcome_line", "point_listing"]

Listing: TypeAlias = tuple[Table, *tuple[str, ...]]
"""A table for the terminal, and the notes below it."""

_MOST_FAILURES = 10


def draw_figures(result: SweepResult, figures: Sequence[SweepFigure]) -> tuple[list[Listing], list[str]]:
    """Write each figure and its table (a CSV of the same name) to the sweep folder, if no point is pending.

    Returns
    -------
    a table for the terminal for each figure, or an overview where there is none; and a message for each
    figure that could not be drawn
    """
    if not len(result.schemes) or (result.points["status"] == "pending").any():
        return [], []
    listings: list[Listing] = [] if figures else _overview(result)
    faults = []
    for figure in figures:
        path = result.folder / figure.file
        path = path if path.suffix.lower() in FIGURE_SUFFIXES else Path(f"{path}.png")
        try:
            table = figure_table(result, figure)
        except ValueError as error:
            faults.append(str(error))
            continue
        try:
            save_figure(sweep_figure(table, figure), path)
            write_whole(path.with_suffix(".csv"), functools.partial(table.to_csv, index=False))
        except OSError as error:  # the disk is full, for example
            faults.append(f"cannot write {path}: {error.strerror or error}")
            continue
        listings.append(_listing(table, figure, path))
    return listings, faults


def _overview(result: SweepResult) -> list[Listing]:
    by = [*result.keys, "label"]
    listings: list[Listing] = []
    for y in ("mean_latency_s", "final_accuracy"):
        if y in result.schemes and result.schemes[y].notna().any():
            listings.append((_rich(grouped(result.schemes, by, y), y, "mean", axis_label(y)),))
    return listings


def _listing(table: pd.DataFrame, figure: SweepFigure, path: Path) -> Listing:
    notes = []
    shown = table
    if figure.kind == "curves":
        line = [name for name in (figure.panels, figure.lines, "label") if name]
        shown = table.sort_values("round", kind="stable").drop_duplicates(line, keep="last").sort_index()
        notes.append("the last round of each curve; all rounds are in the table's file")
    if figure.best_over is not None:
        best, which = figure.best_over, "greatest" if is_accuracy(figure.best_over.by) else "least"
        notes.append(f"{axis_label(best.key)}: the value with the {which} mean {best.by} over seeds")
    notes.append(f"written to {path}, its numbers to {path.with_suffix('.csv').name}")
    title = f"{figure.file}: {axis_label(figure.y)}"
    if figure.normalise_to is not None:
        title += f", as a multiple of that of {figure.normalise_to}"
    scaled = figure.normalise_to is None
    return (_rich(shown.drop(columns="scheme"), figure.y, figure.centre, title, in_percent=scaled), *notes)


def _rich(table: pd.DataFrame, y: str, centre: str, title: str, *, in_percent: bool = True) -> Table:
    rich = Table(title=Text(title), box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    scale = 100.0 if in_percent and is_accuracy(y) else 1.0
    keys = [name for name in table.columns if name not in (y, f"{y}_low", f"{y}_high", "seeds")]
    for key in keys:
        rich.add_column(Text(axis_label(key)), no_wrap=True)
    for heading in (centre, f"{100 * CONFIDENCE:g} % interval", "seeds"):
        rich.add_column(Text(heading), justify="right", no_wrap=True)
    for row in table.to_dict("records"):
        value, low, high = (scale * row[name] for name in (y, f"{y}_low", f"{y}_high"))
        interval = "–" if pd.isna(low) else f"{low:.4g} to {high:.4g}"
        cells = [value_text(row[key]) for key in keys]
        rich.add_row(
            *(
                Text(c)
                for c in (*cells, "–" if pd.isna(value) else f"{value:.4g}", interval, str(row["seeds"]))
            )
        )
    return rich


def point_listing(folder: SweepFolder) -> Table:
    """Return the points of a sweep and what has become of them, for the terminal."""
    rich = Table(title=Text(str(folder.path)), box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    shown = folder.points.drop(columns="overrides")
    for name in (*shown.columns, "status"):
        rich.add_column(Text(name), no_wrap=True)
    for row in shown.to_dict("records"):
        rich.add_row(*(Text(value_text(value)) for value in (*row.values(), folder.status(row["point"]))))
    return rich


def estimate_line(pending: int, jobs: int, wall_s: float | None, source: str) -> str:
    """Return how long the pending points will take."""
    if not pending:
        return "nothing is left to run"
    time = "an unknown time" if wall_s is None else f"about {time_unit(wall_s).text(wall_s)} ({source})"
    return f"{pending} points to run, {jobs} at a time: {time}"


def outcome_line(result: SweepResult) -> str:
    """Return where the sweep is and how many of its points are in which state."""
    counts = result.points["status"].value_counts()
    told = ", ".join(
        f"{counts[state]} {state}" for state in ("finished", "failed", "pending") if state in counts
    )
    return f"written to {result.folder}: {told} of {len(result.points)} points"


def failures(result: SweepResult) -> list[str]:
    """Return a line for each failed point, up to ten, and how to try again."""
    failed = result.points[result.points["status"] == "failed"].to_dict("records")
    lines = []
    for row in failed[:_MOST_FAILURES]:
        values = {**{key: row[key] for key in result.keys}, "seed": row["seed"]}
        told = ", ".join(f"{key}={value_text(value)}" for key, value in values.items())
        lines.append(f"failed: {row['point']} ({told}): {row['error']}")
    if len(failed) > _MOST_FAILURES:
        lines.append(f"and {len(failed) - _MOST_FAILURES} more failed; points.csv lists them")
    if failed:
        lines.append(
            "POINT.failed in the sweep folder has the details; --retry-failed runs these points again"
        )
    return lines
