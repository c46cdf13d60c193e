"""The ticks of the x axes of sweep figures: as many numbers or names as fit side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

from ....scenarios.schema.sweep import SweepFigure
from ..axis_text import number_text
from ..style import small_pt, text_width_pt, wrapped_to

__all__ = ["category_ticks", "curve_ticks", "number_ticks"]

_MAX_TICKS = 8
_PLOT = 0.8
"""Share of a panel's width that the plot has, beside the numbers of the y axis."""
_GAP = 0.6
"""Gap between two labels, in units of the size of the letters."""


def number_ticks(axes: Axes, values: Sequence[float], panel_pt: float, *, is_log: bool) -> None:
    """Put a tick at each swept value if there are few, and a label where it does not touch the one before.

    Parameters
    ----------
    values : sequence of float
        The swept values, in ascending order.
    panel_pt : float
        Width of the panel with the numbers of its y axis, [pt].
    """
    if len(values) > _MAX_TICKS:
        return
    scale = math.log if is_log else float
    first, span = scale(values[0]), (scale(values[-1]) - scale(values[0])) or 1.0
    labels, free_pt = [], -math.inf
    for value in values:
        text = number_text(value)
        middle_pt = _PLOT * panel_pt * (scale(value) - first) / span
        half_pt = text_width_pt(text, small_pt()) / 2
        labels.append(text if middle_pt - half_pt >= free_pt else "")
        if labels[-1]:
            free_pt = middle_pt + half_pt + _GAP * small_pt()
    axes.set_xticks(list(values), labels=labels)
    axes.xaxis.set_minor_locator(NullLocator())


def category_ticks(axes: Axes, names: Sequence[str], panel_pt: float) -> None:
    """Name the positions 0, 1, ...; names that do not fit are broken into lines, or else rotated."""
    room_pt = _PLOT * panel_pt / len(names) - _GAP * small_pt()
    broken = [wrapped_to(name, room_pt, small_pt()) for name in names]
    widest_pt = max(text_width_pt(line, small_pt()) for name in broken for line in name.splitlines() or [""])
    crowded = widest_pt > room_pt or max(name.count("\n") for name in broken) > 1
    rotation: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
    axes.set_xticks(range(len(names)), labels=list(names) if crowded else broken, **rotation)


def curve_ticks(axes: Axes, figure: SweepFigure) -> None:
    """Let the x axis of curves begin at 0, and have whole numbers if it counts rounds."""
    if not figure.x_log:
        axes.set_xlim(left=0)
    if figure.x == "round":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
