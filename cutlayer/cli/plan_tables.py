"""The tables that ``cutlayer plan`` prints."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from cutlayer.analysis.figures.style import time_unit
from cutlayer.experiments.planning import STAGES

__all__ = ["plan_notes", "plan_tables"]


def plan_tables(table: pd.DataFrame) -> Iterator[Table]:
    """Yield a terminal table for each scheme.

    Parameters
    ----------
    table : DataFrame
        The result of :func:`cutlayer.plan`.
    """
    for label, rows in table.groupby("paper_label", sort=False):
        unit = time_unit(float(rows["predicted_s"].max()))
        reference = rows["reference"].dropna().unique()
        headings = {"predicted_s": f"round\n[{unit.symbol}]"}
        if rows["planned_s"].notna().any():
            headings["planned_s"] = f"planned\n[{unit.symbol}]"
        if reference.size:
            stages = [stage for stage in STAGES if stage != "model_exchange_s" or rows[stage].any()]
            headings |= {stage: f"{STAGES[stage]}\n[{unit.symbol}]" for stage in stages}
        printed = Table(title=Text(str(label)), box=SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
        printed.add_column("method", no_wrap=True)
        for heading in ("cut", *headings.values(), *(f"over {name}\n[%]" for name in reference)):
            printed.add_column(Text(heading), justify="right", no_wrap=True)
        printed.add_column(Text("planning\n[ms]"), justify="right", no_wrap=True)
        for row in rows.to_dict("records"):
            cells = [_text(row["cut"], ".0f")]
            cells += [_text(row[column] / unit.seconds, ".4f") for column in headings]
            cells += [_text(100.0 * row["gap"], "z.3f") for _ in reference]
            printed.add_row(row["method"], *cells, _text(row["planning_ms"], ".1f"))
        yield printed


def plan_notes(table: pd.DataFrame) -> list[str]:
    """Return the notes that explain the tables' columns, and the notes of the methods."""
    notes = ["scenario: the scenario's own allocation; planning: wall-clock time on this machine"]
    if table["planned_s"].notna().any():
        notes.append(
            "round: the closed form without slow-downs, faults and fading; planned: the mean round with"
            " them, after allocation.plan_for"
        )
    if table["reference"].notna().any():
        notes.append(
            "first: up to the last client's data at the server; second: downlinks and client backward passes;"
            " times are those of a mean round"
        )
    kinds = set(table["reference"].dropna())
    if "optimum" in kinds:
        notes.append("over optimum: the shortest round of any allocation, by brute force")
    if "bound" in kinds:
        notes.append(
            "over bound: no allocation is shorter than the bound, so the optimum lies between the two;"
            " a longer --bound-time may raise it"
        )
    for (method, note), rows in table.dropna(subset=["note"]).groupby(["method", "note"], sort=False):
        notes.append(f"{method} ({', '.join(rows['paper_label'])}): {note}")
    return notes


def _text(value: float, form: str) -> str:
    return "–" if math.isnan(value) else format(value, form)
