"""Mean rates over fading: the ergodic rate of Rayleigh fading, and the limits of weak and of no fading."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import exp1

from cutlayer.sim.allocation.problem import link_rates
from cutlayer.sim.radio.mean_fading import MeanBand, fading_nodes, with_mean_rates
from cutlayer.sim.radio.rates import Band
from cutlayer.sim.radio.resources import RadioResources

BAND = Band(
    subchannel_hz=10e6,
    centre_hz=28e9 + np.arange(6.0) * 10e6,
    noise_w_per_hz=4e-21,
    antenna_gain=10.0,
    downlink_w_per_hz=1e-8,
)
RESOURCES = RadioResources(BAND, 1e-12 * np.arange(1.0, 19.0).reshape(3, 6), np.full(3, 0.5), 1.0)
CLIENT_OF = np.array([2, 0, 1, 1, 2, 0])
PSD_W_PER_HZ = np.array([1e-8, 2e-8, 9e-9, 3e-9, 5e-9, 1e-9])
RAYLEIGH = fading_nodes(np.random.default_rng(0).exponential(size=100_000))


@pytest.mark.parametrize("snr", [1e-8, 1e-3, 0.1, 1.0, 10.0, 1e4])
def test_mean_efficiency_is_the_ergodic_rate_of_rayleigh_fading(snr: float) -> None:
    """E[log2(1 + snr·h)] of an exponential h is exp(1/snr) E1(1/snr) / ln 2."""
    x = 1 / snr
    # e^x E1(x) → 1/x − 1/x² for large x, where the factors overflow
    expected = (math.exp(x) * exp1(x) if x < 500 else (1 - 1 / x) / x) / math.log(2)
    band = MeanBand(**vars(BAND), nodes=RAYLEIGH)
    assert expected == pytest.approx(float(band.efficiency(np.array([snr]))[0]), rel=5e-3)


def test_without_variation_the_rates_are_those_without_fading() -> None:
    """Fading whose gain is always 1 leaves the rates as they are."""
    faded = with_mean_rates(RESOURCES, np.ones(1))
    expected, actual = (link_rates(each, CLIENT_OF, PSD_W_PER_HZ) for each in (RESOURCES, faded))
    np.testing.assert_allclose(actual.uplink_bps, expected.uplink_bps, rtol=1e-4)
    np.testing.assert_allclose(actual.downlink_bps, expected.downlink_bps, rtol=1e-4)


def test_mean_rates_are_the_mean_of_the_rates_over_draws() -> None:
    """The rates of an allocation are the means of its rates over drawn fading, at every ratio."""
    faded = link_rates(with_mean_rates(RESOURCES, RAYLEIGH), CLIENT_OF, PSD_W_PER_HZ)
    rng = np.random.default_rng(1)
    drawn = [
        link_rates(
            replace(RESOURCES, gains=RESOURCES.gains * rng.exponential(size=(3, 6))), CLIENT_OF, PSD_W_PER_HZ
        )
        for _ in range(4000)
    ]
    mean_bps = np.mean([rates.uplink_bps for rates in drawn], axis=0)
    np.testing.assert_allclose(faded.uplink_bps, mean_bps, rtol=0.02)
    mean_bps = np.mean([rates.downlink_bps for rates in drawn], axis=0)
    np.testing.assert_allclose(faded.downlink_bps, mean_bps, rtol=0.02)


def test_a_cap_of_the_modem_holds_in_every_state() -> None:
    """With a cap the mean efficiency never exceeds it, and is less than it where fades are deep."""
    band = MeanBand(**vars(replace(BAND, efficiency_cap_bps_per_hz=4.0)), nodes=RAYLEIGH)
    efficiency = band.efficiency(np.array([1e14, 15.0]))
    assert 4.0 == pytest.approx(efficiency[0])
    assert efficiency[1] < 3.5


def test_lost_bits_and_interruptions_scale_the_rates() -> None:
    """If a share of the bits is sent again, the rates of new bits are those of the rest."""
    whole, half = (
        link_rates(with_mean_rates(RESOURCES, RAYLEIGH, share), CLIENT_OF, PSD_W_PER_HZ)
        for share in (1.0, 0.5)
    )
    np.testing.assert_allclose(half.uplink_bps, 0.5 * whole.uplink_bps, rtol=1e-4)
    assert half.broadcast_bps == pytest.approx(0.5 * whole.broadcast_bps, rel=1e-4)
