"""Progress as lines of text, in a log or a notebook."""

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
from typing import TextIO

from cutlayer.scenarios.schema.scenario import Scenario
from cutlayer.scenarios.text import printable
from cutlayer.sim.schemes.round_loop import RoundResult

__all__ = ["RunLines", "SweepLines", "duration_text", "pause_s"]

_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 10.0, 600.0


def pause_s(elapsed_s: float) -> float:
    """Return the time until the next line, [s]: a tenth of the time so far, within limits.

    So the log of a short run is not empty, and the log of a run of days is not long.
    """
    return min(max(elapsed_s / 10, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S)


def duration_text(seconds: float) -> str:
    """Return hours, minutes and seconds."""
    return str(timedelta(seconds=math.ceil(max(0.0, seconds))))


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
        left = "" if left_s is None else f", about {duration_text(left_s)} left"
        self._line = f"{activity}: {done} of {total} points{failures}{left}"

    def lines(self) -> list[str]:
        """Return the line."""
        return [self._line] if self._line else []
