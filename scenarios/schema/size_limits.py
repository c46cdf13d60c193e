"""Limits on products of several keys of a scenario: sizes of arrays, and the numbers of events of one round.

Each key has bounds of its own; these limits keep a scenario of several large keys within the memory and the
patience of one machine. They are far above the largest scenario that the benchmarks run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..errors import KeyPath, ScenarioIssue
from .fields import value_bounds
from .scenario import Scenario

__all__ = ["size_issues", "time_scale_issues"]

GAINS_MAX = 20_000_000
"""Largest number of channel gains, one for each device and subchannel: 160 MB an array."""
PLANNED_GAINS_MAX = 1_000_000
"""Largest number of gains of the clients of one round, for which subchannels are planned."""
TASKS_MAX = 1_000_000
"""Largest number of mini-batches of all devices in one round of a scheme."""
TIME_RATIO_MAX = 1e10
"""Largest ratio of two durations. Instants of 53 bits could not hold both with six digits to spare."""


def size_issues(scenario: Scenario) -> Iterator[ScenarioIssue]:
    """Yield an issue for each product of keys that is too large."""
    count, subchannels = scenario.devices.count, scenario.radio.subchannels
    if (gains := count * subchannels) > GAINS_MAX:
        yield ScenarioIssue(
            ("radio", "subchannels"),
            f"{count:,} devices x {subchannels:,} subchannels are {gains:,} channel gains; at most"
            f" {GAINS_MAX:,} are allowed: give fewer devices or subchannels",
        )
    clients = scenario.clients_per_round
    if gains <= GAINS_MAX and (planned := clients * subchannels) > PLANNED_GAINS_MAX:
        yield ScenarioIssue(
            ("radio", "subchannels"),
            f"{clients:,} clients of a round x {subchannels:,} subchannels are {planned:,} channel gains to"
            f" plan with; at most {PLANNED_GAINS_MAX:,} are allowed: give fewer subchannels or devices, or"
            " participation.per_round",
        )
    for index, scheme in enumerate(scenario.schemes):
        each = scheme.mini_batches_per_client
        if (tasks := clients * each) > TASKS_MAX:
            yield ScenarioIssue(
                ("schemes", index),
                f"{clients:,} clients with {each:,} mini-batches each have {tasks:,} mini-batches a round;"
                f" at most {TASKS_MAX:,} are allowed",
            )


_DURATION_KEYS = (
    "mean_on_s", "mean_off_s", "mean_up_s", "mean_down_s", "mean_normal_s", "mean_slow_s", "deadline_s",
    "max_wait_s", "timeout_s",
)  # fmt: skip


def time_scale_issues(scenario: Scenario) -> Iterator[ScenarioIssue]:
    """Yield an issue if two durations of a scenario are too far apart for one clock."""
    durations = [(key, each_s) for key, each_s in _durations(scenario) if math.isfinite(each_s)]
    if not durations:
        return
    shortest, shortest_s = min(durations, key=lambda each: each[1])
    longest, longest_s = max(durations, key=lambda each: each[1])
    if longest_s > TIME_RATIO_MAX * shortest_s:
        yield ScenarioIssue(
            shortest,
            f"{shortest_s:g} s is too short beside {'.'.join(map(str, longest))} of"
            f" {longest_s:g} s: their ratio may be at most {TIME_RATIO_MAX:g}",
        )


def _durations(scenario: Scenario) -> Iterator[tuple[KeyPath, float]]:
    """Yield the durations after which a state changes, and those that a round may last, [s]."""
    stragglers, faults = scenario.stragglers, scenario.faults
    sections: dict[str, Any] = {
        "participation": scenario.participation,
        "round_policy": scenario.round_policy,
        "stragglers.slowdown": stragglers.slowdown if stragglers else None,
        "faults.availability": faults.availability if faults else None,
        "faults.outage": faults.outage if faults else None,
        "faults.server": faults.server if faults else None,
        "faults.server.slowdown": faults.server.slowdown if faults and faults.server else None,
    }
    for name, section in sections.items():
        for key in _DURATION_KEYS:
            for duration_s in value_bounds(getattr(section, key, ())):
                yield (*name.split("."), key), duration_s
    for number, scheme in enumerate(scenario.schemes):
        for key in _DURATION_KEYS:
            for duration_s in value_bounds(getattr(scheme.round_policy, key, None)):
                yield ("schemes", number, "round_policy", key), duration_s
    fading = scenario.radio.fading
    yield ("radio", "fading", *fading.block_key), fading.block_s(scenario.radio.carrier_hz)
    if scenario.radio.sharing == "tdma":
        yield ("radio", "tdma_slot_s"), scenario.radio.tdma_slot_s
