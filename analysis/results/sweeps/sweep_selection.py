"""The part of a sweep that a figure shows: its keys ``where`` and ``schemes``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from ....scenarios.schema.sweep import SweepFigure
from .sweep_folder import SweepResult

__all__ = ["points_where", "selected", "selected_points", "unknown_values"]

_NO_KEYS = ("point", "status", "overrides", "error", "label", "scheme")
"""Columns of the tables of a sweep that are no swept keys."""


def selected(result: SweepResult, figure: SweepFigure) -> SweepResult:
    """Return the sweep with the points and the schemes that the figure shows.

    Raises
    ------
    ValueError
        If the figure names a value or a scheme that the sweep lacks, or if no point has all of its values.
    """
    for path, text in unknown_values(figure, result.points, result.schemes):
        raise ValueError(f"figure {figure.file}: {'.'.join(path)}: {text}")
    points = selected_points(result.points, figure)
    if points.empty:
        raise ValueError(f"figure {figure.file}: where: no point has these values together")
    schemes, rounds = (
        _with_schemes(selected_points(table, figure), figure) for table in (result.schemes, result.rounds)
    )
    return replace(result, points=points, schemes=schemes, rounds=rounds)


def points_where(points: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    """Return the points whose swept keys have the values.

    Raises
    ------
    ValueError
        If a key is not swept, or no point has one of the values.
    """
    for path, text in _unknown_where(where, points):
        raise ValueError(f"{'.'.join(path)}: {text}")
    return _with_values(points, where)


def selected_points(table: pd.DataFrame, figure: SweepFigure) -> pd.DataFrame:
    """Return the rows of a table with swept keys that have the values of ``where``."""
    return _with_values(table, figure.where)


def _with_values(table: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    for key, wanted in where.items():
        texts = {_text(value) for value in _listed(wanted)}
        table = table[[_text(value) in texts for value in table[key]]]
    return table


def _listed(wanted: Any) -> list[Any]:
    """Return one value or a list of values as a list."""
    return list(wanted) if isinstance(wanted, list | tuple) else [wanted]


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
    unknown = _unknown_where(figure.where, points)
    labels = list(dict.fromkeys(schemes["label"].dropna()))
    names = {*labels, *schemes.get("scheme", pd.Series(dtype=object)).dropna()}
    unknown += [
        (("schemes",), f"no scheme is named or labelled {name}; labels: {', '.join(labels)}")
        for name in figure.schemes
        if name not in names
    ]
    return unknown


def _unknown_where(where: Mapping[str, Any], points: pd.DataFrame) -> list[tuple[tuple[str, ...], str]]:
    unknown: list[tuple[tuple[str, ...], str]] = []
    for key, wanted in where.items():
        if key not in points or key in _NO_KEYS:
            swept = ", ".join(name for name in points.columns if name not in _NO_KEYS)
            unknown.append((("where", key), f"{key} is not swept; swept: {swept}"))
            continue
        if not _listed(wanted):
            unknown.append((("where", key), "lists no value; leave out the key to show all points"))
        known = list(dict.fromkeys(_text(value) for value in points[key].dropna()))
        unknown += [
            (("where", key), f"no point has {key}={_text(value)}; values: {', '.join(known)}")
            for value in _listed(wanted)
            if _text(value) not in known
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
