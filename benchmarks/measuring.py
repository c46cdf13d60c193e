"""What all benchmarks share: interleaved repeats, figures with their spread and target, one table."""

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
    """One measured figure: its repeats, and what it should be.

    Attributes
    ----------
    what : what was measured
    values : one value a repeat
    unit : of the values; ``×`` is a ratio against a reference measured in the same run
    target : what the project wants the median to be, ``≤``, ``<`` or ``≥`` a number, or a number that it is
        to be, and words behind it; empty where the figure is for information
    """

    what: str
    values: tuple[float, ...]
    unit: str = "×"
    target: str = ""

    def row(self) -> tuple[str, ...]:
        """Return the figure as cells, as in ``COLUMNS``."""
        spread = f"{min(self.values):.3g} to {max(self.values):.3g}" if len(self.values) > 1 else ""
        middle = f"{median(self.values):.3g} {self.unit}".strip()
        return self.what, middle, spread, str(len(self.values)), self.target, self.verdict

    @property
    def verdict(self) -> str:
        """Return ``met`` or ``missed``; nothing where there is no target.

        Raises
        ------
        ValueError
            If the target names no number.
        """
        if not self.target:
            return ""
        found = re.match(r"([≤<≥]?) *([\d.]+(?:e-?\d+)?)", self.target)
        if found is None:
            raise ValueError(f"{self.what}: the target must begin with a number; it is {self.target!r}")
        return "met" if _HOLDS[found[1]](median(self.values), float(found[2])) else "missed"


def timed(work: Callable[[], object]) -> float:
    """Return the processor time of one call, [s]; garbage of earlier work is collected before it.

    All that is measured so has one thread, whose processor time is its wall time on an idle machine, and
    is moved less than that by what else runs.
    """
    gc.collect()
    start_s = time.process_time()
    work()
    return time.process_time() - start_s


def command() -> str:
    """Return the path of the console command ``cutlayer`` of this Python."""
    return str(Path(sys.executable).with_name("cutlayer"))


def run_time_s(arguments: Sequence[str]) -> float:
    """Return the wall time of a command, [s]; its output is dropped.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails.
    """
    start_s = time.perf_counter()
    subprocess.run(arguments, check=True, capture_output=True)
    return time.perf_counter() - start_s


def interleaved(repeats: int, *measures: Callable[[], float]) -> list[tuple[float, ...]]:
    """Return each measure's values over the repeats.

    Each repeat takes every measure once, in turns forwards and backwards, so that a machine that slows
    down or is shared meets all of them alike.
    """
    values: list[list[float]] = [[] for _ in measures]
    for repeat in range(repeats):
        order = range(len(measures))
        for index in reversed(order) if repeat % 2 else order:
            values[index].append(measures[index]())
    return [tuple(each) for each in values]


def ratios(values: Sequence[float], reference: Sequence[float]) -> tuple[float, ...]:
    """Return the ratio of each repeat against the reference of the same repeat."""
    return tuple(value / other for value, other in zip(values, reference, strict=True))


def show(figures: Sequence[Figure]) -> None:
    """Print the figures as one table."""
    rows = [COLUMNS, *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
