"""Arguments and options that several commands share, and the handling of wrong input."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from cutlayer.analysis.results.run import Run
    from cutlayer.scenarios.loading.loader import LoadedScenario

__all__ = [
    "AllowImports",
    "InputError",
    "Overrides",
    "Plugins",
    "ScenarioArgument",
    "Schemes",
    "Seed",
    "ShownSchemes",
    "exit_on_wrong_input",
    "finished_run",
    "import_plugins",
    "matching_labels",
    "names",
    "print_table",
    "print_warnings",
    "round_span",
    "search_working_folder",
]

ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A file, or a name of the library.")
]
Overrides = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Set a key, for example devices.count=10.")
]
Seed = Annotated[int | None, typer.Option(help="Replace the scenario's seed.")]
Schemes = Annotated[
    str | None,
    typer.Option(metavar="LABELS", help="Names or labels of schemes, comma-separated."),
]
AllowImports = Annotated[
    bool, typer.Option("--allow-imports", help="Allow the scenario to import a model from your code.")
]
Plugins = Annotated[
    list[str],
    typer.Option("--plugin", metavar="FILE|MODULE", help="Import a plug-in first; may be repeated."),
]
ShownSchemes = Annotated[
    list[str],
    typer.Option(
        "--schemes",
        "--scheme",
        metavar="LABELS",
        help="Names or labels to show, comma-separated; may be repeated; all by default.",
    ),
]


class InputError(Exception):
    """The user's input is wrong; the message is printed, and the exit status is 2."""


@contextmanager
def exit_on_wrong_input() -> Iterator[None]:
    """Print the message of an error that the user's input caused, and exit with status 2."""
    from cutlayer.analysis.results.atomic_files import RunFolderError
    from cutlayer.scenarios.errors import ScenarioError
    from cutlayer.scenarios.plugins import PluginError
    from cutlayer.scenarios.text import printable

    try:
        yield
    except (ScenarioError, RunFolderError, PluginError, InputError) as error:
        for line in str(error).splitlines():  # paths and names of the user may hold escapes of terminals
            typer.echo(printable(line), err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("interrupted: nothing was finished, nothing was written", err=True)
        raise typer.Exit(130) from None


def names(text: str | None) -> list[str] | None:
    """Return the names in a comma-separated text, or None without a text."""
    return None if text is None else [name.strip() for name in text.split(",")]


def matching_labels(run: Run, wanted: Sequence[str]) -> list[str]:
    """Return the labels of the schemes that are wanted, all if none are.

    Raises
    ------
    InputError
        If the run has no such scheme.
    """
    from cutlayer.scenarios.scheme_names import UnknownSchemeError

    try:
        return run.known_labels(wanted)
    except UnknownSchemeError as error:
        raise InputError(f"--schemes: {error}") from None


def round_span(text: str) -> tuple[int, int]:
    """Return the first and the last round of a text such as ``2`` or ``1-3``.

    Raises
    ------
    InputError
        If the text is no span of rounds.
    """
    first, _, last = text.partition("-")
    if not first.isdigit() or not (last or first).isdigit() or not 1 <= int(first) <= int(last or first):
        raise InputError(f"--rounds: {text!r} is no span of rounds such as 2 or 1-3")
    return int(first), int(last or first)


def finished_run(folder: Path, command: str) -> Run:
    """Return the run of a run folder, for a command that takes one run.

    Parameters
    ----------
    folder : Path
        The folder.
    command : str
        The name of the command, for the message about a sweep folder.

    Raises
    ------
    RunFolderError
        If the folder holds no run.
    InputError
        If it is the folder of a sweep.
    """
    from cutlayer.analysis.results.run_folder import load_run
    from cutlayer.analysis.results.sweeps.sweep_folder import POINTS

    if (folder / POINTS).is_file():
        raise InputError(
            f"{folder} is a sweep folder; {command} one of its points, for example {folder}/POINT"
        )
    return load_run(folder)


def search_working_folder() -> None:
    """Let imports search the working folder first, as they do for ``python -m``."""
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)


def print_warnings(loaded: LoadedScenario) -> None:
    """Print the scenario's warnings, one line each, to standard error."""
    for line in loaded.warnings():
        typer.echo(line, err=True)


def import_plugins(plugins: Sequence[str]) -> None:
    """Import plug-ins; a module may be in the working folder.

    Raises
    ------
    PluginError
        If one cannot be imported.
    """
    from cutlayer.scenarios.plugins import load_plugins

    if plugins:
        search_working_folder()
        load_plugins(plugins)


def print_table(table: Table, *notes: str) -> None:
    """Print a table and its notes; the table keeps its full width on a narrow terminal."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console()
    wide = Console(width=1000)
    needed = Measurement.get(wide, wide.options, table).maximum
    Console(width=max(console.width, needed)).print(table)
    for note in notes:
        console.print(note, soft_wrap=True, highlight=False, markup=False)
