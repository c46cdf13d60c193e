"""Block fading: independent random power gains of mean 1 for each block, client and subchannel.

Each model is a function ``(parameters, rng, shape) -> gains``. To add one, write such a function and a class
of its scenario keys, and register both under ``fading`` (docs/model.md section 2.5). Models whose blocks
depend on each other are subclasses of ``sim/radio/fading_process.py: FadingProcess``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...scenarios.schema.fields import Duration, Level
from ...scenarios.schema.registered import FadingParameters
from .units import db_to_linear

__all__ = ["NoFadingParameters", "RayleighParameters", "RicianParameters", "no_fading", "rayleigh", "rician"]


class NoFadingParameters(FadingParameters):
    """No fading: the model has no parameters."""

    model: Literal["none"] = "none"


class RayleighParameters(FadingParameters):
    """Rayleigh fading: gains are drawn again after each coherence time."""

    coherence_s: Duration = Field(description="length of a block, in which gains are constant, s")


class RicianParameters(FadingParameters):
    """Rician fading: K is the power of the line-of-sight component over that of all others, in dB."""

    k_db: Level = Field(
        default=6.0, description="power of the line-of-sight component over that of all others, dB"
    )
    coherence_s: Duration = Field(description="length of a block, in which gains are constant, s")


def no_fading(
    parameters: NoFadingParameters, rng: np.random.Generator, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return gains of 1; for the parameters see :func:`rayleigh`."""
    return np.ones(shape)


def rayleigh(
    parameters: RayleighParameters, rng: np.random.Generator, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return power gains of Rayleigh fading, exponentially distributed with mean 1.

    Parameters
    ----------
    parameters : RayleighParameters
        The model's keys.
    rng : numpy.random.Generator
        The generator of the stream of one client and some blocks.
    shape : tuple of int
        ``(num_blocks, num_subchannels)``.

    Returns
    -------
    gains : ndarray, [num_blocks, num_subchannels]
        Power gains, linear, [1].
    """
    return rng.exponential(size=shape)


def rician(
    parameters: RicianParameters, rng: np.random.Generator, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return power gains of Rician fading, ``|√(K/(K+1)) + √(1/(K+1)) CN(0, 1)|²``, of mean 1.

    For the parameters see :func:`rayleigh`.
    """
    k = float(db_to_linear(parameters.k_db))
    scattered = rng.normal(scale=np.sqrt(0.5 / (k + 1.0)), size=(*shape, 2))
    gains: NDArray[np.float64] = (np.sqrt(k / (k + 1.0)) + scattered[..., 0]) ** 2 + scattered[..., 1] ** 2
    return gains
