"""Small-scale fading: random power gains of mean 1, one draw a block, client and subchannel.

Each has the signature ``(parameters, rng, shape) -> gains``. A new one is one such function, the keys that
it takes in a scenario, and one registration under ``fading``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...scenarios.schema.fields import Level, Positive
from ...scenarios.schema.registered import FadingParameters
from .units import db_to_linear

__all__ = ["NoFadingParameters", "RayleighParameters", "RicianParameters", "no_fading", "rayleigh", "rician"]


class NoFadingParameters(FadingParameters):
    """No fading takes no parameters."""

    model: Literal["none"] = "none"


class RayleighParameters(FadingParameters):
    """Rayleigh fading: a new draw at the start of each coherence time."""

    coherence_s: Positive


class RicianParameters(FadingParameters):
    """Rician fading: power of the line-of-sight component over that of all others, K, in dB."""

    k_db: Level = 6.0
    coherence_s: Positive


def no_fading(
    parameters: NoFadingParameters, rng: np.random.Generator, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return gains of 1; for arguments see :func:`rayleigh`."""
    return np.ones(shape)


def rayleigh(
    parameters: RayleighParameters, rng: np.random.Generator, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return power gains of Rayleigh fading, exponentially distributed with mean 1.

    Parameters
    ----------
    parameters : the model's keys
    rng : generator of this block's stream
    shape : (num_clients, num_subchannels)

    Returns
    -------
    gains : [num_clients, num_subchannels], float
        Power gains, linear, [1].
    """
    return rng.exponential(size=shape)


def rician(
    parameters: RicianParameters, rng: np.random.Generator, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return power gains of Rician fading, ``|√(K/(K+1)) + √(1/(K+1)) CN(0, 1)|²``, of mean 1.

    Parameters
    ----------
    parameters, rng, shape : as for :func:`rayleigh`
    """
    k = float(db_to_linear(parameters.k_db))
    # Both parts of a client's gain are drawn together, so that a further client shifts no other's draws.
    scattered = rng.normal(scale=np.sqrt(0.5 / (k + 1.0)), size=(*shape, 2))
    gains: NDArray[np.float64] = (np.sqrt(k / (k + 1.0)) + scattered[..., 0]) ** 2 + scattered[..., 1] ** 2
    return gains
