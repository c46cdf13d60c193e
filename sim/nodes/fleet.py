"""The fleet: the attributes of all devices, drawn once per seed and the same for every scheme."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...scenarios.errors import KeyPathError
from ...scenarios.random_streams import stream
from ...scenarios.schema.fields import LEVEL_MAX_DB, MAGNITUDE_MAX, draw
from ...scenarios.schema.scenario import Devices
from ..radio.gain_trace import PositionTrace, read_positions
from ..radio.units import BITS_PER_MIB, dbm_to_w
from .device_powers import NO_POWERS, DevicePowers
from .link_traces import LinkTraces, read_link_traces

__all__ = ["Fleet", "draw_fleet"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fleet:
    """Attributes of the devices; every array is [num_devices].

    Attributes
    ----------
    clock_hz : ndarray
        f, the clock frequency, [cycles/s].
    cycles_per_flop : ndarray
        κ, [cycles/FLOP].
    switched_capacitance : ndarray
        ς, the effective switched capacitance, [J·s²/cycle³].
    distance_m, angle_rad : ndarray
        The position around the access point, [m] and [rad].
    power_max_w : ndarray
        The limit of the uplink's transmit power, [W].
    battery_j : ndarray or None
        The energy of each battery, infinite for a device with mains power, [J]; None where all have it.
    moves : PositionTrace or None
        Positions over time, the first of which are distance and angle; None where no device moves.
    memory_bits : ndarray or None
        The capacity of each device's memory, [bit]; None where it is unlimited.
    uplink_bps, downlink_bps : ndarray or None
        Rates of links that do not use the radio, [bit/s]; None where all transfers use the radio. Of measured
        rates they are the means.
    power_idle_w, power_receive_w, power_circuit_w : ndarray or None
        Powers while a device is idle, while it receives, and of its circuits while it sends, [W]; None where
        they are all 0.
    link_traces : LinkTraces or None
        Measured rates of links that do not use the radio; None where there are none.
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
    power_idle_w: Array | None = None
    power_receive_w: Array | None = None
    power_circuit_w: Array | None = None
    link_traces: LinkTraces | None = None

    def __len__(self) -> int:
        """Return the number of devices."""
        return self.clock_hz.size

    @property
    def seconds_per_flop(self) -> Array:
        """Return κ/f of each device, [s/FLOP]."""
        return self.cycles_per_flop / self.clock_hz

    @property
    def has_powers(self) -> bool:
        """Return whether any device has a power besides computation and radiated power."""
        powers = (self.power_idle_w, self.power_receive_w, self.power_circuit_w)
        return any(power_w is not None for power_w in powers)

    def powers(self, device: int) -> DevicePowers:
        """Return a device's powers besides computation and radiated power."""
        if not self.has_powers:
            return NO_POWERS
        powers = (self.power_idle_w, self.power_receive_w, self.power_circuit_w)
        return DevicePowers(*(0.0 if power_w is None else float(power_w[device]) for power_w in powers))


def draw_fleet(devices: Devices, seed: int) -> Fleet:
    """Return the fleet; each attribute has its own random stream, so that none shifts another's draws.

    The attributes of single devices, ``devices.overrides``, replace drawn ones after all draws.

    Raises
    ------
    ValueError
        If a file of positions or rates cannot be read, or a distribution gives a device too large a value.
    """

    def values(name: str, largest: float = MAGNITUDE_MAX) -> Array:
        rng = stream(seed, f"devices.{name}")
        try:
            drawn = draw(getattr(devices, name), devices.count, rng, largest=largest)
        except ValueError as error:
            raise KeyPathError(str(error), ("devices", name)) from None
        return with_overrides(name, drawn)

    def with_overrides(name: str, drawn: Array) -> Array:
        for device, attributes in devices.overrides.items():
            if (value := getattr(attributes, name)) is not None:
                drawn[device] = value
        return drawn

    def values_or_none(name: str) -> Array | None:
        if getattr(devices, name) is not None:
            return values(name)
        unlimited = with_overrides(name, np.full(devices.count, np.inf))
        return unlimited if np.isfinite(unlimited).any() else None

    def values_unless_zero(name: str) -> Array | None:
        drawn = values(name)
        return drawn if drawn.any() else None

    memory_mib = values_or_none("memory_mib")
    traces = read_link_traces(devices)

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
        power_max_w=np.asarray(dbm_to_w(values("power_max_dbm", LEVEL_MAX_DB))),
        battery_j=values_or_none("battery_j"),
        moves=moves if moves is not None and len(moves.times_s) > 1 else None,
        memory_bits=None if memory_mib is None else memory_mib * BITS_PER_MIB,
        uplink_bps=traces.mean_uplink_bps if traces else values_or_none("uplink_bps"),
        downlink_bps=traces.mean_downlink_bps if traces else values_or_none("downlink_bps"),
        power_idle_w=values_unless_zero("power_idle_w"),
        power_receive_w=values_unless_zero("power_receive_w"),
        power_circuit_w=values_unless_zero("power_circuit_w"),
        link_traces=traces,
    )
