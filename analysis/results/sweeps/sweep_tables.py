"""The rows of a sweep's tables: the values that each point sets, and the results of each of its schemes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..run import failed_schemes

__all__ = ["point_table", "scheme_rows"]


def point_table(
    names: Sequence[str], overrides: Sequence[Mapping[str, Any]], scenarios: Sequence[Mapping[str, Any]]
) -> pd.DataFrame:
    """Return ``point``, a column for each swept key, ``seed`` and ``overrides`` as JSON, one row a point.

    If a point does not set a key that other points set, its column has the value of the point's scenario.

    Parameters
    ----------
    names : sequence of str
        Names of the points.
    overrides : sequence of mapping
        Values of the dotted keys that each point sets, without the seed.
    scenarios : sequence of mapping
        The resolved scenario of each point as plain data.
    """
    keys = dict.fromkeys(key for values in overrides for key in values)
    columns: dict[str, list[Any]] = {"point": list(names)}
    for key in keys:
        points = zip(overrides, scenarios, strict=True)
        columns[key] = _cells([values[key] if key in values else _value(s, key) for values, s in points])
    columns["seed"] = [scenario["seed"] for scenario in scenarios]
    columns["overrides"] = [json.dumps(dict(values), ensure_ascii=False) for values in overrides]
    return pd.DataFrame(columns)


def scheme_rows(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row for each label of a run's summary that has not failed: the label and its results.

    The cut and values that are mappings become text.
    """
    failed = failed_schemes(summary)
    return [
        {
            "label": label,
            **{
                name: _mapping_text(f) if isinstance(f, Mapping) else f
                for name, f in figures.items()
                if name not in ("failed", "stopped_by")
            },
            "cut": _cut_text(figures["cut"]),
        }
        for label, figures in summary["schemes"].items()
        if label not in failed
    ]


def _mapping_text(figures: Mapping[str, Any]) -> str:
    """Return a mapping as JSON; an empty text if there are none."""
    return json.dumps(figures, ensure_ascii=False) if figures else ""


def _cut_text(cut: int | Sequence[int] | None) -> str:
    """Return the cut as text; cuts that differ between devices are joined by ``|``.

    The text is empty if the scheme splits no model.
    """
    if cut is None:
        return ""
    cuts = [cut] if isinstance(cut, int) else cut
    return "|".join(str(device_cut) for device_cut in (cuts if len(set(cuts)) > 1 else cuts[:1]))


def _value(scenario: Any, key: str) -> Any:
    """Return the value of a dotted key, or None if the scenario does not have the key."""
    for part in key.split("."):
        if isinstance(scenario, list) and part.isdecimal() and int(part) < len(scenario):
            scenario = scenario[int(part)]
        else:
            scenario = scenario.get(part) if isinstance(scenario, Mapping) else None
    return scenario


def _cells(values: Sequence[Any]) -> list[Any]:
    """Return the values unchanged if all are numbers; otherwise return all as text."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return list(values)
    return [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values]
