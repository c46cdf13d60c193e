"""The command ``validate``."""

from __future__ import annotations

import typer

from .options import (
    AllowImports,
    Overrides,
    Plugins,
    ScenarioArgument,
    Schemes,
    Seed,
    exit_on_wrong_input,
    import_plugins,
    names,
    print_warnings,
    search_working_folder,
)

__all__ = ["validate"]


def validate(
    scenario: ScenarioArgument,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    seed: Seed = None,
    schemes: Schemes = None,
    plugins: Plugins = [],  # noqa: B006
    allow_imports: AllowImports = False,
) -> None:
    """Check a scenario, its data and its allocation without running it."""
    from cutlayer.experiments.preparation import prepare
    from cutlayer.scenarios.loading.loader import load_scenario

    with exit_on_wrong_input():
        import_plugins(plugins)
        loaded = load_scenario(scenario, overrides, seed=seed, schemes=names(schemes))
        print_warnings(loaded)
        if allow_imports:
            search_working_folder()
        experiment = prepare(loaded, allow_imports=allow_imports)
    for scheme, plan in experiment.schemes:
        cut = f"cut {plan.cuts}, " if scheme.has_cut else ""
        least = "at least " if plan.planned_is_bound else ""
        typer.echo(f"{scheme.parameters.label}: {cut}{least}{plan.planned_round_s:.6g} s a round")
    typer.echo(f"{loaded.source}: valid")
