"""The part of a sweep that a figure shows: its keys ``where`` and ``schemes``."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pandas as pd

from ...scenarios.schema.sweep import SweepFigure
from .sweep_folder import SweepResult

__all__ = ["selected", "selected_points", "unknown_values"]


def selected(result: SweepResult, figure: SweepFigure) -> SweepResult:
    """Return the sweep with the points and the schemes that the figure shows.

    Raises
    ------
    ValueError
        If the figure names a value or a scheme that the sweep lacks; the message lists those that it has.
    """
    for path, text in unknown_values(figure, result.points, result.schemes):
        raise ValueError(f"figure {figure.file}: {'.'.join(path)}: {text}")
    schemes, rounds = (
        _with_schemes(selected_points(table, figure), figure) for table in (result.schemes, result.rounds)
    )
    return replace(result, points=selected_points(result.points, figure), schemes=schemes, rounds=rounds)


def selected_points(table: pd.DataFrame, figure: SweepFigure) -> pd.DataFrame:
    """Return the rows of a table with swept keys that have the values of ``where``."""
    for key in figure.where:
        texts = {_text(value) for value in figure.wanted_values(key)}
        table = table[[_text(value) in texts for value in table[key]]]
    return table


def unknown_values(
    figure: SweepFigure, points: pd.DataFrame, schemes: pd.DataFrame
) -> list[tuple[tuple[str, ...], str]]:
    """Return the values of ``where`` and the names of ``schemes`` that the sweep lacks.

    Parameters
    ----------
    figure : SweepFigure
        The figure's section of the scenario.
    points : DataFrame
        One row a point, with the swept keys.
    schemes : DataFrame
        Rows with all labels, and with the name of each one's scheme.

    Returns
    -------
    list of (tuple of str, str)
        Key of the section, and the reason with the values or names that exist.
    """
    unknown: list[tuple[tuple[str, ...], str]] = []
    for key in figure.where:
        if key not in points:
            swept = ", ".join(name for name in points.columns if "." in name)
            unknown.append((("where", key), f"{key} is not swept; swept: {swept}"))
            continue
        known = list(dict.fromkeys(_text(value) for value in points[key].dropna()))
        for value in figure.wanted_values(key):
            if _text(value) not in known:
                text = f"no point has {key}={_text(value)}; values: {', '.join(known)}"
                unknown.append((("where", key), text))
    labels = list(dict.fromkeys(schemes["label"].dropna()))
    names = {*labels, *schemes.get("scheme", pd.Series(dtype=object)).dropna()}
    unknown += [
        (("schemes",), f"no scheme is named or labelled {name}; labels: {', '.join(labels)}")
        for name in figure.schemes
        if name not in names
    ]
    return unknown


def _with_schemes(table: pd.DataFrame, figure: SweepFigure) -> pd.DataFrame:
    if not figure.schemes or not len(table):
        return table
    return table[table["label"].isin(figure.schemes) | table["scheme"].isin(figure.schemes)]


def _text(value: Any) -> str:
    """Return a value as tables of a sweep have it: a number without trailing zeros, all else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None or isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False)
    return f"{float(value):.12g}"
