"""The numbers of a sweep's figure as a table: a row for each x value, a column for each scheme."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from ...scenarios.schema.sweep import SweepFigure
from ..comparison.latex import latex_table
from ..comparison.markdown import markdown_table
from ..comparison.number_text import with_interval
from ..comparison.sweep_report import last_rounds
from ..figures.axis_text import AxisUnit, axis_label, axis_unit, label_and_unit, value_text, with_unit

__all__ = ["FORMATS", "formatted_numbers", "wide_table"]

FORMATS = ("csv", "latex", "markdown")


def wide_table(table: pd.DataFrame, figure: SweepFigure) -> tuple[pd.DataFrame, str]:
    """Return a table of texts with a column for each scheme, and the quantity of its cells with its unit.

    A cell is the mean, or the median, with its 95 % confidence interval. A point without a value has a dash,
    and the number of seeds that have one, for example ``– (2 of 3 seeds)``. Curves have their last round.

    Parameters
    ----------
    table : DataFrame
        The result of :func:`.sweep_statistics.figure_table`.
    figure : SweepFigure
        The figure's section of the scenario.
    """
    if figure.kind == "curves":
        table = last_rounds(table, figure)
    label, unit = label_and_unit(figure.y)[0], axis_unit(figure.y, float(table[figure.y].max()))
    if figure.normalise_to is not None:
        names = dict(zip(table["label"], table["paper_label"], strict=True))
        label = f"{label} relative to {names.get(figure.normalise_to, figure.normalise_to)}"
        unit = AxisUnit("", 1.0)
    best = None if figure.best_over is None else figure.best_over.key
    cells = [_cell(row, figure.y, 1 / unit.size, best) for row in table.to_dict("records")]
    keys = [
        key for key in (figure.panels, figure.lines, figure.x) if key not in (None, "label", "end_s", "round")
    ]
    keys = list(dict.fromkeys(keys))
    names = dict.fromkeys(table["paper_label"])
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for row, cell in zip(table.to_dict("records"), cells, strict=True):
        rows.setdefault(tuple(value_text(row[key]) for key in keys), {})[row["paper_label"]] = cell
    headings = [axis_label(key) for key in keys]
    wide = pd.DataFrame(
        [[*of_row, *(texts.get(name, "–") for name in names)] for of_row, texts in rows.items()],
        columns=[*headings, *names],
    )
    return wide, with_unit(label, unit.symbol)


def _cell(row: Mapping[Hashable, Any], y: str, scale: float, best: str | None) -> str:
    mean, low, high = (scale * float(row[f"{y}{end}"]) for end in ("", "_low", "_high"))
    if math.isnan(mean):
        return f"– ({row['seeds_with_value']} of {row['seeds_planned']} seeds)"
    return with_interval(mean, low, high) + (f" at {value_text(row[best])}" if best else "")


def formatted_numbers(table: pd.DataFrame, figure: SweepFigure, form: str) -> str:
    """Return the numbers of a figure as CSV in full precision, or as a LaTeX or Markdown table.

    Raises
    ------
    ValueError
        If the format is none of ``FORMATS``.
    """
    if form not in FORMATS:
        raise ValueError(f"{form!r} is unknown; known: {', '.join(FORMATS)}")
    if form == "csv":
        return table.to_csv(index=False)
    wide, quantity = wide_table(table, figure)
    num_texts = len(wide.columns) - table["paper_label"].nunique()
    seeds = int(table["seeds_planned"].max())
    heading = f"{quantity}, {figure.centre} over {seeds} {'seed' if seeds == 1 else 'seeds'}"
    if table[f"{figure.y}_low"].notna().any():
        heading += " with its 95 % confidence interval"
    if figure.best_over is not None:
        heading += f", at the best {axis_label(figure.best_over.key).lower()}"
    if form == "latex":
        return latex_table(wide, num_texts, caption=heading)
    return f"{heading}:\n\n{markdown_table(wide, num_texts)}\n"
