"""A capacity that is given by instants and values: measured link rates, outages, loads."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np

from .capacity import PiecewiseCapacity

__all__ = ["StepTrace"]


class StepTrace(PiecewiseCapacity):
    """A capacity that stays constant from each of its instants to the next.

    Parameters
    ----------
    times_s : sequence of float, [num_steps]
        Instants, rising from 0, [s].
    values : sequence of float, [num_steps]
        The capacity from each instant on, 0 or more.
    period_s : float
        The time after which the trace begins again, [s]. By default the last value stays for ever.
    """

    def __init__(self, times_s: Sequence[float], values: Sequence[float], period_s: float = math.inf) -> None:
        self._times_s, self._values, self._period_s = list(times_s), list(values), period_s
        work = np.diff(self._times_s) * self._values[:-1]
        self._done: list[float] = [0.0, *np.cumsum(work).tolist()]  # before each instant
        self._period_done = math.inf
        if math.isfinite(period_s):
            self._period_done = self._done[-1] + self._values[-1] * (period_s - self._times_s[-1])

    @property
    def mean(self) -> float:
        """Return the mean over a period, or else up to the last instant; if that is 0, the last value."""
        if math.isfinite(self._period_s):
            return self._period_done / self._period_s
        return self._done[-1] / self._times_s[-1] if self._done[-1] else self._values[-1]

    def at(self, time_s: float) -> tuple[float, float]:
        """Return the capacity at an instant, and the later instant up to which it stays, [s]."""
        begun_s, step = self._step(time_s)
        following = step + 1
        end_s = self._times_s[following] if following < len(self._times_s) else self._period_s
        # the sum may be rounded down to the instant itself
        return self._values[step], max(begun_s + end_s, math.nextafter(time_s, math.inf))

    def duration_s(self, start_s: float, work: float) -> float:
        """Return the time that this work takes if it begins at ``start_s``, [s]."""
        if not work:
            return 0.0
        begun_s, _ = self._step(start_s)
        elapsed_s, periods = start_s - begun_s, 0
        done = self._done_in_period(elapsed_s) + work
        if done > self._period_done:
            if not self._period_done:
                return math.inf
            periods = math.ceil(done / self._period_done) - 1  # a full period ends in its own last step
            done -= periods * self._period_done
        skipped_s = periods * self._period_s if periods else 0.0
        return max(0.0, skipped_s + (self._instant_of(done) - elapsed_s))

    def done(self, start_s: float, end_s: float) -> float:
        """Return the work that is done between two instants: the integral of the capacity."""
        if end_s <= start_s:
            return 0.0
        if math.isinf(end_s) and math.isfinite(self._period_s):
            return math.inf
        (first_s, _), (last_s, _) = self._step(start_s), self._step(end_s)
        done = self._done_in_period(end_s - last_s) - self._done_in_period(start_s - first_s)
        if first_s == last_s:
            return done
        return done + round((last_s - first_s) / self._period_s) * self._period_done

    def _step(self, time_s: float) -> tuple[float, int]:
        """Return the beginning of the period that contains an instant, [s], and the number of the step."""
        begun_s = 0.0
        if time_s >= self._period_s and math.isfinite(self._period_s):
            periods = math.floor(time_s / self._period_s)
            if (periods + 1) * self._period_s <= time_s:  # the quotient was rounded down over the edge
                periods += 1
            begun_s = periods * self._period_s
        step = bisect_right(self._times_s, time_s - begun_s) - 1
        return begun_s, max(step, 0)

    def _done_in_period(self, elapsed_s: float) -> float:
        """Return the work that is done in the first seconds of a period."""
        step = max(bisect_right(self._times_s, elapsed_s) - 1, 0)
        beyond_s = elapsed_s - self._times_s[step]
        return self._done[step] + (self._values[step] * beyond_s if self._values[step] else 0.0)

    def _instant_of(self, done: float) -> float:
        """Return the earliest instant of a period by which this work, more than 0, is done, [s]."""
        step = bisect_left(self._done, done) - 1
        if not self._values[step]:
            return math.inf
        return self._times_s[step] + (done - self._done[step]) / self._values[step]
