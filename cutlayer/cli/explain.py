"""The command ``explain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import (
    AllowImports,
    InputError,
    Plugins,
    ShownSchemes,
    exit_on_wrong_input,
    finished_run,
    import_plugins,
    matching_labels,
    print_table,
    search_working_folder,
)

if TYPE_CHECKING:
    from cutlayer.analysis.explain.explanation import Explanation
    from cutlayer.analysis.results.run import Run

__all__ = ["explain"]


def explain(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.")],
    schemes: ShownSchemes = [],  # noqa: B006 - typer copies it
    number: Annotated[
        int | None,
        typer.Option("--round", min=1, metavar="N", help="Explain this round and its critical path."),
    ] = None,
    changes: Annotated[
        bool, typer.Option("--what-if", help="Simulate the run again with changes, and print their savings.")
    ] = False,
    form: Annotated[
        str,
        typer.Option("--format", help="table or csv: blame, the path with --round, savings with --what-if."),
    ] = "table",
    plugins: Plugins = [],  # noqa: B006
    allow_imports: AllowImports = False,
) -> None:
    """Explain which devices delay the rounds of a run, why, and how much time changes would save."""
    from cutlayer.analysis.explain.explanation import UnknownRoundError, explain_run
    from cutlayer.analysis.explain.text import notes, rich_tables

    with exit_on_wrong_input():
        if form not in ("table", "csv"):
            raise InputError(f"--format: {form!r} is unknown; known: table, csv")
        result = finished_run(folder, "explain")
        try:
            labels = matching_labels(result, schemes)
            explanation = explain_run(result, labels, number)
        except UnknownRoundError as error:
            raise InputError(str(error)) from None
        if changes:
            import_plugins(plugins)
            if allow_imports:
                search_working_folder()
            _print_savings(result, folder, explanation, form, allow_imports=allow_imports)
            return
    if form == "csv":
        rows = explanation.blame if number is None else explanation.path
        typer.echo(rows.to_csv(index=False), nl=False)
        return
    for table in rich_tables(explanation):
        print_table(table)
        typer.echo()
    for line in notes(explanation):
        typer.echo(line)


def _print_savings(
    run: Run, folder: Path, explanation: Explanation, form: str, *, allow_imports: bool
) -> None:
    """Simulate the run again with changes, and print their savings."""
    from cutlayer.analysis.explain.text import savings_notes, savings_table
    from cutlayer.experiments.what_if.resimulation import what_if

    def show(label: str, change: str) -> None:
        typer.echo(f"{label}: {change}", err=True)

    table = what_if(run, folder, explanation=explanation, allow_imports=allow_imports, on_change=show)
    if form == "csv":
        typer.echo(table.to_csv(index=False), nl=False)
    else:
        print_table(savings_table(table), *savings_notes(table))
