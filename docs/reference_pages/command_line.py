"""The page docs/reference/commands.md: every command with its arguments and options, from their functions."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from cutlayer.cli.main import app

from .markdown import code, generated_note, sentence, table

__all__ = ["command_page"]

_HEAD = """# Commands

The arguments and options of each command. `cutlayer COMMAND -h` prints the same. A SCENARIO is the path of a
file, or a name of the library, which `cutlayer list scenarios` prints.

| exit status | meaning |
| --- | --- |
| 0 | The command is done. |
| 1 | The run failed, or a part of it: see [When something fails](../results.md#when-something-fails). |
| 2 | The input is wrong: usage, scenario, or a missing file. Nothing is written. |
| 129, 130, 143 | The command was ended by SIGHUP, Ctrl-C or SIGTERM. Finished rounds are kept. |
"""

_TYPES = {bool: "flag", int: "whole number", float: "number", str: "text"}


@dataclass(frozen=True)
class _Parameter:
    """A parameter of a command: an argument, or an option."""

    name: str
    info: ArgumentInfo | OptionInfo
    kind: type
    is_repeatable: bool
    default: Any

    @property
    def is_option(self) -> bool:
        """Return whether it is an option."""
        return isinstance(self.info, OptionInfo)

    @property
    def shown(self) -> str:
        """Return the argument as in a usage line, or the names of the option."""
        if self.is_option:
            stated = (self.info.default, *(self.info.param_decls or ()))  # typer's name is among them
            names = [name for name in stated if isinstance(name, str)]
            return ", ".join(names or [f"--{self.name.replace('_', '-')}"])
        name = str(self.info.metavar or self.name.upper()).removesuffix("...")
        name += "..." if self.is_repeatable else ""
        return name if self.default is inspect.Parameter.empty else f"[{name}]"

    @property
    def type_text(self) -> str:
        """Return the type of the value in words."""
        kind = str(self.info.metavar or _TYPES.get(self.kind, "path"))
        return f"{kind}, repeatable" if self.is_repeatable else kind

    @property
    def default_text(self) -> str:
        """Return the default as code; empty if there is none."""
        is_shown = self.default not in (None, [], ()) and not isinstance(self.default, bool)
        return code(self.default) if is_shown else ""


def command_page() -> str:
    """Return the text of the page."""
    commands: dict[str, Callable[..., Any]] = {
        info.name or info.callback.__name__: info.callback
        for info in app.registered_commands
        if info.callback
    }
    rows = [
        (f"[`{name}`](#cutlayer-{name})", sentence(_paragraphs(function)[0]))
        for name, function in commands.items()
    ]
    parts = [_HEAD, table(("command", "does"), rows)]
    if app.registered_callback and app.registered_callback.callback:
        parts += ["These options need no command:\n", _options(app.registered_callback.callback)]
    parts += [_command(name, function) for name, function in commands.items()]
    return generated_note("`cutlayer/cli`") + "\n" + "\n".join(parts)


def _command(name: str, function: Callable[..., Any]) -> str:
    """Return the text about one command."""
    arguments = [each for each in _parameters(function) if not each.is_option]
    usage = " ".join([f"cutlayer {name}", *(each.shown for each in arguments)])
    parts = [
        f"## cutlayer {name}\n",
        f"```text\n{usage} [OPTIONS]\n```\n",
        *(f"{text}\n" for text in _paragraphs(function)),
    ]
    if arguments:
        rows = [(code(each.shown), sentence(each.info.help or "")) for each in arguments]
        parts.append(table(("argument", "meaning"), rows))
    return "\n".join([*parts, _options(function)]).rstrip("\n") + "\n"


def _options(function: Callable[..., Any]) -> str:
    rows = [
        (
            ", ".join(map(code, each.shown.split(", "))),
            each.type_text,
            each.default_text,
            sentence(each.info.help or ""),
        )
        for each in _parameters(function)
        if each.is_option and not each.info.hidden
    ]
    return table(("option", "value", "default", "meaning"), rows) if rows else ""


def _parameters(function: Callable[..., Any]) -> Iterator[_Parameter]:
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        info, default, annotation = None, parameter.default, hints[name]
        if isinstance(default, ArgumentInfo | OptionInfo):
            info, default = default, default.default
        if get_origin(annotation) is Annotated:
            annotation, info = get_args(annotation)[:2]
        assert info is not None, f"{function.__name__}: {name}"
        kinds = [annotation]
        if get_origin(annotation) in (Union, types.UnionType):
            kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        is_list = get_origin(kinds[0]) in (list, tuple)
        yield _Parameter(name, info, get_args(kinds[0])[0] if is_list else kinds[0], is_list, default)


def _paragraphs(function: Callable[..., Any]) -> list[str]:
    return [" ".join(text.split()) for text in inspect.cleandoc(function.__doc__ or "").split("\n\n")]
