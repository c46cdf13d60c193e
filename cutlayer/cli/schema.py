"""The command ``schema``."""

from __future__ import annotations

import typer

from .options import Plugins, exit_on_wrong_input, import_plugins

__all__ = ["schema"]


def schema(
    plugins: Plugins = [],  # noqa: B006 - typer copies it
) -> None:
    """Print the JSON Schema of a scenario."""
    from cutlayer.scenarios.loading.loader import scenario_json_schema

    with exit_on_wrong_input():
        import_plugins(plugins)
        text = scenario_json_schema()
    typer.echo(text, nl=False)
