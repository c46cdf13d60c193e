"""Laws of the words: keys and columns read as what they are, with their units."""

import pytest

from cutlayer.analysis.figures.axis_text import axis_words, named_value, shown_value


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("mean_latency_s", "Round time (s)"),
        ("radio.subchannel_hz", "Subchannel (Hz)"),
        ("allocation.method", "Method"),
        ("devices.count", "Number of devices"),
        ("final_validation_accuracy", "Final validation accuracy (%)"),
        ("samples_to_target", "Samples to target"),
    ],
)
def test_axes_say_what_they_show(column: str, words: str) -> None:
    """Names with a unit in them become words with the unit in brackets."""
    assert words == axis_words(column)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("network.nodes.0.count", "Nodes (nodes.0)"),
        ("network.nodes.1.memory_mib", "Memory of nodes.1 (MiB)"),
        ("schemes.0.phi", "Phi of schemes.0"),
        ("radio.fading.coherence_s", "Coherence of fading (s)"),
        ("devices.clock_hz.lognormal.sigma", "Sigma of clock lognormal"),
        ("devices.clock_hz.2", "Clock.2 (Hz)"),
    ],
)
def test_a_key_further_down_says_of_what(key: str, words: str) -> None:
    """Where the last part of a key may belong to several things, the words name which."""
    assert words == axis_words(key)


def test_values_read_as_text() -> None:
    """A mapping reads as its keys and values, a number without needless zeros."""
    assert "kind=shards, classes_per_client=2" == shown_value('{"kind": "shards", "classes_per_client": 2}')
    assert ["0.003", "5", "greedy"] == [shown_value(value) for value in (0.0030, 5, "greedy")]


def test_a_number_alone_says_of_what_it_is() -> None:
    """A number stands with its key in words, a text alone."""
    assert "Nodes (nodes.0): 3" == named_value("network.nodes.0.count", 3)
    assert "greedy" == named_value("allocation.subchannels", "greedy")
