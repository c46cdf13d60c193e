"""The command ``profile``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import InputError, Plugins, exit_on_wrong_input, import_plugins, print_table

__all__ = ["profile"]


def profile(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name.")],
    input_shape: Annotated[
        str | None, typer.Option("--input", help="Shape of a sample, for example 3x64x64.")
    ] = None,
    classes: Annotated[int | None, typer.Option(help="Number of classes.")] = None,
    form: Annotated[str, typer.Option("--format", help="table or csv; the CSV is a unit table.")] = "table",
    plugins: Plugins = [],  # noqa: B006 - typer copies it
) -> None:
    """Print a model's units with their FLOPs, activations and parameters."""
    from cutlayer.models.unit_tables import named_unit_table
    from cutlayer.scenarios.model_costs.unit_table import unit_table_csv

    from .name_tables import unit_listing

    with exit_on_wrong_input():
        if form not in ("table", "csv"):
            raise InputError(f"--format: {form!r} is unknown; known: table, csv")
        import_plugins(plugins)
        try:
            units = named_unit_table(model, _input_shape(input_shape), classes)
        except ValueError as error:
            raise InputError(str(error)) from None
    if form == "csv":
        typer.echo(unit_table_csv(units), nl=False)
    else:
        print_table(unit_listing(units, title=model))


def _input_shape(text: str | None) -> tuple[int, ...] | None:
    """Return channels, height and width from a text such as ``3x64x64``."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) != 3 or not all(part.isdigit() and int(part) for part in parts):
        raise InputError(f"--input: {text!r} is not of the form CHANNELSxHEIGHTxWIDTH, such as 3x64x64")
    return tuple(int(part) for part in parts)
