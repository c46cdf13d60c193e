"""Laws of the path losses: published constants, hand-computed losses, distributions of the draws."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from cutlayer.sim.radio.gain_trace import GainTrace
from cutlayer.sim.radio.path_loss import (
    FixedParameters,
    LogDistanceParameters,
    SamimiParameters,
    fixed_gains,
    line_of_sight_probability,
    log_distance_gains,
    samimi_gains,
    samimi_path_gains,
)
from cutlayer.sim.radio.units import linear_to_db

CARRIER_HZ = np.array([28e9])
CONSTANT_DB = 61.385  # 20 log10(4π · 28e9 / 3e8)
MEAN = SamimiParameters(model="samimi_28ghz")
SAMPLED = SamimiParameters(model="samimi_28ghz", mode="sampled")
DRAWS = 4000


def mean_loss_db(distance_m: float) -> float:
    """Return the loss of one device in mode ``mean`` on the carrier, [dB]."""
    return -float(linear_to_db(samimi_gains(MEAN, np.array([distance_m]), CARRIER_HZ, 0))[0, 0])


def sampled_loss_db(distance_m: float) -> np.ndarray:
    """Return the losses of many devices at one distance, each with independent state and shadowing, [dB]."""
    return -linear_to_db(samimi_gains(SAMPLED, np.full(DRAWS, distance_m), CARRIER_HZ, 7))[:, 0]


@pytest.mark.parametrize("distance_m", [0.0, 0.5, 1.0])
def test_the_constant_at_28_ghz(distance_m: float) -> None:
    """At 1 m, where distances are floored, the loss is the free-space constant, 61.385 dB."""
    assert pytest.approx(CONSTANT_DB, abs=5e-4) == mean_loss_db(distance_m)


def test_line_of_sight_probability() -> None:
    """P_LOS is 1 up to 27 m, and (0.27(1 − 0.244522) + 0.244522)² = 0.201153 at 100 m."""
    np.testing.assert_allclose(
        [1.0, 1.0, 0.201153], line_of_sight_probability(np.array([5.0, 27.0, 100.0])), rtol=5e-6
    )


@pytest.mark.parametrize(
    ("distance_m", "loss_db"),
    [
        (10.0, CONSTANT_DB + 21.0),  # always line of sight: 10 · 2.1 · log10(10)
        (100.0, CONSTANT_DB + 0.201153 * 42.0 + 0.798847 * 68.0),  # 62.770 dB for 3.1385 · 20
    ],
)
def test_mean_loss_at_a_distance(distance_m: float, loss_db: float) -> None:
    """Mode mean weights both states' losses in dB by the probability of line of sight."""
    assert pytest.approx(loss_db, abs=1e-3) == mean_loss_db(distance_m)


def test_each_subchannel_has_its_own_constant() -> None:
    """In both modes the ratio of gains on two subchannels is the inverse square of their frequencies."""
    centre_hz = np.array([27.9e9, 28.1e9])
    for parameters in (MEAN, SAMPLED):
        gains = samimi_gains(parameters, np.array([3.0, 40.0, 170.0]), centre_hz, 3)
        np.testing.assert_allclose((28.1 / 27.9) ** 2, gains[:, 0] / gains[:, 1], rtol=1e-12)


@pytest.mark.parametrize(
    ("distance_m", "exponent", "deviation_db"),
    [(20.0, 2.1, 3.6), (20_000.0, 3.4, 9.7)],  # P_LOS is 1, and 2e-6
)
def test_shadowing_of_each_state_is_normal(distance_m: float, exponent: float, deviation_db: float) -> None:
    """X ~ N(0, 3.6 dB) with n = 2.1 in line of sight, and N(0, 9.7 dB) with n = 3.4 without it."""
    shadowing_db = sampled_loss_db(distance_m) - CONSTANT_DB - 10 * exponent * math.log10(distance_m)
    assert stats.kstest(shadowing_db, stats.norm(0, deviation_db).cdf).pvalue > 0.01


def test_sampled_states_are_as_frequent_as_their_probability() -> None:
    """At 60 m losses are distributed as the mixture of both states, line of sight with P_LOS(60)."""
    in_sight = float(line_of_sight_probability(np.array([60.0]))[0])
    states = [(in_sight, 2.1, 3.6), (1 - in_sight, 3.4, 9.7)]

    def mixture(loss_db: Any) -> Any:
        of_states = [
            share * stats.norm(CONSTANT_DB + 10 * n * math.log10(60.0), deviation).cdf(loss_db)
            for share, n, deviation in states
        ]
        return np.sum(of_states, axis=0)

    assert stats.kstest(sampled_loss_db(60.0), mixture).pvalue > 0.01


def test_draws_belong_to_device_and_seed() -> None:
    """A device's draw depends on its number and the seed alone, not on the number of devices."""
    distance_m = np.full(5, 80.0)
    gains = samimi_gains(SAMPLED, distance_m, CARRIER_HZ, 1)
    np.testing.assert_array_equal(gains[:3], samimi_gains(SAMPLED, distance_m[:3], CARRIER_HZ, 1))
    assert np.unique(gains).size == gains.size
    assert not np.any(gains == samimi_gains(SAMPLED, distance_m, CARRIER_HZ, 2))


def test_the_drawn_states_are_those_of_the_gains() -> None:
    """Devices in line of sight are as frequent as P_LOS, and their losses have its mean and deviation."""
    distance_m = np.full(DRAWS, 60.0)
    trace = samimi_path_gains(SAMPLED, distance_m, CARRIER_HZ, 7)
    assert isinstance(trace, GainTrace)
    assert trace.in_sight is not None
    np.testing.assert_array_equal(samimi_gains(SAMPLED, distance_m, CARRIER_HZ, 7), trace.gains[0])
    probability = float(line_of_sight_probability(np.array([60.0]))[0])
    assert stats.binomtest(int(trace.in_sight.sum()), DRAWS, probability).pvalue > 0.01
    loss_db = -linear_to_db(trace.gains[0][trace.in_sight[0], 0])
    in_sight = stats.norm(CONSTANT_DB + 21.0 * math.log10(60.0), 3.6)
    assert stats.kstest(loss_db, in_sight.cdf).pvalue > 0.01
    assert not isinstance(samimi_path_gains(MEAN, distance_m, CARRIER_HZ, 7), GainTrace)


def test_log_distance_law() -> None:
    """The loss is constant up to the reference distance, then grows by 10 n dB for each tenfold distance."""
    parameters = LogDistanceParameters(
        model="log_distance", exponent=3.0, reference_loss_db=40.0, reference_distance_m=2.0
    )
    gains = log_distance_gains(parameters, np.array([0.0, 2.0, 20.0, 200.0]), np.full(3, 5e9), 0)
    np.testing.assert_allclose(np.outer([-40, -40, -70, -100], [1, 1, 1]), linear_to_db(gains))


def fixed(**keys: object) -> np.ndarray:
    """Return the fixed gains of two devices on three subchannels, [dB]."""
    parameters = FixedParameters.model_validate({"model": "fixed", **keys})
    gains = fixed_gains(parameters, np.zeros(2), np.full(3, 28e9), 0)
    assert isinstance(gains, np.ndarray)
    return linear_to_db(gains)


def test_fixed_gains_from_numbers_and_lists() -> None:
    """One number is the gain of all devices, and a list has one for each, on all subchannels."""
    np.testing.assert_allclose(np.full((2, 3), -100.0), fixed(gain_db=-100))
    np.testing.assert_allclose([[-100.0] * 3, [-110.0] * 3], fixed(gain_db=[-100, -110]))


def test_fixed_gains_drawn_from_a_distribution() -> None:
    """Each device's gain may be drawn from a distribution, like any attribute of a device."""
    gains_db = fixed(gain_db={"uniform": [-110, -100]})
    assert ((gains_db > -110) & (gains_db < -100)).all()
    assert gains_db[0, 0] != gains_db[1, 0]


def test_fixed_gains_from_a_table(tmp_path: Path) -> None:
    """A CSV without a heading holds one row a device and one column a subchannel, in dB."""
    (tmp_path / "gains.csv").write_text("-90,-91,-92\n-100,-101,-102\n")
    np.testing.assert_allclose([[-90, -91, -92], [-100, -101, -102]], fixed(file=str(tmp_path / "gains.csv")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-90,-91,-92\n", "holds 1 x 3 gains; 2 devices x 3 subchannels"),
        ("-90,-91\n-90,-91\n", "holds 2 x 2 gains; 2 devices x 3 subchannels"),
        ("-90,-91,-92\n-90,nan,-92\n", "device 1, subchannel 1: .* not nan"),
        ("-90,-91,-92\n-90,far,-92\n", "cannot read the gains .*far"),
    ],
)
def test_faulty_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """A table of the wrong size or with a value that is not finite is refused; the message names both."""
    (tmp_path / "gains.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        fixed(file=str(tmp_path / "gains.csv"))


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(ValueError, match=r"cannot read the gains .*absent\.csv"):
        fixed(file=str(tmp_path / "absent.csv"))


def test_a_list_for_other_devices_is_refused() -> None:
    """The error names both counts."""
    with pytest.raises(ValueError, match="gain_db lists 3 values; there are 2 devices"):
        fixed(gain_db=[-100, -110, -120])


@pytest.mark.parametrize("keys", [{}, {"gain_db": -100, "file": "gains.csv"}])
def test_gains_are_given_in_exactly_one_way(keys: dict[str, object]) -> None:
    """A scenario with neither or both of gain_db and file is refused when it is read."""
    with pytest.raises(ValidationError, match="exactly one of gain_db, file"):
        FixedParameters.model_validate({"model": "fixed", **keys})
