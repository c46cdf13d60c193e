"""Rayleigh fading with Jakes' Doppler spectrum: gains that change the faster, the faster a device moves.

The channel of a subchannel is a sum of sinusoids, one for each ray that arrives at the device. It follows
Clarke, "A statistical theory of mobile-radio reception", 1968, with the angles of Xiao, Zheng and Beaulieu,
"Novel sum-of-sinusoids simulation models for Rayleigh and Rician fading channels", 2006. The spectrum is
named after Jakes, "Microwave Mobile Communications", 1974 (docs/model.md section 2.5).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...scenarios.errors import KeyPathError
from ...scenarios.random_streams import stream
from ...scenarios.schema.fields import (
    SPEED_RANGE_MPS,
    Distribution,
    Duration,
    SpeedPerDevice,
    draw,
    value_bounds,
)
from ...scenarios.schema.registered import FadingParameters
from .fading_process import FadingProcess, FadingSetting

__all__ = ["JakesFading", "JakesParameters", "doppler_hz"]

Array = NDArray[np.float64]

SPEED_OF_LIGHT_MPS = 299_792_458.0
NUM_RAYS = 64
"""The number N of rays. The variance of a power gain is 1 − 1/N instead of 1."""
STEPS_PER_PERIOD = 10
"""Default number of steps in 1/f_D. Within half a step the autocorrelation stays above J0(0.1π) = 0.97."""
CACHED_CLIENTS = 1024


class JakesParameters(FadingParameters):
    """Rayleigh fading of moving devices, with the autocorrelation of Jakes' spectrum."""

    model: Literal["jakes"] = "jakes"
    speed_mps: SpeedPerDevice = Field(
        default=1.5, description="speed of each device, m/s: a number, a list, or a distribution"
    )
    step_s: Duration | None = Field(
        default=None,
        description="time for which gains are constant, s; absent: a tenth of the inverse of the largest"
        " Doppler frequency",
    )

    def block_s(self, carrier_hz: float) -> float:
        """Return the step, [s].

        The default does not depend on the drawn speeds, so that a further device changes no other's gains.
        """
        if self.step_s is not None:
            return self.step_s
        fastest_mps = max(value_bounds(self.speed_mps))
        if isinstance(self.speed_mps, Distribution) and self.speed_mps.lognormal is not None:
            fastest_mps *= math.exp(2.0 * self.speed_mps.lognormal.sigma)
        doppler = float(doppler_hz(fastest_mps, carrier_hz))
        return 1.0 / (STEPS_PER_PERIOD * doppler) if doppler else math.inf


def doppler_hz(speed_mps: float | Array, carrier_hz: float) -> float | Array:
    """Return the largest Doppler frequency ``f_D = v·f_c/c``, [Hz]."""
    return speed_mps * (carrier_hz / SPEED_OF_LIGHT_MPS)


class JakesFading(FadingProcess):
    """Sums of sinusoids: ``h(t) = 1/√N Σ_n exp(j(2π f_D t cos α_n + φ_n))`` with ``α_n = (2πn + θ_n)/N``.

    All θ_n and φ_n are uniform on [−π, π). The autocorrelation of h is J0(2π f_D τ) for any number N of rays,
    and the power gain |h|² has mean 1. The rays of a device have the same angles on all subchannels, and
    independent phases. So the subchannels are uncorrelated. The gains of a step are those in its middle.

    Raises
    ------
    KeyPathError
        If the distribution of speeds gives a device a speed that is too high.
    """

    def __init__(self, parameters: JakesParameters, setting: FadingSetting) -> None:
        super().__init__(parameters, setting)
        devices_seed = setting.seed if setting.devices_seed is None else setting.devices_seed
        rng = stream(devices_seed, "fading speed")
        try:
            speeds_mps = draw(parameters.speed_mps, setting.num_clients, rng, largest=SPEED_RANGE_MPS[1])
        except ValueError as error:
            raise KeyPathError(str(error), ("radio", "fading", "speed_mps")) from None
        self.doppler_hz = np.asarray(doppler_hz(speeds_mps, setting.carrier_hz))
        self._seed = setting.seed
        self._num_subchannels = setting.num_subchannels
        self._rays = lru_cache(maxsize=CACHED_CLIENTS)(self._draw_rays)

    def make_chunk(self, client: int, number: int) -> Array:
        """Return the power gains in the middle of each step of the chunk.

        They are rounded to single precision. So they do not depend on the processor's vector instructions,
        which decide the last bits of sines and of matrix products.
        """
        steps = number * self.chunk_blocks + np.arange(self.chunk_blocks)
        times_s = (steps + 0.5) * self.block_s if math.isfinite(self.block_s) else np.zeros(len(steps))
        radians_per_s, amplitudes = self._rays(client)
        channel = np.exp(1j * np.outer(times_s, radians_per_s)) @ amplitudes
        return (channel.real**2 + channel.imag**2).astype(np.float32).astype(np.float64)

    def _draw_rays(self, client: int) -> tuple[Array, NDArray[np.complex128]]:
        """Draw the rays of one client.

        Returns
        -------
        radians_per_s : ndarray, [num_rays]
            Their Doppler frequencies 2π f_D cos α_n, [rad/s].
        amplitudes : ndarray, [num_rays, num_subchannels]
            ``exp(jφ_n)/√N`` on each subchannel.
        """
        rng = stream(self._seed, "fading rays", client)
        angles = (2.0 * np.pi * np.arange(1, NUM_RAYS + 1) + rng.uniform(-np.pi, np.pi, NUM_RAYS)) / NUM_RAYS
        phases = rng.uniform(-np.pi, np.pi, (NUM_RAYS, self._num_subchannels))
        radians_per_s = 2.0 * np.pi * self.doppler_hz[client] * np.cos(angles)
        return radians_per_s, np.exp(1j * phases) / math.sqrt(NUM_RAYS)
