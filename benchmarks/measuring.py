"""Tools of all benchmarks: interleaved repeats, figures with spread and target, and their table."""

from __future__ import annotations

import gc
import operator
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

__all__ = ["COLUMNS", "Figure", "command", "interleaved", "ratios", "run_time_s", "show", "timed"]


COLUMNS = ("figure", "median", "min to max", "repeats", "target", "")
_HOLDS: dict[str, Callable[[float, float], bool]] = {
    "≤": operator.le,
    "<": operator.lt,
    "≥": operator.ge,
    "": operator.eq,
}


@dataclass(frozen=True)
class Figure:
    """One measured figure: its values, and its target.

    Attributes
    ----------
    name : str
        The measured quantity.
    values : tuple of float
        One value for each repeat.
    unit : str
        Unit of the values. ``×`` marks a ratio against a reference that was measured in the same run.
    target : str
        The condition on the median: ``≤``, ``<`` or ``≥`` and a number, or the exact number. Any text may
        follow. It is empty where the figure has no target.
    """

    name: str
    values: tuple[float, ...]
    unit: str = "×"
    target: str = ""

    def row(self) -> tuple[str, ...]:
        """Return the cells of the figure's row, in the order of ``COLUMNS``."""
        spread = f"{min(self.values):.3g} to {max(self.values):.3g}" if len(self.values) > 1 else ""
        middle = f"{median(self.values):.3g} {self.unit}".strip()
        return self.name, middle, spread, str(len(self.values)), self.target, self.verdict

    @property
    def verdict(self) -> str:
        """Return ``met`` or ``missed``, or an empty text without a target.

        Raises
        ------
        ValueError
            If the target has no number at its start.
        """
        if not self.target:
            return ""
        condition = re.match(r"([≤<≥]?) *([\d.]+(?:e-?\d+)?)", self.target)
        if condition is None:
            raise ValueError(f"{self.name}: the target must begin with a number; it is {self.target!r}")
        return "met" if _HOLDS[condition[1]](median(self.values), float(condition[2])) else "missed"


def timed(work: Callable[[], object]) -> float:
    """Return the processor time of one call, [s]. Garbage of earlier calls is collected first.

    Use it for work in a single thread. Its processor time equals its wall time on an idle machine, and
    depends less on other processes.
    """
    gc.collect()
    start_s = time.process_time()
    work()
    return time.process_time() - start_s


def command() -> str:
    """Return the path of the command ``cutlayer`` that belongs to this Python."""
    return str(Path(sys.executable).with_name("cutlayer"))


def run_time_s(arguments: Sequence[str]) -> float:
    """Return the wall time of a command, [s]. Its output is discarded.

    Raises
    ------
    subprocess.CalledProcessError
        If the command fails.
    """
    start_s = time.perf_counter()
    subprocess.run(arguments, check=True, capture_output=True)
    return time.perf_counter() - start_s


def interleaved(repeats: int, *measures: Callable[[], float]) -> list[tuple[float, ...]]:
    """Return the values of each measurement over the repeats.

    Each repeat runs every measurement once. The order alternates between forwards and backwards, so that a
    machine whose speed changes affects all measurements alike.
    """
    values: list[list[float]] = [[] for _ in measures]
    for repeat in range(repeats):
        order = range(len(measures))
        for index in reversed(order) if repeat % 2 else order:
            values[index].append(measures[index]())
    return [tuple(of_measure) for of_measure in values]


def ratios(values: Sequence[float], reference: Sequence[float]) -> tuple[float, ...]:
    """Return the ratio of each value to the reference value of the same repeat."""
    return tuple(value / base for value, base in zip(values, reference, strict=True))


def show(figures: Sequence[Figure]) -> None:
    """Print the figures as one table."""
    rows = [COLUMNS, *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
