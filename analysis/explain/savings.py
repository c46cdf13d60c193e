"""The saving of a change: paired differences of round times, with a confidence interval by batch means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..results.confidence_intervals import Range, centre_and_interval

__all__ = ["NUM_BATCHES", "Saving", "batch_size", "saving"]

NUM_BATCHES = (10, 20)
"""Fewest and most batches of a confidence interval."""


@dataclass(frozen=True)
class Saving:
    """The mean saving a round.

    Attributes
    ----------
    rounds : int
        The number of rounds that are compared.
    mean_s, low_s, high_s : float
        The mean and its 95 % confidence interval, [s]; the interval is NaN with fewer than ten rounds.
    """

    rounds: int
    mean_s: float
    low_s: float
    high_s: float


def saving(before_s: NDArray[np.float64], after_s: NDArray[np.float64]) -> Saving:
    """Return the mean of how much shorter rounds are after a change, each compared with its own number.

    Rounds that follow each other depend on each other, because slow states last for several rounds. So the
    interval is that of the means of 10 to 20 batches of successive rounds, which are taken as independent.
    It is too narrow if states last longer than a batch. The first rounds that do not fill a batch are left
    out.

    Parameters
    ----------
    before_s, after_s : ndarray, [num_rounds]
        The round times without and with the change, [s]; the longer one is cut.
    """
    count = min(len(before_s), len(after_s))
    differences_s = before_s[:count] - after_s[:count]
    size = batch_size(count)
    if not size:
        mean_s = float(differences_s.mean()) if count else float("nan")
        return Saving(count, mean_s, float("nan"), float("nan"))
    num_batches = count // size
    batches_s = differences_s[count - num_batches * size :].reshape(num_batches, size).mean(axis=1)
    return Saving(num_batches * size, *centre_and_interval(batches_s, Range.REAL))


def batch_size(count: int) -> int:
    """Return the size of a batch that leaves out the fewest rounds, the smallest of several; 0 if too few."""
    fewest, most = NUM_BATCHES
    sizes = [count // number for number in range(most, fewest - 1, -1) if count >= number]
    return min(sizes, key=lambda size: count - size * min(most, count // size), default=0)
