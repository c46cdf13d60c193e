"""Warnings about values that are allowed, but that look like numbers of another unit.

Each rule names a kind of quantity, the range of its plausible values, and the units that people mix up. A
warning does not refuse the scenario: a researcher may simulate a clock of 1 Hz on purpose.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import KeyPath, ScenarioIssue
from .fields import Distribution, Placement
from .scenario import Scenario

__all__ = ["UNIT_RULES", "UnitRule", "unit_warnings"]


@dataclass(frozen=True)
class UnitRule:
    """The plausible values of one kind of quantity.

    Attributes
    ----------
    unit : str
        The unit that the key takes.
    lowest, largest : float
        The range without a warning.
    others : tuple of (str, float)
        Units that people give instead, and their size in the key's unit. The first one that turns a value
        into a plausible one is suggested.
    """

    unit: str
    lowest: float
    largest: float
    others: tuple[tuple[str, float], ...] = ()

    def warning(self, value: float) -> str | None:
        """Return the warning about a value, or None if it is plausible."""
        if self.lowest <= value <= self.largest or value == 0:
            return None
        where = "below" if value < self.lowest else "above"
        bound = self.lowest if value < self.lowest else self.largest
        text = f"{value:g} {self.unit} is {where} {bound:g} {self.unit}, the usual range"
        for other, size in self.others:
            if self.lowest <= (likely := value * size) <= self.largest:
                return f"{text}; did you mean {likely:g} {self.unit}, which is {value:g} {other}?"
        return text


_HZ = (("GHz", 1e9), ("MHz", 1e6), ("kHz", 1e3))
UNIT_RULES = {
    "clock": UnitRule("Hz", 1e5, 1e14, _HZ),
    "cycles per FLOP": UnitRule("cycles/FLOP", 1e-6, 1e4),
    "link rate": UnitRule("bit/s", 1e3, 1e14, (("Mbit/s", 1e6), ("kbit/s", 1e3))),
    "carrier": UnitRule("Hz", 1e7, 1e13, _HZ),
    "subchannel": UnitRule("Hz", 1e3, 1e11, (("MHz", 1e6), ("kHz", 1e3))),
    "distance": UnitRule("m", 1.0, 1e5, (("km", 1e3), ("mm", 1e-3))),
    "noise": UnitRule("dBm/Hz", -210.0, -110.0),
    "short time": UnitRule("s", 1e-7, 100.0, (("ms", 1e-3), ("µs", 1e-6))),
    "memory": UnitRule("MiB", 1e-3, 1e8, (("bytes", 2.0**-20),)),
    "capacitance": UnitRule("J·s²/cycle³", 1e-34, 1e-20),
}
"""The rules that compare a value with a range, by kind of quantity."""

POWER_RANGE_DBM = (5.0, 60.0)
BAND_POWER_MAX_DBM = 80.0
MW_PER_W = 1e3


def unit_warnings(scenario: Scenario) -> list[ScenarioIssue]:
    """Return a warning for each key whose value looks like a number of another unit."""
    warnings = [
        ScenarioIssue(key, f"warning: {text}")
        for kind, key, value in _quantities(scenario)
        if (text := UNIT_RULES[kind].warning(value)) is not None
    ]
    powers = [(("devices", "power_max_dbm"), value) for value in _extremes(scenario.devices.power_max_dbm)]
    powers.append((("radio", "uplink_total_power_max_dbm"), scenario.radio.uplink_total_power_max_dbm))
    warnings += [
        ScenarioIssue(key, f"warning: {text}")
        for key, power_dbm in powers
        if (text := _power_warning(power_dbm)) is not None
    ]
    band_dbm = scenario.radio.downlink_dbm_per_hz + 10 * math.log10(
        scenario.radio.subchannels * scenario.radio.subchannel_hz
    )
    if band_dbm > BAND_POWER_MAX_DBM:
        density = scenario.radio.downlink_dbm_per_hz
        text = (
            f"warning: {density:g} dBm/Hz is {band_dbm:.4g} dBm over the band; did you mean {density:g} dBm"
            f" over the band, which is {2 * density - band_dbm:.4g} dBm/Hz?"
        )
        warnings.append(ScenarioIssue(("radio", "downlink_dbm_per_hz"), text))
    return list(dict.fromkeys(warnings))


def _power_warning(power_dbm: float) -> str | None:
    """Return the warning about a transmit power that looks like a number of watts or milliwatts."""
    lowest_dbm, largest_dbm = POWER_RANGE_DBM
    if 0 < power_dbm < lowest_dbm:
        likely_dbm = 10 * math.log10(power_dbm * MW_PER_W)
        return (
            f"{power_dbm:g} dBm is {10 ** (power_dbm / 10):.3g} mW; did you mean {likely_dbm:.4g} dBm, which"
            f" is {power_dbm:g} W?"
        )
    if power_dbm > largest_dbm:
        return (
            f"{power_dbm:g} dBm is {10 ** (power_dbm / 10) / MW_PER_W:.3g} W; did you mean"
            f" {10 * math.log10(power_dbm):.4g} dBm, which is {power_dbm:g} mW?"
        )
    return None


def _extremes(value: object) -> tuple[float, ...]:
    """Return the values of an attribute of devices that decide about a warning; () if there are none."""
    if isinstance(value, Placement) and value.uniform_disc is not None:
        return (value.uniform_disc,)
    if isinstance(value, Distribution):
        value = value.bounds()
    values = value if isinstance(value, tuple) else (value,)
    numbers = [float(number) for number in values if isinstance(number, int | float) and number]
    return tuple(dict.fromkeys((min(numbers), max(numbers)))) if numbers else ()


def _quantities(scenario: Scenario) -> Iterator[tuple[str, KeyPath, float]]:
    """Yield the kind, the key path and the value of each quantity that has a rule."""
    devices, server, radio = scenario.devices, scenario.server, scenario.radio
    for kind, key in (
        ("clock", "clock_hz"),
        ("cycles per FLOP", "cycles_per_flop"),
        ("link rate", "uplink_bps"),
        ("link rate", "downlink_bps"),
        ("memory", "memory_mib"),
        ("capacitance", "switched_capacitance"),
    ):
        yield from ((kind, ("devices", key), value) for value in _extremes(getattr(devices, key)))
    distances_m = _extremes(devices.distance_m)
    yield from (("distance", ("devices", "distance_m"), value) for value in distances_m[-1:])
    processors: list[tuple[KeyPath, object]] = [(("server",), server)]
    network = scenario.network
    if network is not None:
        processors += [(("network", "nodes", index), node) for index, node in enumerate(network.nodes)]
        wires: list[tuple[KeyPath, float, float]] = [
            (("network", "wires", index), wire.rate_bps, wire.delay_s)
            for index, wire in enumerate(network.wires or ())
        ]
        wires.append((("network", "wire"), network.wire.rate_bps, network.wire.delay_s))
        for path, rate_bps, delay_s in wires:
            yield "link rate", (*path, "rate_bps"), rate_bps
            if delay_s:
                yield "short time", (*path, "delay_s"), delay_s
    for path, processor in processors:
        for kind, key in (
            ("clock", "clock_hz"),
            ("cycles per FLOP", "cycles_per_flop"),
            ("memory", "memory_mib"),
            ("capacitance", "switched_capacitance"),
        ):
            yield from ((kind, (*path, key), value) for value in _extremes(getattr(processor, key)))
    yield "carrier", ("radio", "carrier_hz"), radio.carrier_hz
    yield "subchannel", ("radio", "subchannel_hz"), radio.subchannel_hz
    yield "noise", ("radio", "noise_dbm_per_hz"), radio.noise_dbm_per_hz
    if radio.sharing == "tdma":
        yield "short time", ("radio", "tdma_slot_s"), radio.tdma_slot_s
    if radio.fading.block_key:
        block_s = radio.fading.block_s(radio.carrier_hz)
        yield "short time", ("radio", "fading", *radio.fading.block_key), block_s
