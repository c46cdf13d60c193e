"""The command ``show``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import InputError, exit_on_wrong_input

__all__ = ["show"]


def show(name: Annotated[str, typer.Argument(metavar="NAME", help="A scenario of the library.")]) -> None:
    """Print a scenario of the library as a starting point: cutlayer show quickstart > mine.yaml."""
    from cutlayer.scenarios.loading.library import library, named_scenario
    from cutlayer.scenarios.suggestions import closest

    with exit_on_wrong_input():
        path = named_scenario(name)
        if path is None:
            names = list(library())
            raise InputError(
                f"the library has no scenario {name!r}; it has: {', '.join(names)}{closest(name, names)}"
            )
    # the schema lies beside the library, and not beside the user's copy
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    typer.echo("".join(line for line in lines if not line.startswith("# yaml-language-server:")), nl=False)
