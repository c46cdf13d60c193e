"""Tests of the format of figures: widths with units, installed letters, and letters of at least 7 points."""

from __future__ import annotations

import pytest

from cutlayer.analysis.figures.figure_format import FigureFormat, font_family, width_in


@pytest.mark.parametrize(
    ("text", "inches"), [("3.5in", 3.5), ("8.89cm", 3.5), ("88.9 mm", 3.5), ("72.27pt", 1.0)]
)
def test_a_width_has_a_unit(text: str, inches: float) -> None:
    """Inches, centimetres, millimetres and points of TeX are lengths."""
    assert inches == pytest.approx(width_in(text))


@pytest.mark.parametrize("text", ["3.5", "wide", "3,5in", "-3in", "3.5 px"])
def test_any_other_width_is_refused(text: str) -> None:
    """The message shows the allowed forms."""
    with pytest.raises(ValueError, match=r"3\.5in"):
        width_in(text)


def test_no_letter_is_smaller_than_seven_points() -> None:
    """The numbers of axes are smaller than labels, but never below 7 points."""
    assert (7.0, 7.0, 8.0) == (FigureFormat(label_pt=7).small_pt, 7.0, FigureFormat(label_pt=7).title_pt)
    assert (9.0, 11.0) == (FigureFormat(label_pt=10).small_pt, FigureFormat(label_pt=10).title_pt)
    with pytest.raises(ValueError, match="points"):
        FigureFormat(label_pt=6.9)
    for wrong_in in (1.0, 90.0):
        with pytest.raises(ValueError, match="inches"):
            FigureFormat(width_in=wrong_in)


def test_letters_must_be_installed() -> None:
    """A family that is not installed is refused with a similar one, or with those that always exist."""
    assert "STIXGeneral" == font_family("STIXGeneral")
    with pytest.raises(ValueError, match="did you mean 'DejaVu Serif'"):
        font_family("DejaVu Serf")
    with pytest.raises(ValueError, match="always has DejaVu Sans"):
        font_family("Qqqq")
