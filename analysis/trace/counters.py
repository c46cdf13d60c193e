"""The counters of a trace: quantities that change at the starts and ends of intervals."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from ..comparison.experiment_groups import scenario_of
from ..results.run import Run
from .trace_file import TraceFile, nanoseconds

__all__ = ["Counters", "memory_changes", "subchannels_of"]


class Counters:
    """Counts what is going on at each instant. Changes may be added in any order before they are written.

    Parameters
    ----------
    file : TraceFile
        The file.
    """

    def __init__(self, file: TraceFile) -> None:
        self._file = file
        self._changes: list[tuple[int, int, str, int]] = []
        self._values: dict[tuple[int, str], int] = {}
        self._written: dict[tuple[int, str], int] = {}

    def add(self, process: int, name: str, start_ns: int, end_ns: int, amount: int = 1) -> None:
        """Count an amount from one instant to another."""
        if end_ns > start_ns and amount:
            heapq.heappush(self._changes, (start_ns, process, name, amount))
            heapq.heappush(self._changes, (end_ns, process, name, -amount))

    def write_until(self, time_s: float) -> None:
        """Write the values before an instant, [s]. No change before it may be added later."""
        limit_ns: float = math.inf if math.isinf(time_s) else nanoseconds(time_s)
        while self._changes and self._changes[0][0] < limit_ns:
            time_ns, process, name, amount = heapq.heappop(self._changes)
            key = (process, name)
            value = self._values[key] = self._values.get(key, 0) + amount
            following = self._changes[0][:3] if self._changes else None
            if following != (time_ns, process, name) and self._written.get(key) != value:
                self._file.counter(process, name, time_ns, value)
                self._written[key] = value


def subchannels_of(run: Run, label: str) -> dict[str, int]:
    """Return the number of subchannels of each device's own; empty if they change or are shared.

    Parameters
    ----------
    label : str
        The scheme's label.
    """
    scenario = scenario_of(run)
    radio = scenario.get("radio") or {}
    scheme: Mapping[str, Any] = run.summary["schemes"][label]
    policies = [scenario.get("round_policy"), *(each.get("round_policy") for each in scenario["schemes"])]
    sampled = scenario.get("participation") or any((policy or {}).get("over_select") for policy in policies)
    if radio.get("sharing", "dedicated") != "dedicated" or sampled or scheme.get("plans") != 1:
        return {}
    devices = run.devices[run.devices["label"].astype(str) == label]
    each = zip(devices["device"].tolist(), devices["subchannels"].tolist(), strict=True)
    all_of_them = int(radio.get("subchannels", 0))
    counts = {f"device-{device}": _count(text, all_of_them) for device, text in each}
    return counts if all(counts.values()) else {}


def _count(subchannels: Any, all_of_them: int) -> int:
    """Return the number of subchannels in a cell of ``devices.csv``, such as ``0|3`` or ``all``."""
    text = "" if pd.isna(subchannels) else str(subchannels)
    if text == "all":
        return all_of_them
    return len(text.split("|")) if text else 0


def memory_changes(run: Run, label: str) -> Iterator[tuple[str, int, float]]:
    """Yield each change of a compute node's memory: node, instant, [ns], and memory held after it, [MiB].

    Of several changes in one nanosecond only the last one counts.
    """
    if run.memory.empty:
        return
    rows = run.memory[run.memory["label"].astype(str) == label]
    for node, changes in rows.groupby("node", sort=False, observed=True):
        times_ns = [nanoseconds(time_s) for time_s in changes["time_s"].tolist()]
        held = changes["held_bits"].tolist()
        for place, time_ns in enumerate(times_ns):
            if place + 1 == len(times_ns) or times_ns[place + 1] != time_ns:
                yield str(node), time_ns, held[place] / (8 * 2**20)
