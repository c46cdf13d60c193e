"""The radio problem of a scenario: its band, every device's gains, the power limits."""

from __future__ import annotations

import math

import numpy as np

from ..scenarios.registry import find
from ..scenarios.schema import Radio
from .allocation.problem import RadioProblem
from .fleet import Fleet
from .radio.rates import Band
from .radio.units import dbm_to_w

__all__ = ["radio_problem"]


def radio_problem(radio: Radio, fleet: Fleet, seed: int) -> RadioProblem:
    """Return the resources to share out; gains are drawn once per seed, the same for every scheme.

    Raises
    ------
    ValueError
        If the path loss can't serve these devices and subchannels.
    """
    # [num_subchannels] F_k = f_c + (k − (M+1)/2)·B, k = 1..M
    offsets = np.arange(1.0, radio.subchannels + 1, dtype=np.float64) - (radio.subchannels + 1) / 2
    band = Band(
        subchannel_hz=radio.subchannel_hz,
        centre_hz=np.asarray(radio.carrier_hz + offsets * radio.subchannel_hz, np.float64),
        noise_w_per_hz=float(dbm_to_w(radio.noise_dbm_per_hz)),
        antenna_gain=radio.antenna_gain,
        downlink_w_per_hz=float(dbm_to_w(radio.downlink_dbm_per_hz)),
        efficiency_cap_bps_per_hz=radio.spectral_efficiency_max or math.inf,
    )
    path_loss = find("path_loss", radio.path_loss.model).load()
    gains = path_loss(radio.path_loss, fleet.distance_m, band.centre_hz, seed)
    return RadioProblem(band, gains, fleet.power_max_w, float(dbm_to_w(radio.uplink_total_power_max_dbm)))
