"""The saving of a change: its mean, and its interval over batches of rounds."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.analysis.explain.savings import NUM_BATCHES, batch_size, saving


@given(st.integers(0, 10_000))
def test_batches_leave_out_few_rounds(count: int) -> None:
    """There are 10 to 20 batches, which leave out less than a tenth of the rounds; with fewer, none."""
    size = batch_size(count)
    if count < NUM_BATCHES[0]:
        assert 0 == size
        return
    batches = count // size
    assert NUM_BATCHES[0] <= batches
    assert 0 <= count - size * min(batches, NUM_BATCHES[1]) <= count / 10


def test_a_constant_saving_is_certain() -> None:
    """If every round is shorter by the same time, the interval is that time."""
    before_s = np.arange(100.0)
    measured = saving(before_s, before_s - 2.0)
    assert (100, 2.0, 2.0, 2.0) == (measured.rounds, measured.mean_s, measured.low_s, measured.high_s)


def test_few_rounds_have_no_interval() -> None:
    """Below ten rounds there is a mean alone, also if one of the runs ended early."""
    measured = saving(np.array([5.0, 3.0, 9.0]), np.array([1.0, 1.0]))
    assert (2, 3.0) == (measured.rounds, measured.mean_s)
    assert math.isnan(measured.low_s)


def test_intervals_cover_the_mean_of_dependent_rounds() -> None:
    """Over 400 series whose rounds depend on each other, the interval holds the true saving in 9 of 10."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        noise = np.empty(200)
        noise[0] = rng.normal() / math.sqrt(1 - 0.5**2)
        for k in range(1, 200):
            noise[k] = 0.5 * noise[k - 1] + rng.normal()
        measured = saving(10.0 + noise, np.full(200, 9.0))
        covered += measured.low_s <= 1.0 <= measured.high_s
    assert covered >= 360
