"""What each layer costs on each place that could compute it, from FLOPs or from measured times."""

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
    """FLOPs of one mini-batch on a stretch of layers: forward, backward, and the update of its weights."""

    forward_flops: float
    backward_flops: float
    update_flops: float


@dataclass(frozen=True)
class LayerWork:
    """Work of one mini-batch by place and layer.

    Measured times are kept as the FLOPs that the place would do in that time, time·f/κ, so that
    slow-downs and energy apply to them as to any work.

    Attributes
    ----------
    forward_flops, backward_flops, update_flops : [num_places, num_layers], float
        [FLOP].
    s_per_flop : [num_places], float
        κ/f of each place, [s/FLOP].
    """

    forward_flops: Array
    backward_flops: Array
    update_flops: Array
    s_per_flop: Array

    def part(self, place: int, first: int, end: int) -> PartWork:
        """Return the work of layers ``first`` to ``end - 1``, from 0, on a place."""
        return PartWork(
            float(self.forward_flops[place, first:end].sum()),
            float(self.backward_flops[place, first:end].sum()),
            float(self.update_flops[place, first:end].sum()),
        )

    def of(self, places: NDArray[np.intp]) -> LayerWork:
        """Return the work on these places alone, in this order."""
        return LayerWork(
            self.forward_flops[places],
            self.backward_flops[places],
            self.update_flops[places],
            self.s_per_flop[places],
        )

    @property
    def forward_s(self) -> Array:
        """Return forward times, [num_places, num_layers], [s]."""
        return self.forward_flops * self.s_per_flop[:, None]

    @property
    def backward_s(self) -> Array:
        """Return backward and update times, [num_places, num_layers], [s]."""
        return (self.backward_flops + self.update_flops) * self.s_per_flop[:, None]


def work_from_flops(units: UnitTable, batch_size: int, s_per_flop: Array) -> LayerWork:
    """Return the work from a unit table: the same FLOPs on every place, updates at no cost.

    Parameters
    ----------
    units : the model's unit table
    batch_size : int
        Samples of a mini-batch, b.
    s_per_flop : [num_places], float
        κ/f of each place, [s/FLOP].
    """
    shape = (len(s_per_flop), len(units))
    return LayerWork(
        np.broadcast_to(batch_size * units.forward_flops, shape),
        np.broadcast_to(batch_size * units.backward_flops, shape),
        np.zeros(shape),
        s_per_flop,
    )


def work_from_profile(profile: LayerProfile, names: Sequence[str | None], s_per_flop: Array) -> LayerWork:
    """Return the work of a mini-batch from measured times of named devices.

    Parameters
    ----------
    profile : layer times of the model
    names : the profile's device for each place; None is refused
    s_per_flop : [num_places], float
        κ/f of each place, [s/FLOP].

    Raises
    ------
    ValueError
        If a place has no name, or the profile has no device of a name.
    """
    known = ", ".join(sorted(profile.devices))
    if any(name is None for name in names):
        raise ValueError(f"model.profile is given, so a profile must be named here, one of: {known}")
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    times = [profile.times(str(name)) for name in number]
    places = np.array([number[name] for name in names], dtype=np.intp)

    def flops(kind: str) -> Array:
        seconds = np.array([getattr(of_device, kind) for of_device in times], dtype=np.float64)
        return seconds[places] / s_per_flop[:, None]

    return LayerWork(flops("forward_s"), flops("backward_s"), flops("update_s"), s_per_flop)
