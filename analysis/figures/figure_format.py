"""The format of a figure: its width on the page, and the family and size of its letters."""

from __future__ import annotations

import re
from dataclasses import dataclass

from matplotlib import font_manager

from ...scenarios.suggestions import closest

__all__ = [
    "DEFAULT_FORMAT",
    "LABEL_PT",
    "SMALL_PT",
    "TITLE_PT",
    "WIDTH_IN",
    "FigureFormat",
    "font_family",
    "width_in",
]

WIDTH_IN = 7.0  # both columns of an IEEE or ACM page
TITLE_PT, LABEL_PT, SMALL_PT = 9, 8, 7

_FAMILY = "DejaVu Sans"
"""The default family. It comes with Matplotlib, and has every symbol that other families may lack."""
_INCHES = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.27}
"""Units of a width; a point is TeX's, in which LaTeX prints the width of a column."""
_WIDTHS_IN = (2.5, 40.0)
_LETTERS_PT = (7.0, 24.0)


@dataclass(frozen=True)
class FigureFormat:
    """The width of a figure, and its letters.

    Attributes
    ----------
    width_in : float
        Width of the figure, [in]. The height follows from the content.
    family : str
        Family of the letters. A letter that it lacks is taken from DejaVu Sans.
    label_pt : float
        Size of the labels of axes and legends, [pt]. Titles are larger by one point. The numbers of axes are
        smaller by one point, but never below 7 points.

    Raises
    ------
    ValueError
        If the width is not between 2.5 and 40 inches, or the size not between 7 and 24 points.
    """

    width_in: float = WIDTH_IN
    family: str = _FAMILY
    label_pt: float = LABEL_PT

    def __post_init__(self) -> None:
        if not _WIDTHS_IN[0] <= self.width_in <= _WIDTHS_IN[1]:
            low, high = _WIDTHS_IN
            raise ValueError(f"a figure is {low:g} to {high:g} inches wide, not {self.width_in:.3g}")
        if not _LETTERS_PT[0] <= self.label_pt <= _LETTERS_PT[1]:
            low, high = _LETTERS_PT
            raise ValueError(
                f"the letters of a figure have {low:g} to {high:g} points, not {self.label_pt:g}"
            )

    @property
    def families(self) -> list[str]:
        """Return the family, and after it the one that has the symbols which the first one lacks."""
        return list(dict.fromkeys((self.family, _FAMILY)))

    @property
    def title_pt(self) -> float:
        """Return the size of titles, [pt]."""
        return self.label_pt + (TITLE_PT - LABEL_PT)

    @property
    def small_pt(self) -> float:
        """Return the size of the numbers of axes and of all that is as small, [pt]."""
        return max(float(SMALL_PT), self.label_pt - (LABEL_PT - SMALL_PT))


DEFAULT_FORMAT = FigureFormat()


def width_in(text: str) -> float:
    """Return the width that a text such as ``3.5in``, ``8.9cm``, ``89mm`` or ``252pt`` states, [in].

    Raises
    ------
    ValueError
        If the text is no number with one of these units.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]+)\s*", text)
    if match is None or match[2] not in _INCHES:
        raise ValueError(f"{text!r} is no width such as 3.5in, 8.9cm, 89mm or 252pt")
    return float(match[1]) * _INCHES[match[2]]


def font_family(name: str) -> str:
    """Return the name of a family of letters if it is installed.

    Raises
    ------
    ValueError
        If it is not installed; the message names a similar one, or some that are.
    """
    try:
        font_manager.findfont(name, fallback_to_default=False)
    except ValueError:
        installed = sorted({font.name for font in font_manager.fontManager.ttflist})
        similar = closest(name, installed)
        known = similar or "; Matplotlib always has DejaVu Sans, DejaVu Serif and STIXGeneral (like Times)"
        raise ValueError(f"no family of letters {name!r} is installed{known}") from None
    return name
