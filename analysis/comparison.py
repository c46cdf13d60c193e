"""The comparison table: one row a scheme, over one run or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from tabulate import tabulate

from .run import Run
from .style import time_unit

__all__ = ["FORMATS", "comparison", "formatted", "rich_table"]

FORMATS = ("table", "csv", "latex", "markdown")

_REFERENCE = "sl"


def comparison(runs: Sequence[Run]) -> pd.DataFrame:
    """Return one row a scheme's label, means over the runs; figures that do not exist are NaN.

    Columns: ``label, runs, mean_latency_s, total_time_s, time_to_target_s, rounds_to_target,
    final_accuracy, samples, uplink_bits, downlink_bits, energy_j, speedup_over_sl``. A time to the target
    is the mean only where every run reached it. ``speedup_over_sl`` is the ratio of the total times of
    equal numbers of rounds (mean round latency of SL over this scheme's), where the runs have ``sl``.
    """
    rows: list[dict[str, Any]] = [
        {"scenario": run.summary["name"], "seed": run.summary["seed"], "label": label, **figures}
        for run in runs
        for label, figures in run.summary["schemes"].items()
    ]
    frame = pd.DataFrame(rows)
    grouped = frame.groupby("label", sort=False)
    columns = [
        "mean_latency_s",
        "total_time_s",
        "time_to_target_s",
        "rounds_to_target",
        "final_accuracy",
        "samples",
        "uplink_bits",
        "downlink_bits",
        "energy_j",
    ]
    numbers = frame[columns].astype(float).assign(label=frame["label"])
    table = numbers.groupby("label", sort=False)[columns].agg(_strict_mean)
    table.insert(0, "runs", grouped.size())
    reference = frame.loc[frame["scheme"] == _REFERENCE, "label"].unique()
    sl_s = table.loc[reference[0], "mean_latency_s"] if len(reference) == 1 else float("nan")
    table["speedup_over_sl"] = sl_s / table["mean_latency_s"]
    return table.reset_index()


def _strict_mean(values: pd.Series[float]) -> float:
    """Return the mean, NaN where one value is missing."""
    return float(values.mean(skipna=False))


def _display(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as text for people: a fixed number of digits, units in the headings."""
    shown: dict[str, list[str]] = {"scheme": table["label"].tolist()}

    def show(heading: str, column: str, form: str, scale: float = 1.0) -> None:
        shown[heading] = ["–" if pd.isna(x) else format(x * scale, form) for x in table[column]]

    def show_time(heading: str, column: str) -> None:
        unit = time_unit(float(table[column].max()) if table[column].notna().any() else 1.0)
        show(f"{heading} [{unit.symbol}]", column, "#.4g", 1 / unit.seconds)

    show_time("round", "mean_latency_s")
    show_time("total", "total_time_s")
    if table["final_accuracy"].notna().any():
        show_time("to target", "time_to_target_s")
        show("to target [rounds]", "rounds_to_target", ".4g")
        show("final acc. [%]", "final_accuracy", ".1f", 100.0)
    show("samples [10³]", "samples", "#.4g", 1e-3)
    show("up [Mbit]", "uplink_bits", "#.4g", 1e-6)
    show("down [Mbit]", "downlink_bits", "#.4g", 1e-6)
    show("energy [J]", "energy_j", "#.4g")
    if table["speedup_over_sl"].notna().any():
        show("× SL", "speedup_over_sl", ".2f")
    if (table["runs"] > 1).any():
        show("runs", "runs", ".0f")
    return pd.DataFrame(shown)


def rich_table(table: pd.DataFrame, title: str) -> Table:
    """Return the comparison as a table for the terminal."""
    shown = _display(table)
    caption = "× SL: a round of SL takes so many times as long" if "× SL" in shown.columns else None
    rich = Table(
        title=Text(title),
        caption=caption,
        box=SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        show_edge=False,
    )
    for name in shown.columns:
        if name == "scheme":
            rich.add_column(Text(name), overflow="fold", min_width=min(10, max(map(len, shown[name]))))
        else:
            rich.add_column(Text(name.replace(" ", "\n")), justify="right", no_wrap=True)
    for row in shown.itertuples(index=False):
        rich.add_row(*(Text(cell) for cell in row))
    return rich


def formatted(table: pd.DataFrame, form: str) -> str:
    """Return the comparison as CSV in full precision, or as LaTeX or Markdown for a paper.

    Raises
    ------
    ValueError
        If the format is none of these.
    """
    if form == "csv":
        return table.to_csv(index=False)
    styles = {"latex": "latex_booktabs", "markdown": "github"}
    if form not in styles:
        raise ValueError(f"format {form!r} is unknown; known: {', '.join(FORMATS)}")
    shown = _display(table)
    text: str = tabulate(
        shown.values.tolist(),
        headers=list(shown.columns),
        tablefmt=styles[form],
        disable_numparse=True,
        colalign=["left", *["right"] * (len(shown.columns) - 1)],
    )
    return text + "\n"
