"""Mutated scenarios are refused, or run a round that keeps order, finiteness and conservation."""

from __future__ import annotations

from collections import Counter

import pytest

from .mutations import mutated
from .workers import run_trials

COUNT = 2000


def test_mutations_depend_on_their_number_alone() -> None:
    """A failure can be tried again by its number."""
    assert [mutated(number) for number in range(20)] == [mutated(number) for number in range(20)]


@pytest.mark.slow
def test_mutated_scenarios_run_or_are_refused() -> None:
    """None of them crashes, hangs, needs unbounded memory, or breaks a law of a timeline."""
    counts: Counter[str] = Counter()
    failures = []
    for outcome in run_trials(range(COUNT)):
        counts[outcome.kind] += 1
        if outcome.kind in ("crashed", "hung"):
            failures.append(f"python -m tests.fuzz --show {outcome.number}: {outcome.kind}: {outcome.detail}")
    assert not failures, "\n".join(failures)
    assert COUNT == counts.total()
    # all outcomes are tried often, so that none of the checks is idle
    assert min(counts["refused"], counts["timeline"], counts["trained"]) > COUNT / 25, counts
