"""The command ``plan``."""

from __future__ import annotations

from typing import Annotated

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

__all__ = ["plan"]


def plan(
    scenario: ScenarioArgument,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    seed: Seed = None,
    schemes: Schemes = None,
    methods: Annotated[str | None, typer.Option(help="Allocation methods, comma-separated.")] = None,
    bound_time: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Time limit for the lower bound of each scheme, s.",
        ),
    ] = 5.0,
    form: Annotated[str, typer.Option("--format", help="table or csv.")] = "table",
    plugins: Plugins = [],  # noqa: B006
    allow_imports: AllowImports = False,
) -> None:
    """Print the plan of each allocation method for a scenario, and its distance from the optimum."""
    from cutlayer.experiments.planning import plan_loaded
    from cutlayer.scenarios.loading.loader import load_scenario
    from cutlayer.scenarios.registry import UnknownNameError

    from .plan_tables import plan_notes, plan_tables

    with exit_on_wrong_input():
        if form not in ("table", "csv"):
            raise InputError(f"--format: {form!r} is unknown; known: table, csv")
        import_plugins(plugins)
        if allow_imports:
            search_working_folder()
        loaded = load_scenario(scenario, overrides, seed=seed, schemes=names(schemes))
        print_warnings(loaded)
        try:
            table = plan_loaded(
                loaded, methods=names(methods), bound_time_s=bound_time, allow_imports=allow_imports
            )
        except UnknownNameError as error:
            raise InputError(f"--methods: {error}") from None
    if form == "csv":
        typer.echo(table.to_csv(index=False), nl=False)
        return
    for scheme_table in plan_tables(table):
        print_table(scheme_table)
    for note in plan_notes(table):
        typer.echo(note)
