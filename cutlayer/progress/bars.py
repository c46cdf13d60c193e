"""Progress bars in a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from cutlayer.scenarios.schema.scenario import Scenario
from cutlayer.sim.schemes.round_loop import RoundResult

from .lines import duration_text

__all__ = ["RunBars", "SweepBars"]


class _Bars:
    """Progress bars of rich."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def start(self) -> None:
        """Start drawing."""
        self._progress.start()

    def stop(self) -> None:
        """Stop drawing."""
        self._progress.stop()


class RunBars(_Bars):
    """One progress bar for each scheme of a run, over its rounds.

    Parameters
    ----------
    scenario : Scenario
        The scenario of the run.
    console : Console, optional
        Standard error by default.
    """

    def __init__(self, scenario: Scenario, console: Console | None = None) -> None:
        super().__init__(
            Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("rounds"),
                TextColumn("{task.fields[figures]}"),
                TimeElapsedColumn(),
                console=console or Console(stderr=True),
            )
        )
        self._accuracy: dict[str, float] = {}
        self._tasks: dict[str, TaskID] = {
            str(scheme.label): self._progress.add_task(
                escape(str(scheme.label)), start=False, total=scenario.stop.rounds, figures=""
            )
            for scheme in scenario.schemes
        }

    def on_round(self, label: str, result: RoundResult) -> None:
        """Show a finished round."""
        self._progress.start_task(self._tasks[label])  # no effect after the first round
        if result.accuracy is not None:
            self._accuracy[label] = result.accuracy.mean
        figures = f"{result.end_s:.4g} s simulated"
        if result.diverged:
            self._accuracy.pop(label, None)
            figures = f"diverged in round {result.number}  {figures}"
        elif label in self._accuracy:
            figures = f"accuracy {self._accuracy[label]:6.1%}  {figures}"
        self._progress.update(self._tasks[label], completed=result.number, figures=figures)


class _TimeLeft(ProgressColumn):
    """The time until a task's ``ends_at_s``.

    Points of equal length that run in parallel end at the same time, with a long pause in between. So the
    rate of the latest ends says nothing about the remaining time.
    """

    def render(self, task: Task) -> Text:
        """Return hours, minutes and seconds."""
        ends_at_s = task.fields["ends_at_s"]
        return Text("-:--:--" if ends_at_s is None else duration_text(ends_at_s - task.get_time()))


class SweepBars(_Bars):
    """One progress bar over the points of a sweep, and the remaining time.

    Parameters
    ----------
    console : Console, optional
        Standard error by default.
    clock : callable
        Returns the current time, [s].
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(
            Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("points{task.fields[failed]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                _TimeLeft(),
                console=console or Console(stderr=True),
                get_time=clock,
            )
        )
        self._clock = clock
        self._task: TaskID | None = None
        self._activity = ""

    def on_progress(self, activity: str, done: int, failed: int, total: int, left_s: float | None) -> None:
        """Show how many of the points are done, and how long the others will take."""
        failures = f", {failed} failed" if failed else ""
        ends_at_s = None if left_s is None else self._clock() + left_s
        if self._task is None or activity != self._activity:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._activity = activity
            self._task = self._progress.add_task(activity, total=total, failed=failures, ends_at_s=ends_at_s)
        self._progress.update(self._task, completed=done, failed=failures, ends_at_s=ends_at_s)
