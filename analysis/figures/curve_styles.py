"""How curves look, the same scheme in every figure: colours, markers, dashes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

__all__ = ["curve_indices", "curve_style", "marked_points"]

_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#000000",
    "#56B4E9",
    "#882255",
    "#332288",
    "#999933",
    "#CC3311",
    "#888888",
    "#44AA99",
    "#7700DD",
    "#770000",
    "#DDBB77",
)
_OF_SCHEME = {
    name: index
    for index, name in enumerate(
        (
            "sl",
            "sfl",
            "psl",
            "epsl",
            "epsl_pt",
            "centralised",
            "fl",
            "sfl_v2",
            "edgesplit",
            "esfl",
            "mpsl",
            "one_hop",
            "fedsl",
        )
    )
}
_MARKERS = "os^DvPX*<>hpd"
_LINES: tuple[str | tuple[int, tuple[float, ...]], ...] = ("-", "--", "-.", (0, (4, 1, 1, 1, 1, 1)))
_MARKERS_PER_CURVE = 8


def curve_indices(schemes: Sequence[str]) -> list[int]:
    """Return the ``curve_style`` of each curve: a scheme looks the same in every figure.

    Further curves of a scheme, and schemes that are not known, take looks that no other curve has.

    Parameters
    ----------
    schemes : the scheme of each curve
    """
    taken = {_OF_SCHEME[name] for name in schemes if name in _OF_SCHEME}
    free = (index for index in itertools.count() if index not in taken)
    given: set[str] = set()
    indices = []
    for name in schemes:
        known = name in _OF_SCHEME and name not in given
        indices.append(_OF_SCHEME[name] if known else next(free))
        given.add(name)
    return indices


def curve_style(index: int) -> dict[str, Any]:
    """Return the look of the ``index``-th curve of a figure, from 0, as line properties.

    Colours repeat after 16 curves, markers after 13, then hollow, and dashes after 4: no two of 208 curves
    share a colour and a marker. A dashed curve lies on top of a solid one, so that both are seen where
    they coincide.
    """
    colour = _COLOURS[index % len(_COLOURS)]
    hollow = index // len(_MARKERS) % 2
    return {
        "color": colour,
        "marker": _MARKERS[index % len(_MARKERS)],
        "markerfacecolor": "white" if hollow else colour,
        "linestyle": _LINES[index % len(_LINES)],
        "linewidth": 1.2,
        "markersize": 3.5,
        "zorder": 2 + 0.1 * (index % len(_LINES)),
    }


def marked_points(points: int, position: int, curves: int) -> tuple[int, int]:
    """Return first and step of the points of a curve that have a marker: about eight, apart from others'.

    Parameters
    ----------
    points : of the curve
    position : of the curve among the curves of the figure, from 0
    curves : of the figure
    """
    step = max(1, points // _MARKERS_PER_CURVE)
    return position * step // max(1, curves), step
