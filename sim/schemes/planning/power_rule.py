"""The power rule of a run, ``allocation.power``, for every scheme's senders (docs/model.md, section 2.8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....scenarios.schema.allocation import FULL_POWER, Allocation, ExplicitPower
from ...allocation.power.methods import shared_limits_w
from ...allocation.shares.band import PowerLimits
from ...radio.resources import RadioResources, uniform_power_w
from ...radio.units import dbm_to_w

__all__ = ["PowerRule"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PowerRule:
    """The rule by which devices choose their uplink powers, the same for every scheme of a run.

    Attributes
    ----------
    name : str
        The method of ``allocation.power``; ``explicit`` for densities that the scenario states.
    densities_w_per_hz : ndarray or None
        Explicit densities, [num_devices], [W/Hz]; None for a method.
    """

    name: str
    densities_w_per_hz: Array | None = None

    @classmethod
    def of(cls, allocation: Allocation) -> PowerRule:
        """Return the rule that a scenario's section ``allocation`` states."""
        power = allocation.power
        if isinstance(power, ExplicitPower):
            return cls("explicit", np.asarray(dbm_to_w(np.asarray(power.dbm_per_hz, dtype=np.float64))))
        return cls(power)

    @property
    def saves_power(self) -> bool:
        """Return whether a device that would be early sends with less power instead."""
        return self.name not in ("uniform", FULL_POWER, "explicit")

    @property
    def raises_power(self) -> bool:
        """Return whether devices send with all the power that the limits leave."""
        return self.name == FULL_POWER

    def alone_w(self, resources: RadioResources) -> Array:
        """Return the power of each device while it has the whole band alone, [num_clients], [W]."""
        limit_w = np.minimum(resources.power_max_w, resources.total_power_max_w)
        if self.densities_w_per_hz is None:
            return limit_w
        band_hz = resources.band.subchannel_hz * resources.num_subchannels
        return np.minimum(limit_w, self.densities_w_per_hz * band_hz)

    def on_shares(self, resources: RadioResources) -> Sequence[PowerLimits]:
        """Return the limits that senders on shares of the band may obey; the best one is to be chosen.

        ``uniform`` divides the common limit equally among the devices. Otherwise the devices have either one
        power density on the whole band, which the common limit allows, or equal powers. A smaller limit of a
        device's own applies in any case; with equal powers, others may then use the remaining power.
        """
        common = resources.total_power_max_w / (resources.band.subchannel_hz * resources.num_subchannels)
        unlimited = np.full(resources.num_clients, np.inf)
        if self.name == "uniform":
            return (PowerLimits(uniform_power_w(resources), unlimited),)
        densities = np.full(resources.num_clients, common)
        if self.densities_w_per_hz is not None:
            stated = np.minimum(densities, self.densities_w_per_hz)
            return (PowerLimits(resources.power_max_w, stated),)
        return (
            PowerLimits(resources.power_max_w, densities),
            PowerLimits(shared_limits_w(resources), unlimited),
        )
