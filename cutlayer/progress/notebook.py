"""Progress as text below a notebook's cell, which is replaced twice a second."""

from __future__ import annotations

import sys
import time
from typing import Any

from cutlayer.scenarios.schema.scenario import Scenario
from cutlayer.sim.schemes.round_loop import RoundResult

from .lines import RunLines, SweepLines

__all__ = ["NotebookRun", "NotebookSweep", "in_notebook"]

_PAUSE_S = 0.5


def in_notebook() -> bool:
    """Return whether this process runs the cells of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


class _Text:
    """A text below the cell."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown_s = -_PAUSE_S

    @property
    def is_due(self) -> bool:
        """Return whether the last text is old enough to be replaced."""
        return time.monotonic() >= self._shown_s + _PAUSE_S

    def show(self, lines: list[str]) -> None:
        """Replace the text."""
        from IPython.display import display

        content: Any = {"text/plain": "\n".join(lines)}
        self._shown_s = time.monotonic()
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(content, raw=True)


class NotebookRun:
    """A line for each scheme of a run that has begun.

    Parameters
    ----------
    scenario : Scenario
        The scenario of the run.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._lines = RunLines(scenario)
        self._last: dict[str, str] = {}
        self._text = _Text()

    def start(self) -> None:
        """Begin to show progress."""

    def stop(self) -> None:
        """Show the last rounds."""
        self._show()

    def on_round(self, label: str, result: RoundResult) -> None:
        """Show a finished round, if the text is old."""
        self._lines.on_round(label, result)
        if self._text.is_due:
            self._show()

    def _show(self) -> None:
        for line in self._lines.lines():
            self._last[line.rpartition(": round ")[0]] = line
        if self._last:
            self._text.show(list(self._last.values()))


class NotebookSweep:
    """A line with the number of points that are checked or done."""

    def __init__(self) -> None:
        self._lines = SweepLines()
        self._text = _Text()

    def start(self) -> None:
        """Begin to show progress."""

    def stop(self) -> None:
        """Show the last state."""
        self._text.show(self._lines.lines())

    def on_progress(self, activity: str, done: int, failed: int, total: int, left_s: float | None) -> None:
        """Show how many of the points are done, and how long the others will take."""
        self._lines.on_progress(activity, done, failed, total, left_s)
        if self._text.is_due:
            self._text.show(self._lines.lines())
