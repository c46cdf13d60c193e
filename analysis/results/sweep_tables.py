"""The rows of a sweep's tables: what each point sets, and what came of each of its schemes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

__all__ = ["point_table", "scheme_rows"]


def point_table(
    names: Sequence[str], overrides: Sequence[Mapping[str, Any]], scenarios: Sequence[Mapping[str, Any]]
) -> pd.DataFrame:
    """Return ``point``, a column for each swept key, ``seed`` and ``overrides`` as JSON, one row a point.

    A point that does not set a key that others set has its scenario's own value in the column.

    Parameters
    ----------
    names : of the points
    overrides : the values of the dotted keys that each point sets, without the seed
    scenarios : each point's resolved scenario as plain data
    """
    keys = dict.fromkeys(key for values in overrides for key in values)
    columns: dict[str, list[Any]] = {"point": list(names)}
    for key in keys:
        given = zip(overrides, scenarios, strict=True)
        columns[key] = _cells([own[key] if key in own else _value(s, key) for own, s in given])
    columns["seed"] = [scenario["seed"] for scenario in scenarios]
    columns["overrides"] = [json.dumps(dict(values), ensure_ascii=False) for values in overrides]
    return pd.DataFrame(columns)


def scheme_rows(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row a label of a run's summary: the label and its figures, the cut and mappings as texts."""
    return [
        {
            "label": label,
            **{name: _mapping_text(f) if isinstance(f, Mapping) else f for name, f in figures.items()},
            "cut": _cut_text(figures["cut"]),
        }
        for label, figures in summary["schemes"].items()
    ]


def _mapping_text(figures: Mapping[str, Any]) -> str:
    """Return figures as JSON; nothing where there are none."""
    return json.dumps(figures, ensure_ascii=False) if figures else ""


def _cut_text(cut: int | Sequence[int] | None) -> str:
    """Return the cut, each device's joined by ``|`` where they differ; nothing where nothing is split."""
    if cut is None:
        return ""
    cuts = [cut] if isinstance(cut, int) else cut
    return "|".join(str(of_device) for of_device in (cuts if len(set(cuts)) > 1 else cuts[:1]))


def _value(scenario: Any, key: str) -> Any:
    for part in key.split("."):
        if isinstance(scenario, list) and part.isdecimal() and int(part) < len(scenario):
            scenario = scenario[int(part)]
        else:
            scenario = scenario.get(part) if isinstance(scenario, Mapping) else None
    return scenario


def _cells(values: Sequence[Any]) -> list[Any]:
    """Return numbers as they are; where one value is none, all as text."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return list(values)
    return [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values]
