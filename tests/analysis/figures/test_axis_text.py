"""Tests of the text of axes and legends: labels with units, values, and ticks of logarithmic axes."""

import pytest
from matplotlib.figure import Figure

from cutlayer.analysis.figures.axis_text import (
    axis_label,
    labelled_value,
    log_ticks,
    number_text,
    value_text,
)


@pytest.mark.parametrize(
    ("column", "label"),
    [
        ("mean_latency_s", "Round time (s)"),
        ("radio.subchannel_hz", "Subchannel (Hz)"),
        ("allocation.method", "Method"),
        ("devices.count", "Number of devices"),
        ("final_validation_accuracy", "Final validation accuracy (%)"),
        ("samples_to_target", "Samples to target"),
    ],
)
def test_a_label_is_the_name_in_words_with_its_unit(column: str, label: str) -> None:
    """A unit at the end of a column or a key stands in brackets behind the label."""
    assert label == axis_label(column)


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("network.nodes.0.count", "Nodes (nodes.0)"),
        ("network.nodes.1.memory_mib", "Memory of nodes.1 (MiB)"),
        ("schemes.0.phi", "Phi of schemes.0"),
        ("radio.fading.coherence_s", "Coherence of fading (s)"),
        ("devices.clock_hz.lognormal.sigma", "Sigma of clock lognormal"),
        ("devices.clock_hz.2", "Clock.2 (Hz)"),
    ],
)
def test_the_label_of_a_nested_key_names_its_parent(key: str, label: str) -> None:
    """The last part of a nested key may occur several times, so its label names the parent."""
    assert label == axis_label(key)


def test_values_have_a_short_text() -> None:
    """A mapping reads as its keys and values, and a number has no trailing zeros."""
    assert "kind=shards, classes_per_client=2" == value_text('{"kind": "shards", "classes_per_client": 2}')
    assert ["0.003", "5", "greedy"] == [value_text(value) for value in (0.0030, 5, "greedy")]


def test_a_number_stands_with_its_label() -> None:
    """A number stands behind the label of its key, and a text stands alone."""
    assert "Nodes (nodes.0): 3" == labelled_value("network.nodes.0.count", 3)
    assert "greedy" == labelled_value("allocation.subchannels", "greedy")


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


def test_large_and_small_numbers_have_a_power_of_ten() -> None:
    """A million and more, and less than 0.0001, stands as a multiple of a power of ten."""
    assert ["2.5×10⁶", "10⁻⁵", "250000"] == [number_text(x) for x in (2.5e6, 1e-5, 2.5e5)]
