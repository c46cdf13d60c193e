"""The command ``run``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    from cutlayer.analysis.results.run import Run
    from cutlayer.experiments.execution.scheme_run import OnRound

__all__ = ["run"]


def run(
    scenario: ScenarioArgument,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/NAME by default.")] = None,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    seed: Seed = None,
    schemes: Schemes = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.")] = False,
    figures: Annotated[
        bool, typer.Option("--figures/--no-figures", help="Draw the figures of the run, after its tables.")
    ] = True,
    plugins: Plugins = [],  # noqa: B006
    allow_imports: AllowImports = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of schemes that run in parallel. The default is one for each core if schemes train,"
            " and otherwise one.",
        ),
    ] = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Save the run every N rounds; the same command continues it."),
    ] = None,
    keep_checkpoints: Annotated[
        bool,
        typer.Option(
            "--keep-checkpoints", help="Keep checkpoints at the end, to go on to more rounds later."
        ),
    ] = False,
    callback_names: Annotated[
        list[str],
        typer.Option(
            "--callback",
            metavar="MODULE:NAME",
            help="Call your code after each round; also FILE.py:NAME; may be repeated.",
        ),
    ] = [],  # noqa: B006
) -> None:
    """Run every scheme of a scenario on the same devices, channel, data order and initial weights."""
    from cutlayer.analysis.results.run_files import ERRORS
    from cutlayer.experiments.checkpoints import CheckpointError
    from cutlayer.experiments.execution.callbacks import CallbackError, Callbacks, named_callback
    from cutlayer.experiments.processes.worker_processes import WorkersError
    from cutlayer.experiments.runner import UnsavedRunError, run_scenario
    from cutlayer.progress.displays import RunProgress
    from cutlayer.scenarios.loading.loader import load_scenario

    @contextmanager
    def progress_bars() -> Iterator[OnRound]:
        with RunProgress(loaded.scenario) as progress:
            yield progress.on_round

    with exit_on_wrong_input():
        import_plugins(plugins)
        if callback_names:
            search_working_folder()
        try:
            callbacks = Callbacks([named_callback(text) for text in callback_names])
        except CallbackError as error:
            raise InputError(f"--callback: {error}") from None
        loaded = load_scenario(scenario, overrides, seed=seed, schemes=names(schemes))
        print_warnings(loaded)
        if loaded.scenario.sweep is not None:
            typer.echo("note: cutlayer run ignores the section sweep; use cutlayer sweep", err=True)
        folder = out or _free_folder(Path("runs"), loaded.scenario.name)
        if allow_imports:
            search_working_folder()
        try:
            result = run_scenario(
                loaded,
                folder,
                allow_imports=allow_imports,
                checkpoint_every=checkpoint_every,
                keep_checkpoints=keep_checkpoints,
                overwrite=overwrite,
                figures=figures,
                jobs=jobs,
                watch_rounds=progress_bars,
                callbacks=callbacks,
            )
        except (CheckpointError, UnsavedRunError) as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
        except WorkersError as error:
            raise InputError(str(error)) from None
    _attempt("report", lambda: _report(result, folder))
    _attempt("bottlenecks", lambda: _report_bottlenecks(result))
    for problem in result.problems:
        typer.echo(f"warning: {problem}", err=True)
    for label, reason in result.failed.items():
        typer.echo(f"failed: {label}: {reason}; {folder / ERRORS} has the details", err=True)
    if result.interrupted:
        advice = "" if checkpoint_every is None else "; the same command continues"
        typer.echo(f"interrupted: the finished rounds are kept{advice}", err=True)
        raise typer.Exit(130)
    if result.failed or result.is_record_lost:
        raise typer.Exit(1)


def _attempt(what: str, report: Callable[[], None]) -> None:
    """Print a part of the report, or a warning; the run is finished, and its tables are written."""
    from cutlayer.scenarios.text import one_line

    try:
        report()
    except Exception as error:  # of any kind
        typer.echo(f"warning: the {what} could not be printed: {one_line(error)}", err=True)


def _report(result: Run, folder: Path) -> None:
    """Print the comparison table of a run, and the folder with the figures."""
    from rich.console import Console

    from cutlayer.analysis.comparison.report import notes, rich_table
    from cutlayer.analysis.comparison.table import comparison

    table = comparison([result])
    print_table(rich_table(table, title=str(result.summary["name"])), *notes(table, [result]))
    drawn = ", ".join(path.name for path in sorted(folder.glob("*.png")))
    written = f"written to {folder}" + (f": figures {drawn}" if drawn else "")
    Console().print(written, soft_wrap=True, highlight=False, markup=False)


def _report_bottlenecks(result: Run) -> None:
    """Print a line for each scheme that names the node that held up most of the time."""
    from cutlayer.analysis.explain.explanation import BOTTLENECK_ACTIVITIES, explain_run

    if not result.recorded.lost:
        for line in explain_run(result, max_activities=BOTTLENECK_ACTIVITIES).bottlenecks:
            typer.echo(line)


def _free_folder(parent: Path, name: str) -> Path:
    """Return ``parent/name``, with a number if it exists; a run with checkpoints keeps its folder."""
    from cutlayer.analysis.results.atomic_files import portable_name
    from cutlayer.experiments.checkpoints import checkpoint_folder
    from cutlayer.experiments.processes.folder_locks import run_in_use

    stem = portable_name(name)
    folder, number = parent / stem, 1
    while run_in_use(folder) or (folder.exists() and not checkpoint_folder(folder).exists()):
        number += 1
        folder = parent / f"{stem}-{number}"
    return folder
