"""The results of the scenario library stay what they were, to the last bit where the machine allows it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.fingerprints import CASES, compute, current_machine, frozen

SLOW = {"epsl_after_lin with small batches"}
FROZEN = frozen()


def test_every_scenario_of_the_library_is_frozen() -> None:
    """Each case has values in the file, and each value in the file belongs to a case."""
    assert list(CASES) == list(FROZEN), "python -m tests.support.fingerprints NAME adds a case"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in CASES]
)
def test_results_are_as_frozen(name: str) -> None:
    """Timelines and weights are equal to the last bit on the kind of machine that froze them.

    The last bits depend on the processor's vector instructions, with which NumPy computes logarithms and
    powers and torch trains; weights also depend on torch's version and threads. On other machines the planner
    may choose another one of two plans that are equally good but for rounding. So times and energies there
    agree to 5 %, and training losses to a relative 1e-4.
    """
    expected = FROZEN[name]["schemes"]
    actual = compute(CASES[name])
    assert list(expected) == list(actual), f"{name}: other schemes ran"
    same_machine = FROZEN[name]["machine"] == current_machine()
    changes = [
        f"{name}, {label}: the {change}"
        for label in expected
        for change in _changes(expected[label], actual[label], same_machine)
    ]
    assert not changes, "; ".join(changes)


def _changes(expected: dict[str, Any], actual: dict[str, Any], same_machine: bool) -> list[str]:
    changes = [
        f"{key} changed from {expected[key]} to {actual[key]}"
        for key in ("total_time_s", "energy_j")
        if actual[key] != (expected[key] if same_machine else pytest.approx(expected[key], rel=0.05))
    ]
    for key in ("timeline", "weights"):
        if (expected[key] is None) != (actual[key] is None) or (
            same_machine and expected[key] != actual[key]
        ):
            changes.append(f"{key} changed from {expected[key]} to {actual[key]}")
    if (expected["train_loss"] is None) != (actual["train_loss"] is None) or (
        expected["train_loss"] is not None
        and actual["train_loss"] != pytest.approx(expected["train_loss"], rel=1e-4, nan_ok=True)
    ):
        changes.append(f"train_loss changed from {expected['train_loss']} to {actual['train_loss']}")
    return changes
