"""On-off processes: two alternating states with exponentially distributed durations (docs/model.md, 2.4)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import numpy as np

__all__ = ["OnOffProcess"]


class OnOffProcess:
    """A process that alternates between the states on and off; it is drawn only as far as it is needed.

    The first state is drawn from the stationary distribution, so that the probability of a state is the same
    at every instant. The process depends only on its generator, so that every scheme meets the same one.

    Parameters
    ----------
    mean_on_s, mean_off_s : float
        The mean durations of the two states, [s].
    """

    def __init__(self, mean_on_s: float, mean_off_s: float, rng: np.random.Generator) -> None:
        self._means_s = (mean_on_s, mean_off_s)
        self._rng = rng
        self.starts_off = bool(rng.uniform() < mean_off_s / (mean_on_s + mean_off_s))
        self.switches_s = [0.0]  # segment k lasts from switch k to switch k+1

    def segment(self, time_s: float) -> int:
        """Return the number of the segment that contains an instant; its end is drawn."""
        self.extend_to(time_s)
        return bisect_right(self.switches_s, time_s) - 1

    def is_off(self, segment: int) -> bool:
        """Return whether the process is off in a segment."""
        return (segment % 2 == 0) == self.starts_off

    def times_off(self, start_s: float, end_s: float) -> Iterator[tuple[float, float]]:
        """Yield the beginning and the end of each time that the process is off, cut at two instants, [s]."""
        segment = self.segment(start_s)
        self.extend_to(end_s)
        while self.switches_s[segment] < end_s:
            first_s, last_s = max(self.switches_s[segment], start_s), min(self.switches_s[segment + 1], end_s)
            if self.is_off(segment) and first_s < last_s:
                yield first_s, last_s
            segment += 1

    def extend_to(self, time_s: float) -> None:
        """Draw segments up to one that ends after this instant; each step doubles their number."""
        switches = self.switches_s
        while switches[-1] <= time_s:
            segment = len(switches) - 1
            for sample in self._rng.standard_exponential(len(switches)).tolist():
                switches.append(switches[-1] + sample * self._means_s[self.is_off(segment)])
                segment += 1
