"""What commands share: their arguments, the messages of wrong input, tables in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "AllowImports",
    "InputError",
    "Overrides",
    "ScenarioArgument",
    "Seed",
    "import_from_here",
    "show",
    "wrong_input",
]

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
def wrong_input() -> Iterator[None]:
    """Turn the errors of wrong input into messages and exit status 2."""
    from cutlayer.analysis.results.atomic_files import RunFolderError
    from cutlayer.scenarios.errors import ScenarioError

    try:
        yield
    except (ScenarioError, RunFolderError, InputError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("interrupted: nothing was finished, nothing was written", err=True)
        raise typer.Exit(130) from None


def import_from_here() -> None:
    """Let imports find what is in the working folder, as python itself does for a script of the user's."""
    sys.path.insert(0, str(Path.cwd()))


def show(table: Table, *notes: str) -> None:
    """Print a table whole, however narrow the terminal or file that it goes to, and its notes."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console()
    wide = Console(width=1000)
    needed = Measurement.get(wide, wide.options, table).maximum
    Console(width=max(console.width, needed)).print(table)
    for note in notes:
        console.print(note, soft_wrap=True, highlight=False, markup=False)
