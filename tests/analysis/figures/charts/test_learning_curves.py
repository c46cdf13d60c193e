"""Tests of the accuracy figure: curves are the table, bands the spread, marks the reached target."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from cutlayer.analysis.figures.charts.curves import FEW_POINTS
from cutlayer.analysis.figures.charts.learning_curves import accuracy_figure
from cutlayer.analysis.results.confidence_intervals import Range, centre_and_interval


def rounds(
    accuracy: ArrayLike, *, label: str = "psl", seed: int = 0, round_s: float = 2.0, spread: float = 0.05
) -> pd.DataFrame:
    """Return a table of rounds with these accuracies, clients within ``spread`` of them."""
    values = np.asarray(accuracy, dtype=float)
    numbers = np.arange(1, len(values) + 1)
    return pd.DataFrame(
        {
            "scheme": label,
            "label": label,
            "seed": seed,
            "round": numbers,
            "end_s": round_s * numbers,
            "test_accuracy": values,
            "test_accuracy_min": values - spread,
            "test_accuracy_max": values + spread,
        }
    )


def curves(axes: Axes) -> list[NDArray[np.float64]]:
    """Return the points of the schemes' curves, without the target's line and the marks."""
    lines = [
        line
        for line in axes.lines
        if line.get_markersize() < 5 and line.get_marker() not in ("None", "|", "_")
    ]
    return [np.asarray(line.get_xydata(), dtype=float) for line in lines]


def marks(axes: Axes) -> list[list[float]]:
    """Return the marks where schemes first reach the target, in the order of the schemes."""
    lines = [line for line in axes.lines if line.get_markersize() > 5 and line.get_linestyle() == "None"]
    return [point for line in lines for point in np.asarray(line.get_xydata(), dtype=float).tolist()]


def bands(axes: Axes) -> list[tuple[float, float]]:
    """Return the lowest and the highest value of each band, in per cent."""
    extents = [collection.get_paths()[0].get_extents() for collection in axes.collections]
    return [(extent.y0, extent.y1) for extent in extents]


def many(*values: float) -> list[float]:
    """Return the values, followed by so many equal ones that the figure has bands."""
    return [*values, *[values[-1]] * FEW_POINTS]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_curves_are_the_table() -> None:
    """The accuracy in per cent stands over seconds on the left, and over rounds on the right."""
    accuracy = [0.2, 0.5, 0.7]
    figure = accuracy_figure(pd.concat([rounds(accuracy), rounds(accuracy[:2], label="sl", round_s=9.0)]))
    over_time, over_rounds = figure.axes

    np.testing.assert_allclose([[2, 20], [4, 50], [6, 70]], curves(over_time)[0])
    np.testing.assert_allclose([[9, 20], [18, 50]], curves(over_time)[1])
    np.testing.assert_allclose([[1, 20], [2, 50], [3, 70]], curves(over_rounds)[0])
    assert "Simulated time [s]" == over_time.get_xlabel()
    assert ["psl", "sl", "Least to greatest client"] == legend(figure)


def test_rounds_without_an_evaluation_are_left_out() -> None:
    """A round without accuracy is no point of the curve, which goes on to the next evaluated round."""
    over_time, _ = accuracy_figure(rounds([0.2, np.nan, 0.4])).axes

    np.testing.assert_allclose([[2, 20], [6, 40]], curves(over_time)[0])


def test_the_band_reaches_from_the_lowest_to_the_highest_client() -> None:
    """With one seed the band covers the clients; without their accuracies there is no band."""
    with_clients = accuracy_figure(rounds(many(0.5), spread=0.1))
    without_clients = accuracy_figure(
        rounds([0.5, 0.5]).drop(columns=["test_accuracy_min", "test_accuracy_max"])
    )

    np.testing.assert_allclose([(40, 60)], bands(with_clients.axes[0]), rtol=1e-6)
    assert ["psl"] == legend(without_clients)


def test_several_seeds_give_the_mean_and_its_confidence_interval() -> None:
    """The curve is the mean of time and accuracy over seeds, the band the confidence interval of the mean."""
    values, durations_s = [0.4, 0.6, 0.8], [1.0, 2.0, 6.0]
    table = pd.concat(
        [rounds(many(v), seed=s, round_s=t) for s, (v, t) in enumerate(zip(values, durations_s, strict=True))]
    )
    figure = accuracy_figure(table)
    _, low, high = centre_and_interval(values, Range.FRACTION)

    np.testing.assert_allclose([3.0, 60.0], curves(figure.axes[0])[0][0])
    np.testing.assert_allclose([(100 * low, 100 * high)], bands(figure.axes[0]), rtol=1e-6)
    assert "95 % interval of the mean over seeds" in legend(figure)


def test_few_points_have_error_bars() -> None:
    """With 8 points or fewer, intervals are bars that do not hide each other; with more they are bands."""
    few = accuracy_figure(pd.concat([rounds([0.5] * 8, label=label) for label in ("psl", "sl")]))
    bars = few.axes[0].collections

    assert isinstance(bars[0], LineCollection) and 2 == len(bars)
    few.draw_without_rendering()
    first, second = (bar.get_transform().transform((2.0, 50.0))[0] for bar in bars)
    assert second - first >= 2.0
    np.testing.assert_allclose([45, 55], bars[0].get_segments()[0][:, 1])
    assert isinstance(accuracy_figure(rounds([0.5] * 9)).axes[0].collections[0], PolyCollection)


def test_more_than_eight_curves_become_small_multiples() -> None:
    """Each panel shows one scheme in its own style, and all schemes in grey behind it."""
    labels = [f"scheme {number}" for number in range(9)]
    tables = [rounds(many(0.1 * n, 0.5), label=label) for n, label in enumerate(labels)]
    panels = [axes for axes in accuracy_figure(pd.concat(tables)).axes if axes.get_visible()]

    assert labels == [axes.get_title() for axes in panels]
    styles = {(line.get_color(), line.get_marker()) for axes in panels for line in axes.lines[9:]}
    assert 9 == len(styles)
    for axes in panels:
        assert 9 == sum(line.get_color() == "#C8C8C8" for line in axes.lines)
    assert 2 == len(accuracy_figure(pd.concat(tables[:8])).axes)


def test_a_scheme_keeps_its_style_when_others_are_left_out() -> None:
    """The second curve of EPSL has the same colour and marker, whether the first one is shown or not."""
    table = pd.concat([rounds([0.5, 0.6], label=label).assign(scheme="epsl") for label in ("a", "b")])
    (alone,) = accuracy_figure(table, labels=["b"]).axes[0].lines[:1]
    among = accuracy_figure(table).axes[0].lines

    styles = [(line.get_color(), line.get_marker()) for line in among if line.get_marker() != "_"]
    assert styles[1] == (alone.get_color(), alone.get_marker())
    assert 2 == len(set(styles))


def test_a_mean_is_over_all_seeds() -> None:
    """A round that one seed of a scheme did not reach is no point, because the mean would jump there."""
    table = pd.concat([rounds([0.2, 0.4, 0.9], seed=0), rounds([0.4, 0.6], seed=1)])
    over_rounds = accuracy_figure(table).axes[1]

    np.testing.assert_allclose([[1, 30], [2, 50]], curves(over_rounds)[0])


def test_a_mark_shows_where_the_target_is_first_reached() -> None:
    """The first evaluated round at or above the target is marked, even if the accuracy falls again."""
    table = pd.concat([rounds([0.2, 0.75, 0.6, 0.9]), rounds([0.2, 0.3], label="sl")])
    figure = accuracy_figure(table, target=0.75)

    assert [[4.0, 75.0]] == marks(figure.axes[0])
    assert [[2.0, 75.0]] == marks(figure.axes[1])
    assert ["psl", "sl", "Target, 75 %", "Target first reached", "Least to greatest client"] == legend(figure)


def test_a_target_that_no_scheme_reaches_has_a_line_and_no_mark() -> None:
    """The line of the target is always drawn; a mark is drawn only if a scheme reaches the target."""
    figure = accuracy_figure(rounds([0.2, 0.3]), target=0.9)

    assert [] == marks(figure.axes[0])
    np.testing.assert_array_equal([90.0, 90.0], np.asarray(figure.axes[0].lines[-1].get_ydata()))
    assert "Target first reached" not in legend(figure)


@pytest.mark.parametrize(("ratio", "scale"), [(19.0, "linear"), (21.0, "log")])
def test_times_far_apart_make_the_axis_logarithmic(ratio: float, scale: str) -> None:
    """The time axis is logarithmic above a ratio of 20 between total times; the axis of rounds never is."""
    table = pd.concat([rounds([0.2, 0.3]), rounds([0.2, 0.3], label="sl", round_s=2.0 * ratio)])
    over_time, over_rounds = accuracy_figure(table).axes

    assert scale == over_time.get_xscale()
    assert "linear" == over_rounds.get_xscale()


def test_a_long_run_is_in_hours() -> None:
    """The time axis has a unit that fits its range, and the points are in this unit."""
    over_time, _ = accuracy_figure(rounds([0.2, 0.3], round_s=7200.0)).axes

    assert "Simulated time [h]" == over_time.get_xlabel()
    np.testing.assert_allclose([2.0, 4.0], curves(over_time)[0][:, 0])


def test_schemes_without_learning_have_no_curve() -> None:
    """A scheme without accuracy has no curve; a figure without any curve is an error."""
    timeline = rounds([np.nan, np.nan], label="fl")

    assert "fl" not in legend(accuracy_figure(pd.concat([rounds([0.5]), timeline])))
    with pytest.raises(ValueError, match="no round has a test_accuracy"):
        accuracy_figure(timeline)


def test_a_curve_of_a_diverged_scheme_ends_with_a_cross() -> None:
    """The cross stands at its last accuracy, and the legend says in which round the scheme diverged."""
    diverged = rounds([0.2, 0.3, np.nan], label="sl").assign(diverged=[False, False, True])
    figure = accuracy_figure(pd.concat([rounds([0.2, 0.3, 0.4]).assign(diverged=False), diverged]))
    crosses = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert [[[4.0, 30.0]]] == [np.asarray(line.get_xydata()).round(9).tolist() for line in crosses]
    assert ["psl", "sl (diverged in round 3)"] == legend(figure)[:2]


def test_a_scheme_that_diverged_before_its_first_accuracy_is_in_the_legend() -> None:
    """It has no curve, and its entry says why; over seeds the entry counts those that diverged."""
    never = rounds([np.nan], label="fl").assign(diverged=True)
    assert "fl (diverged in round 1)" in legend(accuracy_figure(pd.concat([rounds([0.5]), never])))
    several = [rounds([0.5, 0.6], seed=0).assign(diverged=False)]
    several.append(rounds([0.5, np.nan], seed=1).assign(diverged=[False, True]))
    assert "psl (diverged with 1 of 2 seeds)" in legend(accuracy_figure(pd.concat(several)))
