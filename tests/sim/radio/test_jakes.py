"""Jakes' fading: exponential power gains, the autocorrelation of moving devices, and independent streams."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats

from cutlayer.scenarios.errors import KeyPathError
from cutlayer.scenarios.schema.scenario import Radio
from cutlayer.sim.radio.fading_process import FadingSetting
from cutlayer.sim.radio.jakes import NUM_RAYS, JakesFading, JakesParameters, doppler_hz

CARRIER_HZ = 28e9
LEVEL = 1e-3
"""Level of the statistical tests; their seeds are fixed."""


def process(clients: int = 3, subchannels: int = 4, seed: int = 0, **keys: Any) -> JakesFading:
    """Return the fading of some devices."""
    parameters = JakesParameters.model_validate({"model": "jakes", **keys})
    return JakesFading(parameters, FadingSetting(seed, clients, subchannels, CARRIER_HZ))


def chunks(fading: JakesFading, clients: range, number: int = 0) -> NDArray[np.float64]:
    """Return the gains of these clients in one chunk, [num_clients, num_blocks, num_subchannels]."""
    return np.stack([fading.chunk(client, number) for client in clients])


def test_the_doppler_frequency_is_that_of_the_textbook() -> None:
    """At 1.5 m/s and 28 GHz the largest Doppler frequency is v f_c / c = 140.1 Hz."""
    assert pytest.approx(140.1, abs=0.05) == doppler_hz(1.5, CARRIER_HZ)


def test_power_gains_are_exponential() -> None:
    """Over devices and subchannels the power gain of a step has the exponential distribution of mean 1."""
    gains = chunks(process(400, 32), range(400), number=7)[:, 5].ravel()
    assert stats.kstest(gains, stats.expon.cdf).pvalue > LEVEL
    assert stats.kstest(gains, stats.expon(scale=1.05).cdf).pvalue < LEVEL
    error = gains.std() / math.sqrt(gains.size)
    assert pytest.approx(1.0, abs=3 * error) == gains.mean()
    assert pytest.approx(2 - 1 / NUM_RAYS, rel=0.1) == (gains**2).mean()


@pytest.mark.parametrize("speed_mps", [1.5, 30.0])
def test_the_autocorrelation_is_a_bessel_function(speed_mps: float) -> None:
    """Power gains at a lag τ have the correlation J0(2π f_D τ)², the square of that of the complex gain."""
    fading = process(600, 32, speed_mps=speed_mps)
    gains = chunks(fading, range(600)).swapaxes(0, 1).reshape(fading.chunk_blocks, -1)
    for lag in (1, 2, 3, 4, 6, 9, 12):
        expected = (
            special.j0(2 * np.pi * float(doppler_hz(speed_mps, CARRIER_HZ)) * lag * fading.block_s) ** 2
        )
        measured = np.corrcoef(gains[20], gains[20 + lag])[0, 1]
        assert pytest.approx(expected, abs=4 / math.sqrt(gains.shape[1])) == measured, lag


def test_a_device_keeps_its_mean_power_over_time() -> None:
    """Over a long time the mean gain of each device and subchannel is near 1, so no device is privileged."""
    fading = process(4, 4, speed_mps=30.0)
    means = np.mean([chunks(fading, range(4), number) for number in range(200)], axis=(0, 2))
    np.testing.assert_allclose(1.0, means, atol=0.05)


def test_subchannels_and_devices_are_uncorrelated() -> None:
    """Gains of two subchannels of a device, and of two devices on a subchannel, have no correlation."""
    gains = chunks(process(1500, 4), range(1500))[:, 0]
    bound = 4 / math.sqrt(len(gains))
    correlations = np.corrcoef(gains.T) - np.eye(4)
    assert np.abs(correlations).max() < bound
    assert abs(np.corrcoef(gains[:-1].ravel(), gains[1:].ravel())[0, 1]) < bound


def test_another_device_changes_no_gains() -> None:
    """Device i has the same gains in a fleet of two and in a fleet of three, also with random speeds."""
    for keys in (
        {},
        {"speed_mps": {"uniform": [1.0, 30.0]}},
        {"speed_mps": {"lognormal": {"median": 1.5, "sigma": 1}}},
    ):
        few, more = process(2, **keys), process(3, **keys)
        assert few.block_s == more.block_s
        for number in (0, 3):
            assert chunks(few, range(2), number).tolist() == chunks(more, range(2), number).tolist()


def test_chunks_can_be_requested_in_any_order() -> None:
    """A chunk does not depend on the chunks before it, and other seeds and clients have other gains."""
    forwards, backwards = process(), process()
    expected = [forwards.chunk(0, number).tolist() for number in range(5)]
    assert expected == [backwards.chunk(0, number).tolist() for number in reversed(range(5))][::-1]
    assert not np.isclose(forwards.chunk(0, 0), forwards.chunk(1, 0)).any()
    assert not np.isclose(forwards.chunk(0, 0), process(seed=1).chunk(0, 0)).any()


def test_consecutive_chunks_are_one_process() -> None:
    """The correlation of neighbouring steps is the same across the edge of two chunks."""
    fading = process(600, 32)
    last, first = (chunks(fading, range(600), number)[:, step].ravel() for number, step in ((0, -1), (1, 0)))
    assert pytest.approx(special.j0(0.2 * np.pi) ** 2, abs=0.03) == np.corrcoef(last, first)[0, 1]


def test_each_device_has_its_own_speed() -> None:
    """A parked device keeps its gain; the gain of the faster of two devices changes more within a step."""
    fading = process(3, 64, speed_mps=[0.0, 1.0, 10.0])
    steps = np.abs(np.diff(chunks(fading, range(3)), axis=1)).mean(axis=(1, 2))
    assert 0.0 == steps[0]
    assert steps[1] < steps[2]


def test_the_default_step_is_a_tenth_of_a_period() -> None:
    """It is 0.1/f_D of the fastest speed of the key; a fleet that stands still has a single block."""
    assert pytest.approx(0.1 / 140.1, rel=1e-3) == process(speed_mps=1.5).block_s
    assert process(speed_mps=3.0).block_s == process(speed_mps=[0.0, 3.0, 1.0]).block_s
    assert process(speed_mps=3.0).block_s == process(speed_mps={"uniform": [1.0, 3.0]}).block_s
    assert 2e-3 == process(speed_mps=3.0, step_s=2e-3).block_s
    parked = process(speed_mps=0.0)
    assert math.inf == parked.block_s
    assert (parked.chunk(0, 0) == parked.chunk(0, 0)[0]).all()


def test_gains_have_single_precision() -> None:
    """Gains are numbers of single precision, so that every processor gives the same ones."""
    gains = process().chunk(0, 0)
    assert gains.astype(np.float32).tolist() == gains.tolist()


def test_a_speed_beyond_all_vehicles_is_refused() -> None:
    """A distribution that gives a device an absurd speed is an error at the key."""
    with pytest.raises(KeyPathError, match="the largest is 100000") as caught:
        process(200, speed_mps={"lognormal": {"median": 1e4, "sigma": 10}})
    assert ("radio", "fading", "speed_mps") == caught.value.key
    with pytest.raises(ValueError, match="from 0 to"):
        Radio.model_validate({"fading": {"model": "jakes", "speed_mps": -1.0}})
