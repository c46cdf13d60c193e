"""Options of commands that draw figures: width, letters, and the values of swept keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import InputError

if TYPE_CHECKING:
    from cutlayer.analysis.figures.figure_format import FigureFormat

__all__ = ["Font", "FontSize", "Where", "Width", "check_output", "figure_format", "where_values"]

Width = Annotated[
    str | None, typer.Option(metavar="LENGTH", help="Width of the figure: 3.5in, 8.9cm, 89mm or 252pt.")
]
Font = Annotated[
    str | None, typer.Option(metavar="FAMILY", help="Family of the letters, for example STIXGeneral.")
]
FontSize = Annotated[
    float | None,
    typer.Option("--font-size", metavar="POINTS", help="Size of labels; 8 by default, 7 at least."),
]
Where = Annotated[
    list[str],
    typer.Option(
        "--where", metavar="KEY=VALUE", help="Show these points of a sweep: a value or a list; repeatable."
    ),
]


def figure_format(width: str | None, font: str | None, font_size: float | None) -> FigureFormat | None:
    """Return the format that the options ask for; None without any of them.

    Raises
    ------
    InputError
        If an option is wrong; the message names it.
    """
    from cutlayer.analysis.figures.figure_format import FigureFormat, font_family, width_in

    if width is None and font is None and font_size is None:
        return None
    form = FigureFormat()
    values: dict[str, Any] = {"width_in": form.width_in, "family": form.family, "label_pt": form.label_pt}
    faults = []
    for option, name, value in (
        ("--width", "width_in", None if width is None else lambda: width_in(str(width))),
        ("--font", "family", None if font is None else lambda: font_family(str(font))),
        ("--font-size", "label_pt", None if font_size is None else lambda: font_size),
    ):
        if value is None:
            continue
        try:
            values[name] = value()
            FigureFormat(**{name: values[name]})
        except ValueError as error:
            faults.append(f"{option}: {error}")
    if faults:
        raise InputError("\n".join(faults))
    return FigureFormat(**values)


def where_values(texts: Sequence[str]) -> dict[str, Any]:
    """Return the values of swept keys in texts such as ``devices.count=[5, 10]``.

    Raises
    ------
    InputError
        If a text is not of this form, or its value is no YAML.
    """
    from cutlayer.scenarios.errors import ScenarioError
    from cutlayer.scenarios.yaml_lines import parse_value

    values = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise InputError(f"--where: {text!r} is not of the form KEY=VALUE, for example devices.count=10")
        try:
            values[key] = parse_value(value, tuple(key.split(".")))
        except ScenarioError as error:
            raise InputError(f"--where: {key}: {error.issues[0].message}") from None
    return values


def check_output(path: Path) -> None:
    """Check the suffix of a figure's file before the figure is drawn.

    Raises
    ------
    InputError
        If no format has the suffix.
    """
    from cutlayer.analysis.figures.style import FIGURE_SUFFIXES

    if path.suffix.lower() not in FIGURE_SUFFIXES:
        raise InputError(f"--output: {path.name!r}: the suffix must be one of {', '.join(FIGURE_SUFFIXES)}")
