"""The command ``sweep``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import (
    AllowImports,
    InputError,
    Overrides,
    Plugins,
    ScenarioArgument,
    exit_on_wrong_input,
    import_plugins,
    print_table,
    search_working_folder,
)

if TYPE_CHECKING:
    from cutlayer.analysis.results.sweep_folder import SweepResult
    from cutlayer.scenarios.schema.sweep import SweepFigure

__all__ = ["sweep"]


def sweep(
    scenario: ScenarioArgument,
    out: Annotated[Path | None, typer.Option(help="Folder of the sweep; sweeps/NAME by default.")] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Points that run at the same time; one a core, or worker, by default."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="tcp://HOST:PORT", help="Run on the workers of a dask.distributed scheduler."),
    ] = None,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the points, estimate the time.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed points again.")] = False,
    mix_versions: Annotated[
        bool, typer.Option("--mix-versions", help="Keep points that other versions of the code made.")
    ] = False,
    plugins: Plugins = [],  # noqa: B006
    allow_imports: AllowImports = False,
) -> None:
    """Run every point of a scenario's sweep that is not finished yet."""
    from cutlayer.analysis.comparison.sweep_report import estimate_line, point_listing
    from cutlayer.experiments.sweep.sweep import SweepRun, SweepStoppedError
    from cutlayer.experiments.sweep.worker_pool import WorkersError

    from .progress import SweepProgress

    with exit_on_wrong_input():
        import_plugins(plugins)
        if allow_imports:
            search_working_folder()
        sweep_run = SweepRun(
            scenario,
            out=out,
            overrides=overrides,
            jobs=jobs,
            plugins=plugins,
            allow_imports=allow_imports,
            scheduler=scheduler,
        )
        try:
            if dry_run:
                estimate = sweep_run.estimate(mix_versions=mix_versions)
                line = estimate_line(len(sweep_run.pending()), sweep_run.jobs, *estimate)
                print_table(point_listing(sweep_run.folder), line)
                return
            with SweepProgress() as progress:
                result = sweep_run.run(
                    retry_failed=retry_failed, mix_versions=mix_versions, on_progress=progress.on_progress
                )
        except KeyboardInterrupt:
            if dry_run:
                raise
            raise _interrupted_sweep() from None
        except WorkersError as error:
            raise InputError(str(error)) from None
        except SweepStoppedError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
    _report(result, sweep_run.figures)


def _report(result: SweepResult, figures: Sequence[SweepFigure]) -> None:
    """Draw the figures, print the outcome of the sweep, and exit with its status."""
    from cutlayer.analysis.comparison.sweep_report import draw_figures, failures, outcome_line

    drawn, faults = draw_figures(result, figures)
    for table, *notes in drawn:
        print_table(table, *notes)
    typer.echo(outcome_line(result))
    for line in (*failures(result), *faults):
        typer.echo(line, err=True)
    if result.interrupted:
        raise _interrupted_sweep()
    if faults or (result.points["status"] == "failed").any():
        raise typer.Exit(1)


def _interrupted_sweep() -> typer.Exit:
    """Print that the sweep was interrupted, and return the exit."""
    typer.echo("interrupted: the finished points are kept; the same command continues", err=True)
    return typer.Exit(130)
