"""Notes where rounds do not take the planned time: when they appear, and what they name."""

from __future__ import annotations

from typing import Any

import pytest

import cutlayer
from cutlayer.analysis.comparison.plan_gaps import ignored_by_plan
from cutlayer.analysis.comparison.report import notes, rich_table
from cutlayer.analysis.comparison.table import comparison

SLOW = "stragglers={slowdown: {factor: 8, mean_normal_s: 2.0, mean_slow_s: 0.4}}"
SHORT = ("sweep=null", "stop.rounds=40")


def gap_notes(*overrides: str) -> list[str]:
    """Return the notes on the planned rounds of a run."""
    run = cutlayer.run("planning_by_simulation", overrides=[*SHORT, *overrides], schemes=["sfl"])
    table = comparison([run])
    assert any("planned" in str(column.header) for column in rich_table(table, "").columns)
    return [line for line in notes(table, [run]) if "the planned time" in line]


def test_a_nominal_plan_is_warned_of_with_its_cause() -> None:
    """If slow-downs make rounds more than 20 % longer than planned, a note names them, and the key."""
    (note,) = gap_notes("allocation.plan_for=nominal")
    assert "SplitFed V1" in note
    assert "ignore slow-downs; set allocation.plan_for: simulated" in note


def test_a_plan_that_is_kept_is_not_warned_of() -> None:
    """If rounds take the planned time to within 20 %, there is no note."""
    assert [] == gap_notes("stragglers=null")
    assert [] == gap_notes("allocation.plan_for=simulated")


@pytest.mark.parametrize(
    ("sections", "plan_for", "expected"),
    [
        ({"stragglers": {"slowdown": {"factor": 2}}}, "nominal", ["slow-downs"]),
        ({"radio": {"fading": {"model": "rayleigh"}}}, "nominal", ["rayleigh fading"]),
        ({"faults": {"packet_loss": {"rate": 0.1}, "outage": None}}, "nominal", ["packet loss"]),
        ({"faults": {"packet_loss": {"rate": 0.1}, "lost_update": 0.1}}, "mean", ["lost update"]),
        ({"round_policy": {"deadline_s": 1.0}}, "nominal", ["the round policy"]),
        ({"server": {"service": "arrival"}}, "mean", ["the queue at the server"]),
        ({"radio": {"sharing": "tdma"}}, "nominal", ["tdma sharing"]),
        ({"round_policy": {"wait": "all"}}, "nominal", []),
        ({"participation": {"per_round": 2}}, "nominal", ["the sampling of clients"]),
    ],
)
def test_the_cause_is_read_from_the_scenario(
    sections: dict[str, Any], plan_for: str, expected: list[str]
) -> None:
    """Each section that lets rounds differ from their plan is a cause, unless the plan includes it."""
    scenario = {"schemes": [{"name": "psl", "label": "psl"}], **sections}
    assert expected == ignored_by_plan(scenario, "psl", plan_for)
