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
    Schemes,
    Seed,
    exit_on_wrong_input,
    import_plugins,
    names,
    print_table,
    print_warnings,
    search_working_folder,
)

if TYPE_CHECKING:
    from cutlayer.analysis.results.sweeps.sweep_folder import SweepResult
    from cutlayer.scenarios.schema.sweep import SweepFigure

__all__ = ["sweep"]


def sweep(
    scenario: ScenarioArgument,
    out: Annotated[Path | None, typer.Option(help="Folder of the sweep; sweeps/NAME by default.")] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Number of points in parallel; by default one for each core or worker."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="tcp://HOST:PORT", help="Run on the workers of a dask.distributed scheduler."),
    ] = None,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    seed: Seed = None,
    schemes: Schemes = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the points and estimate the time.")
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="K/N",
            help="Run every N-th point from the K-th on. Other shards may run at the same time; --tables then"
            " writes the tables.",
        ),
    ] = None,
    tables: Annotated[
        bool,
        typer.Option("--tables", help="Only write the tables and figures of the finished points."),
    ] = False,
    time_limit_s: Annotated[
        float | None,
        typer.Option(
            "--time-limit",
            min=0.001,
            metavar="SECONDS",
            help="Time limit of a point; a point that takes longer has failed.",
        ),
    ] = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Start no further point once one has failed.")
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed points again.")] = False,
    mix_versions: Annotated[
        bool, typer.Option("--mix-versions", help="Keep points that other versions of the code made.")
    ] = False,
    plugins: Plugins = [],  # noqa: B006
    allow_imports: AllowImports = False,
) -> None:
    """Run every point of a scenario's sweep that is not finished yet."""
    from cutlayer.analysis.comparison.sweep_report import estimate_line, point_listing
    from cutlayer.experiments.processes.worker_processes import WorkersError
    from cutlayer.experiments.sweep.sweep import SweepRun, SweepStoppedError
    from cutlayer.progress.displays import SweepProgress

    with exit_on_wrong_input():
        import_plugins(plugins)
        if allow_imports:
            search_working_folder()
        if tables and (shard or dry_run or retry_failed or scheduler):
            raise InputError(
                "--tables runs no points; leave out --shard, --dry-run, --retry-failed and --scheduler"
            )
        sweep_run = SweepRun(
            scenario,
            out=out,
            overrides=overrides,
            jobs=jobs,
            plugins=plugins,
            allow_imports=allow_imports,
            scheduler=scheduler,
            shard=None if shard is None else _shard(shard),
            seed=seed,
            schemes=names(schemes),
        )
        print_warnings(sweep_run.loaded)
        try:
            if dry_run:
                with SweepProgress() as progress:
                    estimate = sweep_run.estimate(mix_versions=mix_versions, on_progress=progress.on_progress)
                line = estimate_line(len(sweep_run.pending()), sweep_run.jobs, *estimate)
                print_table(point_listing(sweep_run.folder), line)
                return
            if tables:
                result = sweep_run.gather(mix_versions=mix_versions)
            else:
                with SweepProgress() as progress:
                    result = sweep_run.run(
                        retry_failed=retry_failed,
                        mix_versions=mix_versions,
                        time_limit_s=time_limit_s,
                        fail_fast=fail_fast,
                        on_progress=progress.on_progress,
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
    _report(result, sweep_run.figures, partial=tables)


def _shard(text: str) -> tuple[int, int]:
    """Return the number of a shard and the count of shards.

    Raises
    ------
    InputError
        If the text is not ``K/N`` with K from 1 to N.
    """
    from cutlayer.analysis.results.sweeps.sweep_folder import Shard

    try:
        shard = Shard.parse(text)
    except ValueError as error:
        raise InputError(f"--shard: {error}") from None
    return shard.number, shard.count


def _report(result: SweepResult, figures: Sequence[SweepFigure], *, partial: bool) -> None:
    """Draw the figures, print the outcome of the sweep, and exit with its status."""
    from cutlayer.analysis.comparison.sweep_report import draw_figures, failures, missing_line, outcome_line

    drawn, problems = draw_figures(result, figures, partial=partial)
    for table, *notes in drawn:
        print_table(table, *notes)
    typer.echo(outcome_line(result))
    missing = missing_line(result) if partial else None
    for line in (*failures(result), *([missing] if missing else []), *problems):
        typer.echo(line, err=True)
    if result.interrupted:
        raise _interrupted_sweep()
    if problems or (result.points["status"] == "failed").any():
        raise typer.Exit(1)


def _interrupted_sweep() -> typer.Exit:
    """Print that the sweep was interrupted, and return the exit."""
    typer.echo("interrupted: the finished points are kept; the same command continues", err=True)
    return typer.Exit(130)
