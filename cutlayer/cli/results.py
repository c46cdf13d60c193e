"""The commands that read finished runs: ``compare`` and ``gantt``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .options import InputError, show, wrong_input

__all__ = ["compare", "gantt"]


def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Run folders, or sweep folders.")],
    form: Annotated[str, typer.Option("--format", help="table, csv, latex or markdown.")] = "table",
    reference: Annotated[
        str | None, typer.Option(metavar="LABEL", help="Compare with this scheme; with sl by default.")
    ] = None,
) -> None:
    """Print the comparison table of finished runs or of a sweep, with paired differences over seeds."""
    from cutlayer.analysis.comparison.paired_differences import UnknownReferenceError
    from cutlayer.analysis.comparison.report import FORMATS, formatted, notes, rich_table
    from cutlayer.analysis.comparison.table import comparison
    from cutlayer.analysis.results.sweep_folder import load_runs

    with wrong_input():
        if form not in FORMATS:
            raise InputError(f"--format: {form!r} is unknown; known: {', '.join(FORMATS)}")
        runs = [run for folder in folders for run in load_runs(folder)]
        try:
            table = comparison(runs, reference)
        except UnknownReferenceError as error:
            raise InputError(f"--reference: {error}") from None
    if form == "table":
        show(rich_table(table, title="comparison"), *notes(table, runs))
    else:
        typer.echo(formatted(table, form, notes(table, runs)), nl=False)


def gantt(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.")],
    rounds: Annotated[str | None, typer.Option(help="Rounds to show, for example 1-3.")] = None,
    scheme: Annotated[list[str], typer.Option(help="Labels to show; all by default.")] = [],  # noqa: B006
    output: Annotated[
        Path | None, typer.Option(help="A .png, .svg, .pdf or .html; DIR/gantt.png by default.")
    ] = None,
) -> None:
    """Draw the latency Gantt charts of a run, schemes stacked on one time axis."""
    from cutlayer.analysis.figures.gantt import gantt_figure
    from cutlayer.analysis.figures.gantt_rows import plotted_intervals
    from cutlayer.analysis.figures.style import save_figure
    from cutlayer.analysis.results.run_folder import load_run

    with wrong_input():
        result = load_run(folder)
        span = None if rounds is None else _span(rounds)
        where = output or folder / "gantt.png"
        try:
            labels = _labels(result.summary["schemes"], scheme) if scheme else None
            figure = gantt_figure(plotted_intervals(result, span), rounds=span, labels=labels)
            save_figure(figure, where)
        except ValueError as error:
            raise InputError(str(error)) from None
        except OSError as error:
            raise InputError(f"cannot write {where}: {error.strerror or error}") from None
    typer.echo(f"written to {where}")


def _span(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not first.isdigit() or not (last or first).isdigit() or not 1 <= int(first) <= int(last or first):
        raise InputError(f"--rounds: {text!r} is no span of rounds such as 2 or 1-3")
    return int(first), int(last or first)


def _labels(schemes: dict[str, Any], wanted: list[str]) -> list[str]:
    """Return the labels that are named, by label or by the scheme's name."""
    unknown = [
        name for name in wanted if not any(name in (label, s["scheme"]) for label, s in schemes.items())
    ]
    if unknown:
        raise InputError(f"--scheme: the run has no {', '.join(unknown)}; it has: {', '.join(schemes)}")
    return [label for label, s in schemes.items() if label in wanted or s["scheme"] in wanted]
