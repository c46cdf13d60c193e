"""The command ``report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import InputError, exit_on_wrong_input, round_span

__all__ = ["report"]


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run folder, or a sweep folder.")],
    output: Annotated[Path | None, typer.Option(help="The file; DIR/report.html by default.")] = None,
    rounds: Annotated[
        str | None,
        typer.Option(help="Rounds of the Gantt chart, for example 1-3; the first three by default."),
    ] = None,
    points: Annotated[
        bool | None,
        typer.Option(
            "--points/--no-points",
            show_default=False,
            help="Write the page of each point of a sweep too; by default of sweeps with up to 30 points.",
        ),
    ] = None,
) -> None:
    """Write one HTML page on a run or a sweep, with charts to zoom and filter. It needs no network."""
    from cutlayer.analysis.report.requirement import MissingPackageError, require_bokeh

    with exit_on_wrong_input():
        span = None if rounds is None else round_span(rounds)
        try:
            require_bokeh()
            from cutlayer.analysis.report.report import report_folder

            path = report_folder(folder, output, rounds=span, points=points, on_point=_show_point)
        except MissingPackageError as error:
            raise InputError(str(error)) from None
        except ValueError as error:
            raise InputError(f"--rounds: {error}") from None
    typer.echo(f"written to {path}")


def _show_point(point: str) -> None:
    typer.echo(f"point {point}", err=True)
