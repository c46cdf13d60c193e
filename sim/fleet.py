"""The fleet of a run: every device's attributes, drawn once per seed and the same for every scheme."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..scenarios.fields import draw
from ..scenarios.schema import Devices
from ..scenarios.streams import stream
from .radio.units import dbm_to_w

__all__ = ["Fleet", "draw_fleet"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fleet:
    """Attributes of the devices, each ``[num_devices], float``.

    Attributes
    ----------
    clock_hz, cycles_per_flop, switched_capacitance : processor, [cycles/s], [cycles/FLOP], [J·s²/cycle³]
    distance_m, angle_rad : place around the access point, [m], [rad]
    power_max_w : uplink power limit, [W]
    """

    clock_hz: Array
    cycles_per_flop: Array
    switched_capacitance: Array
    distance_m: Array
    angle_rad: Array
    power_max_w: Array

    def __len__(self) -> int:
        """Return the number of devices."""
        return self.clock_hz.size

    @property
    def seconds_per_flop(self) -> Array:
        """Return κ/f of each device, [s/FLOP]."""
        return self.cycles_per_flop / self.clock_hz


def draw_fleet(devices: Devices, seed: int) -> Fleet:
    """Return the fleet; each attribute has a stream of its own, so none shifts another's draws."""

    def values(name: str) -> Array:
        return draw(getattr(devices, name), devices.count, stream(seed, f"devices.{name}"))

    return Fleet(
        clock_hz=values("clock_hz"),
        cycles_per_flop=values("cycles_per_flop"),
        switched_capacitance=values("switched_capacitance"),
        distance_m=values("distance_m"),
        angle_rad=stream(seed, "devices.angle").uniform(0.0, 2.0 * np.pi, devices.count),
        power_max_w=np.asarray(dbm_to_w(values("power_max_dbm"))),
    )
