"""Memory of the compute nodes over time, one panel a scheme, on one time axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from .figure_format import DEFAULT_FORMAT, FigureFormat
from .palette import curve_style
from .style import (
    TimeUnit,
    legend_below,
    node_label,
    plain_axes,
    styled,
    text_width_pt,
    time_unit,
    title_pt,
    wrapped_to,
)

__all__ = ["memory_figure"]

_PANEL_IN = 1.5
_MAX_CHANGES = 1000  # of a node; with more, the line shows the maximum of each interval of time
_MAX_ROUNDS = 100  # that a reader can tell apart; with more, each round is one interval of time
_LINE_PT = 0.9
_RIM_PT, _MAX_RIMS = 1.3, 3  # a line is wider by one rim for each line that coincides with it and lies on top
_LIMIT: dict[str, Any] = {"linestyle": (0, (5, 3)), "linewidth": 0.8}
_SHARED_COLOUR = "#333333"
_MAX_LIMIT_RATIO = 3.0  # of a limit to the maximum held; a higher limit would leave the lines no height
_BITS_PER_KIB = 8 * 1024.0

Values: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class _MemoryUnit:
    symbol: str
    bits: float

    def text(self, bits: float) -> str:
        """Return an amount with up to three significant digits, without the unit."""
        value = bits / self.bits
        return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


@dataclass(frozen=True)
class _Panel:
    """One scheme's data.

    Attributes
    ----------
    label : str
        Label of the scheme.
    changes : DataFrame
        Columns node, time_s, and held_bits after the change.
    limits : dict of float
        Memory limit of each node that has one, [bit].
    round_ends_s : ndarray, [num_rounds]
        Ends of the rounds, [s], in order.
    """

    label: str
    changes: pd.DataFrame
    limits: Mapping[str, float]
    round_ends_s: Values

    @property
    def end_s(self) -> float:
        """Return the end of the last round, or the time of the last change if that is later, [s]."""
        return float(max(self.changes["time_s"].max(), *self.round_ends_s[-1:]))


@styled
def memory_figure(
    memory: pd.DataFrame,
    nodes: pd.DataFrame,
    rounds: pd.DataFrame,
    *,
    form: FigureFormat = DEFAULT_FORMAT,
) -> Figure:
    """Draw the memory of each compute node over simulated time, one panel a scheme, all on the same axes.

    A node's limit is a dashed line of the node's colour; a limit that several nodes have is dark grey. A
    limit above 3 times the largest memory of a node is given in the panel's title instead.

    If a node's memory changes more than 1000 times, or a scheme has more than 100 rounds, the line shows the
    maximum in each interval of time. The shade below it reaches down to the minimum. The intervals are
    rounds, or equal parts of each round, so that equal rounds look equal. Of lines that coincide the lower
    ones are wider. Of several seeds the lowest is drawn.

    Parameters
    ----------
    memory : DataFrame
        One row a change: label, seed, node, time_s, and held_bits after it.
    nodes : DataFrame
        One row a node: label, seed, node, memory_limit_bits (NaN without a limit).
    rounds : DataFrame
        One row a round: label, seed, round, end_s.
    form : FigureFormat, optional
        Width of the figure, and its letters.

    Raises
    ------
    ValueError
        If no node ever held anything.
    """
    if memory.empty:
        raise ValueError("no changes of memory: these schemes use no compute nodes")
    memory, nodes, rounds = (
        table[table["seed"] == memory["seed"].min()] for table in (memory, nodes, rounds)
    )
    panels = [_panel(label, memory, nodes, rounds) for label in dict.fromkeys(memory["label"])]
    colours = {node: str(curve_style(i)["color"]) for i, node in enumerate(dict.fromkeys(memory["node"]))}
    total_s, most_bits = max(panel.end_s for panel in panels), float(memory["held_bits"].max())
    unit, bits = time_unit(total_s), _memory_unit(most_bits)
    near_bits = _MAX_LIMIT_RATIO * most_bits
    figure = Figure(figsize=(form.width_in, _PANEL_IN * len(panels) + 0.3), layout="constrained")
    axes = figure.subplots(len(panels), sharex=True, sharey=True, squeeze=False)[:, 0]
    for axis, panel in zip(axes, panels, strict=True):
        plain_axes(axis)
        axis.grid(axis="y", color="#DDDDDD", linewidth=0.4)
        axis.set_ylabel(f"Memory [{bits.symbol}]")
        _draw_lines(axis, panel, colours, unit, bits)
        _draw_limits(axis, panel, near_bits, colours, bits)
        _add_titles(axis, panel, _far_limits(panel, near_bits, bits), 0.85 * 72 * form.width_in)
    shown_bits = [limit for panel in panels for limit in panel.limits.values() if limit <= near_bits]
    axes[0].set_xlim(0, 1.005 * total_s / unit.seconds or 1.0)
    axes[0].set_ylim(0, 1.05 * max(most_bits, *shown_bits, bits.bits * 1e-9) / bits.bits)
    axes[-1].set_xlabel(f"Simulated time [{unit.symbol}]")
    _legend(figure, colours, with_limit=bool(shown_bits))
    return figure


def _panel(label: str, memory: pd.DataFrame, nodes: pd.DataFrame, rounds: pd.DataFrame) -> _Panel:
    changes = memory[memory["label"] == label]
    of_scheme = nodes[(nodes["label"] == label) & nodes["node"].isin(changes["node"].unique())]
    limited = of_scheme.dropna(subset=["memory_limit_bits"])
    limits = dict(zip(limited["node"].astype(str), limited["memory_limit_bits"].astype(float), strict=True))
    ends_s = rounds.loc[rounds["label"] == label, "end_s"].to_numpy(float)
    return _Panel(label, changes, limits, np.sort(ends_s))


def _draw_lines(
    axes: Axes, panel: _Panel, colours: Mapping[str, str], unit: TimeUnit, bits: _MemoryUnit
) -> None:
    steps = {
        str(node): _steps(changes, panel)
        for node, changes in panel.changes.groupby("node", sort=False, observed=True)
    }
    # Two lines coincide if they hold the same amount for a time.
    amounts = [{*most[:-1][np.diff(time_s) > 0]} - {0.0} for time_s, most, _ in steps.values()]
    for position, (node, (time_s, most_bits, least_bits)) in enumerate(steps.items()):
        x, most, least = time_s / unit.seconds, most_bits / bits.bits, least_bits / bits.bits
        if (least < most).any():
            axes.fill_between(x, least, most, step="post", color=colours[node], alpha=0.3, linewidth=0)
        above = sum(bool(amounts[position] & later) for later in amounts[position + 1 :])
        width_pt = _LINE_PT + _RIM_PT * min(above, _MAX_RIMS)
        axes.plot(x, most, color=colours[node], drawstyle="steps-post", linewidth=width_pt, label=node)


def _steps(changes: pd.DataFrame, panel: _Panel) -> tuple[Values, Values, Values]:
    """Return the steps of one node's line: their start times [s], and the maximum and minimum held [bit].

    The last step ends at the end of the run.
    """
    changes = changes.sort_values("time_s", kind="stable")
    time_s, held_bits = changes["time_s"].to_numpy(float), changes["held_bits"].to_numpy(float)
    most_bits = least_bits = held_bits
    if len(time_s) > _MAX_CHANGES or len(panel.round_ends_s) > _MAX_ROUNDS:
        starts_s = _interval_starts_s(panel)
        index = np.maximum(0, np.searchsorted(starts_s, time_s, side="right") - 1)
        # The amount held at the start of an interval counts too.
        before = np.searchsorted(time_s, starts_s, side="right") - 1
        initial_bits = np.where(before >= 0, held_bits[before], 0.0)
        most_bits, least_bits = initial_bits.copy(), initial_bits
        np.maximum.at(most_bits, index, held_bits)
        lasting = np.append(time_s[1:] > time_s[:-1], True)  # the last of several changes at one instant
        np.minimum.at(least_bits, index[lasting], held_bits[lasting])
        time_s = starts_s
    most_bits, least_bits = (np.append(values, values[-1]) for values in (most_bits, least_bits))
    return np.append(time_s, panel.end_s), most_bits, least_bits


def _interval_starts_s(panel: _Panel) -> Values:
    """Return the starts of the intervals of time, [s]: rounds, or about 1000 equal parts of rounds."""
    ends_s = panel.round_ends_s if len(panel.round_ends_s) else np.array([panel.end_s])
    each = 1 if len(ends_s) > _MAX_ROUNDS else max(1, _MAX_CHANGES // len(ends_s))
    starts_s = np.append(0.0, ends_s[:-1])
    parts: Values = (starts_s[:, None] + (ends_s - starts_s)[:, None] * np.arange(each) / each).ravel()
    return parts


def _draw_limits(
    axes: Axes, panel: _Panel, near_bits: float, colours: Mapping[str, str], bits: _MemoryUnit
) -> None:
    """Draw the limits up to ``near_bits``."""
    near = {node: limit for node, limit in panel.limits.items() if limit <= near_bits}
    for limit_bits in dict.fromkeys(near.values()):
        nodes = [node for node, of_node in near.items() if of_node == limit_bits]
        colour = colours[nodes[0]] if len(nodes) == 1 else _SHARED_COLOUR
        axes.axhline(limit_bits / bits.bits, color=colour, **_LIMIT)


def _far_limits(panel: _Panel, near_bits: float, bits: _MemoryUnit) -> str:
    """Return a text with the limits above ``near_bits``, which are not drawn; empty if there are none."""
    far = sorted({limit for limit in panel.limits.values() if limit > near_bits})
    if not far:
        return ""
    amounts = "–".join(dict.fromkeys(bits.text(limit) for limit in (far[0], far[-1])))
    return f"limit, not shown: {amounts} {bits.symbol}"


def _add_titles(axes: Axes, panel: _Panel, limits: str, width_pt: float) -> None:
    """Write the label on the left, and the limits on the right, or below it if they do not fit there."""
    size_pt = title_pt()
    label = wrapped_to(panel.label, width_pt, size_pt)
    if text_width_pt(label.splitlines()[-1], size_pt) + text_width_pt(f"   {limits}", size_pt - 1) > width_pt:
        label += "\n"
    axes.set_title(label, loc="left", pad=2)
    axes.set_title(limits, loc="right", fontsize=size_pt - 1, pad=2)


def _legend(figure: Figure, colours: Mapping[str, str], *, with_limit: bool) -> None:
    handles: list[Artist] = [Line2D([], [], color=colour, linewidth=1.2) for colour in colours.values()]
    names = [node_label(node) for node in colours]
    if with_limit:
        handles.append(Line2D([], [], color=_SHARED_COLOUR, **_LIMIT))
        names.append("Limit")
    legend_below(figure, handles, names)


def _memory_unit(most_bits: float) -> _MemoryUnit:
    """Return the largest of KiB, MiB and GiB in which the number is at least 1."""
    mib, gib = 1024 * _BITS_PER_KIB, 1024**2 * _BITS_PER_KIB
    if most_bits >= gib:
        return _MemoryUnit("GiB", gib)
    return _MemoryUnit("MiB", mib) if most_bits >= mib else _MemoryUnit("KiB", _BITS_PER_KIB)
