"""The radio resources of a plan: subchannels, channel gains and power limits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..planning_error import PlanningError
from .rates import Band

__all__ = ["RadioResources", "uniform_power_w"]


@dataclass(frozen=True)
class RadioResources:
    """The subchannels, gains and power limits that an allocation method shares out.

    Attributes
    ----------
    band : Band
        The M subchannels.
    gains : ndarray, [num_clients, num_subchannels]
        Channel power gains γ_i^k, greater than 0, linear, [1].
    power_max_w : ndarray, [num_clients]
        Uplink power limit p_i^max of each client, [W].
    total_power_max_w : float
        Uplink power limit p_th of all clients together, [W].

    Raises
    ------
    PlanningError
        If the shapes do not fit, or a gain is not greater than 0.
    """

    band: Band
    gains: NDArray[np.float64]
    power_max_w: NDArray[np.float64]
    total_power_max_w: float

    def __post_init__(self) -> None:
        shape = (len(self.power_max_w), len(self.band.centre_hz))
        if self.gains.shape != shape:
            raise PlanningError(
                f"gains has the shape {self.gains.shape}; {shape[0]} clients have a power limit"
                f" and the band has {shape[1]} subchannels"
            )
        usable = (self.gains > 0) & np.isfinite(self.gains)
        if not usable.all():
            client, subchannel = np.argwhere(~usable)[0]
            raise PlanningError(
                f"the gain of client {client} on subchannel {subchannel} must be finite and greater than 0,"
                f" not {self.gains[client, subchannel]:g}"
            )

    @property
    def num_clients(self) -> int:
        """Return the number of clients, C."""
        return len(self.gains)

    @property
    def num_subchannels(self) -> int:
        """Return the number of subchannels, M."""
        return len(self.band.centre_hz)

    def select(self, clients: NDArray[np.intp]) -> RadioResources:
        """Return the resources of these clients alone, in this order; the common power limit stays."""
        return RadioResources(
            self.band, self.gains[clients], self.power_max_w[clients], self.total_power_max_w
        )

    @cached_property
    def preferences(self) -> NDArray[np.intp]:
        """Return each client's subchannels by falling gain, [num_clients, num_subchannels]."""
        return np.argsort(-self.gains, axis=1, kind="stable")


def uniform_power_w(problem: RadioResources) -> NDArray[np.float64]:
    """Return ``min(p_i^max, p_th/C)``, [num_clients], [W]: both power limits hold for any subchannels."""
    return np.minimum(problem.power_max_w, problem.total_power_max_w / problem.num_clients)
