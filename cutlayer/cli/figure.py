"""The command ``figure``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .figure_options import Font, FontSize, Where, Width, check_output, figure_format, where_values
from .options import InputError, exit_on_wrong_input, names

__all__ = ["figure"]


def figure(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run folder, or a sweep folder.")],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The figure; without it, the names are listed.")
    ] = None,
    also: Annotated[
        list[Path], typer.Option("--also", metavar="DIR", help="A further folder to compare; repeatable.")
    ] = [],  # noqa: B006 - typer copies it
    output: Annotated[
        Path | None, typer.Option(help="A .png, .svg, .pdf or .html; DIR/NAME.pdf by default.")
    ] = None,
    width: Width = None,
    font: Font = None,
    font_size: FontSize = None,
    schemes: Annotated[
        str | None, typer.Option(help="Names or labels of the schemes to show, comma-separated.")
    ] = None,
    where: Where = [],  # noqa: B006
    columns: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Columns of the figure comparison.")
    ] = None,
    table: Annotated[
        str | None,
        typer.Option("--table", metavar="FORMAT", help="Print the numbers instead: csv, latex or markdown."),
    ] = None,
) -> None:
    """Draw a figure of a finished run, a sweep or a comparison again, without simulating."""
    from cutlayer.analysis.comparison.experiment_groups import ContradictoryRunsError
    from cutlayer.analysis.figures.style import save_figure
    from cutlayer.analysis.redraw.figure_numbers import formatted_numbers
    from cutlayer.analysis.redraw.named_figures import FigureRequest, figure_named
    from cutlayer.analysis.redraw.sweep_figures import figures_of_folders

    with exit_on_wrong_input():
        request = FigureRequest(
            figure_format(width, font, font_size),
            tuple(names(schemes) or ()),
            where_values(where),
            tuple(names(columns) or ()),
        )
        figures = figures_of_folders([folder, *also])
        if name is None:
            longest = max(map(len, figures))
            for known, each in figures.items():
                typer.echo(f"{known:{longest}}  {each.summary}")
            return
        path = output or folder / f"{name}.pdf"
        check_output(path)
        try:
            drawing = figure_named(figures, name).draw(request)
            if table is not None:
                if drawing.numbers is None or drawing.section is None:
                    raise InputError(
                        f"--table: {name} is no figure of the section sweep.figure; cutlayer compare prints"
                        " tables of runs"
                    )
                typer.echo(formatted_numbers(drawing.numbers, drawing.section, table), nl=False)
            else:
                save_figure(drawing.figure, path)
        except (ValueError, ContradictoryRunsError) as error:
            raise InputError(str(error)) from None
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    for note in drawing.notes:
        typer.echo(note, err=table is not None)
    if table is None:
        typer.echo(f"written to {path}")
