"""Curves with confidence intervals, and small multiples: panels that each show one curve of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

__all__ = [
    "FEW_POINTS",
    "MAX_CURVES",
    "Values",
    "draw_curve",
    "draw_faint",
    "interval_handle",
    "panels_across",
]

MAX_CURVES = 8
"""Greatest number of curves in one panel; more become small multiples."""
FEW_POINTS = 8
"""Greatest number of x values at which intervals are error bars; with more they are bands."""
_SIDE_BY_SIDE_PT = 3.0
_FAINT: dict[str, Any] = {"color": "#C8C8C8", "linewidth": 0.7, "zorder": 1.5}

Values: TypeAlias = NDArray[np.float64]


def draw_curve(
    axes: Axes,
    x: Values,
    y: Values,
    ends: tuple[Values, Values],
    style: Mapping[str, Any],
    *,
    few: bool,
    place: tuple[int, int] = (0, 1),
) -> Line2D:
    """Draw a curve with its intervals, and return its line.

    Parameters
    ----------
    x, y : ndarray, [num_points]
        The points of the curve.
    ends : tuple of ndarray, [num_points] each
        Lower and upper ends of the intervals; NaN where there is none.
    style : mapping of str
        The properties of the line.
    few : bool
        Whether the figure has few x values, so that the intervals are error bars.
    place : (int, int), optional
        Position of the curve in its panel, from 0, and the number of curves. Curves with error bars stand
        side by side by a few points, so that none hides another.
    """
    low, high = ends
    (line,) = axes.plot(x, y, **style)
    if not few:
        axes.fill_between(x, low, high, color=style["color"], alpha=0.18, linewidth=0)
    elif np.isfinite(low).any():
        lengths = np.abs(np.stack((low, high)) - y)
        bars = axes.errorbar(
            x, y, yerr=lengths, fmt="none", ecolor=style["color"], elinewidth=0.9, capsize=1.8, zorder=2
        )
        shift_pt = _SIDE_BY_SIDE_PT * (place[0] - (place[1] - 1) / 2)
        inches: Any = axes.get_figure(root=True).dpi_scale_trans  # type: ignore[union-attr]
        shifted = axes.transData + ScaledTranslation(shift_pt / 72, 0, inches)
        for artist in (line, *bars.get_children()):  # the limits of the axes follow from the data alone
            artist.set_transform(shifted)
    return line


def draw_faint(axes: Axes, x: Values, y: Values) -> None:
    """Draw a curve of another panel in light grey, so that panels can be compared."""
    axes.plot(x, y, **_FAINT)


def interval_handle(*, few: bool) -> Artist:
    """Return the sign of an interval for a legend, with ``few`` as for :func:`draw_curve`."""
    if not few:
        return Patch(facecolor="#777777", alpha=0.25)
    return Line2D([], [], color="#555555", marker="|", linewidth=0.9, markersize=6)


def panels_across(width_in: float, panels: Sequence[Any], least_in: float) -> int:
    """Return the number of panels side by side, each of which has at least this width, [in].

    The rows of panels are then as even as possible.
    """
    most = max(1, min(len(panels), int(width_in / least_in)))
    rows = -(-len(panels) // most)
    return -(-len(panels) // rows)
