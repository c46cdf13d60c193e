"""What compute nodes hold in memory over time, schemes stacked on one time axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from .curve_looks import curve_style
from .style import (
    LABEL_PT,
    TITLE_PT,
    WIDTH_IN,
    legend_below,
    node_label,
    plain_axes,
    time_unit,
    wrapped,
)

__all__ = ["memory_figure"]

_PANEL_IN = 1.5
_PIECES = 1000  # of the time axis, from which on only the most that was held in each is drawn
_LIMIT: dict[str, Any] = {"linestyle": (0, (5, 3)), "linewidth": 0.8}
_SHARED = "#333333"
_FAR = 3.0  # times the most held, from which on a limit would leave the lines no height
_BITS_PER_KIB = 8 * 1024.0


@dataclass(frozen=True)
class _Unit:
    symbol: str
    bits: float

    def text(self, bits: float) -> str:
        """Return an amount with up to three significant digits, without the unit."""
        value = bits / self.bits
        return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def memory_figure(memory: pd.DataFrame, nodes: pd.DataFrame) -> Figure:
    """Draw what each compute node holds over simulated time, one panel a scheme, all on the same axes.

    A node's limit is a dashed line of its colour; one that several nodes share is dark grey. A limit of more
    than 3 times the most that any node held stands in the panel's title instead. Where a node's memory
    changes more often than 1000 times, the line is the most that it held in each thousandth of the time. Of
    several seeds the lowest is drawn.

    Parameters
    ----------
    memory : DataFrame
        One row a change: label, seed, node, time_s, and held_bits after it.
    nodes : DataFrame
        One row a node: label, seed, node, memory_limit_bits (NaN where it has none).

    Raises
    ------
    ValueError
        If no node ever held anything.
    """
    if memory.empty:
        raise ValueError("no changes of memory: these schemes use no compute nodes")
    memory, nodes = (table[table["seed"] == memory["seed"].min()] for table in (memory, nodes))
    panels = {label: memory[memory["label"] == label] for label in dict.fromkeys(memory["label"])}
    looks = {node: str(curve_style(i)["color"]) for i, node in enumerate(dict.fromkeys(memory["node"]))}
    limits = {label: _limits(label, part, nodes) for label, part in panels.items()}
    total_s, most_bits = float(memory["time_s"].max()), float(memory["held_bits"].max())
    unit, bits = time_unit(total_s), _unit(most_bits)
    near_bits = _FAR * most_bits
    tops_bits = [limit for of_scheme in limits.values() for limit in of_scheme.values() if limit <= near_bits]
    figure = Figure(figsize=(WIDTH_IN, _PANEL_IN * len(panels) + 0.3), layout="constrained")
    axes = figure.subplots(len(panels), sharex=True, sharey=True, squeeze=False)[:, 0]
    for axis, (label, part) in zip(axes, panels.items(), strict=True):
        plain_axes(axis)
        axis.grid(axis="y", color="#DDDDDD", linewidth=0.4)
        axis.set_ylabel(f"Memory ({bits.symbol})", fontsize=LABEL_PT)
        axis.set_title(wrapped(label, 60), loc="left", fontsize=TITLE_PT, pad=2)
        for node, changes in part.groupby("node", sort=False, observed=True):
            time_s, held_bits = _line(changes, float(part["time_s"].max()))
            axis.plot(
                time_s / unit.seconds,
                held_bits / bits.bits,
                color=looks[str(node)],
                drawstyle="steps-post",
                linewidth=0.9,
                label=str(node),
            )
        near = {node: limit for node, limit in limits[label].items() if limit <= near_bits}
        _draw_limits(axis, near, looks, bits)
        far = sorted({limit for limit in limits[label].values() if limit > near_bits})
        if far:
            amounts = "–".join(dict.fromkeys(bits.text(limit) for limit in (far[0], far[-1])))
            axis.set_title(
                f"limit, not shown: {amounts} {bits.symbol}", loc="right", fontsize=LABEL_PT, pad=2
            )
    axes[0].set_xlim(0, 1.005 * total_s / unit.seconds or 1.0)
    axes[0].set_ylim(0, 1.05 * max(most_bits, *tops_bits, bits.bits * 1e-9) / bits.bits)
    axes[-1].set_xlabel(f"Simulated time ({unit.symbol})", fontsize=LABEL_PT)
    handles: list[Artist] = [Line2D([], [], color=colour, linewidth=1.2) for colour in looks.values()]
    names = [node_label(node) for node in looks]
    if tops_bits:
        handles.append(Line2D([], [], color=_SHARED, **_LIMIT))
        names.append("Limit")
    legend_below(figure, handles, names)
    return figure


def _limits(label: str, memory: pd.DataFrame, nodes: pd.DataFrame) -> dict[str, float]:
    """Return the limits of the nodes that this scheme uses, [bit]."""
    of_scheme = nodes[(nodes["label"] == label) & nodes["node"].isin(memory["node"].unique())]
    known = of_scheme.dropna(subset=["memory_limit_bits"])
    return dict(zip(known["node"].astype(str), known["memory_limit_bits"].astype(float), strict=True))


def _line(changes: pd.DataFrame, end_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the steps of one node's line up to the scheme's end: from when on, and how much."""
    changes = changes.sort_values("time_s", kind="stable")
    time_s, held_bits = changes["time_s"].to_numpy(float), changes["held_bits"].to_numpy(float)
    last_bits = held_bits[-1]
    if len(time_s) > _PIECES:
        starts_s = np.linspace(0.0, end_s, _PIECES, endpoint=False)
        # what is held as a piece begins counts too
        before = np.searchsorted(time_s, starts_s, side="left") - 1
        carried = np.where(before >= 0, held_bits[before], 0.0)
        piece = np.searchsorted(starts_s, time_s, side="right") - 1
        np.maximum.at(carried, piece, held_bits)
        time_s, held_bits = starts_s, carried
    return np.append(time_s, end_s), np.append(held_bits, last_bits)


def _draw_limits(axes: Axes, limits: dict[str, float], looks: dict[str, str], bits: _Unit) -> None:
    for limit_bits in dict.fromkeys(limits.values()):
        having = [node for node, of_node in limits.items() if of_node == limit_bits]
        colour = looks[having[0]] if len(having) == 1 else _SHARED
        axes.axhline(limit_bits / bits.bits, color=colour, **_LIMIT)


def _unit(most_bits: float) -> _Unit:
    """Return the largest of KiB, MiB and GiB in which the number is at least 1."""
    mib, gib = 1024 * _BITS_PER_KIB, 1024**2 * _BITS_PER_KIB
    if most_bits >= gib:
        return _Unit("GiB", gib)
    return _Unit("MiB", mib) if most_bits >= mib else _Unit("KiB", _BITS_PER_KIB)
