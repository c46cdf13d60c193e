"""The command line; each command imports what it needs, so that ``--help`` answers at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["app", "main"]

app = typer.Typer(
    name="cutlayer",
    help="Simulate split learning over wireless networks: latency and accuracy, both measured.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A file, or a name of the library.")
]
Overrides = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Set a key, for example devices.count=10.")
]
Seed = Annotated[int | None, typer.Option(help="Replace the scenario's seed.")]
AllowImports = Annotated[
    bool, typer.Option("--allow-imports", help="Let a model be imported from your code.")
]


class InputError(Exception):
    """Wrong input: one message a line, exit status 2."""


@contextmanager
def _wrong_input() -> Iterator[None]:
    """Turn the errors of wrong input into messages and exit status 2."""
    from .analysis.run import RunFolderError
    from .scenarios.faults import ScenarioError

    try:
        yield
    except (ScenarioError, RunFolderError, InputError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("interrupted: nothing was finished, nothing was written", err=True)
        raise typer.Exit(130) from None


def main() -> None:
    """Run the command line."""
    app()


@app.command()
def run(
    context: typer.Context,
    scenario: ScenarioArgument,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/NAME by default.")] = None,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    seed: Seed = None,
    schemes: Annotated[str | None, typer.Option(help="Names or labels to run, comma-separated.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.")] = False,
    allow_imports: AllowImports = False,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Save the run every N rounds; the same command goes on."),
    ] = None,
) -> None:
    """Run every scheme of a scenario on the same devices, channel, data order and initial weights."""
    from rich.console import Console

    from .analysis.comparison import comparison, notes, rich_table
    from .analysis.intervals import SpillError
    from .analysis.run import RunFolderError
    from .checkpoints import CheckpointError
    from .locks import run_lock
    from .preparation import prepare
    from .progress import RunProgress
    from .runner import checked_place, run_loaded, save_finished
    from .scenarios.loading import load_scenario

    with _wrong_input():
        wanted = None if schemes is None else [name.strip() for name in schemes.split(",")]
        loaded = load_scenario(scenario, overrides, seed=seed, schemes=wanted)
        if loaded.scenario.sweep is not None:
            typer.echo("note: run takes the scenario as it stands; cutlayer sweep runs its sweep", err=True)
        folder = out or _free_folder(Path("runs"), loaded.scenario.name)
        context.with_resource(run_lock(folder))  # until the command has ended
        checkpoints = checked_place(folder, loaded, checkpoint_every, overwrite=overwrite)
        if allow_imports:
            sys.path.insert(0, str(Path.cwd()))  # as python itself does for a script of the user's
        experiment = prepare(loaded, allow_imports=allow_imports)
        console = Console()
        try:
            with RunProgress(loaded.scenario, console) as progress:
                result = run_loaded(experiment, progress.on_round, folder=folder, checkpoints=checkpoints)
        except (CheckpointError, SpillError) as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
    try:
        save_finished(result, folder, checkpoints, overwrite=overwrite)
    except RunFolderError as error:  # the place was free before: not wrong input, but a run that failed
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    table = comparison([result])
    _show(rich_table(table, title=loaded.scenario.name), *notes(table, [result]))
    figures = ", ".join(path.name for path in sorted(folder.glob("*.png")))
    console.print(f"written to {folder}: figures {figures}", soft_wrap=True, highlight=False, markup=False)
    if result.interrupted:
        more = "; the same command goes on" if checkpoints else ""
        typer.echo(f"interrupted: the finished rounds are kept{more}", err=True)
        raise typer.Exit(130)


def _free_folder(parent: Path, name: str) -> Path:
    """Return ``parent/name``, numbered if that is taken; one with checkpoints is not, but unfinished."""
    from .checkpoints import checkpoint_place
    from .locks import run_in_use

    stem = "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
    folder, number = parent / stem, 1
    while run_in_use(folder) or (folder.exists() and not checkpoint_place(folder).exists()):
        number += 1
        folder = parent / f"{stem}-{number}"
    return folder


def _show(table: Table, *notes: str) -> None:
    """Print a table whole, however narrow the terminal or file that it goes to, and its notes."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console()
    wide = Console(width=1000)
    needed = Measurement.get(wide, wide.options, table).maximum
    Console(width=max(console.width, needed)).print(table)
    for note in notes:
        console.print(note, soft_wrap=True, highlight=False, markup=False)


@app.command()
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
    allow_imports: AllowImports = False,
) -> None:
    """Run every point of a scenario's sweep that is not finished yet."""
    from .analysis.sweep_report import draw_figures, estimate_line, failures, outcome_line, point_listing
    from .progress import SweepProgress
    from .sweeping import Sweeping, SweepStoppedError
    from .workers import WorkersError

    with _wrong_input():
        if allow_imports:
            sys.path.insert(0, str(Path.cwd()))  # as python itself does for a script of the user's
        sweeping = Sweeping(
            scenario,
            out=out,
            overrides=overrides,
            jobs=jobs,
            allow_imports=allow_imports,
            scheduler=scheduler,
        )
        try:
            if dry_run:
                estimate = sweeping.estimate(mix_versions=mix_versions)
                line = estimate_line(len(sweeping.pending()), sweeping.jobs, *estimate)
                _show(point_listing(sweeping.folder), line)
                return
            with SweepProgress() as progress:
                result = sweeping.run(
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
    drawn, faults = draw_figures(result, sweeping.figures)
    for table, *told in drawn:
        _show(table, *told)
    typer.echo(outcome_line(result))
    for line in (*failures(result), *faults):
        typer.echo(line, err=True)
    if result.interrupted:
        raise _interrupted_sweep()
    if faults or (result.points["status"] == "failed").any():
        raise typer.Exit(1)


def _interrupted_sweep() -> typer.Exit:
    typer.echo("interrupted: the finished points are kept; the same command goes on", err=True)
    return typer.Exit(130)


@app.command()
def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Run folders, or sweep folders.")],
    form: Annotated[str, typer.Option("--format", help="table, csv, latex or markdown.")] = "table",
    reference: Annotated[
        str | None, typer.Option(metavar="LABEL", help="Compare with this scheme; with sl by default.")
    ] = None,
) -> None:
    """Print the comparison table of finished runs or of a sweep, with paired differences over seeds."""
    from .analysis.comparison import FORMATS, comparison, formatted, notes, rich_table
    from .analysis.paired import UnknownReferenceError
    from .analysis.sweep_folder import load_runs

    with _wrong_input():
        if form not in FORMATS:
            raise InputError(f"--format: {form!r} is unknown; known: {', '.join(FORMATS)}")
        runs = [run for folder in folders for run in load_runs(folder)]
        try:
            table = comparison(runs, reference)
        except UnknownReferenceError as error:
            raise InputError(f"--reference: {error}") from None
    if form == "table":
        _show(rich_table(table, title="comparison"), *notes(table, runs))
    else:
        typer.echo(formatted(table, form), nl=False)


@app.command()
def gantt(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.")],
    rounds: Annotated[str | None, typer.Option(help="Rounds to show, for example 1-3.")] = None,
    scheme: Annotated[list[str], typer.Option(help="Labels to show; all by default.")] = [],  # noqa: B006
    output: Annotated[
        Path | None, typer.Option(help="A .png, .svg, .pdf or .html; DIR/gantt.png by default.")
    ] = None,
) -> None:
    """Draw the latency Gantt charts of a run, schemes stacked on one time axis."""
    from .analysis.gantt import gantt_figure
    from .analysis.run import load_run
    from .analysis.style import save_figure

    with _wrong_input():
        result = load_run(folder)
        span = None if rounds is None else _span(rounds)
        where = output or folder / "gantt.png"
        try:
            labels = _labels(result.summary["schemes"], scheme) if scheme else None
            figure = gantt_figure(result.drawn_intervals(span), rounds=span, labels=labels)
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


@app.command()
def plan(
    scenario: ScenarioArgument,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    seed: Seed = None,
    schemes: Annotated[str | None, typer.Option(help="Names or labels to plan, comma-separated.")] = None,
    methods: Annotated[str | None, typer.Option(help="Allocation methods, comma-separated.")] = None,
    bound_time: Annotated[
        float, typer.Option(min=0.0, help="Seconds a scheme for a bound where the optimum is out of reach.")
    ] = 5.0,
    form: Annotated[str, typer.Option("--format", help="table or csv.")] = "table",
    allow_imports: AllowImports = False,
) -> None:
    """Print what each allocation method makes of a scenario, and how far that is from the optimum."""
    from . import plan_listing
    from .scenarios.registry import UnknownNameError

    with _wrong_input():
        if form not in ("table", "csv"):
            raise InputError(f"--format: {form!r} is unknown; known: table, csv")
        if allow_imports:
            sys.path.insert(0, str(Path.cwd()))  # as python itself does for a script of the user's
        try:
            table = plan_listing.plan(
                scenario,
                overrides=overrides,
                seed=seed,
                schemes=None if schemes is None else [name.strip() for name in schemes.split(",")],
                methods=None if methods is None else [name.strip() for name in methods.split(",")],
                bound_time_s=bound_time,
                allow_imports=allow_imports,
            )
        except UnknownNameError as error:
            raise InputError(f"--methods: {error}") from None
    if form == "csv":
        typer.echo(table.to_csv(index=False), nl=False)
        return
    for shown in plan_listing.plan_tables(table):
        _show(shown)
    for note in plan_listing.plan_notes(table):
        typer.echo(note)


@app.command()
def profile(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name.")],
    input_shape: Annotated[str | None, typer.Option("--input", help="For example 3x64x64.")] = None,
    classes: Annotated[int | None, typer.Option(help="Number of classes.")] = None,
    form: Annotated[str, typer.Option("--format", help="table or csv; the CSV is a unit table.")] = "table",
) -> None:
    """Print a model's units with their FLOPs, activations and parameters."""
    from .listing import unit_listing
    from .models.unit_tables import named_unit_table
    from .scenarios.unit_table import unit_table_csv

    with _wrong_input():
        if form not in ("table", "csv"):
            raise InputError(f"--format: {form!r} is unknown; known: table, csv")
        try:
            units = named_unit_table(model, _shape(input_shape), classes)
        except ValueError as error:
            raise InputError(str(error)) from None
    if form == "csv":
        typer.echo(unit_table_csv(units), nl=False)
    else:
        _show(unit_listing(units, title=model))


def _shape(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) != 3 or not all(part.isdigit() and int(part) for part in parts):
        raise InputError(f"--input: {text!r} is no CHANNELSxHEIGHTxWIDTH such as 3x64x64")
    return tuple(int(part) for part in parts)


@app.command()
def validate(
    scenario: ScenarioArgument,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    allow_imports: AllowImports = False,
) -> None:
    """Check a scenario, its data and its allocation without running it."""
    from .preparation import prepare
    from .scenarios.loading import load_scenario

    with _wrong_input():
        loaded = load_scenario(scenario, overrides)
        if allow_imports:
            sys.path.insert(0, str(Path.cwd()))  # as python itself does for a script of the user's
        experiment = prepare(loaded, allow_imports=allow_imports)
    for scheme, plan in experiment.schemes:
        cut = f"cut {plan.cut}, " if scheme.has_cut else ""
        least = "at least " if scheme.predicts == "bound" else ""
        typer.echo(f"{scheme.parameters.label}: {cut}{least}{plan.predicted_s:.6g} s a round")
    typer.echo(f"{loaded.source}: valid")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a scenario."""
    from . import preparation  # noqa: F401 - registers what can be named
    from .scenarios.loading import scenario_json_schema

    typer.echo(scenario_json_schema(), nl=False)


@app.command("list")
def list_names(
    what: Annotated[
        str | None, typer.Argument(help="schemes, models, datasets, allocations, fleets or scenarios.")
    ] = None,
) -> None:
    """List what a scenario can name."""
    from rich.console import Console

    from .listing import listing

    with _wrong_input():
        try:
            tables = listing(what)
        except ValueError as error:
            raise InputError(str(error)) from None
    for table in tables:
        Console().print(table)  # texts, which may fold
