"""The work of each layer on each processor, from counted FLOPs or from measured times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...scenarios.model_costs.layer_profile import LayerProfile
from ...scenarios.model_costs.unit_table import UnitTable

__all__ = ["LayerWork", "PartWork", "work_from_flops", "work_from_profile"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PartWork:
    """FLOPs of one mini-batch on contiguous layers: forward pass, backward pass and weight update."""

    forward_flops: float
    backward_flops: float
    update_flops: float


@dataclass(frozen=True)
class LayerWork:
    """Work of one mini-batch by processor and layer.

    A processor is that of a device, a server or a compute node. Measured times are kept as the FLOPs that the
    processor would do in that time, time·f/κ, so that slow-downs and energy apply to them as to any work.

    Attributes
    ----------
    forward_flops, backward_flops, update_flops : ndarray, [num_processors, num_layers]
        Work of the forward pass, the backward pass and the weight update, [FLOP].
    s_per_flop : ndarray, [num_processors]
        κ/f of each processor, [s/FLOP].
    """

    forward_flops: Array
    backward_flops: Array
    update_flops: Array
    s_per_flop: Array

    def part(self, processor: int, first: int, end: int) -> PartWork:
        """Return the work of layers ``first`` to ``end - 1``, counted from 0, on one processor."""
        return PartWork(
            float(self.forward_flops[processor, first:end].sum()),
            float(self.backward_flops[processor, first:end].sum()),
            float(self.update_flops[processor, first:end].sum()),
        )

    def select(self, processors: NDArray[np.intp]) -> LayerWork:
        """Return the work on these processors alone, in this order."""
        return LayerWork(
            self.forward_flops[processors],
            self.backward_flops[processors],
            self.update_flops[processors],
            self.s_per_flop[processors],
        )

    @property
    def forward_s(self) -> Array:
        """Return the times of the forward pass, [num_processors, num_layers], [s]."""
        return self.forward_flops * self.s_per_flop[:, None]

    @property
    def backward_s(self) -> Array:
        """Return the times of the backward pass and the update, [num_processors, num_layers], [s]."""
        return (self.backward_flops + self.update_flops) * self.s_per_flop[:, None]


def work_from_flops(units: UnitTable, batch_size: int, s_per_flop: Array) -> LayerWork:
    """Return the work from a unit table: equal FLOPs on every processor, and updates that cost nothing.

    Parameters
    ----------
    units : UnitTable
        FLOPs of the model's units, per sample.
    batch_size : int
        Samples of a mini-batch, b.
    s_per_flop : ndarray, [num_processors]
        κ/f of each processor, [s/FLOP].
    """
    shape = (len(s_per_flop), len(units))
    return LayerWork(
        np.broadcast_to(batch_size * units.forward_flops, shape),
        np.broadcast_to(batch_size * units.backward_flops, shape),
        np.zeros(shape),
        s_per_flop,
    )


def work_from_profile(
    profile: LayerProfile, device_names: Sequence[str | None], s_per_flop: Array
) -> LayerWork:
    """Return the work of a mini-batch from measured times of named devices.

    Parameters
    ----------
    profile : LayerProfile
        Measured times of the model's layers on some devices.
    device_names : sequence of str or None, [num_processors]
        The profile's device for each processor. None is refused.
    s_per_flop : ndarray, [num_processors]
        κ/f of each processor, [s/FLOP].

    Raises
    ------
    ValueError
        If a processor has no device name, or the profile has no device of that name.
    """
    allowed = ", ".join(sorted(profile.devices))
    if any(name is None for name in device_names):
        raise ValueError(f"model.profile is given, so a profile must be named here, one of: {allowed}")
    row_of = {name: row for row, name in enumerate(dict.fromkeys(device_names))}
    device_times = [profile.times(str(name)) for name in row_of]
    rows = np.array([row_of[name] for name in device_names], dtype=np.intp)

    def flops(kind: str) -> Array:
        seconds = np.array([getattr(times, kind) for times in device_times], dtype=np.float64)
        return seconds[rows] / s_per_flop[:, None]

    return LayerWork(flops("forward_s"), flops("backward_s"), flops("update_s"), s_per_flop)
