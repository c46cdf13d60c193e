"""The command ``list``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import InputError, Plugins, exit_on_wrong_input, import_plugins

__all__ = ["list_names"]


def list_names(
    topic: Annotated[
        str | None,
        typer.Argument(
            metavar="[WHAT]",
            help="schemes, models, datasets, allocations, path-losses, fadings, fleets or scenarios.",
        ),
    ] = None,
    plugins: Plugins = [],  # noqa: B006 - typer copies it
) -> None:
    """List the names that a scenario can use."""
    from rich.console import Console

    from .name_tables import listing

    with exit_on_wrong_input():
        import_plugins(plugins)
        try:
            tables = listing(topic)
        except ValueError as error:
            raise InputError(str(error)) from None
    for table in tables:
        Console().print(table)  # texts, which may fold
