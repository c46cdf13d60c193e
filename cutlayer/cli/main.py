"""The command line; each command imports what it needs, so that ``--help`` answers at once.

Sweeps, and what reads finished runs, are in modules of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import (
    AllowImports,
    InputError,
    Overrides,
    ScenarioArgument,
    Seed,
    import_from_here,
    show,
    wrong_input,
)
from .results import compare, gantt
from .sweep import sweep

__all__ = ["app", "main"]

app = typer.Typer(
    name="cutlayer",
    help="Simulate split learning over wireless networks: latency and accuracy, both measured.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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

    from cutlayer.analysis.comparison.report import notes, rich_table
    from cutlayer.analysis.comparison.table import comparison
    from cutlayer.analysis.results.atomic_files import RunFolderError
    from cutlayer.analysis.results.interval_store import SpillError
    from cutlayer.experiments.checkpoints import CheckpointError
    from cutlayer.experiments.folder_locks import run_lock
    from cutlayer.experiments.preparation import prepare
    from cutlayer.experiments.runner import checked_place, run_loaded, save_finished
    from cutlayer.scenarios.loading.loader import load_scenario

    from .progress import RunProgress

    with wrong_input():
        wanted = None if schemes is None else [name.strip() for name in schemes.split(",")]
        loaded = load_scenario(scenario, overrides, seed=seed, schemes=wanted)
        if loaded.scenario.sweep is not None:
            typer.echo("note: run takes the scenario as it stands; cutlayer sweep runs its sweep", err=True)
        folder = out or _free_folder(Path("runs"), loaded.scenario.name)
        context.with_resource(run_lock(folder))  # until the command has ended
        checkpoints = checked_place(folder, loaded, checkpoint_every, overwrite=overwrite)
        if allow_imports:
            import_from_here()
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
    show(rich_table(table, title=loaded.scenario.name), *notes(table, [result]))
    figures = ", ".join(path.name for path in sorted(folder.glob("*.png")))
    console.print(f"written to {folder}: figures {figures}", soft_wrap=True, highlight=False, markup=False)
    if result.interrupted:
        more = "; the same command goes on" if checkpoints else ""
        typer.echo(f"interrupted: the finished rounds are kept{more}", err=True)
        raise typer.Exit(130)


def _free_folder(parent: Path, name: str) -> Path:
    """Return ``parent/name``, numbered if that is taken; one with checkpoints is not, but unfinished."""
    from cutlayer.experiments.checkpoints import checkpoint_place
    from cutlayer.experiments.folder_locks import run_in_use

    stem = "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
    folder, number = parent / stem, 1
    while run_in_use(folder) or (folder.exists() and not checkpoint_place(folder).exists()):
        number += 1
        folder = parent / f"{stem}-{number}"
    return folder


for command in (sweep, compare, gantt):
    app.command()(command)


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
    from cutlayer.cli.plan import plan_notes, plan_tables
    from cutlayer.experiments import planning as plan_listing
    from cutlayer.scenarios.registry import UnknownNameError

    with wrong_input():
        if form not in ("table", "csv"):
            raise InputError(f"--format: {form!r} is unknown; known: table, csv")
        if allow_imports:
            import_from_here()
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
    for shown in plan_tables(table):
        show(shown)
    for note in plan_notes(table):
        typer.echo(note)


@app.command()
def profile(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name.")],
    input_shape: Annotated[str | None, typer.Option("--input", help="For example 3x64x64.")] = None,
    classes: Annotated[int | None, typer.Option(help="Number of classes.")] = None,
    form: Annotated[str, typer.Option("--format", help="table or csv; the CSV is a unit table.")] = "table",
) -> None:
    """Print a model's units with their FLOPs, activations and parameters."""
    from cutlayer.models.unit_tables import named_unit_table
    from cutlayer.scenarios.model_costs.unit_table import unit_table_csv

    from .tables import unit_listing

    with wrong_input():
        if form not in ("table", "csv"):
            raise InputError(f"--format: {form!r} is unknown; known: table, csv")
        try:
            units = named_unit_table(model, _shape(input_shape), classes)
        except ValueError as error:
            raise InputError(str(error)) from None
    if form == "csv":
        typer.echo(unit_table_csv(units), nl=False)
    else:
        show(unit_listing(units, title=model))


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
    from cutlayer.experiments.preparation import prepare
    from cutlayer.scenarios.loading.loader import load_scenario

    with wrong_input():
        loaded = load_scenario(scenario, overrides)
        if allow_imports:
            import_from_here()
        experiment = prepare(loaded, allow_imports=allow_imports)
    for scheme, plan in experiment.schemes:
        cut = f"cut {plan.cuts}, " if scheme.has_cut else ""
        least = "at least " if plan.prediction_is_bound else ""
        typer.echo(f"{scheme.parameters.label}: {cut}{least}{plan.predicted_s:.6g} s a round")
    typer.echo(f"{loaded.source}: valid")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a scenario."""
    from cutlayer.experiments import preparation  # noqa: F401 - registers what can be named
    from cutlayer.scenarios.loading.loader import scenario_json_schema

    typer.echo(scenario_json_schema(), nl=False)


@app.command("list")
def list_names(
    what: Annotated[
        str | None, typer.Argument(help="schemes, models, datasets, allocations, fleets or scenarios.")
    ] = None,
) -> None:
    """List what a scenario can name."""
    from rich.console import Console

    from .tables import listing

    with wrong_input():
        try:
            tables = listing(what)
        except ValueError as error:
            raise InputError(str(error)) from None
    for table in tables:
        Console().print(table)  # texts, which may fold
