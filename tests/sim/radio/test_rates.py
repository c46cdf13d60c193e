"""Laws of the rates: the formulas of the papers, written out, and their consequences."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.sim.radio.rates import (
    Band,
    broadcast_rate,
    downlink_rates,
    spectral_efficiency,
    uplink_rates,
    whole_band_rates,
)

BAND = Band(
    subchannel_hz=10e6,
    centre_hz=28e9 + np.arange(6.0) * 10e6,
    noise_w_per_hz=4e-21,
    antenna_gain=10.0,
    downlink_w_per_hz=1e-8,
)
GAINS = 1e-12 * np.random.default_rng(0).exponential(size=(3, 6))
CLIENT_OF = np.array([2, 0, -1, 1, 2, 0])
PSD_W_PER_HZ = np.array([1e-7, 2e-7, 9e-7, 3e-8, 5e-8, 1e-9])


def rate_bps(density_w_per_hz: float, gain: float) -> float:
    """Return the rate of one subchannel, as the papers write it."""
    return 10e6 * math.log2(1 + density_w_per_hz * 10.0 * gain / 4e-21)


def test_uplink_rate_is_the_sum_over_the_clients_subchannels() -> None:
    """R_i^U = Σ_k r_i^k B log2(1 + p_k G γ_i^k/σ²); an unused subchannel adds nothing."""
    expected = [
        sum(rate_bps(PSD_W_PER_HZ[k], GAINS[i, k]) for k in range(6) if CLIENT_OF[k] == i) for i in range(3)
    ]
    np.testing.assert_allclose(expected, uplink_rates(BAND, GAINS, CLIENT_OF, PSD_W_PER_HZ), rtol=1e-12)


def test_downlink_rate_has_the_access_points_density() -> None:
    """R_i^D is the uplink formula with p^DL instead of p_k."""
    expected = [sum(rate_bps(1e-8, GAINS[i, k]) for k in range(6) if CLIENT_OF[k] == i) for i in range(3)]
    np.testing.assert_allclose(expected, downlink_rates(BAND, GAINS, CLIENT_OF), rtol=1e-12)


def test_broadcast_goes_at_the_weakest_clients_rate() -> None:
    """R^B = min_i Σ_{k=1..M} B log2(1 + p^DL G γ_i^k/σ²): the whole band."""
    rates = [sum(rate_bps(1e-8, gain) for gain in row) for row in GAINS]
    assert min(rates) == pytest.approx(broadcast_rate(BAND, GAINS), rel=1e-12)
    without_weakest = np.delete(GAINS, int(np.argmin(rates)), axis=0)
    assert broadcast_rate(BAND, without_weakest) > broadcast_rate(BAND, GAINS)


def test_whole_band_rate_is_the_rate_with_every_subchannel() -> None:
    """A client that uses the whole band has the rate of all subchannels at a flat PSD, in both directions."""
    power_w = np.array([1.0, 0.5, 2.0])
    uplink_bps, downlink_bps = whole_band_rates(BAND, GAINS, power_w)
    for client in range(3):
        client_of = np.full(6, client)
        flat = np.full(6, power_w[client] / (6 * 10e6))
        assert uplink_rates(BAND, GAINS, client_of, flat)[client] == pytest.approx(
            uplink_bps[client], rel=1e-12
        )
        assert downlink_rates(BAND, GAINS, client_of)[client] == pytest.approx(
            downlink_bps[client], rel=1e-12
        )


@settings(deadline=None)
@given(snr=st.floats(0.0, 1e12), cap=st.floats(0.1, 20.0))
def test_the_cap_bounds_the_efficiency(snr: float, cap: float) -> None:
    """The spectral efficiency is the lesser of log2(1 + SNR) and the cap."""
    assert min(math.log2(1 + snr), cap) == pytest.approx(
        float(spectral_efficiency(np.array(snr), cap)), rel=1e-9, abs=1e-15
    )


def test_a_cap_holds_on_every_link() -> None:
    """With a cap below every subchannel's efficiency, a rate is bandwidth times cap."""
    capped = replace(BAND, efficiency_cap_bps_per_hz=0.01)
    np.testing.assert_allclose([2e5, 1e5, 2e5], uplink_rates(capped, GAINS, CLIENT_OF, np.full(6, 1e-6)))
    assert pytest.approx(6e5) == broadcast_rate(capped, GAINS)
    np.testing.assert_allclose(6e5, whole_band_rates(capped, GAINS, np.ones(3)))


def test_precision_far_below_the_noise() -> None:
    """At an SNR of 1e-20, where 1 + SNR rounds to 1, the efficiency is SNR/ln 2."""
    assert 1e-20 / math.log(2) == pytest.approx(float(spectral_efficiency(np.array(1e-20))), rel=1e-12)
