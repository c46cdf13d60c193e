"""The application of the command line, assembled from its commands.

Each command imports what it needs when it runs, so that ``cutlayer --help`` takes a fraction of a second.
"""

from __future__ import annotations

from typing import Annotated

import typer

from .compare import compare
from .gantt import gantt
from .list import list_names
from .plan import plan
from .profile import profile
from .run import run
from .schema import schema
from .sweep import sweep
from .validate import validate

__all__ = ["app", "main"]

app = typer.Typer(
    name="cutlayer",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line."""
    from cutlayer.experiments.library_threads import limit_library_threads

    limit_library_threads()  # as in worker processes, before a command imports the libraries
    app(prog_name="cutlayer")


def _print_version(wanted: bool) -> None:
    if wanted:
        import cutlayer

        typer.echo(f"cutlayer {cutlayer.__version__}")
        raise typer.Exit


@app.callback()
def cutlayer_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Simulate split learning over wireless networks: latency and accuracy, both measured."""


for command in (run, sweep, compare, gantt, plan, profile, validate, schema):
    app.command()(command)
app.command("list")(list_names)
