"""Learning curves: test accuracy over simulated time and over rounds, one curve a scheme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ...results.confidence_intervals import CONFIDENCE, Range, centre_and_interval
from ..axis_text import log_ticks
from ..figure_format import DEFAULT_FORMAT, FigureFormat
from ..palette import curve_style, label_styles, marked_points
from ..style import TimeUnit, legend_below, plain_axes, styled, time_unit, wrapped_to
from .curves import FEW_POINTS, MAX_CURVES, draw_curve, draw_faint, interval_handle, panels_across

__all__ = ["Abscissa", "accuracy_figure"]

Abscissa: TypeAlias = Literal["time_s", "round"]

_PANEL_IN = 2.3  # height of a panel, without the legend
_LEAST_IN = 3.0  # width of a panel
_SMALL_IN, _SMALL_LEAST_IN = 1.3, 1.65  # height and least width of a small multiple
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

    ``divergence`` says when the scheme diverged; it is empty if it did not. ``style`` is the index of its
    style.
    """

    label: str
    points: pd.DataFrame
    divergence: str
    style: int

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Return the accuracies, as fractions of 1, [num_points]."""
        return self.points["accuracy"].to_numpy(float)

    @property
    def legend(self) -> str:
        """Return the curve's text in the legend."""
        return f"{self.label} ({self.divergence})" if self.divergence else self.label


@dataclass(frozen=True)
class _Axis:
    """The x axis of a panel: a column of the points, and its unit."""

    column: Abscissa
    scale: float
    label: str
    is_log: bool = False

    def limit(self, axes: Axes) -> None:
        """Set the scale, the limits and the ticks of a panel that has its curves."""
        if self.is_log:
            axes.set_xscale("log")
            log_ticks(axes.xaxis)
            return
        axes.set_xlim(left=0)
        if self.column == "round":
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


@styled
def accuracy_figure(
    rounds: pd.DataFrame,
    *,
    target: float | None = None,
    labels: Sequence[str] | None = None,
    over: Sequence[Abscissa] = ("time_s", "round"),
    form: FigureFormat = DEFAULT_FORMAT,
) -> Figure:
    """Draw test accuracy over simulated time and over rounds, one curve a scheme.

    Rounds without an evaluation are left out. With one seed the intervals reach from the lowest to the
    highest accuracy of a client. With several seeds the curve is the mean of accuracy and time over the
    seeds, at each round that all seeds of the scheme evaluated, and the intervals are 95 % confidence
    intervals of the mean. They are bands, or error bars if no curve has more than 8 points. The time axis is
    logarithmic if the longest scheme takes more than 20 times as long as the shortest. A curve ends with a
    cross where its scheme diverged, and the legend says in which round. It also lists the schemes that
    diverged before their first accuracy.

    More than 8 curves become small multiples over the first abscissa: each panel shows one curve, and all
    others in grey.

    Parameters
    ----------
    rounds : DataFrame
        One row a round: label, scheme, seed, round, end_s [s], test_accuracy, and optionally
        test_accuracy_min and test_accuracy_max (fractions of 1; NaN without an evaluation), and diverged
        (bool).
    target : float, optional
        Accuracy, as a fraction of 1, to draw as a dashed line. A large mark shows where each curve first
        reaches it.
    labels : sequence of str, optional
        Labels of the schemes to show; by default all. They do not change the style of a scheme.
    over : sequence of {"time_s", "round"}, optional
        The abscissas, each with a panel.
    form : FigureFormat, optional
        Width of the figure, and its letters.

    Raises
    ------
    ValueError
        If the table holds no accuracy.
    """
    several_seeds = rounds["seed"].nunique() > 1
    schemes = rounds.drop_duplicates("label").set_index("label")["scheme"].astype(str)
    styles = label_styles({str(label): scheme for label, scheme in schemes.items()})
    curves = [
        _curve(str(label), rounds[rounds["label"] == label], several_seeds, styles[label])
        for label in schemes.index
        if labels is None or label in labels
    ]
    empty = [curve for curve in curves if curve.divergence and curve.points.empty]
    curves = [curve for curve in curves if len(curve.points)]
    if not curves:
        raise ValueError("no round has a test_accuracy: these runs are timelines, without learning")
    axis_of = {axis.column: axis for axis in _axes(curves)}
    small = len(curves) > MAX_CURVES
    panels: list[tuple[_Axis, Sequence[_Curve]]] = [(axis_of[column], curves) for column in over]
    if small:
        panels = [(axis_of[over[0]], [curve]) for curve in curves]
    across = panels_across(form.width_in, panels, _SMALL_LEAST_IN if small else _LEAST_IN)
    down = -(-len(panels) // across)
    height_in = (_SMALL_IN if small else _PANEL_IN) * down + 0.1
    figure = Figure(figsize=(form.width_in, height_in), layout="constrained")
    grid = figure.subplots(down, across, sharey=True, sharex=small, squeeze=False)
    few = max(len(curve.points) for curve in curves) <= FEW_POINTS
    for position, axes in enumerate(grid.flat):
        if position >= len(panels):
            axes.set_visible(False)
            continue
        axis, shown = panels[position]
        plain_axes(axes)
        axes.grid(axis="y", color="#DDDDDD", linewidth=0.4)
        for other in curves if small else ():
            draw_faint(axes, other.points[axis.column].to_numpy() / axis.scale, 100 * other.accuracy)
        for number, curve in enumerate(shown):
            marked = marked_points(len(curve.points), number, len(shown))
            properties = curve_style(curve.style) | {"markevery": marked}
            place = (number, len(shown))
            _draw_curve(axes, curve, properties, axis, target, few=few, place=place)
        if position % across == 0:
            axes.set_ylabel("Test accuracy [%]")
        if target is not None:
            axes.axhline(100 * target, zorder=1, **_TARGET)
        axis.limit(axes)
        if small:
            title = wrapped_to(shown[0].legend, 72 * form.width_in / across - 30, form.label_pt)
            axes.set_title(title, fontsize=form.label_pt)
        if not small or position + across >= len(panels):
            axes.set_xlabel(axis.label)
            axes.tick_params(labelbottom=True)
    _legend(figure, curves, empty, small=small, several_seeds=several_seeds, target=target, few=few)
    return figure


def _axes(curves: Sequence[_Curve]) -> tuple[_Axis, _Axis]:
    """Return the axis of simulated time and that of rounds, for all curves."""
    totals_s = [float(curve.points["time_s"].max()) for curve in curves]
    unit: TimeUnit = time_unit(max(totals_s))
    is_log = max(totals_s) > _LOG_RATIO * min(totals_s)
    return (
        _Axis("time_s", unit.seconds, f"Simulated time [{unit.symbol}]", is_log),
        _Axis("round", 1.0, "Round"),
    )


def _curve(label: str, rows: pd.DataFrame, several_seeds: bool, style: int) -> _Curve:
    """Return the points of a scheme's curve, with the ends of its intervals."""
    divergence, num_seeds = _divergence(rows), rows["seed"].nunique()
    rows = rows.dropna(subset=["test_accuracy"]).sort_values(["round", "seed"])
    names = {"round": "round", "end_s": "time_s", "test_accuracy": "accuracy"}
    if not several_seeds:
        names |= {"test_accuracy_min": "low", "test_accuracy_max": "high"}
        return _Curve(label, rows.reindex(columns=list(names)).rename(columns=names), divergence, style)
    points = [
        (number, group["end_s"].mean(), *centre_and_interval(group["test_accuracy"], Range.FRACTION))
        for number, group in rows.groupby("round")
        if group["seed"].nunique() == num_seeds
    ]
    columns = ["round", "time_s", "accuracy", "low", "high"]
    return _Curve(label, pd.DataFrame(points, columns=columns), divergence, style)


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
    properties: dict[str, Any],
    axis: _Axis,
    target: float | None,
    *,
    few: bool,
    place: tuple[int, int],
) -> None:
    """Draw the curve with its intervals, and the mark where it reaches the target."""
    x = curve.points[axis.column].to_numpy(float) / axis.scale
    low, high = (100 * curve.points[name].to_numpy(float) for name in ("low", "high"))
    accuracy = 100 * curve.accuracy
    line = draw_curve(axes, x, accuracy, (low, high), properties, few=few, place=place)
    marks = []
    if curve.divergence and len(x):
        cross = properties | {"marker": "x", "markersize": 7, "markevery": None, "zorder": 5}
        marks += axes.plot(x[-1:], accuracy[-1:], **cross)
    reached = np.flatnonzero(curve.points["accuracy"] >= target) if target is not None else np.empty(0, int)
    if len(reached):
        mark = {**properties, **_REACHED, "markerfacecolor": properties["color"], "markevery": None}
        marks += axes.plot(x[reached[:1]], accuracy[reached[:1]], **mark)
    for mark_line in marks:
        mark_line.set_transform(line.get_transform())


def _legend(
    figure: Figure,
    curves: Sequence[_Curve],
    empty: Sequence[_Curve],
    *,
    small: bool,
    several_seeds: bool,
    target: float | None,
    few: bool,
) -> None:
    """Add the legend. The titles of small multiples name the curves already."""
    named = [] if small else curves
    handles: list[Artist] = [Line2D([], [], **curve_style(curve.style)) for curve in named]
    handles += [Line2D([], [], linestyle="none") for _ in empty]
    labels = [curve.legend for curve in (*named, *empty)]
    if target is not None:
        handles.append(Line2D([], [], **_TARGET))
        labels.append(f"Target, {100 * target:g} %")
        if any((curve.points["accuracy"] >= target).any() for curve in curves):
            handles.append(Line2D([], [], marker="o", color="white", **_REACHED))
            labels.append("Target first reached")
    if any(curve.points["low"].notna().any() for curve in curves):
        handles.append(interval_handle(few=few))
        over_seeds = f"{100 * CONFIDENCE:g} % interval of the mean over seeds"
        labels.append(over_seeds if several_seeds else "Least to greatest client")
    legend_below(figure, handles, labels)
