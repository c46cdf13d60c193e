"""The application of the command line, assembled from its commands.

Each command imports what it needs when it runs, so that ``cutlayer --help`` takes a fraction of a second.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cutlayer.experiments.processes.library_threads import limit_library_threads
from cutlayer.experiments.processes.process_guards import catch_termination

from .compare import compare
from .explain import explain
from .figure import figure
from .gantt import gantt
from .list import list_names
from .plan import plan
from .profile import profile
from .report import report
from .run import run
from .schema import schema
from .show import show
from .sweep import sweep
from .terminal import tolerate_output_errors
from .trace import trace
from .validate import validate

__all__ = ["app", "main"]

_WITH_FOLDER = (run, sweep)
"""The commands whose results are in a folder, so that a problem of standard output loses none."""

app = typer.Typer(
    name="cutlayer",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line, and exit with its status.

    A process that was asked to end has the status 128 plus the number of the signal: 143 after SIGTERM. If
    standard output cannot take a result, the status is 1, except for commands whose results are in a folder.
    """
    limit_library_threads()  # as in worker processes, before a command imports the libraries
    output = tolerate_output_errors()
    with catch_termination() as stop:
        try:
            app(prog_name="cutlayer")
            status: int | str | None = 0
        except SystemExit as ended:
            status = ended.code
    if sys.stdout is not None:
        sys.stdout.flush()
    if stop.number is not None and status:
        status = stop.exit_status
    if output is not None and output.is_incomplete:
        typer.echo(f"standard output is incomplete: {output.error}", err=True)
        if sys.argv[1:2] not in [[command.__name__] for command in _WITH_FOLDER]:
            status = status or 1
    sys.exit(status)


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


for command in (
    *_WITH_FOLDER,
    compare,
    explain,
    figure,
    gantt,
    report,
    trace,
    plan,
    profile,
    validate,
    schema,
    show,
):
    app.command()(command)
app.command("list")(list_names)
