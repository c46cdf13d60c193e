"""The command ``compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import InputError, exit_on_wrong_input, names, print_table

__all__ = ["compare"]


def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Run folders, or sweep folders.")],
    form: Annotated[str, typer.Option("--format", help="table, csv, latex or markdown.")] = "table",
    reference: Annotated[
        str | None, typer.Option(metavar="LABEL", help="Compare with this scheme; with sl by default.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Columns to show, for example latency,accuracy,energy."),
    ] = None,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="Show the 95 % confidence interval of each mean.")
    ] = False,
    caption: Annotated[str | None, typer.Option(help="Caption of a LaTeX or Markdown table.")] = None,
    label: Annotated[
        str | None, typer.Option(metavar="NAME", help=r"Label of a LaTeX table, for \ref.")
    ] = None,
) -> None:
    """Print the comparison table of finished runs or of a sweep, with paired differences over seeds."""
    from cutlayer.analysis.comparison.columns import UnknownColumnError, column_names
    from cutlayer.analysis.comparison.experiment_groups import ContradictoryRunsError
    from cutlayer.analysis.comparison.paired_differences import UnknownReferenceError
    from cutlayer.analysis.comparison.report import FORMATS, formatted, notes, rich_table
    from cutlayer.analysis.comparison.table import comparison
    from cutlayer.analysis.results.sweeps.sweep_folder import load_runs, missing_points

    with exit_on_wrong_input():
        if form not in FORMATS:
            raise InputError(f"--format: {form!r} is unknown; known: {', '.join(FORMATS)}")
        if caption is not None and form not in ("latex", "markdown"):
            raise InputError("--caption: is for --format latex and markdown")
        if label is not None and form != "latex":
            raise InputError("--label: is for --format latex")
        try:
            chosen = None if columns is None else column_names(names(columns) or [])
        except UnknownColumnError as error:
            raise InputError(f"--columns: {error}") from None
        runs = [run for folder in folders for run in load_runs(folder)]
        try:
            table = comparison(runs, reference)
        except UnknownReferenceError as error:
            raise InputError(f"--reference: {error}") from None
        except ContradictoryRunsError as error:
            raise InputError(str(error)) from None
        for folder in folders:
            if missing := missing_points(folder):
                typer.echo(
                    f"{folder}: {missing} points are missing: they are pending or have failed", err=True
                )
        remarks = notes(table, runs, chosen, intervals=intervals)
        if form == "table":
            print_table(rich_table(table, "comparison", chosen, intervals=intervals), *remarks)
            return
        try:
            text = formatted(
                table, form, remarks, columns=chosen, intervals=intervals, caption=caption, label=label
            )
        except ValueError as error:
            raise InputError(f"--label: {error}") from None
        typer.echo(text, nl=False)
