"""Progress in the terminal: a bar for each scheme of a run, one bar over the points of a sweep."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from .scenarios.schema import Scenario
from .sim.schemes.engine import RoundResult

__all__ = ["RunProgress", "SweepProgress"]


_ALL_TIME_S = 1e9  # points take long and unequal times: their mean over all that are done tells most


class RunProgress:
    """A context in which each scheme of a run has a progress bar over its rounds."""

    def __init__(self, scenario: Scenario, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("rounds"),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._accuracy: dict[str, float] = {}
        self._tasks: dict[str, TaskID] = {
            str(scheme.label): self._progress.add_task(
                escape(str(scheme.label)), start=False, total=scenario.stop.rounds, figures=""
            )
            for scheme in scenario.schemes
        }

    def __enter__(self) -> RunProgress:
        """Start drawing."""
        self._progress.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        """Stop drawing."""
        self._progress.stop()

    def on_round(self, label: str, result: RoundResult) -> None:
        """Show a finished round."""
        if result.number == 1:
            self._progress.start_task(self._tasks[label])
        if result.accuracy is not None:
            self._accuracy[label] = result.accuracy.mean
        figures = f"{result.end_s:.4g} s simulated"
        if label in self._accuracy:
            figures = f"accuracy {self._accuracy[label]:6.1%}  {figures}"
        self._progress.update(self._tasks[label], completed=result.number, figures=figures)


class SweepProgress:
    """A context with one bar over the points of a sweep, and the time that is left."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("points{task.fields[failed]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(),
            speed_estimate_period=_ALL_TIME_S,
        )
        self._task: TaskID | None = None
        self._shown = ""

    def __enter__(self) -> SweepProgress:
        """Start drawing."""
        self._progress.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        """Stop drawing."""
        self._progress.stop()

    def on_progress(self, doing: str, done: int, failed: int, total: int) -> None:
        """Show how many of the points are done."""
        told = f", {failed} failed" if failed else ""
        if self._task is None or doing != self._shown:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._shown = doing
            self._task = self._progress.add_task(doing, total=total, completed=done, failed=told)
        self._progress.update(self._task, completed=done, failed=told)
