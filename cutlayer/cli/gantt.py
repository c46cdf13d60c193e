"""The command ``gantt``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import InputError, exit_on_wrong_input, matching_labels, round_span

__all__ = ["gantt"]


def gantt(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.")],
    rounds: Annotated[str | None, typer.Option(help="Rounds to show, for example 1-3.")] = None,
    scheme: Annotated[list[str], typer.Option(help="Labels to show; all by default.")] = [],  # noqa: B006
    output: Annotated[
        Path | None, typer.Option(help="A .png, .svg, .pdf or .html; DIR/gantt.png by default.")
    ] = None,
    critical_path: Annotated[
        bool, typer.Option("--critical-path", help="Mark the activities that decided on each round's end.")
    ] = False,
) -> None:
    """Draw the latency Gantt charts of a run, schemes stacked on one time axis."""
    from cutlayer.analysis.explain.path_rows import path_rows
    from cutlayer.analysis.figures.gantt import gantt_figure
    from cutlayer.analysis.figures.style import save_figure
    from cutlayer.analysis.figures.visible_rows import plotted_events, plotted_intervals
    from cutlayer.analysis.results.run_folder import load_run

    with exit_on_wrong_input():
        result = load_run(folder)
        span = None if rounds is None else round_span(rounds)
        path = output or folder / "gantt.png"
        try:
            labels = matching_labels(result.summary["schemes"], scheme) if scheme else None
            shown = None if labels is None else [result.shown_label(label) for label in labels]
            intervals = plotted_intervals(result, span)
            events = plotted_events(result, intervals)
            rows = path_rows(result, intervals, events, span) if critical_path else set[int]()
            figure = gantt_figure(
                result.with_failures(intervals),
                rounds=span,
                labels=shown,
                events=result.with_failures(events),
                path_rows=rows,
            )
            save_figure(figure, path)
        except ValueError as error:
            raise InputError(str(error)) from None
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    typer.echo(f"written to {path}")
