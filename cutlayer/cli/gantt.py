"""The command ``gantt``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .figure_options import Font, FontSize, Width, check_output, figure_format
from .options import InputError, ShownSchemes, exit_on_wrong_input, finished_run, matching_labels, round_span

__all__ = ["gantt"]


def gantt(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.")],
    rounds: Annotated[str | None, typer.Option(help="Rounds to show, for example 1-3.")] = None,
    schemes: ShownSchemes = [],  # noqa: B006 - typer copies it
    output: Annotated[
        Path | None, typer.Option(help="Output file, .png, .svg, .pdf or .html; DIR/gantt.png by default.")
    ] = None,
    critical_path: Annotated[
        bool, typer.Option("--critical-path", help="Mark the critical path of each round.")
    ] = False,
    width: Width = None,
    font: Font = None,
    font_size: FontSize = None,
) -> None:
    """Draw the latency Gantt charts of a run, schemes stacked on one time axis."""
    from cutlayer.analysis.figures.figure_format import DEFAULT_FORMAT
    from cutlayer.analysis.figures.run import run_gantt
    from cutlayer.analysis.figures.style import save_figure

    with exit_on_wrong_input():
        result = finished_run(folder, "gantt")
        span = None if rounds is None else round_span(rounds)
        path = output or folder / "gantt.png"
        check_output(path)
        form = figure_format(width, font, font_size) or DEFAULT_FORMAT
        try:
            labels = matching_labels(result, schemes)
            figure = run_gantt(result, span, labels, critical_path=critical_path, form=form)
            save_figure(figure, path)
        except ValueError as error:
            raise InputError(str(error)) from None
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    typer.echo(f"written to {path}")
