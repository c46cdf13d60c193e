"""The fleet of a run: every device's attributes, drawn once per seed and the same for every scheme."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...scenarios.random_streams import stream
from ...scenarios.schema.fields import draw
from ...scenarios.schema.scenario import Devices
from ..radio.gain_trace import PositionTrace, read_positions
from ..radio.units import BITS_PER_MIB, dbm_to_w

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
    battery_j : what each battery holds, [J]; None where all have mains
    moves : places over time, of which distance and angle are the first; None where nobody moves
    memory_bits : what fits into each device's memory, [bit]; None: without limit
    uplink_bps, downlink_bps : rates of links of their own, [bit/s]; None where the radio carries all
    """

    clock_hz: Array
    cycles_per_flop: Array
    switched_capacitance: Array
    distance_m: Array
    angle_rad: Array
    power_max_w: Array
    battery_j: Array | None = None
    moves: PositionTrace | None = None
    memory_bits: Array | None = None
    uplink_bps: Array | None = None
    downlink_bps: Array | None = None

    def __len__(self) -> int:
        """Return the number of devices."""
        return self.clock_hz.size

    @property
    def seconds_per_flop(self) -> Array:
        """Return κ/f of each device, [s/FLOP]."""
        return self.cycles_per_flop / self.clock_hz


def draw_fleet(devices: Devices, seed: int) -> Fleet:
    """Return the fleet; each attribute has a stream of its own, so none shifts another's draws.

    Raises
    ------
    ValueError
        If the file of positions can't be read.
    """

    def values(name: str) -> Array:
        return draw(getattr(devices, name), devices.count, stream(seed, f"devices.{name}"))

    def values_or_none(name: str) -> Array | None:
        return None if getattr(devices, name) is None else values(name)

    memory_mib = values_or_none("memory_mib")

    if devices.positions is None:
        distance_m = values("distance_m")
        angle_rad = stream(seed, "devices.angle").uniform(0.0, 2.0 * np.pi, devices.count)
        moves = None
    else:
        moves = read_positions(devices.positions, devices.count)
        distance_m, angle_rad = moves.distance_m[0], moves.angle_rad[0]
    return Fleet(
        clock_hz=values("clock_hz"),
        cycles_per_flop=values("cycles_per_flop"),
        switched_capacitance=values("switched_capacitance"),
        distance_m=distance_m,
        angle_rad=angle_rad,
        power_max_w=np.asarray(dbm_to_w(values("power_max_dbm"))),
        battery_j=values_or_none("battery_j"),
        moves=moves if moves is not None and len(moves.times_s) > 1 else None,
        memory_bits=None if memory_mib is None else memory_mib * BITS_PER_MIB,
        uplink_bps=values_or_none("uplink_bps"),
        downlink_bps=values_or_none("downlink_bps"),
    )
