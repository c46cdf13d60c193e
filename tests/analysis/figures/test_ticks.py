"""Laws of logarithmic axes: ticks that a reader can tell between, as plain numbers."""

import pytest
from matplotlib.figure import Figure

from cutlayer.analysis.figures.axis_text import log_ticks, tick_text


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
def test_a_log_axis_has_ticks_to_tell_between(low: float, high: float, texts: list[str]) -> None:
    """Powers of ten where three are seen, else parts of a decade, else whatever parts the range."""
    axes = Figure().subplots()
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    log_ticks(axes.xaxis)
    ticks = [x for x in axes.get_xticks() if low <= x <= high]

    assert texts == [axes.xaxis.get_major_formatter()(x) for x in ticks]


def test_great_and_small_numbers_have_a_power() -> None:
    """From a million on, and below 0.0001, a number is a multiple of a power of ten."""
    assert ["2.5×10⁶", "10⁻⁵", "250000"] == [tick_text(x) for x in (2.5e6, 1e-5, 2.5e5)]
