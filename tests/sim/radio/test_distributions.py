"""Laws of the random draws: states, shadowing and fading are distributed as published.

Each sample is large enough to reject, at the same level, a distribution whose scale is 5 % off.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from cutlayer.sim.radio.fading import RayleighParameters, RicianParameters, rayleigh, rician
from cutlayer.sim.radio.path_loss import SamimiParameters, line_of_sight_probability, samimi_gains
from cutlayer.sim.radio.units import linear_to_db

LEVEL = 0.01
SAMPLED = SamimiParameters(model="samimi_28ghz", mode="sampled")
CONSTANT_DB = 61.385  # 20 log10(4π · 28e9 / 3e8)
DISTANCES_M = [40, 60, 100]
DEVICES = 30_000
BLOCK = (200, 200)


def assert_drawn_from(distribution: Callable[[float], Any], sample: NDArray[np.float64]) -> None:
    """Assert that the Kolmogorov-Smirnov test accepts the distribution and rejects scales 5 % off."""
    pvalue = {scale: stats.kstest(sample, distribution(scale).cdf).pvalue for scale in (0.95, 1.0, 1.05)}
    assert pvalue[1.0] > LEVEL
    assert pvalue[0.95] < LEVEL
    assert pvalue[1.05] < LEVEL


@functools.cache
def samimi_draws(distance_m: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return each device's state and its shadowing, [dB].

    A device has the same draws at any distance, so the slope of its loss gives its exponent.
    """
    near_m, far_m = float(distance_m), distance_m * (1 + 1e-6)
    near_db, far_db = (
        -linear_to_db(samimi_gains(SAMPLED, np.full(DEVICES, at_m), np.array([28e9]), distance_m))[:, 0]
        for at_m in (near_m, far_m)
    )
    exponent = (far_db - near_db) / (10 * np.log10(far_m / near_m))
    in_sight = exponent < 2.75
    np.testing.assert_allclose(np.where(in_sight, 2.1, 3.4), exponent, atol=1e-3)
    return in_sight, near_db - CONSTANT_DB - np.where(in_sight, 21, 34) * np.log10(near_m)


@pytest.mark.parametrize("distance_m", DISTANCES_M)
def test_states_are_as_frequent_as_published(distance_m: int) -> None:
    """Devices are in line of sight independently of each other, with P_LOS of their distance."""
    in_sight, _ = samimi_draws(distance_m)
    published = float(line_of_sight_probability(np.array([float(distance_m)]))[0])
    count = int(in_sight.sum())
    assert stats.binomtest(count, DEVICES, published).pvalue > LEVEL
    assert stats.binomtest(count, DEVICES, 0.95 * published).pvalue < LEVEL
    assert stats.binomtest(count, DEVICES, 1.05 * published).pvalue < LEVEL


@pytest.mark.parametrize(("state", "deviation_db"), [(True, 3.6), (False, 9.7)])
def test_shadowing_is_normal_in_each_state(state: bool, deviation_db: float) -> None:
    """At any distance X ~ N(0, 3.6 dB) in line of sight and N(0, 9.7 dB) without it."""
    draws = [samimi_draws(distance_m) for distance_m in DISTANCES_M]
    shadowing_db = np.concatenate([shadowing[in_sight == state] for in_sight, shadowing in draws])
    assert_drawn_from(lambda scale: stats.norm(scale=scale * deviation_db), shadowing_db)


def assert_mean_is_one(gains: NDArray[np.float64]) -> None:
    """Assert that the mean is 1 within three of its standard errors, each below 1 %."""
    error = gains.std() / np.sqrt(gains.size)
    assert error < 0.01
    assert pytest.approx(1.0, abs=3 * error) == gains.mean()


def test_rayleigh_gains_are_exponential() -> None:
    """The power of a circular Gaussian amplitude is exponentially distributed with mean 1."""
    parameters = RayleighParameters(model="rayleigh", coherence_s=0.1)
    gains = rayleigh(parameters, np.random.default_rng(0), BLOCK)
    assert BLOCK == gains.shape
    assert_drawn_from(lambda scale: stats.expon(scale=scale), gains.ravel())
    assert_mean_is_one(gains)


@pytest.mark.parametrize("k_db", [-6.0, 0.0, 6.0, 12.0])
def test_rician_gains_are_noncentral_chi_square(k_db: float) -> None:
    """2(K+1) times the power is noncentral chi-square, 2 degrees of freedom, noncentrality 2K."""
    parameters = RicianParameters(model="rician", k_db=k_db, coherence_s=0.1)
    gains = rician(parameters, np.random.default_rng(1), BLOCK)
    k = 10 ** (k_db / 10)
    assert BLOCK == gains.shape
    assert_drawn_from(lambda scale: stats.ncx2(df=2, nc=2 * k, scale=scale / (2 * (k + 1))), gains.ravel())
    assert_mean_is_one(gains)
