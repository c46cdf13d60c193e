"""The comparison table as text: rounded numbers, brackets, confidence intervals, units in headings."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import pandas as pd

from ..figures.axis_text import experiment_text
from ..figures.style import TimeUnit, time_unit
from .columns import column_names
from .number_text import percent, significant, span, with_interval

__all__ = ["text_table"]

_INCOMPLETE = r"\((?:interrupted|failed)\)"
_BITS_PER_MIB = 8.0 * 2**20

Intervals: TypeAlias = Literal["columns", "cells", "none"]
"""Confidence intervals in columns of their own, in brackets behind the means, or nowhere."""


def text_table(
    table: pd.DataFrame, columns: Sequence[str] | None = None, *, intervals: bool = False
) -> pd.DataFrame:
    """Return the table as text, with rounded numbers and units in the headings.

    Parameters
    ----------
    table : DataFrame
        The comparison.
    columns : sequence of str, optional
        Names of :data:`.columns.COLUMNS`, whose headings are then in words. By default all columns that have
        a value, with short headings; round time, time to the target and accuracy have confidence intervals
        in columns of their own.
    intervals : bool, optional
        Whether each mean has its 95 % confidence interval behind it in brackets.

    Raises
    ------
    UnknownColumnError
        If a name is unknown.
    """
    where: Intervals = "cells" if intervals else "columns" if columns is None else "none"
    shown: dict[str, list[str]] = {}
    if table["experiment"].nunique() > 1 or table["experiment"].str.contains(_INCOMPLETE).any():
        names = zip(table["experiment"], table["settings"], strict=True)
        shown["experiment"] = [
            name if columns is None else experiment_text(name, settings) for name, settings in names
        ]
    shown["scheme"] = table["paper_label"].tolist()
    cells = _Cells(table, where, in_words=columns is not None)
    for name in cells.present() if columns is None else column_names(columns):
        shown |= cells.of(name)
    return pd.DataFrame(shown)


class _Cells:
    """The cells of each column, by its heading.

    Parameters
    ----------
    table : DataFrame
        The comparison.
    where : Intervals
        The place of the confidence intervals.
    in_words : bool
        Whether headings are in words, as for a paper.
    """

    def __init__(self, table: pd.DataFrame, where: Intervals, *, in_words: bool) -> None:
        self._table = table
        self._where = where
        self._in_words = in_words
        self._round_unit, self._total_unit = (
            _time_unit(table, column) for column in ("mean_latency_s", "total_time_s")
        )
        self._target_unit = _time_unit(table, "time_below_target_s", "time_to_target_s")
        self._several = bool((table["runs"] > 1).any())

    def present(self) -> list[str]:
        """Return the names of the columns that a table shows by default, in their order."""
        table = self._table
        evaluated = table[["final_accuracy", "time_below_target_s"]].notna().any(axis=None)
        learning = bool(evaluated or (table["diverged"] > 0).any())
        memory = bool(table["memory_counts"].any())
        wanted = {
            "cut": True,
            "latency": True,
            "planned": table["planned_latency_s"].notna().any(),
            "total": True,
            **dict.fromkeys(("target", "target_rounds"), table["time_below_target_s"].notna().any()),
            "accuracy": learning,
            **dict.fromkeys(("samples", "uplink", "downlink", "energy"), True),
            **dict.fromkeys(("device_memory", "node_memory"), memory),
            "cost": (table["cost"] > 0).any(),
            "speedup": table["speedup_over_sl"].notna().any(),
            "changes": True,
            "runs": self._several,
        }
        return [name for name, is_wanted in wanted.items() if is_wanted]

    def of(self, name: str) -> dict[str, list[str]]:
        """Return the cells of a named column, by heading; some have columns for intervals or counts."""
        table, second = self._table, self._round_unit
        builders: dict[str, Callable[[], dict[str, list[str]]]] = {
            "cut": lambda: {self._heading("cut", "Cut layer"): [cut or "–" for cut in table["cut"]]},
            "latency": lambda: self._numbers(
                "round", "Round time", "mean_latency_s", 1 / second.seconds, second.symbol, apart=True
            ),
            "planned": self._planned,
            "total": lambda: self._numbers(
                "total",
                "Time of the run",
                "total_time_s",
                1 / self._total_unit.seconds,
                self._total_unit.symbol,
            ),
            "target": self._target,
            "target_rounds": self._target_rounds,
            "accuracy": self._accuracy,
            "samples": lambda: {self._heading("samples", "Samples"): [f"{x:.0f}" for x in table["samples"]]},
            "uplink": lambda: self._numbers("up", "Uplink traffic", "uplink_bits", 1e-6, "Mbit"),
            "downlink": lambda: self._numbers("down", "Downlink traffic", "downlink_bits", 1e-6, "Mbit"),
            "energy": lambda: self._numbers("energy", "Energy", "energy_j", 1.0, "J"),
            "device_memory": lambda: self._numbers(
                "device", "Memory of a device", "device_memory_bits", 1 / _BITS_PER_MIB, "MiB"
            ),
            "node_memory": lambda: self._numbers(
                "node", "Memory of a node", "node_memory_bits", 1 / _BITS_PER_MIB, "MiB"
            ),
            "cost": lambda: self._numbers("cost", "Cost", "cost", 1.0, ""),
            "speedup": lambda: {
                self._heading("× SL", "Speed-up over SL"): [
                    "–" if pd.isna(x) else f"{x:.2f}" for x in table["speedup_over_sl"]
                ]
            },
            "changes": self._changes,
            "latency_change": lambda: self._change("latency_change_percent"),
            "target_change": lambda: self._change("time_to_target_change_s"),
            "accuracy_change": lambda: self._change("accuracy_change"),
            "sooner": self._sooner,
            "runs": lambda: {self._heading("runs", "Seeds"): [str(x) for x in table["runs"]]},
        }
        return builders[name]()

    def _heading(self, short: str, words: str, unit: str = "") -> str:
        return (words if self._in_words else short) + (f" [{unit}]" if unit else "")

    def _numbers(
        self, short: str, words: str, column: str, scale: float, unit: str, *, apart: bool = False
    ) -> dict[str, list[str]]:
        """Return a column of numbers; ``apart`` says that its intervals may have a column of their own."""
        heading = self._heading(short, words, unit)
        if self._where == "cells":
            return {heading: self._with_intervals(column, scale)}
        cells = {heading: [significant(scale * x) for x in self._table[column]]}
        return cells | (
            self._apart(f"{short} 95 % [{unit}]", column, lambda x: significant(scale * x)) if apart else {}
        )

    def _with_intervals(self, column: str, scale: float) -> list[str]:
        ends = (scale * self._table[f"{column}{end}"] for end in ("", "_low", "_high"))
        return [with_interval(*numbers) for numbers in zip(*ends, strict=True)]

    def _apart(self, heading: str, column: str, text: Callable[[float], str]) -> dict[str, list[str]]:
        """Return a column of confidence intervals, unless there are none or each is a single value."""
        low, high = self._table[f"{column}_low"], self._table[f"{column}_high"]
        if self._where != "columns" or not (high > low).any():
            return {}
        return {heading: [span(x, y, text) for x, y in zip(low, high, strict=True)]}

    def _planned(self) -> dict[str, list[str]]:
        unit = self._round_unit
        texts = [significant(x / unit.seconds) for x in self._table["planned_latency_s"]]
        is_bound = self._table["planned_is_bound"]
        return {
            self._heading("planned", "Planned round time", unit.symbol): [
                f"≥ {text}" if bound else text for text, bound in zip(texts, is_bound, strict=True)
            ]
        }

    def _target(self) -> dict[str, list[str]]:
        unit = self._target_unit

        def in_unit(time_s: float) -> str:
            return significant(time_s / unit.seconds)

        heading = self._heading("to target", "Time to target", unit.symbol)
        cells = self._brackets("time_below_target_s", "time_to_target_s", in_unit)
        if self._where == "cells":
            intervals = self._with_intervals("time_to_target_s", 1 / unit.seconds)
            reached = self._table["time_to_target_s"].notna()
            cells = [i if r else c for c, i, r in zip(cells, intervals, reached, strict=True)]
        shown = {heading: cells}
        shown |= self._apart(f"to target 95 % [{unit.symbol}]", "time_to_target_s", in_unit)
        return shown | (self._at_target() if self._in_words else {})

    def _target_rounds(self) -> dict[str, list[str]]:
        cells = self._brackets("rounds_below_target", "rounds_to_target", lambda x: f"{x:.4g}")
        heading = "Rounds to target" if self._in_words else "to target [rounds]"
        return {heading: cells} | self._at_target()

    def _at_target(self) -> dict[str, list[str]]:
        """Return in how many of several runs each scheme reached the target: ``2 of 3``."""
        if not self._several:
            return {}
        runs = zip(self._table["runs_at_target"], self._table["runs"], strict=True)
        return {
            self._heading("at target", "At target"): [f"{reached} of {number}" for reached, number in runs]
        }

    def _brackets(self, below: str, at_target: str, text: Callable[[float], str]) -> list[str]:
        """Return each bracket as text, ``> LOWER`` if a run did not reach the target."""
        pairs = zip(self._table[below], self._table[at_target], strict=True)
        return [
            span(low, high, text) if pd.notna(high) else "–" if pd.isna(low) else f"> {text(low)}"
            for low, high in pairs
        ]

    def _accuracy(self) -> dict[str, list[str]]:
        column = "final_accuracy"
        cells = [percent(x) for x in self._table[column]]
        if self._where == "cells":
            cells = self._with_intervals(column, 100.0)
        rows = zip(cells, self._table[column], self._table["diverged"], strict=True)
        cells = ["diverged" if pd.isna(x) and diverged else cell for cell, x, diverged in rows]
        heading = self._heading("final acc.", "Final test accuracy", "%")
        return {heading: cells} | self._apart("acc. 95 % [%]", column, percent)

    def _changes(self) -> dict[str, list[str]]:
        """Return the columns of all paired differences that exist, also those between experiments."""
        table = self._table
        shown: dict[str, list[str]] = {}
        for prefix in ("", "experiment_"):
            for column in ("latency_change_percent", "time_to_target_change_s", "accuracy_change"):
                if table[f"{prefix}{column}"].notna().any():
                    shown |= self._change(column, prefix)
        return shown | (self._sooner() if (table["target_seeds"] > 1).any() else {})

    def _change(self, column: str, prefix: str = "") -> dict[str, list[str]]:
        """Return the column of a change against a scheme, or against an experiment, as text."""
        unit = self._target_unit
        short, words, symbol, scale, digits = {
            "latency_change_percent": ("round", "Change of the round time", "%", 1.0, "+.1f"),
            "time_to_target_change_s": (
                *("to target", "Change of the time to target", unit.symbol),
                *(1 / unit.seconds, "+.3g"),
            ),
            "accuracy_change": ("acc.", "Change of the accuracy", "points", 100.0, "+.1f"),
        }[column]
        name = self._reference(prefix)
        ends = [scale * self._table[f"{prefix}{column}{end}"] for end in ("", "_low", "_high")]
        heading = f"{words} against {name}" if self._in_words else f"{short} vs {name}"
        with_ends = self._where != "none"
        return {
            f"{heading} [{symbol}]": [
                "–"
                if pd.isna(change)
                else f"{change:{digits}}" + _ends_text(low, high, digits, shown=with_ends)
                for change, low, high in zip(*ends, strict=True)
            ]
        }

    def _reference(self, prefix: str) -> str:
        """Return the name of the scheme, or of the experiment, that changes are against."""
        if prefix:
            return str(self._table["reference_experiment"].dropna().iloc[0])
        references = self._table["reference"].unique()
        labels = dict(zip(self._table["label"], self._table["paper_label"], strict=True))
        return str(labels.get(references[0], references[0])) if len(references) == 1 else "reference"

    def _sooner(self) -> dict[str, list[str]]:
        name = self._reference("")
        seeds = zip(self._table["target_sooner"], self._table["target_seeds"], strict=True)
        heading = self._heading(f"sooner than {name}", f"Sooner at the target than {name}")
        return {heading: ["–" if not number else f"{sooner} of {number}" for sooner, number in seeds]}


def _ends_text(low: float, high: float, digits: str, *, shown: bool) -> str:
    """Return the ends of a confidence interval in brackets; nothing without an interval."""
    return "" if pd.isna(low) or not shown else f" ({low:{digits}} to {high:{digits}})"


def _time_unit(table: pd.DataFrame, *columns: str) -> TimeUnit:
    """Return a unit for the times in these columns."""
    longest_s = float(table[list(columns)].max().max())
    return time_unit(1.0 if math.isnan(longest_s) else longest_s)
