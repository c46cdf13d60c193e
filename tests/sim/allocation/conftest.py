"""Instances of the allocation problem, of the size and with the values of the papers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest

from cutlayer.sim.allocation.problem import RoundWork
from cutlayer.sim.radio.path_loss import SamimiParameters, samimi_gains
from cutlayer.sim.radio.rates import Band
from cutlayer.sim.radio.resources import RadioResources
from cutlayer.sim.radio.units import dbm_to_w

Instance: TypeAlias = tuple[RadioResources, dict[int, RoundWork]]

# Five cuts of ResNet-18 on 64 x 64 images: million FLOPs, values and million parameters up to the cut.
PROFILE = [
    (9.6, 65536, 0.01),
    (47.4, 16384, 0.15),
    (81.0, 8192, 0.68),
    (114.5, 4096, 2.8),
    (148.1, 512, 11.2),
]
SAMPLES = 64


def _instance(
    seed: int,
    clients: int = 5,
    subchannels: int = 20,
    *,
    merged_share: float = 0.5,
    averaging_share: float = 0.0,
    cap_bps_per_hz: float = np.inf,
    fading: bool = False,
    spread_db: float = 0.0,
) -> Instance:
    rng = np.random.default_rng(seed)
    centre_hz = 28e9 + (np.arange(1.0, subchannels + 1) - (subchannels + 1) / 2) * 10e6
    band = Band(10e6, centre_hz, dbm_to_w(-174.0), 10.0, dbm_to_w(-50.0), cap_bps_per_hz)
    parameters = SamimiParameters(model="samimi_28ghz")
    gains = samimi_gains(parameters, 200 * np.sqrt(rng.uniform(size=clients)), centre_hz, seed)
    if fading:
        gains = gains * rng.exponential(size=gains.shape)
    if spread_db:  # further losses of each link, which are independent even between neighbouring subchannels
        loss_db = np.random.default_rng((seed, 1)).uniform(0.0, spread_db, gains.shape)
        gains = gains * 10 ** (-loss_db / 10)
    power_max_w = dbm_to_w(31.76) * rng.uniform(0.2, 1.0, clients)
    # Either limit may bind.
    total_power_max_w = rng.uniform(0.2, 1.2) * float(power_max_w.sum())
    problem = RadioResources(band, gains, power_max_w, total_power_max_w)
    clock_hz = rng.uniform(1e9, 1.6e9, clients)
    merged = np.ceil(merged_share * SAMPLES)
    work_by_cut = {}
    for cut, (mflops, values, mparameters) in enumerate(PROFILE, start=1):
        before_s = SAMPLES * mflops * 1e6 / 16 / clock_hz
        work_by_cut[cut] = RoundWork(
            before_uplink_s=before_s,
            uplink_bits=SAMPLES * values * 32.0,
            server_s=3 * clients * SAMPLES * (PROFILE[-1][0] - mflops) * 1e6 / 32 / 5e9,
            broadcast_bits=merged * values * 32,
            downlink_bits=(SAMPLES - merged) * values * 32,
            after_downlink_s=2 * before_s,
            model_upload_bits=mparameters * 32e6,
            model_broadcast_bits=mparameters * 32e6,
            averaging_share=averaging_share,
        )
    return problem, work_by_cut


@pytest.fixture(scope="session")
def instance() -> Callable[..., Instance]:
    """Return a function that builds the instance of a seed: the resources, and the work at each cut."""
    return _instance
