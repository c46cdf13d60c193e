"""Tests of the shared style of figures: labels, units of time, spaced labels and complete files."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from cutlayer.analysis.figures.style import (
    FIGURE_SUFFIXES,
    node_label,
    phase_label,
    save_figure,
    thinning,
    time_unit,
)


def titled_figure() -> Figure:
    """Return a small figure with the title ``words``."""
    figure = Figure(figsize=(2, 2))
    figure.subplots().set_title("words")
    return figure


def test_a_phase_has_a_label() -> None:
    """A phase's label is its name in words, with one capital letter."""
    assert "Client forward" == phase_label("client_forward")
    assert "Uplink" == phase_label("uplink")


def test_a_node_has_a_label() -> None:
    """A node's label is its name with spaces; a wire's label has an arrow between its two nodes."""
    assert "device 0" == node_label("device-0")
    assert "access point → vm 1" == node_label("access-point>vm-1")


@pytest.mark.parametrize(
    ("longest_s", "symbol", "text"),
    [
        (5e-4, "µs", "500 µs"),
        (0.25, "ms", "250 ms"),
        (1.25, "s", "1.25 s"),
        (1200.0, "min", "20.0 min"),
        (36000.0, "h", "10.0 h"),
    ],
)
def test_the_unit_keeps_numbers_short(longest_s: float, symbol: str, text: str) -> None:
    """The longest time decides the unit, and the text has three significant digits."""
    unit = time_unit(longest_s)

    assert symbol == unit.symbol
    assert text == unit.text(longest_s)


def test_shown_labels_have_room() -> None:
    """The step is the smallest of 1, 2, 5, 10, ... with enough room between two shown labels."""
    assert [1, 2, 5, 10, 50] == [thinning(room, 8.0) for room in (8.0, 4.0, 2.0, 1.0, 0.2)]


@pytest.mark.parametrize("suffix", FIGURE_SUFFIXES)
def test_the_same_figure_gives_the_same_bytes(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A saved figure depends only on its content, not on the time of saving, and leaves no other file."""
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for now_s, path in zip(("1000000000", "2000000000"), paths, strict=True):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", now_s)  # the clock, as far as Matplotlib knows
        save_figure(titled_figure(), path)

    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths == sorted(tmp_path.iterdir())


def test_text_stays_text(tmp_path: Path) -> None:
    """The words of a figure are text in an SVG file; a PDF file embeds TrueType fonts and none of Type 3."""
    save_figure(titled_figure(), tmp_path / "a.svg")
    save_figure(titled_figure(), tmp_path / "a.pdf")

    assert ">words</text>" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert b"/FontFile2" in (tmp_path / "a.pdf").read_bytes()
    assert b"/Type3" not in (tmp_path / "a.pdf").read_bytes()


def test_a_failed_rendering_leaves_the_old_file(tmp_path: Path) -> None:
    """If rendering raises, the earlier file is untouched and no part of the new one remains."""
    path = tmp_path / "a.svg"
    path.write_text("old", encoding="utf-8")
    figure = titled_figure()
    figure.axes[0].set_title(r"$\nosuchsymbol{$")

    with pytest.raises(ValueError, match="nosuchsymbol"):
        save_figure(figure, path)

    assert "old" == path.read_text(encoding="utf-8")
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.bmp"])
def test_an_unknown_suffix_names_the_allowed_ones(tmp_path: Path, name: str) -> None:
    """An unknown suffix is an error that lists the allowed ones, and nothing is written."""
    with pytest.raises(ValueError, match=r"\.png, \.svg, \.pdf"):
        save_figure(titled_figure(), tmp_path / name)

    assert [] == list(tmp_path.iterdir())
