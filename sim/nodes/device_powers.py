"""The powers that a device consumes besides computation and radiated power."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["NO_POWERS", "DevicePowers"]


class DevicePowers(NamedTuple):
    """Powers that a device consumes besides computation and radiated power (docs/model.md section 2.3).

    Attributes
    ----------
    idle_w : float
        Power while the device neither computes, sends nor receives, [W].
    receive_w : float
        Power of the receiver while a transfer or a broadcast arrives, [W].
    circuit_w : float
        Power of the transmitter's circuits while the device sends, on top of the radiated power, [W].
    """

    idle_w: float
    receive_w: float
    circuit_w: float


NO_POWERS = DevicePowers(0.0, 0.0, 0.0)
