"""Laws of the TR 38.901 channels: the standard's formulas, written out, and their consequences.

Sionna takes the exact speed of light where the standard rounds it to 3·10⁸ m/s, which moves break points:
losses beyond them differ by 0.006 dB, others not at all.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy import stats
from sionna.phy import config

from cutlayer.sim.radio.tr38901 import Tr38901Parameters, tr38901_gains, tr38901_path_gains
from cutlayer.sim.radio.units import linear_to_db
from tests.support.processes import python

LEVEL = 0.01
LIGHT_M_PER_S = 3.0e8
BAND_HZ = 28e9 + (np.arange(20, dtype=np.float64) - 9.5) * 10e6
ACCESS_POINT_M = {"umi": 10.0, "uma": 25.0, "rma": 35.0}
BUILDING_M, STREET_M = 5.0, 20.0  # RMa's usual ones
DEVICE_M = 1.5


def parameters_of(scenario: str, **keys: object) -> Tr38901Parameters:
    """Return the parameters of a scenario; keys that are absent keep their defaults."""
    return Tr38901Parameters.model_validate({"model": "tr38901", "scenario": scenario, **keys})


def loss_db(
    parameters: Tr38901Parameters, distance_m: NDArray[np.float64], carrier_hz: float = 28e9, seed: int = 0
) -> NDArray[np.float64]:
    """Return the losses on one subchannel, [num_clients], [dB]."""
    return -linear_to_db(tr38901_gains(parameters, distance_m, np.array([carrier_hz]), seed))[:, 0]


def break_point_m(scenario: str, carrier_hz: float) -> float:
    """Return the break-point distance of Table 7.4.1-1, notes 1 and 5, for devices below 13 m."""
    access_point_m = ACCESS_POINT_M[scenario]
    if scenario == "rma":
        return 2 * np.pi * access_point_m * DEVICE_M * carrier_hz / LIGHT_M_PER_S
    return 4 * (access_point_m - 1) * (DEVICE_M - 1) * carrier_hz / LIGHT_M_PER_S


def in_sight_db(scenario: str, horizontal_m: float, carrier_hz: float) -> float:
    """Return the loss of Table 7.4.1-1 in line of sight: PL1 up to the break point, PL2 beyond."""
    height_m = ACCESS_POINT_M[scenario] - DEVICE_M
    distance_m, ghz = np.hypot(horizontal_m, height_m), carrier_hz / 1e9
    break_m = break_point_m(scenario, carrier_hz)
    if scenario == "rma":

        def near_db(metres: float) -> float:
            return float(
                20 * np.log10(40 * np.pi * metres * ghz / 3)
                + min(0.03 * BUILDING_M**1.72, 10) * np.log10(metres)
                - min(0.044 * BUILDING_M**1.72, 14.77)
                + 0.002 * np.log10(BUILDING_M) * metres
            )

        beyond_db = near_db(break_m) + 40 * np.log10(distance_m / break_m)
        return near_db(distance_m) if horizontal_m <= break_m else beyond_db
    constant_db, slope, correction = {"umi": (32.4, 21, 9.5), "uma": (28.0, 22, 9.0)}[scenario]
    base_db = constant_db + 20 * np.log10(ghz)
    if horizontal_m <= break_m:
        return float(base_db + slope * np.log10(distance_m))
    return float(base_db + 40 * np.log10(distance_m) - correction * np.log10(break_m**2 + height_m**2))


def out_of_sight_db(scenario: str, horizontal_m: float, carrier_hz: float) -> float:
    """Return the loss of Table 7.4.1-1 without line of sight: PL'NLOS, at least that in line of sight."""
    access_point_m = ACCESS_POINT_M[scenario]
    decades = np.log10(np.hypot(horizontal_m, access_point_m - DEVICE_M))
    ghz = carrier_hz / 1e9
    primed_db = {
        "umi": 35.3 * decades + 22.4 + 21.3 * np.log10(ghz) - 0.3 * (DEVICE_M - 1.5),
        "uma": 13.54 + 39.08 * decades + 20 * np.log10(ghz) - 0.6 * (DEVICE_M - 1.5),
        "rma": 161.04
        - 7.1 * np.log10(STREET_M)
        + 7.5 * np.log10(BUILDING_M)
        - (24.37 - 3.7 * (BUILDING_M / access_point_m) ** 2) * np.log10(access_point_m)
        + (43.42 - 3.1 * np.log10(access_point_m)) * (decades - 3)
        + 20 * np.log10(ghz)
        - (3.2 * np.log10(11.75 * DEVICE_M) ** 2 - 4.97),
    }[scenario]
    return max(in_sight_db(scenario, horizontal_m, carrier_hz), float(primed_db))


@pytest.mark.parametrize("carrier_hz", [2.0e9, 28.0e9])
@pytest.mark.parametrize("state", ["los", "nlos"])
@pytest.mark.parametrize("scenario", ["umi", "uma", "rma"])
def test_path_losses_of_the_standard(scenario: str, state: str, carrier_hz: float) -> None:
    """Without shadowing and multipath the loss is that of TR 38.901 Table 7.4.1-1, floored at 10 m."""
    distance_m = np.array([0.0, 10.0, 18.0, 100.0, 400.0, 1500.0, 3000.0, 5000.0])
    formula = in_sight_db if state == "los" else out_of_sight_db
    expected = [formula(scenario, max(metres, 10.0), carrier_hz) for metres in distance_m]
    parameters = parameters_of(scenario, line_of_sight=state, shadowing=False, multipath=False)
    actual = loss_db(parameters, distance_m, carrier_hz)
    near = distance_m < break_point_m(scenario, carrier_hz)
    np.testing.assert_allclose(np.array(expected)[near], actual[near], rtol=0, atol=1e-9)
    np.testing.assert_allclose(expected, actual, rtol=0, atol=0.0065)


URBAN_MICRO_60_M = 18 / 60 + np.exp(-60 / 36) * (1 - 18 / 60)
URBAN_MACRO_60_M = 18 / 60 + np.exp(-60 / 63) * (1 - 18 / 60)
URBAN_MACRO_200_M = 18 / 200 + np.exp(-200 / 63) * (1 - 18 / 200)
HIGH_UP = 1 + ((20 - 13) / 10) ** 1.5 * 5 / 4 * (200 / 100) ** 3 * np.exp(-200 / 150)


@pytest.mark.parametrize(
    ("keys", "distance_m", "published", "another"),
    [
        ({"scenario": "umi"}, 60.0, URBAN_MICRO_60_M, URBAN_MACRO_60_M),
        ({"scenario": "uma"}, 60.0, URBAN_MACRO_60_M, URBAN_MICRO_60_M),
        (
            {"scenario": "uma", "device_height_m": 20.0},
            200.0,
            URBAN_MACRO_200_M * HIGH_UP,
            URBAN_MACRO_200_M,
        ),
        ({"scenario": "rma"}, 700.0, np.exp(-(700 - 10) / 1000), np.exp(-(700 - 10) / 1500)),
    ],
)
def test_states_are_as_frequent_as_the_standard_says(
    keys: dict[str, object], distance_m: float, published: float, another: float
) -> None:
    """Devices are in line of sight with the probability of Table 7.4.2-1; another scenario's is rejected."""
    plain = {**keys, "shadowing": False, "multipath": False}
    distances_m = np.full(200, distance_m)
    in_sight, out_of_sight = (
        loss_db(parameters_of(**plain, line_of_sight=state), distances_m[:1])[0]  # type: ignore[arg-type]
        for state in ("los", "nlos")
    )
    drawn_db = loss_db(parameters_of(**plain), distances_m, seed=2)  # type: ignore[arg-type]
    has_los = np.isclose(drawn_db, in_sight, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.where(has_los, in_sight, out_of_sight), drawn_db, rtol=1e-9)
    drawn = tr38901_path_gains(parameters_of(**plain), distances_m, np.array([28e9]), 2)  # type: ignore[arg-type]
    assert drawn.in_sight is not None
    np.testing.assert_array_equal(has_los, drawn.in_sight[0])
    assert stats.binomtest(int(has_los.sum()), len(has_los), published).pvalue > LEVEL
    assert stats.binomtest(int(has_los.sum()), len(has_los), another).pvalue < LEVEL


@pytest.mark.parametrize(
    ("scenario", "state", "distance_m", "deviation_db"),
    [
        ("umi", "los", 100.0, 4.0),
        ("umi", "nlos", 100.0, 7.82),
        ("uma", "los", 100.0, 4.0),
        ("uma", "nlos", 100.0, 6.0),
        ("rma", "los", 1000.0, 4.0),
        ("rma", "los", 3000.0, 6.0),  # beyond the break point, 2199 m at 2 GHz
        ("rma", "nlos", 1000.0, 8.0),
    ],
)
def test_shadowing_of_the_standard(scenario: str, state: str, distance_m: float, deviation_db: float) -> None:
    """Shadowing is normal in dB with the deviation of Table 7.4.1-1; one 30 % off is rejected."""
    parameters = parameters_of(scenario, line_of_sight=state, multipath=False)
    plain = parameters_of(scenario, line_of_sight=state, multipath=False, shadowing=False)
    shadowing_db = loss_db(parameters, np.full(120, distance_m), 2e9, seed=3) - loss_db(
        plain, np.array([distance_m]), 2e9
    )
    assert stats.kstest(shadowing_db, stats.norm(0, deviation_db).cdf).pvalue > LEVEL
    for wrong in (0.7, 1.3):
        spread = np.sum((shadowing_db / (wrong * deviation_db)) ** 2)
        assert min(stats.chi2.cdf(spread, 120), stats.chi2.sf(spread, 120)) < LEVEL / 2


def test_narrow_subchannels_fade_as_rayleigh_without_line_of_sight() -> None:
    """Hundreds of rays with independent phases: the ratio to the flat gain is exponential with mean 1."""
    flat = parameters_of("umi", line_of_sight="nlos", shadowing=False, multipath=False)
    parameters = parameters_of("umi", line_of_sight="nlos", shadowing=False)
    ratio = 10 ** (-(loss_db(parameters, np.full(200, 100.0)) - loss_db(flat, np.array([100.0]))) / 10)
    assert stats.kstest(ratio, stats.expon.cdf).pvalue > LEVEL
    assert stats.kstest(ratio, stats.expon(scale=1.6).cdf).pvalue < LEVEL
    assert stats.kstest(ratio, stats.expon(scale=0.6).cdf).pvalue < LEVEL


@pytest.mark.parametrize("scenario", ["umi", "uma", "rma"])
def test_multipath_neither_adds_nor_takes_power(scenario: str) -> None:
    """The expected gain with multipath equals the gain without it, also in line of sight."""
    distances_m = np.full(60, 100.0)
    parameters = parameters_of(scenario, line_of_sight="los", shadowing=False)
    flat = parameters_of(scenario, line_of_sight="los", shadowing=False, multipath=False)
    ratio = (
        tr38901_gains(parameters, distances_m, BAND_HZ, 5) / tr38901_gains(flat, distances_m, BAND_HZ, 5)
    ).mean(axis=1)
    error = ratio.std() / np.sqrt(len(ratio))
    assert error < 0.06
    assert pytest.approx(1.0, abs=3 * error) == ratio.mean()


def test_a_gain_is_the_mean_over_the_subchannel() -> None:
    """A subchannel of twice the width has the mean gain of the two narrow ones that it covers."""
    parameters = parameters_of("uma")
    distances_m = np.array([30.0, 100.0, 300.0])
    narrow = tr38901_gains(parameters, distances_m, BAND_HZ, 0)
    wide = tr38901_gains(parameters, distances_m, BAND_HZ.reshape(10, 2).mean(axis=1), 0)
    np.testing.assert_allclose(narrow.reshape(3, 10, 2).mean(axis=2), wide, rtol=1e-6)
    assert np.all(narrow.max(axis=1) > 1.05 * narrow.min(axis=1))


def test_shadowing_and_multipath_are_factors() -> None:
    """Switching shadowing or multipath off removes its factor and leaves all other draws unchanged."""
    distances_m = np.array([30.0, 100.0, 300.0, 900.0])
    both, shadowed, spread, neither = (
        tr38901_gains(parameters_of("umi", shadowing=shadowing, multipath=multipath), distances_m, BAND_HZ, 2)
        for shadowing, multipath in ((True, True), (True, False), (False, True), (False, False))
    )
    np.testing.assert_allclose(shadowed / neither, both / spread, rtol=1e-9)
    assert not np.any(np.isclose(shadowed, neither, atol=0))
    np.testing.assert_array_equal(shadowed, np.repeat(shadowed[:, :1], 20, axis=1))


@pytest.mark.parametrize("scenario", ["umi", "uma", "rma"])
def test_channels_belong_to_device_and_seed(scenario: str) -> None:
    """A device's gains depend on its number and the seed alone, not on the number of devices."""
    parameters, distances_m = parameters_of(scenario), np.full(4, 80.0)
    gains = tr38901_gains(parameters, distances_m, BAND_HZ, 1)
    np.testing.assert_array_equal(gains[:2], tr38901_gains(parameters, distances_m[:2], BAND_HZ, 1))
    assert np.unique(gains).size == gains.size
    assert not np.any(gains == tr38901_gains(parameters, distances_m, BAND_HZ, 2))


def test_other_random_generators_are_left_unchanged() -> None:
    """Drawing channels changes neither the global generators of torch and NumPy nor that of Sionna."""
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002  the test guards the global state
    sionna_state = config.torch_rng("cpu").get_state()
    tr38901_gains(parameters_of("umi"), np.array([50.0]), BAND_HZ, 0)
    torch.testing.assert_close(config.torch_rng("cpu").get_state(), sionna_state)
    draws = torch.rand(3), np.random.rand(3)  # noqa: NPY002
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002
    torch.testing.assert_close(torch.rand(3), draws[0], rtol=0, atol=0)
    np.testing.assert_array_equal(np.random.rand(3), draws[1])  # noqa: NPY002


FIRST_USE = """
import sys
import cutlayer.sim.radio.catalogue
from cutlayer.scenarios.registry import lookup
import numpy as np
spec = lookup("path_loss", "tr38901")
print("torch" in sys.modules or "sionna" in sys.modules)
gains = spec.load()
import torch
state = torch.random.get_rng_state()
gains(spec.parameters(model="tr38901"), np.array([50.0]), np.array([28e9]), 0)
print(torch.equal(state, torch.random.get_rng_state()))
"""


def test_sionna_is_imported_at_the_first_use(tmp_path: Path) -> None:
    """The catalogue imports neither torch nor Sionna; importing Sionna leaves torch's generator alone."""
    assert ["False", "True"] == python(FIRST_USE, tmp_path).split()


def test_without_sionna_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra of the package that installs Sionna."""
    monkeypatch.setitem(sys.modules, "sionna.phy", None)
    with pytest.raises(ValueError, match=r"needs Sionna: pip install 'cutlayer\[sionna\]'"):
        tr38901_gains(parameters_of("umi"), np.array([50.0]), BAND_HZ, 0)


@pytest.mark.parametrize(
    ("keys", "distance_m", "carrier_hz", "message"),
    [
        ({}, 50.0, 0.4e9, r"umi is defined from 0\.5 to 100 GHz; subchannel 0 is at 0\.4 GHz"),
        ({"scenario": "rma"}, 50.0, 38e9, "rma is defined from 0.5 to 30 GHz; subchannel 0 is at 38 GHz"),
        ({"scenario": "uma"}, 6000.0, 2e9, "uma is defined up to 5000 m; device 0 is at 6000 m"),
        (
            {"scenario": "rma", "line_of_sight": "los"},
            12000.0,
            2e9,
            "rma is defined up to 10000 m in line of sight; device 0 is at 12000 m",
        ),
    ],
)
def test_values_beyond_the_standard_are_refused(
    keys: dict[str, object], distance_m: float, carrier_hz: float, message: str
) -> None:
    """Frequencies and distances outside Table 7.4.1-1 are refused; the message has the range."""
    parameters = parameters_of(**{"scenario": "umi", **keys})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        tr38901_gains(parameters, np.array([distance_m]), np.array([carrier_hz]), 0)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"device_height_m": 30.0}, "device_height_m: umi is defined for 1.5 to 22.5 m, not 30 m"),
        ({"access_point_height_m": 12.0}, "access_point_height_m: umi is defined for 10 m, not 12 m"),
        ({"shadowing": 1}, "valid boolean"),
    ],
)
def test_heights_beyond_the_standard_are_refused(keys: dict[str, object], message: str) -> None:
    """Heights outside Table 7.4.1-1 and switches that are no booleans are refused with the scenario."""
    with pytest.raises(ValidationError, match=message):
        parameters_of("umi", **keys)
