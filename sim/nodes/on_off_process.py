"""Two states that take turns, with exponentially distributed stays (docs/model.md section 2.4)."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

__all__ = ["OnOffProcess"]


class OnOffProcess:
    """A trace of two states over time, drawn as far as it is asked for.

    The first state is drawn from the stationary distribution, so that the share of time in a state is the
    same at every instant. The trace depends on its generator alone: every scheme meets the same.

    Parameters
    ----------
    mean_first_s, mean_second_s : float
        Mean stays in the two states, [s].
    rng : generator of this device's stream
    """

    def __init__(self, mean_first_s: float, mean_second_s: float, rng: np.random.Generator) -> None:
        self._means_s = (mean_first_s, mean_second_s)
        self._rng = rng
        self.starts_in_second = bool(rng.uniform() < mean_second_s / (mean_first_s + mean_second_s))
        self.switches_s = [0.0]  # segment k lasts from switch k to switch k+1

    def segment(self, time_s: float) -> int:
        """Return the number of the segment that an instant is in, with its end drawn."""
        self.extend_to(time_s)
        return bisect_right(self.switches_s, time_s) - 1

    def is_off(self, segment: int) -> bool:
        """Return whether a segment is a stay in the second state."""
        return (segment % 2 == 0) == self.starts_in_second

    def extend_to(self, time_s: float) -> None:
        """Draw stays up to one that ends after this instant: as many again at a time as there are."""
        switches = self.switches_s
        while switches[-1] <= time_s:
            segment = len(switches) - 1
            for draw in self._rng.standard_exponential(len(switches)).tolist():
                switches.append(switches[-1] + draw * self._means_s[self.is_off(segment)])
                segment += 1
