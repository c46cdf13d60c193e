"""Learning curves: test accuracy over simulated time and over rounds, one curve a scheme."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from .axis_text import log_ticks
from .palette import curve_indices, curve_style, marked_points
from .style import LABEL_PT, WIDTH_IN, figure_style, legend_below, plain_axes, time_unit

__all__ = ["accuracy_figure"]

_HEIGHT_IN = 2.4  # without the legend
_LOG_RATIO = 20.0  # of the longest to the shortest scheme; above it the time axis is logarithmic
_REACHED: dict[str, Any] = {
    "markersize": 5.5,
    "markeredgecolor": "black",
    "markeredgewidth": 0.7,
    "zorder": 4,
    "linestyle": "none",
}
_TARGET: dict[str, Any] = {"color": "#333333", "linewidth": 0.8, "linestyle": (0, (5, 3))}


@dataclass(frozen=True)
class _Curve:
    """Points of one scheme, one row an evaluated round: round, time_s, accuracy, low, high (fractions).

    ``divergence`` says when the scheme diverged; it is empty if it did not.
    """

    label: str
    points: pd.DataFrame
    divergence: str

    @property
    def legend(self) -> str:
        """Return the curve's text in the legend."""
        return f"{self.label} ({self.divergence})" if self.divergence else self.label


@figure_style()
def accuracy_figure(rounds: pd.DataFrame, *, target: float | None = None) -> Figure:
    """Draw test accuracy over simulated time (left) and over rounds (right), one curve a scheme.

    Rounds without an evaluation are left out. With one seed the shaded band reaches from the lowest to the
    highest accuracy of a client. With several seeds the curve is the mean of accuracy and time over the
    seeds, at each round that all seeds of the scheme evaluated. The band is then the standard error of that
    mean. The time axis is logarithmic if the longest scheme takes more than 20 times as long as the shortest.
    A curve ends with a cross where its scheme diverged, and the legend says in which round. It also lists the
    schemes that diverged before their first accuracy.

    Parameters
    ----------
    rounds : DataFrame
        One row a round: label, scheme, seed, round, end_s [s], test_accuracy, and optionally
        test_accuracy_min and test_accuracy_max (fractions of 1; NaN without an evaluation), and diverged
        (bool).
    target : float, optional
        Accuracy, as a fraction of 1, to draw as a dashed line. A large mark shows where each curve first
        reaches it.

    Raises
    ------
    ValueError
        If the table holds no accuracy.
    """
    several_seeds = rounds["seed"].nunique() > 1
    by_label = {label: rounds[rounds["label"] == label] for label in dict.fromkeys(rounds["label"])}
    curves = [_curve(label, rows, several_seeds) for label, rows in by_label.items()]
    empty = [curve for curve in curves if curve.divergence and curve.points.empty]
    curves = [curve for curve in curves if len(curve.points)]
    if not curves:
        raise ValueError("no round has a test_accuracy: these runs are timelines, without learning")
    schemes = rounds.drop_duplicates("label").set_index("label")["scheme"]
    indices = curve_indices([str(schemes[curve.label]) for curve in curves])
    totals_s = [float(curve.points["time_s"].max()) for curve in curves]
    unit = time_unit(max(totals_s))
    figure = Figure(figsize=(WIDTH_IN, _HEIGHT_IN), layout="constrained")
    over_time, over_rounds = figure.subplots(1, 2, sharey=True)
    for axes, column, scale in ((over_time, "time_s", unit.seconds), (over_rounds, "round", 1.0)):
        plain_axes(axes)
        axes.grid(axis="y", color="#DDDDDD", linewidth=0.4)
        for position, (index, curve) in enumerate(zip(indices, curves, strict=True)):
            marked = marked_points(len(curve.points), position, len(curves))
            _draw_curve(axes, curve, curve_style(index) | {"markevery": marked}, column, scale, target)
        if target is not None:
            axes.axhline(100 * target, zorder=1, **_TARGET)
    if max(totals_s) > _LOG_RATIO * min(totals_s):
        over_time.set_xscale("log")
        log_ticks(over_time.xaxis)
    else:
        over_time.set_xlim(left=0)
    over_rounds.set_xlim(left=0)
    over_rounds.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    over_time.set_xlabel(f"Simulated time ({unit.symbol})", fontsize=LABEL_PT)
    over_rounds.set_xlabel("Round", fontsize=LABEL_PT)
    over_time.set_ylabel("Test accuracy (%)", fontsize=LABEL_PT)
    _legend(figure, curves, indices, several_seeds, target, empty)
    return figure


def _curve(label: str, rows: pd.DataFrame, several_seeds: bool) -> _Curve:
    """Return the points of a scheme's curve, with the ends of its band."""
    divergence, num_seeds = _divergence(rows), rows["seed"].nunique()
    rows = rows.dropna(subset=["test_accuracy"]).sort_values(["round", "seed"])
    names = {"round": "round", "end_s": "time_s", "test_accuracy": "accuracy"}
    if not several_seeds:
        names |= {"test_accuracy_min": "low", "test_accuracy_max": "high"}
        return _Curve(label, rows.reindex(columns=list(names)).rename(columns=names), divergence)
    points = rows.groupby("round", as_index=False).agg(
        time_s=("end_s", "mean"),
        accuracy=("test_accuracy", "mean"),
        error=("test_accuracy", "sem"),
        seeds=("seed", "nunique"),
    )
    points = points[points["seeds"] == num_seeds]
    low, high = points["accuracy"] - points["error"], points["accuracy"] + points["error"]
    return _Curve(label, points.assign(low=low, high=high), divergence)


def _divergence(rows: pd.DataFrame) -> str:
    """Return in which round a scheme diverged, or how many of its seeds did; empty if none did."""
    if "diverged" not in rows or not rows["diverged"].any():
        return ""
    first = rows[rows["diverged"]].groupby("seed")["round"].min()
    if rows["seed"].nunique() == 1:
        return f"diverged in round {first.iloc[0]}"
    return f"diverged with {len(first)} of {rows['seed'].nunique()} seeds"


def _draw_curve(
    axes: Axes,
    curve: _Curve,
    curve_properties: dict[str, Any],
    column: str,
    scale: float,
    target: float | None,
) -> None:
    """Draw the curve over a column of its points, its band, and the mark where it reaches the target."""
    x = curve.points[column].to_numpy() / scale
    accuracy, low, high = (100 * curve.points[name].to_numpy(float) for name in ("accuracy", "low", "high"))
    axes.fill_between(x, low, high, color=curve_properties["color"], alpha=0.18, linewidth=0)
    axes.plot(x, accuracy, **curve_properties)
    if curve.divergence and len(x):
        cross = curve_properties | {"marker": "x", "markersize": 7, "markevery": None, "zorder": 5}
        axes.plot(x[-1:], accuracy[-1:], **cross)
    reached = np.flatnonzero(curve.points["accuracy"] >= target) if target is not None else np.empty(0, int)
    if len(reached):
        mark = {
            **curve_properties,
            **_REACHED,
            "markerfacecolor": curve_properties["color"],
            "markevery": None,
        }
        axes.plot(x[reached[:1]], accuracy[reached[:1]], **mark)


def _legend(
    figure: Figure,
    curves: list[_Curve],
    indices: list[int],
    several_seeds: bool,
    target: float | None,
    empty: list[_Curve],
) -> None:
    handles: list[Artist] = [Line2D([], [], **curve_style(index)) for index in indices]
    handles += [Line2D([], [], linestyle="none") for _ in empty]
    labels = [curve.legend for curve in (*curves, *empty)]
    if target is not None:
        handles.append(Line2D([], [], **_TARGET))
        labels.append(f"Target, {100 * target:g} %")
        if any((curve.points["accuracy"] >= target).any() for curve in curves):
            handles.append(Line2D([], [], marker="o", color="white", **_REACHED))
            labels.append("Target first reached")
    if any(curve.points["low"].notna().any() for curve in curves):
        handles.append(Patch(facecolor="#777777", alpha=0.25))
        labels.append("Standard error over seeds" if several_seeds else "Least to greatest client")
    legend_below(figure, handles, labels)
