"""The comparison table as text: rounded numbers, brackets, confidence intervals, units in headings."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from ..figures.style import TimeUnit, time_unit

__all__ = ["text_table"]

_INCOMPLETE = r"\((?:interrupted|failed)\)"
_BITS_PER_MIB = 8.0 * 2**20


def text_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as text: with rounded numbers, units in the headings, and no empty columns."""
    shown: dict[str, list[str]] = {}
    if table["experiment"].nunique() > 1 or table["experiment"].str.contains(_INCOMPLETE).any():
        shown["experiment"] = table["experiment"].tolist()
    shown["scheme"] = table["label"].tolist()
    shown["cut"] = [cut or "–" for cut in table["cut"]]
    round_unit, total_unit = (_time_unit(table, column) for column in ("mean_latency_s", "total_time_s"))
    shown[f"round [{round_unit.symbol}]"] = _numbers(table["mean_latency_s"], 1 / round_unit.seconds)
    if table["planned_latency_s"].notna().any():
        planned = _numbers(table["planned_latency_s"], 1 / round_unit.seconds)
        shown[f"planned [{round_unit.symbol}]"] = [
            f"≥ {text}" if bound else text
            for text, bound in zip(planned, table["planned_is_bound"], strict=True)
        ]
    shown |= _intervals(
        f"round 95 % [{round_unit.symbol}]",
        table,
        "mean_latency_s",
        lambda x: _text(x / round_unit.seconds),
    )
    shown[f"total [{total_unit.symbol}]"] = _numbers(table["total_time_s"], 1 / total_unit.seconds)
    shown |= _learning(table)
    shown["samples"] = [f"{x:.0f}" for x in table["samples"]]
    shown["up [Mbit]"] = _numbers(table["uplink_bits"], 1e-6)
    shown["down [Mbit]"] = _numbers(table["downlink_bits"], 1e-6)
    shown["energy [J]"] = _numbers(table["energy_j"])
    if table["memory_counts"].any():
        shown["device [MiB]"] = _numbers(table["device_memory_bits"], 1 / _BITS_PER_MIB)
        shown["node [MiB]"] = _numbers(table["node_memory_bits"], 1 / _BITS_PER_MIB)
    if (table["cost"] > 0).any():
        shown["cost"] = _numbers(table["cost"])
    if table["speedup_over_sl"].notna().any():
        shown["× SL"] = ["–" if pd.isna(x) else f"{x:.2f}" for x in table["speedup_over_sl"]]
    shown |= _changes(table)
    if (table["runs"] > 1).any():
        shown["runs"] = [str(x) for x in table["runs"]]
    return pd.DataFrame(shown)


def _learning(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns of accuracy and of the target; none if no scheme was evaluated."""
    evaluated = table[["final_accuracy", "time_below_target_s"]].notna().any(axis=None)
    if not evaluated and not (table["diverged"] > 0).any():
        return {}
    unit = _time_unit(table, "time_below_target_s", "time_to_target_s")

    def in_unit(time_s: float) -> str:
        return _text(time_s / unit.seconds)

    shown: dict[str, list[str]] = {}
    has_target = table["time_below_target_s"].notna().any()
    if has_target:
        shown = {
            f"to target [{unit.symbol}]": _brackets(
                table["time_below_target_s"], table["time_to_target_s"], in_unit
            ),
            **_intervals(f"to target 95 % [{unit.symbol}]", table, "time_to_target_s", in_unit),
            "to target [rounds]": _brackets(
                table["rounds_below_target"], table["rounds_to_target"], lambda x: f"{x:.4g}"
            ),
        }
    if has_target and (table["runs"] > 1).any():
        runs = zip(table["runs_at_target"], table["runs"], strict=True)
        shown["at target"] = [f"{reached} of {number}" for reached, number in runs]
    shown["final acc. [%]"] = [
        ("diverged" if diverged else "–") if pd.isna(accuracy) else _percent(accuracy)
        for accuracy, diverged in zip(table["final_accuracy"], table["diverged"], strict=True)
    ]
    return shown | _intervals("acc. 95 % [%]", table, "final_accuracy", _percent)


def _time_unit(table: pd.DataFrame, *columns: str) -> TimeUnit:
    """Return a unit for the times in these columns."""
    longest_s = float(table[list(columns)].max().max())
    return time_unit(1.0 if math.isnan(longest_s) else longest_s)


def _numbers(values: pd.Series[float], scale: float = 1.0) -> list[str]:
    return [_text(value * scale) for value in values]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _intervals(
    heading: str, table: pd.DataFrame, column: str, text: Callable[[float], str]
) -> dict[str, list[str]]:
    """Return the confidence intervals of a column, unless there are none or each is a single value."""
    low, high = table[f"{column}_low"], table[f"{column}_high"]
    if not (high > low).any():
        return {}
    return {heading: [_span(x, y, text) for x, y in zip(low, high, strict=True)]}


def _span(low: float, high: float, text: Callable[[float], str]) -> str:
    """Return a confidence interval as text; a dash if it does not exist."""
    return "–" if pd.isna(low) or pd.isna(high) else f"{text(low)}–{text(high)}"


def _brackets(
    below: pd.Series[float], at_target: pd.Series[float], text: Callable[[float], str]
) -> list[str]:
    """Return each bracket as text, ``> LOWER`` if a run did not reach the target."""
    return [
        _span(low, high, text) if pd.notna(high) else "–" if pd.isna(low) else f"> {text(low)}"
        for low, high in zip(below, at_target, strict=True)
    ]


def _changes(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns with the paired differences to the reference, and their confidence intervals."""
    references = table["reference"].unique()
    reference = references[0] if len(references) == 1 else "reference"
    shown = _change_columns(table, str(reference), "")
    experiments = table["reference_experiment"].dropna().unique()
    if len(experiments):
        shown |= _change_columns(table, str(experiments[0]), "experiment_")
    if (table["target_seeds"] > 1).any():
        shown[f"sooner than {reference}"] = [
            "–" if not seeds else f"{sooner} of {seeds}"
            for sooner, seeds in zip(table["target_sooner"], table["target_seeds"], strict=True)
        ]
    return shown


def _change_columns(table: pd.DataFrame, reference: str, prefix: str) -> dict[str, list[str]]:
    """Return the columns of the changes against a scheme, or against an experiment, as text."""
    unit = _time_unit(table, "time_below_target_s", "time_to_target_s")
    shown: dict[str, list[str]] = {}
    for heading, column, scale, digits in (
        (f"round vs {reference} [%]", "latency_change_percent", 1.0, "+.1f"),
        (f"to target vs {reference} [{unit.symbol}]", "time_to_target_change_s", 1 / unit.seconds, "+.3g"),
        (f"acc. vs {reference} [points]", "accuracy_change", 100.0, "+.1f"),
    ):
        ends = [scale * table[f"{prefix}{column}{end}"] for end in ("", "_low", "_high")]
        if ends[0].notna().any():
            shown[heading] = [
                "–" if pd.isna(change) else f"{change:{digits}}" + _interval_text(low, high, digits)
                for change, low, high in zip(*ends, strict=True)
            ]
    return shown


def _interval_text(low: float, high: float, digits: str) -> str:
    """Return the ends of a confidence interval in brackets; nothing without an interval."""
    return "" if pd.isna(low) else f" ({low:{digits}} to {high:{digits}})"


def _text(value: float, digits: int = 4) -> str:
    """Return a number with this many significant digits, and without an exponent below ten million."""
    if math.isnan(value):
        return "–"
    if abs(value) >= 10.0**digits:
        return f"{value:.0f}" if abs(value) < 1e7 else f"{value:.{digits - 1}e}"
    return f"{value:#.{digits}g}".rstrip(".")
