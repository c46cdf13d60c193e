"""The command ``trace``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import InputError, ShownSchemes, exit_on_wrong_input, finished_run, matching_labels, round_span

__all__ = ["trace"]


def trace(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.")],
    rounds: Annotated[str | None, typer.Option(help="Rounds, for example 1-3; all by default.")] = None,
    schemes: ShownSchemes = [],  # noqa: B006 - typer copies it
    output: Annotated[
        Path | None, typer.Option(help="A .json.gz or .json; DIR/trace.json.gz by default.")
    ] = None,
) -> None:
    """Write the timeline of a run for Perfetto, https://ui.perfetto.dev."""
    from cutlayer.analysis.trace.run_trace import UntraceableRunError, write_trace

    with exit_on_wrong_input():
        span = None if rounds is None else round_span(rounds)
        run = finished_run(folder, "trace")
        path = output or folder / "trace.json.gz"
        labels = matching_labels(run, schemes)
        try:
            write_trace(run, path, labels=labels, rounds=span)
        except UntraceableRunError as error:
            raise InputError(str(error)) from None
    typer.echo(f"written to {path}; open it on https://ui.perfetto.dev")
