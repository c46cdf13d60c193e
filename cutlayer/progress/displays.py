"""Progress of runs and sweeps: bars in a terminal, text in a notebook, lines in a log."""

from __future__ import annotations

import sys
from typing import Any, Protocol

from rich.console import Console

from cutlayer.scenarios.schema.scenario import Scenario
from cutlayer.sim.schemes.round_loop import RoundResult

from .bars import RunBars, SweepBars
from .lines import RunLines, SweepLines
from .notebook import NotebookRun, NotebookSweep, in_notebook

__all__ = ["RunProgress", "SweepProgress"]


class _Display(Protocol):
    """Something that shows progress between its start and its end."""

    def start(self) -> None:
        """Begin to show progress."""

    def stop(self) -> None:
        """Stop the display."""


class _RunDisplay(_Display, Protocol):
    def on_round(self, label: str, result: RoundResult) -> None:
        """Show a finished round."""


class _SweepDisplay(_Display, Protocol):
    def on_progress(self, activity: str, done: int, failed: int, total: int, left_s: float | None) -> None:
        """Show how many of the points are done, and how long the others will take."""


def _in_terminal() -> bool:
    """Return whether standard error is a terminal that can draw bars."""
    console = Console(stderr=True)
    # rich also takes a file for a terminal if the environment variable FORCE_COLOR is set
    return bool(sys.stderr and sys.stderr.isatty()) and not console.is_dumb_terminal


class RunProgress:
    """A context that shows the progress of a run's schemes over their rounds.

    Parameters
    ----------
    scenario : Scenario
        The scenario of the run.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._display: _RunDisplay
        if in_notebook():
            self._display = NotebookRun(scenario)
        else:
            self._display = RunBars(scenario) if _in_terminal() else RunLines(scenario)

    def __enter__(self) -> RunProgress:
        """Begin to show progress."""
        self._display.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        """Stop the display."""
        self._display.stop()

    def on_round(self, label: str, result: RoundResult) -> None:
        """Show a finished round."""
        self._display.on_round(label, result)


class SweepProgress:
    """A context that shows how many points of a sweep are checked, and how many are done."""

    def __init__(self) -> None:
        self._display: _SweepDisplay
        if in_notebook():
            self._display = NotebookSweep()
        else:
            self._display = SweepBars() if _in_terminal() else SweepLines()

    def __enter__(self) -> SweepProgress:
        """Begin to show progress."""
        self._display.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        """Stop the display."""
        self._display.stop()

    def on_progress(self, activity: str, done: int, failed: int, total: int, left_s: float | None) -> None:
        """Show how many of the points are done, and how long the others will take."""
        self._display.on_progress(activity, done, failed, total, left_s)
