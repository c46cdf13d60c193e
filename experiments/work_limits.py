"""Checks of the memory of a training and of the events of a round, before anything is allocated or run."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..scenarios.errors import KeyPath
from ..scenarios.model_costs.unit_table import UnitTable
from ..scenarios.registry import lookup
from ..scenarios.schema.scenario import Learning, Scenario
from ..sim.faults.slowdown import draw_slowdowns
from ..sim.planning_error import PlanningError
from ..sim.schemes.base import Scheme
from ..sim.schemes.planning.plan import SchemePlan

__all__ = [
    "SIMULATED_CHANGES_MAX",
    "available_memory_bytes",
    "check_round",
    "check_training_memory",
    "most_changes",
    "training_memory_bytes",
]

ROUND_MAX_S = 1e12
"""Longest predicted round, [s]: beyond it, an instant has fewer than four decimals."""
CHANGES_MAX = 1_000_000
"""Largest number of fading blocks in one predicted round."""
SWITCHES_MAX = 10_000_000
"""Largest number of slots, or of changes of state of all devices, in one predicted round."""
OUTAGES_MAX = 20_000
"""Largest number of outages, or of times offline, of all devices in one predicted round. Each is an event."""
SIMULATED_CHANGES_MAX = 1_000
"""Largest number of changes of one kind in a predicted round for which plans are compared by simulation."""
_COMPUTATIONS = 3
"""Computations of a client in a round, each with its own random delay: forward, backward, and one reserve."""
BYTES_PER_VALUE = {"float32": 4, "float64": 8, "mixed": 4}
SAMPLE_COPIES = {"synthetic": 4}
"""Copies of the samples while a data set is made; data sets on disk are kept once more for training."""


def available_memory_bytes() -> float:
    """Return the memory that this process may use: that of the machine, or less if a limit is set, [byte]."""
    try:
        available = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # not on this system
        available = math.inf
    for limit_file in (
        Path("/sys/fs/cgroup/memory.max"),
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    ):
        with suppress(OSError, ValueError):  # containers and batch systems set it
            available = min(available, float(limit_file.read_text(encoding="ascii")))
    if sys.platform != "win32":
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            available = min(available, float(limit))
    return available


def training_memory_bytes(
    scenario: Scenario, learning: Learning, units: UnitTable | None
) -> dict[KeyPath, float]:
    """Return a lower estimate of the memory that training needs, by the key that decides it, [byte].

    Samples count with their copies, parameters with gradients and the state of the optimiser, and outputs of
    the units for one mini-batch of each client with their gradients. The real training needs more.
    """
    value = BYTES_PER_VALUE[learning.precision]
    dataset, model = learning.dataset, scenario.model
    pixels = math.prod(getattr(model, "input_shape", (1,)))
    samples = getattr(dataset, "train_samples", 0) + getattr(dataset, "test_samples", 0)
    classes: Any = getattr(dataset, "classes", None) or getattr(model, "classes", 1)
    patterns = 2 * int(classes)
    is_synthetic = dataset.name == "synthetic"
    schemes: list[type[Scheme]] = [lookup("scheme", scheme.name).load() for scheme in scenario.schemes]
    # a split model is at least whole once
    whole_models = (
        len(scenario.devices.included) if any(scheme.has_model_per_client for scheme in schemes) else 1
    )
    copies = learning.optimizer.state_copies
    parameters = units.part_memory(0, len(units), 0, copies).resident_bits / 32 if units else 0.0
    activations = pixels + (float(units.activation_bits.sum()) / 32 if units else 0.0)
    return {
        ("learning", "dataset"): 4.0
        * pixels
        * (samples * SAMPLE_COPIES.get(dataset.name, 1) + (8 * patterns if is_synthetic else 0)),
        ("model",): value * parameters * whole_models,
        ("batch_size",): 2.0 * value * scenario.clients_per_round * scenario.batch_size * activations,
    }


_CONTENTS: dict[KeyPath, str] = {
    ("learning", "dataset"): "the samples",
    ("model",): "the parameters",
    ("batch_size",): "the activations",
}
"""The contents of the memory that each key of :func:`training_memory_bytes` decides, for messages."""


def check_training_memory(scenario: Scenario, learning: Learning, units: UnitTable | None) -> None:
    """Check that training does not obviously need more memory than this process may use.

    Raises
    ------
    PlanningError
        If it does, at the key that needs most.
    """
    needed = training_memory_bytes(scenario, learning, units)
    key = max(needed, key=lambda key: needed[key])
    available = available_memory_bytes()
    if needed[key] > available:
        raise PlanningError(
            f"{_CONTENTS[key]} of the training need at least {_gib(needed[key])} of memory, and"
            f" {_gib(available)} are available: give fewer samples, a smaller mini-batch or a smaller model",
            key,
        )


def _gib(size_bytes: float) -> str:
    return f"{size_bytes / 2**30:,.1f} GiB" if size_bytes < 2**50 else f"{size_bytes / 2**30:.1e} GiB"


def check_round(scenario: Scenario, scheme: Scheme, plan: SchemePlan) -> None:
    """Check that a round ends, and that the states of channels and devices change a bounded number of times.

    Raises
    ------
    PlanningError
        If the predicted round is too long, or has too many changes of one kind.
    """
    name, predicted_s = scheme.parameters.label, plan.predicted_s
    if not 0 <= predicted_s <= ROUND_MAX_S:
        raise PlanningError(
            f"a round of {name} takes {predicted_s:.3g} s by its plan; it may take at most {ROUND_MAX_S:g} s:"
            " give faster processors, better links or a smaller model",
            ("schemes",),
        )
    for key, period_s, longest_s, count, limit in _changes(scenario, plan):
        changes = count * longest_s / period_s
        if changes > limit:
            raise PlanningError(
                f"{period_s:g} s is too short: a round of {name} takes {longest_s:.3g} s by its plan, and"
                f" {changes:.2g} changes would be simulated in it; at most {limit:g} are allowed",
                key,
            )


def most_changes(scenario: Scenario, plan: SchemePlan) -> tuple[float, KeyPath]:
    """Return the largest number of changes of one kind in a predicted round, and the key of that kind."""
    counts = [
        (count * longest_s / period_s, key) for key, period_s, longest_s, count, _ in _changes(scenario, plan)
    ]
    return max(counts, default=(0.0, ()), key=lambda each: each[0])


def _changes(scenario: Scenario, plan: SchemePlan) -> Iterator[tuple[KeyPath, float, float, int, int]]:
    """Yield the key, the period, [s], the longest round, [s], the number of processes and the limit."""
    slowdowns, faults = draw_slowdowns(scenario), scenario.faults
    server = faults.server if faults else None
    longest_s = plan.predicted_s * (1.0 if slowdowns is None else float(slowdowns.factor.max()))
    if server is not None and server.slowdown is not None:
        longest_s *= server.slowdown.factor
    noise = scenario.stragglers.compute_noise if scenario.stragglers else None
    if noise is not None and noise.exponential is not None:
        longest_s += _COMPUTATIONS * noise.exponential.mean_s
    participation, fading = scenario.participation, scenario.radio.fading
    if slowdowns is not None:
        # of the device that changes most often
        period_s = float((slowdowns.mean_normal_s + slowdowns.mean_slow_s).min())
        yield ("stragglers", "slowdown"), period_s, longest_s, scenario.clients_per_round, SWITCHES_MAX
    if server is not None:
        if server.slowdown is not None:
            period_s = server.slowdown.mean_normal_s + server.slowdown.mean_slow_s
            yield ("faults", "server", "slowdown"), period_s, longest_s, 1, SWITCHES_MAX
        if server.mean_up_s is not None and server.mean_down_s is not None:
            up_s, down_s = server.mean_up_s, server.mean_down_s
            # the round takes longer by the time in which the server has failed
            yield ("faults", "server"), up_s + down_s, longest_s * (1 + down_s / up_s), 1, SWITCHES_MAX
    outage = scenario.faults.outage if scenario.faults else None
    if outage is not None and outage.mean_up_s is not None and outage.mean_down_s is not None:
        # transfers go on only between outages, so that the round takes longer by the time of the outages
        yield ("faults", "outage"), outage.mean_up_s, longest_s, scenario.clients_per_round, OUTAGES_MAX
    if participation is not None and participation.mean_on_s and participation.mean_off_s:
        period_s = participation.mean_on_s + participation.mean_off_s
        yield ("participation",), period_s, longest_s, scenario.devices.count, SWITCHES_MAX
    availability = scenario.faults.availability if scenario.faults else None
    if availability is not None and availability.mean_on_s and availability.mean_off_s:
        period_s = availability.mean_on_s + availability.mean_off_s
        yield ("faults", "availability"), period_s, longest_s, scenario.clients_per_round, OUTAGES_MAX
    block_s = fading.block_s(scenario.radio.carrier_hz)
    if math.isfinite(block_s):
        yield ("radio", "fading", *fading.block_key), block_s, longest_s, 1, CHANGES_MAX
    if scenario.radio.sharing == "tdma":
        yield ("radio", "tdma_slot_s"), scenario.radio.tdma_slot_s, longest_s, 1, SWITCHES_MAX
