"""Progress on standard error: bars in a terminal; in a log, a line every 10 seconds or more."""

from __future__ import annotations

import math
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TextIO

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
from cutlayer.scenarios.text import printable
from cutlayer.sim.schemes.round_loop import RoundResult

__all__ = ["RunBars", "RunLines", "RunProgress", "SweepBars", "SweepLines", "SweepProgress"]

_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 10.0, 600.0


def pause_s(elapsed_s: float) -> float:
    """Return the time until the next line, [s]: a tenth of the time so far, within limits.

    So the log of a short run is not empty, and the log of a run of days is not long.
    """
    return min(max(elapsed_s / 10, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S)


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
        self._display: _RunDisplay = RunBars(scenario) if _in_terminal() else RunLines(scenario)

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
        self._display: _SweepDisplay = SweepBars() if _in_terminal() else SweepLines()

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
        return Text("-:--:--" if ends_at_s is None else _duration(ends_at_s - task.get_time()))


def _duration(seconds: float) -> str:
    """Return hours, minutes and seconds."""
    return str(timedelta(seconds=math.ceil(max(0.0, seconds))))


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


class _Lines(ABC):
    """Lines of text without control characters, which a thread writes from time to time.

    Parameters
    ----------
    file : TextIO, optional
        Standard error by default.
    clock : callable
        Returns the current time, [s].
    """

    def __init__(self, file: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file or sys.stderr
        self.clock = clock
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write_at_times, daemon=True)

    @abstractmethod
    def lines(self) -> list[str]:
        """Return the lines that are due."""

    def start(self) -> None:
        """Start to write."""
        self._thread.start()

    def stop(self) -> None:
        """Stop to write."""
        self._ended.set()
        self._thread.join()

    def write(self) -> None:
        """Write the lines now. A log that cannot be written stops nothing."""
        text = "".join(f"{printable(line)}\n" for line in self.lines())
        with suppress(OSError, ValueError):
            self._file.write(text)
            self._file.flush()

    def _write_at_times(self) -> None:
        start_s = self.clock()
        while not self._ended.wait(pause_s(self.clock() - start_s)):
            self.write()


@dataclass
class _SchemeState:
    """The latest round of a scheme, and the state at the previous line."""

    number: int
    simulated_s: float
    line_number: int
    line_s: float
    accuracy: float | None = None
    ended: bool = False
    end_shown: bool = False


class RunLines(_Lines):
    """A line for each scheme of a run that has begun, until it has ended.

    Parameters
    ----------
    scenario : Scenario
        The scenario of the run.
    file : TextIO, optional
        Standard error by default.
    clock : callable
        Returns the current time, [s].
    """

    def __init__(
        self, scenario: Scenario, file: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(file, clock)
        self._of_all = "" if scenario.stop.rounds is None else f" of {scenario.stop.rounds}"
        self._states: dict[str, _SchemeState] = {}
        self._lock = threading.Lock()

    def on_round(self, label: str, result: RoundResult) -> None:
        """Note a finished round."""
        with self._lock:
            state = self._states.get(label)
            if state is None:
                state = _SchemeState(result.number, result.end_s, result.number, self.clock())
                self._states[label] = state
            state.number, state.simulated_s, state.ended = result.number, result.end_s, result.is_last
            if result.accuracy is not None:
                state.accuracy = result.accuracy.mean

    def lines(self) -> list[str]:
        """Return a line for each scheme that was running since the previous lines."""
        with self._lock:
            lines = [self._line(*item) for item in self._states.items() if not item[1].end_shown]
            for state in self._states.values():
                state.line_number, state.line_s, state.end_shown = state.number, self.clock(), state.ended
        return lines

    def _line(self, label: str, state: _SchemeState) -> str:
        passed_s = self.clock() - state.line_s
        rate = (state.number - state.line_number) / passed_s if passed_s > 0 else 0.0
        accuracy = "" if state.accuracy is None else f", accuracy {state.accuracy:.1%}"
        text = f"{label}: round {state.number}{self._of_all}, {rate:.3g} rounds/s{accuracy}"
        return f"{text}, {state.simulated_s:.4g} s simulated"


class SweepLines(_Lines):
    """A line with the number of points that are checked or done."""

    _line = ""

    def on_progress(self, activity: str, done: int, failed: int, total: int, left_s: float | None) -> None:
        """Note how many of the points are done, and how long the others will take."""
        failures = f", {failed} failed" if failed else ""
        left = "" if left_s is None else f", about {_duration(left_s)} left"
        self._line = f"{activity}: {done} of {total} points{failures}{left}"

    def lines(self) -> list[str]:
        """Return the line."""
        return [self._line] if self._line else []
