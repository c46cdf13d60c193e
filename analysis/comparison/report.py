"""The comparison table as text for the terminal, as CSV, LaTeX or Markdown, with notes that explain it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from tabulate import tabulate

from ..figures.style import time_unit
from ..results.run_folder import Run

__all__ = ["FORMATS", "formatted", "notes", "rich_table"]

FORMATS = ("table", "csv", "latex", "markdown")

_BITS_PER_MIB = 8.0 * 2**20
_LATEX = {"|": r"\textbar{}", "φ": r"$\varphi$", "×": r"$\times$", "→": r"$\to$", "–": "--", "±": r"$\pm$"}
_MINUS_SIGN = re.compile(r"(?<![\w.])-(?=\d)")  # neither a hyphen in a name nor the sign of an exponent


def _text(value: float, digits: int = 4) -> str:
    """Return a number with this many significant digits, and without an exponent below ten million."""
    if math.isnan(value):
        return "–"
    if abs(value) >= 10.0**digits:
        return f"{value:.0f}" if abs(value) < 1e7 else f"{value:.{digits - 1}e}"
    return f"{value:#.{digits}g}".rstrip(".")


def _display(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as text: with rounded numbers, units in the headings, and no empty columns."""
    shown: dict[str, list[str]] = {}
    if table["experiment"].nunique() > 1 or table["experiment"].str.contains("interrupted").any():
        shown["experiment"] = table["experiment"].tolist()
    shown["scheme"] = table["label"].tolist()
    shown["cut"] = [cut or "–" for cut in table["cut"]]

    def show(heading: str, column: str, scale: float = 1.0) -> None:
        shown[heading] = [_text(x * scale) for x in table[column]]

    def show_time(heading: str, column: str) -> None:
        unit = time_unit(float(table[column].max()) if table[column].notna().any() else 1.0)
        show(f"{heading} [{unit.symbol}]", column, 1 / unit.seconds)

    show_time("round", "mean_latency_s")
    show_time("total", "total_time_s")
    if table["final_accuracy"].notna().any() or (table["diverged"] > 0).any():
        show_time("to target", "time_to_target_s")
        shown["to target [rounds]"] = ["–" if pd.isna(x) else f"{x:.4g}" for x in table["rounds_to_target"]]
        shown["final acc. [%]"] = [
            ("diverged" if diverged else "–") if pd.isna(x) else f"{100 * x:.1f}"
            for x, diverged in zip(table["final_accuracy"], table["diverged"], strict=True)
        ]
    shown["samples"] = [f"{x:.0f}" for x in table["samples"]]
    show("up [Mbit]", "uplink_bits", 1e-6)
    show("down [Mbit]", "downlink_bits", 1e-6)
    show("energy [J]", "energy_j")
    if table["memory_counts"].any():
        show("device [MiB]", "device_memory_bits", 1 / _BITS_PER_MIB)
        show("node [MiB]", "node_memory_bits", 1 / _BITS_PER_MIB)
    if (table["cost"] > 0).any():
        show("cost", "cost")
    if table["speedup_over_sl"].notna().any():
        shown["× SL"] = ["–" if pd.isna(x) else f"{x:.2f}" for x in table["speedup_over_sl"]]
    references = table["reference"].unique()
    reference = references[0] if len(references) == 1 else "reference"
    for heading, column, scale in (
        (f"round vs {reference} [%]", "latency_change_percent", 1.0),
        (f"acc. vs {reference} [points]", "accuracy_change", 100.0),
    ):
        if table[column].notna().any():
            halves = scale * (table[f"{column}_high"] - table[column])
            changes = zip(scale * table[column], halves, strict=True)
            shown[heading] = ["–" if pd.isna(x) else f"{x:+.1f} ± {half:.1f}" for x, half in changes]
    if (table["runs"] > 1).any():
        shown["runs"] = [str(x) for x in table["runs"]]
    return pd.DataFrame(shown)


def notes(table: pd.DataFrame, runs: Sequence[Run]) -> list[str]:
    """Return notes on the table: settings of experiments, meanings of columns, and unusual events."""
    experiments = table.drop_duplicates("experiment")[["experiment", "settings"]].itertuples(index=False)
    lines = [f"{name}: {settings}" for name, settings in experiments if settings not in name]
    if table["final_accuracy"].notna().any():
        targets = sorted({run.summary["target_accuracy"] for run in runs})
        percentages = ", ".join(f"{100 * target:g} %" for target in targets)
        lines.append(f"target: {percentages} test accuracy, seen in evaluated rounds only")
    if table["speedup_over_sl"].notna().any():
        lines.append("× SL: SL's mean round time over the scheme's; a round of SL makes one update a client")
    if table["latency_change_percent"].notna().any():
        lines.append(
            "vs: mean over seeds of the difference at the same seed ± its 95 % interval (Student's t)"
        )
    if table["memory_counts"].any():
        lines.append(
            "memory: weights and activations, without gradients and optimiser states; the most on one device,"
            " and on the server or one node"
        )
    if (table["cost"] > 0).any():
        lines.append("cost: of the server and the nodes that a scheme uses, for the whole run, idle or not")
    for row in table[table["empty_rounds"] > 0].to_dict("records"):
        lines.append(
            f"{row['label']}: nobody took part in {row['empty_rounds']} of {row['rounds']} rounds,"
            " which trained nothing"
        )
    if (table["diverged"] > 0).any():
        lines.append("diverged: the training loss or the model is not finite; such a model has no accuracy")
    lines += [line for run in runs for line in _divergences(run)]
    lines += [line for run in runs for line in _empty_batteries(run)]
    if any(run.interrupted for run in runs):
        lines.append("interrupted: figures are of the finished rounds")
    return lines


def _divergences(run: Run) -> Iterator[str]:
    """Yield a note for each scheme whose training loss or model was not finite."""
    for label, figures in run.summary["schemes"].items():
        number = figures.get("diverged_in_round")  # older run folders lack it
        if number is not None:
            yield f"{label}, seed {run.summary['seed']}: diverged in round {number}"


def _empty_batteries(run: Run) -> Iterator[str]:
    """Yield a note for each scheme that lost devices because their batteries were empty."""
    for label, figures in run.summary["schemes"].items():
        departed_at_s = figures["left_at_s"]
        if departed_at_s:
            devices = ", ".join(
                f"device {number} at {time_s:.4g} s" for number, time_s in departed_at_s.items()
            )
            yield f"{label}, seed {run.summary['seed']}: battery empty, {devices}"


def rich_table(table: pd.DataFrame, title: str) -> Table:
    """Return the comparison as a table for the terminal."""
    shown = _display(table)
    rich = Table(title=Text(title), box=SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    for name in shown.columns:
        if name in ("experiment", "scheme"):
            rich.add_column(Text(name), no_wrap=True)
        else:
            rich.add_column(Text(name.replace(" ", "\n")), justify="right", no_wrap=True)
    for row in shown.itertuples(index=False):
        rich.add_row(*(Text(cell) for cell in row))
    return rich


def formatted(table: pd.DataFrame, form: str, remarks: Sequence[str] = ()) -> str:
    """Return the comparison as CSV with all digits, or as LaTeX or Markdown for a paper.

    Parameters
    ----------
    table : DataFrame
        The comparison.
    form : {"csv", "latex", "markdown"}
        The format of the text.
    remarks : sequence of str, optional
        Lines below the table; they are comments in LaTeX, and CSV has none.

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
    labelled = 1 + ("experiment" in shown.columns)
    if form == "markdown":  # a bar, as in lists of cuts, would start another cell
        shown = shown.map(lambda cell: cell.replace("|", r"\|"))
    text: str = tabulate(
        shown.values.tolist(),
        headers=list(shown.columns),
        tablefmt=styles[form],
        disable_numparse=True,
        colalign=["left"] * labelled + ["right"] * (len(shown.columns) - labelled),
    )
    if form == "latex":
        text = _MINUS_SIGN.sub("$-$", text)
        for symbol, command in _LATEX.items():
            text = text.replace(symbol, command)
        return "\n".join([text, *(f"% {remark}" for remark in remarks)]) + "\n"
    return "\n".join([text, *([""] if remarks else []), *(f"- {remark}" for remark in remarks)]) + "\n"
