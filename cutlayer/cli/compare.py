"""The command ``compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import InputError, exit_on_wrong_input, print_table

__all__ = ["compare"]


def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Run folders, or sweep folders.")],
    form: Annotated[str, typer.Option("--format", help="table, csv, latex or markdown.")] = "table",
    reference: Annotated[
        str | None, typer.Option(metavar="LABEL", help="Compare with this scheme; with sl by default.")
    ] = None,
) -> None:
    """Print the comparison table of finished runs or of a sweep, with paired differences over seeds."""
    from cutlayer.analysis.comparison.experiment_groups import ContradictoryRunsError
    from cutlayer.analysis.comparison.paired_differences import UnknownReferenceError
    from cutlayer.analysis.comparison.report import FORMATS, formatted, notes, rich_table
    from cutlayer.analysis.comparison.table import comparison
    from cutlayer.analysis.results.sweep_folder import load_runs, missing_points

    with exit_on_wrong_input():
        if form not in FORMATS:
            raise InputError(f"--format: {form!r} is unknown; known: {', '.join(FORMATS)}")
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
    if form == "table":
        print_table(rich_table(table, title="comparison"), *notes(table, runs))
    else:
        typer.echo(formatted(table, form, notes(table, runs)), nl=False)
