"""The devices' slow-downs, as a scenario has them."""

from __future__ import annotations

from collections.abc import Sequence

from ..scenarios.schema import Scenario, Slowdown
from ..scenarios.streams import stream
from .processor import SlowdownTrace

__all__ = ["slowdown_traces"]


def slowdown_traces(scenario: Scenario) -> Sequence[SlowdownTrace | None]:
    """Return each device's trace of slow-downs; None where the scenario has none."""
    count, stragglers = scenario.devices.count, scenario.stragglers
    slowdown = stragglers.slowdown if stragglers else None
    return [None] * count if slowdown is None else _SlowdownTraces(slowdown, count, scenario.seed)


class _SlowdownTraces(Sequence[SlowdownTrace]):
    """The devices' traces, each made when it is asked for: most devices of a population are never drawn."""

    def __init__(self, slowdown: Slowdown, count: int, seed: int) -> None:
        self._slowdown = slowdown
        self._count = count
        self._seed = seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, device: int) -> SlowdownTrace:  # type: ignore[override]  # a trace, never a slice
        slowdown, number = self._slowdown, range(self._count)[device]
        return SlowdownTrace(
            slowdown.factor,
            slowdown.mean_normal_s,
            slowdown.mean_slow_s,
            stream(self._seed, "slowdown", number),
        )
