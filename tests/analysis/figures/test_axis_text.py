"""Tests of the text of axes and legends: labels with units, values, and ticks of logarithmic axes."""

import pytest
from matplotlib.figure import Figure

from cutlayer.analysis.figures.axis_text import (
    AxisUnit,
    axis_label,
    axis_unit,
    experiment_text,
    labelled_value,
    log_ticks,
    number_text,
    value_text,
)


@pytest.mark.parametrize(
    ("column", "label"),
    [
        ("mean_latency_s", "Round time [s]"),
        ("radio.subchannel_hz", "Bandwidth of a subchannel [Hz]"),
        ("allocation.method", "Allocation method"),
        ("devices.count", "Number of devices"),
        ("final_validation_accuracy", "Final validation accuracy [%]"),
        ("samples_to_target", "Samples to target accuracy"),
        ("radio.noise_dbm_per_hz", "Noise [dBm/Hz]"),
    ],
)
def test_a_label_is_the_name_in_words_with_its_unit(column: str, label: str) -> None:
    """A unit at the end of a column or a key stands in brackets behind the label."""
    assert label == axis_label(column)


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("network.nodes.0.count", "Number of compute nodes (group 1)"),
        ("network.nodes.1.memory_mib", "Memory of a compute node (group 2) [MiB]"),
        ("schemes.0.phi", "Aggregation share φ (scheme 1)"),
        ("schemes.2.compression.dropout.share", "Dropout of activations (scheme 3)"),
        ("radio.path_loss.exponent", "Path loss exponent"),
        ("radio.path_loss.gain_db.uniform.1", "Path loss gain, upper end [dB]"),
        ("devices.clock_hz.lognormal.sigma", "Clock of the devices, standard deviation of the logarithm"),
        ("devices.clock_hz.2", "Clock of device 2 [Hz]"),
        ("devices.overrides.3.memory_mib", "Memory of device 3 [MiB]"),
    ],
)
def test_the_label_of_a_nested_key_is_in_words(key: str, label: str) -> None:
    """Numbers of lists and parameters of distributions become words; no dot of a key is left."""
    assert label == axis_label(key)


def test_values_have_a_short_text() -> None:
    """A mapping reads as its name and its other values, and a number has no trailing zeros."""
    assert "shards, classes per client = 2" == value_text('{"kind": "shards", "classes_per_client": 2}')
    assert ["0.003", "5", "greedy"] == [value_text(value) for value in (0.0030, 5, "greedy")]


def test_a_number_stands_with_its_label() -> None:
    """A value stands behind the label of its key; the prefix of its unit keeps a number short."""
    assert "Number of devices: 3" == labelled_value("devices.count", 3)
    assert "Bandwidth of a subchannel: 10 MHz" == labelled_value("radio.subchannel_hz", 1e7)
    assert "Allocation method: greedy" == labelled_value("allocation.method", "greedy")


@pytest.mark.parametrize(
    ("column", "largest", "unit"),
    [
        ("uplink_bits", 2.5e7, AxisUnit("Mbit", 1e6)),
        ("energy_j", 0.02, AxisUnit("mJ", 1e-3)),
        ("mean_latency_s", 900.0, AxisUnit("min", 60.0)),
        ("device_memory_bits", 1.0, AxisUnit("MiB", 8.0 * 2**20)),
        ("final_accuracy", 1.0, AxisUnit("%", 0.01)),
        ("radio.path_loss.gain_db", -90.0, AxisUnit("dB", 1.0)),
    ],
)
def test_an_axis_has_a_unit_that_keeps_its_numbers_short(column: str, largest: float, unit: AxisUnit) -> None:
    """The greatest number decides the prefix; decibels have none."""
    assert unit == axis_unit(column, largest)


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.9, 1.1e4, ["1", "10", "100", "1000", "10000"]),
        (2.0, 400.0, ["3", "10", "30", "100", "300"]),
        (4.5, 35.0, ["5", "10", "20"]),
        (6.1, 8.9, ["7", "8"]),
        (0.9e-6, 2e-4, ["10⁻⁶", "10⁻⁵", "0.0001"]),
    ],
)
def test_a_log_axis_has_enough_ticks(low: float, high: float, texts: list[str]) -> None:
    """Ticks stand at powers of ten; if fewer than three are visible, at more values of each decade."""
    axes = Figure().subplots()
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    log_ticks(axes.xaxis)
    ticks = [x for x in axes.get_xticks() if low <= x <= high]

    assert texts == [axes.xaxis.get_major_formatter()(x) for x in ticks]


def test_the_settings_of_an_experiment_are_in_words() -> None:
    """Keys and values of experiments of one name become words and units; any other name stays."""
    settings = "devices.count=10, radio.subchannel_hz=20000000.0, learning.partition.kind=iid"
    expected = "Number of devices: 10, Bandwidth of a subchannel: 20 MHz, Partition kind: iid"
    assert expected == experiment_text(f"study {settings}", settings)
    assert "runs/a" == experiment_text("runs/a", settings)
    assert "study" == experiment_text("study", "")


def test_large_and_small_numbers_have_a_power_of_ten() -> None:
    """A million and more, and less than 0.0001, stands as a multiple of a power of ten."""
    assert ["2.5×10⁶", "10⁻⁵", "250000"] == [number_text(x) for x in (2.5e6, 1e-5, 2.5e5)]
