"""Tests of the figures of a sweep: lines are means, bands are confidence intervals, no points are mixed."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.text import Text

from cutlayer.analysis.comparison.sweep_report import draw_figures
from cutlayer.analysis.figures.charts.sweep import sweep_figure
from cutlayer.analysis.figures.figure_format import FigureFormat
from cutlayer.analysis.figures.palette import curve_style
from cutlayer.analysis.results.confidence_intervals import FEW_SEEDS_NOTE, Range, centre_and_interval
from cutlayer.analysis.results.sweeps.sweep_folder import SweepResult
from cutlayer.analysis.results.sweeps.sweep_gaps import gap_notes
from cutlayer.analysis.results.sweeps.sweep_statistics import (
    figure_table,
    lines_without_best_value,
    overlapping_keys,
    unknown_names,
)
from cutlayer.analysis.results.sweeps.sweep_tables import point_table
from cutlayer.scenarios.schema.sweep import SweepFigure

COUNTS, RATES, SEEDS = (5, 10, 15), (1e-3, 1e-2), range(8)
LABELS = {"sl": "sl", "psl": "psl", "epsl φ=1": "epsl"}


@pytest.fixture(scope="module")
def result() -> SweepResult:
    """Return a sweep over devices and learning rates with random results."""
    rng = np.random.default_rng(0)
    combinations = [(count, rate, seed) for count in COUNTS for rate in RATES for seed in SEEDS]
    points = point_table(
        [f"{n:016x}" for n in range(len(combinations))],
        [{"devices.count": count, "client_lr": rate} for count, rate, _ in combinations],
        [{"seed": seed} for *_, seed in combinations],
    )
    schemes, rounds = [], []
    for point in points.drop(columns="overrides").to_dict("records"):
        for label, scheme in LABELS.items():
            common = {**point, "label": label, "scheme": scheme}
            schemes.append(
                common
                | {"mean_latency_s": rng.uniform(1, 2) * point["devices.count"]}
                | {"final_accuracy": rng.uniform(0.5, 1), "final_validation_accuracy": rng.uniform(0.5, 1)}
            )
            for number in range(1, 4 + (point["seed"] == 0)):  # one seed has a round more
                accuracy = rng.uniform() if number != 2 else np.nan
                rounds.append(common | {"round": number, "end_s": 2.0 * number, "test_accuracy": accuracy})
    points = points.assign(status="finished", error="")
    return SweepResult(Path("out"), points, pd.DataFrame(schemes), pd.DataFrame(rounds))


def figure(**keys: Any) -> SweepFigure:
    """Return the section of a figure."""
    return SweepFigure.model_validate({"file": "f", "x": "devices.count", "y": "mean_latency_s", **keys})


def lines(axes: Axes) -> list[np.ndarray[Any, Any]]:
    """Return the points of the schemes' lines."""
    return [np.asarray(line.get_xydata(), dtype=float) for line in curves(axes)]


def curves(axes: Axes) -> list[Line2D]:
    """Return the lines of the schemes, without the ends of error bars."""
    return [line for line in axes.lines if line.get_linestyle() != "None"]


def test_a_line_is_the_mean_over_seeds_and_its_bars_the_interval(result: SweepResult) -> None:
    """A line is the mean over seeds and its error bars the confidence intervals, in the panel of its key."""
    wanted = figure(panels="client_lr")
    drawn = sweep_figure(figure_table(result, wanted), wanted)
    assert ["Client lr: 0.001", "Client lr: 0.01"] == [axes.get_title() for axes in drawn.axes]
    for axes, rate in zip(drawn.axes, RATES, strict=True):
        for number, label in enumerate(LABELS):
            schemes = result.schemes
            rows = schemes[(schemes["label"] == label) & (schemes["client_lr"] == rate)]
            groups = [rows.loc[rows["devices.count"] == count, "mean_latency_s"] for count in COUNTS]
            expected = [(count, group.mean()) for count, group in zip(COUNTS, groups, strict=True)]
            np.testing.assert_allclose(expected, lines(axes)[number], rtol=1e-12)
            bounds = [centre_and_interval(group, Range.POSITIVE)[1:] for group in groups]
            bars = axes.collections[number]
            assert isinstance(bars, LineCollection)
            np.testing.assert_allclose(bounds, [bar[:, 1] for bar in bars.get_segments()], rtol=1e-9)


def test_medians_lie_between_order_statistics(result: SweepResult) -> None:
    """With eight seeds the median's 95 % confidence interval reaches from the lowest to the highest value."""
    table = figure_table(result, figure(centre="median", panels="client_lr"))
    group = result.schemes.query("label == 'psl' and client_lr == 0.01")
    values = group.loc[group["devices.count"] == 10, "mean_latency_s"]
    (row,) = table[
        (table["label"] == "psl") & (table["client_lr"] == 0.01) & (table["devices.count"] == 10)
    ].to_dict("records")
    names = ("mean_latency_s", "mean_latency_s_low", "mean_latency_s_high")
    assert [values.median(), values.min(), values.max()] == [row[name] for name in names]


def test_a_ratio_is_paired(result: SweepResult) -> None:
    """The reference has the ratio 1 without spread; another scheme the mean of the ratios at each seed."""
    table = figure_table(result, figure(normalise_to="sl", panels="client_lr"))
    names = ["mean_latency_s", "mean_latency_s_low", "mean_latency_s_high"]
    assert {1.0} == set(table.loc[table["label"] == "sl", names].to_numpy().ravel())
    by_seed = result.schemes.pivot(index=["client_lr", "devices.count", "seed"], columns="label")[
        "mean_latency_s"
    ]
    expected = (by_seed["psl"] / by_seed["sl"]).groupby(level=[0, 1]).mean()
    ratios = table[table["label"] == "psl"].set_index(["client_lr", "devices.count"])["mean_latency_s"]
    pd.testing.assert_series_equal(expected, ratios.sort_index(), check_names=False, rtol=1e-12)


def test_the_best_value_is_chosen_by_its_mean_for_each_line_and_x(result: SweepResult) -> None:
    """Each label and number of devices has the learning rate with the highest mean of the column."""
    best = {"key": "client_lr", "by": "final_validation_accuracy"}
    table = figure_table(result, figure(y="final_accuracy", best_over=best))
    assert len(COUNTS) * len(LABELS) == len(table)
    means = result.schemes.groupby(["label", "devices.count", "client_lr"]).mean(numeric_only=True)
    for row in table.to_dict("records"):
        candidates = means.loc[(row["label"], row["devices.count"])]
        assert candidates["final_validation_accuracy"].idxmax() == row["client_lr"]
        assert candidates.loc[row["client_lr"], "final_accuracy"] == pytest.approx(row["final_accuracy"])


def test_the_best_latency_is_the_lowest(result: SweepResult) -> None:
    """The lowest mean is the best unless the column is an accuracy; a missing column is an error."""
    table = figure_table(result, figure(best_over={"key": "client_lr", "by": "mean_latency_s"}))
    means = result.schemes.groupby(["label", "devices.count", "client_lr"])["mean_latency_s"].mean()
    least = means.groupby(level=[0, 1]).min()
    best = table.set_index(["label", "devices.count"])["mean_latency_s"].sort_index()
    pd.testing.assert_series_equal(least.sort_index(), best, rtol=1e-12)
    with pytest.raises(ValueError, match="best_over: the runs have no beauty"):
        figure_table(result, figure(best_over={"key": "client_lr", "by": "beauty"}))


def diverging(result: SweepResult, rates: tuple[float, ...], *, seeds: int) -> SweepResult:
    """Return the sweep with runs of psl that diverge at these learning rates, at the first seeds."""
    schemes = result.schemes.copy()
    runs = (schemes["label"] == "psl") & schemes["client_lr"].isin(rates) & (schemes["seed"] < seeds)
    columns = ["final_accuracy", "final_validation_accuracy"]
    schemes.loc[schemes["client_lr"].isin(rates) & ~runs, columns] += 1.0  # the other seeds are the best
    schemes.loc[runs, columns] = np.nan
    return replace(result, schemes=schemes.assign(diverged_in_round=np.where(runs, 2.0, np.nan)))


@pytest.mark.parametrize("by", ["final_validation_accuracy", "mean_latency_s"])
def test_a_rate_at_which_a_seed_diverged_is_never_the_best(result: SweepResult, by: str) -> None:
    """One diverged seed of eight excludes the rate, however good its other seeds are."""
    wanted = figure(y="final_accuracy", best_over={"key": "client_lr", "by": by})
    chosen = figure_table(diverging(result, RATES[:1], seeds=1), wanted)
    assert {RATES[1]} == set(chosen.loc[chosen["label"] == "psl", "client_lr"])
    assert len(COUNTS) == (chosen["label"] == "psl").sum()


def test_a_line_that_diverged_at_all_rates_is_left_out_and_named(result: SweepResult) -> None:
    """The other lines stay; if nothing else is drawn, the message says that all runs diverged."""
    wanted = figure(y="final_accuracy", best_over={"key": "client_lr", "by": "final_validation_accuracy"})
    diverged = diverging(result, RATES, seeds=1)
    assert {"sl", "epsl φ=1"} == set(figure_table(diverged, wanted)["label"])
    assert [f"psl, devices.count={count}" for count in COUNTS] == lines_without_best_value(diverged, wanted)
    assert [] == lines_without_best_value(result, wanted)
    alone = replace(diverged, schemes=diverged.schemes[diverged.schemes["label"] == "psl"])
    with pytest.raises(ValueError, match="best_over: runs diverged at every value of client_lr"):
        figure_table(alone, wanted)


def test_a_mean_over_seeds_with_a_diverged_one_has_no_value(result: SweepResult) -> None:
    """The other seeds alone would favour the scheme, so the point has a row that counts its seeds."""
    wanted = figure(y="final_accuracy", panels="client_lr")
    table = figure_table(diverging(result, RATES[:1], seeds=1), wanted)
    missing = table[table["final_accuracy"].isna()]
    assert {("psl", RATES[0])} == set(missing[["label", "client_lr"]].itertuples(index=False, name=None))
    assert {(7, 8, 8)} == set(
        missing[["seeds_with_value", "seeds", "seeds_planned"]].itertuples(index=False, name=None)
    )


def test_the_listing_of_a_sweep_counts_the_diverged_runs(result: SweepResult, tmp_path: Path) -> None:
    """Notes below the table give the number of diverged runs and the lines without a best value."""
    wanted = figure(y="final_accuracy", best_over={"key": "client_lr", "by": "final_validation_accuracy"})
    diverged = replace(diverging(result, RATES, seeds=2), folder=tmp_path)
    for point in diverged.points["point"]:
        (tmp_path / point).mkdir()
        (tmp_path / point / "summary.json").write_text("{}", encoding="utf-8")
    listings, problems = draw_figures(diverged, [wanted])
    assert [] == problems
    notes = [str(note) for listing in listings for note in listing[1:]]
    assert any(note.startswith("12 of 144 runs diverged") for note in notes)
    assert any("runs diverged at every value of client_lr" in note for note in notes)


def test_curves_end_with_the_shortest_seed(result: SweepResult) -> None:
    """A round is a point of a curve if every seed has a value for it; accuracies are in per cent."""
    wanted = figure(kind="curves", x="end_s", y="test_accuracy", lines="client_lr", panels="devices.count")
    drawn = sweep_figure(figure_table(result, wanted), wanted)
    assert len(COUNTS) == len(drawn.axes)
    values = result.rounds.query("label == 'sl' and client_lr == 0.001 and round in (1, 3)")
    means = values[values["devices.count"] == 5].groupby("round")["test_accuracy"].mean()
    np.testing.assert_allclose([[2, 100 * means[1]], [6, 100 * means[3]]], lines(drawn.axes[0])[0])
    assert len(LABELS) * len(RATES) == len(curves(drawn.axes[0]))
    assert ("Simulated time [s]", "Test accuracy [%]") == (
        drawn.axes[0].get_xlabel(), drawn.axes[0].get_ylabel()
    )  # fmt: skip


def test_bars_stand_at_their_labels(result: SweepResult) -> None:
    """With schemes on the x axis each scheme has a group with one bar a value, as high as the mean."""
    wanted = figure(kind="bar", x="label", lines="devices.count", panels="client_lr")
    axes = sweep_figure(figure_table(result, wanted), wanted).axes[1]
    assert list(LABELS) == [text.get_text() for text in axes.get_xticklabels()]
    rows = result.schemes[result.schemes["client_lr"] == RATES[1]]
    means = rows.groupby(["devices.count", "label"])["mean_latency_s"].mean()
    heights = [bar.get_height() for bar in axes.patches]  # type: ignore[attr-defined]
    expected = [means[count, label] for count in COUNTS for label in LABELS]
    np.testing.assert_allclose(expected, heights, rtol=1e-12)


def test_a_scheme_has_its_fixed_colour(result: SweepResult) -> None:
    """The lines have the colours that the palette lists for their schemes."""
    wanted = figure(panels="client_lr")
    axes = sweep_figure(figure_table(result, wanted), wanted).axes[0]
    colours = [curve_style(index)["color"] for index in (0, 2, 3)]  # of sl, psl, epsl
    assert colours == [line.get_color() for line in curves(axes)]


def test_the_style_of_a_scheme_does_not_depend_on_the_schemes_shown(result: SweepResult) -> None:
    """A figure of one scheme, and one of all, give it the same colour and marker."""
    everything, alone = figure(panels="client_lr"), figure(panels="client_lr", schemes=["epsl"])
    schemes = LABELS
    among = sweep_figure(figure_table(result, everything), everything, schemes=schemes).axes[0]
    single = sweep_figure(figure_table(result, alone), alone, schemes=schemes).axes[0]
    (expected, drawn) = curves(among)[2], curves(single)[0]
    assert (expected.get_color(), expected.get_marker()) == (drawn.get_color(), drawn.get_marker())


def without(result: SweepResult, column: str, **values: float) -> SweepResult:
    """Return the sweep without the values of a column where the keys have these values."""
    rows = result.schemes
    matching = pd.concat([rows[key] == value for key, value in values.items()], axis=1).all(axis=1)
    return replace(result, schemes=rows.assign(**{column: rows[column].where(~matching)}))


def targets(result: SweepResult) -> SweepResult:
    """Return the sweep with times to the target, which nobody reached at the first learning rate."""
    schemes = result.schemes.assign(time_to_target_s=result.schemes["mean_latency_s"] * 2)
    return without(replace(result, schemes=schemes), "time_to_target_s", client_lr=RATES[0])


def test_a_panel_without_any_point_at_the_target_says_so(result: SweepResult) -> None:
    """The panel stays, with a text; the table has its rows, and a note lists them with their seeds."""
    wanted = figure(y="time_to_target_s", panels="client_lr")
    table = figure_table(targets(result), wanted)
    drawn = sweep_figure(table, wanted, target=0.75)
    assert ["Client lr: 0.001", "Client lr: 0.01"] == [axes.get_title() for axes in drawn.axes]
    assert ["No point reached 75 %"] == [text.get_text() for text in drawn.axes[0].texts]
    assert [] == list(drawn.axes[1].texts)
    missing = table[table["time_to_target_s"].isna()]
    assert len(COUNTS) * len(LABELS) == len(missing)
    (note,) = gap_notes(table, wanted)
    assert note.startswith("not shown, because not every seed reached the target: sl, client_lr=0.001")
    assert "(0 of 8 seeds)" in note and note.endswith("; and 3 more")


def test_a_line_without_any_point_at_the_target_says_so_in_the_legend(result: SweepResult) -> None:
    """The legend keeps the line; a single seed that missed the target removes its point alone."""
    schemes = result.schemes.assign(time_to_target_s=result.schemes["mean_latency_s"] * 2)
    rows = schemes["label"] == "psl"
    once = (schemes["label"] == "sl") & (schemes["devices.count"] == 5) & (schemes["seed"] == 3)
    schemes["time_to_target_s"] = schemes["time_to_target_s"].where(~(rows | once))
    partly = replace(result, schemes=schemes)
    wanted = figure(y="time_to_target_s", panels="client_lr")
    table = figure_table(partly, wanted)
    legend = [text.get_text() for text in sweep_figure(table, wanted).legends[0].get_texts()]
    assert "psl (no point reached the target)" in [text.replace("\n", " ") for text in legend]
    assert len(COUNTS) - 1 == len(lines(sweep_figure(table, wanted).axes[0])[0])
    assert "sl, client_lr=0.001, devices.count=5 (7 of 8 seeds)" in gap_notes(table, wanted)[0]


def test_a_seed_that_is_missing_is_named(result: SweepResult) -> None:
    """A point whose seed failed has the mean of the others, and a note; a point without any has a row."""
    gone = (result.points["devices.count"] == 5) & (result.points["seed"] == 2)
    gone |= result.points["devices.count"] == 15
    names = result.points.loc[gone, "point"]
    partly = replace(
        result,
        points=result.points.assign(status=np.where(gone, "failed", "finished")),
        schemes=result.schemes[~result.schemes["point"].isin(names)],
        rounds=result.rounds[~result.rounds["point"].isin(names)],
    )
    wanted = figure(where={"client_lr": RATES[0]}, schemes=["psl"])
    table = figure_table(partly, wanted)
    assert [(7, 7, 8), (8, 8, 8), (0, 0, 8)] == list(
        table[["seeds", "seeds_with_value", "seeds_planned"]].itertuples(index=False, name=None)
    )
    assert [False, False, True] == table["mean_latency_s"].isna().tolist()
    (note,) = gap_notes(table, wanted)
    expected = "psl, devices.count=5 (7 of 8 seeds); psl, devices.count=15 (0 of 8 seeds)"
    assert f"seeds are missing, pending or failed: {expected}" == note


def test_fewer_than_five_seeds_are_said(result: SweepResult, tmp_path: Path) -> None:
    """The table of the screen has a note if its intervals rest on fewer than five seeds."""
    few = replace(
        result,
        folder=tmp_path,
        points=result.points[result.points["seed"] < 3].assign(status="running"),
        schemes=result.schemes[result.schemes["seed"] < 3],
        rounds=result.rounds[result.rounds["seed"] < 3],
    )
    ((_, *notes),), problems = draw_figures(few, [figure(panels="client_lr")])
    assert [] == problems
    assert FEW_SEEDS_NOTE in notes
    assert [] == [note for note in notes if "missing" in note]


def test_where_and_schemes_choose_points(result: SweepResult) -> None:
    """Only the rows of the chosen values and schemes are in the table; unknown ones are refused."""
    chosen = figure(where={"client_lr": RATES[1], "devices.count": [5, 15]}, schemes=["epsl", "sl"])
    table = figure_table(result, chosen)
    assert {5, 15} == set(table["devices.count"])
    assert {"sl", "epsl φ=1"} == set(table["label"])
    whole = figure_table(result, figure(panels="client_lr")).query("client_lr == 0.01 and label == 'sl'")
    values = whole.set_index("devices.count")["mean_latency_s"]
    for row in table[table["label"] == "sl"].to_dict("records"):
        assert values[row["devices.count"]] == row["mean_latency_s"]
    with pytest.raises(ValueError, match=r"no point has devices.count=7; values: 5, 10, 15"):
        figure_table(result, figure(where={"devices.count": 7}))
    with pytest.raises(ValueError, match=r"where\.devices\.count: lists no value"):
        figure_table(result, figure(where={"devices.count": []}))
    with pytest.raises(ValueError, match="no scheme is named or labelled fl; labels: sl, psl, epsl φ=1"):
        figure_table(result, figure(schemes=["fl"]))
    assert [] == overlapping_keys(result.points, figure(where={"client_lr": RATES[0]}))
    assert [(("where", "client_lr"), "no point has client_lr=7; values: 0.001, 0.01")] == unknown_names(
        figure(where={"client_lr": 7}), result.schemes, result.rounds
    )


def test_more_than_eight_lines_become_small_multiples(result: SweepResult) -> None:
    """There is a panel for each line, with the others in grey, or for each scheme with its own lines."""
    many = pd.concat(
        [
            result.schemes[result.schemes["label"] == "sl"].assign(label=f"s{n}", scheme=f"s{n}")
            for n in range(9)
        ]
    )
    wide = replace(result, schemes=many)
    wanted = figure(where={"client_lr": RATES[0]})
    panels = [axes for axes in sweep_figure(figure_table(wide, wanted), wanted).axes if axes.get_visible()]
    assert [f"s{n}" for n in range(9)] == [axes.get_title() for axes in panels]
    assert {9} == {len(curves(axes)) for axes in panels}
    split = figure(x="seed", lines="devices.count", where={"client_lr": RATES[0]})
    few = replace(result, schemes=result.schemes.assign(n=0))
    drawn = sweep_figure(figure_table(few, split), split)
    assert list(LABELS) == [axes.get_title() for axes in drawn.axes if axes.get_visible()]
    assert {len(COUNTS)} == {len(curves(axes)) for axes in drawn.axes if axes.get_visible()}


def test_labels_of_papers_stand_in_figures(result: SweepResult) -> None:
    """The legend has the recorded form of a label; two labels with one form keep their own."""
    forms = {"sl": "SL", "psl": "PSL", "epsl φ=1": "EPSL (φ = 1)"}
    wanted = figure(panels="client_lr")
    labelled = replace(result, schemes=result.schemes.assign(paper_label=result.schemes["label"].map(forms)))
    texts = sweep_figure(figure_table(labelled, wanted), wanted).legends[0].get_texts()
    assert list(forms.values()) == [text.get_text() for text in texts[:3]]
    same = replace(result, schemes=result.schemes.assign(paper_label="SL"))
    assert set(LABELS) == set(figure_table(same, wanted)["paper_label"])


@pytest.mark.parametrize("width_in", [3.5, 7.16])
def test_no_words_of_a_figure_collide(result: SweepResult, width_in: float) -> None:
    """At the widths of one and of two columns, no words overlap, and none leaves the figure."""
    for wanted in (
        figure(panels="client_lr"),
        figure(kind="bar", x="label", lines="devices.count", panels="client_lr"),
        figure(kind="curves", x="end_s", y="test_accuracy", lines="client_lr", panels="devices.count"),
    ):
        drawn = sweep_figure(figure_table(result, wanted), wanted, form=FigureFormat(width_in=width_in))
        drawn.draw_without_rendering()
        words = [text for text in drawn.findobj(Text) if text.get_text() and text.get_visible()]
        shown = [text for text in words if text.axes is None or text.axes.get_visible()]
        labels = {id(t) for axes in drawn.axes for t in (*hidden_ticks(axes),)}
        extents = [text.get_window_extent() for text in shown if id(text) not in labels]
        assert all(drawn.bbox.padded(1).contains(*point) for e in extents for point in (e.min, e.max))
        assert [] == [pair for pair in combinations(extents, 2) if pair[0].padded(-1).overlaps(pair[1])]
        assert min(float(text.get_fontsize()) for text in shown) >= 7


def hidden_ticks(axes: Axes) -> list[Text]:
    """Return the labels of ticks that are outside of the view, or switched off."""
    hidden = []
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            hidden.append(tick.label2)
            if not (low <= tick.get_loc() <= high and tick.label1.get_visible()):
                hidden.append(tick.label1)
    return hidden


def test_keys_that_a_figure_would_overlay_are_named(result: SweepResult) -> None:
    """The keys in which points differ, and that the figure does not show, are named."""
    assert ["client_lr"] == overlapping_keys(result.points, figure())
    assert ["devices.count"] == overlapping_keys(result.points, figure(x="client_lr"))
    assert [] == overlapping_keys(result.points, figure(panels="client_lr"))
    assert [] == overlapping_keys(result.points, figure(best_over={"key": "client_lr"}))


def test_columns_that_do_not_exist_are_an_error(result: SweepResult) -> None:
    """The message lists the columns or labels that exist."""
    with pytest.raises(ValueError, match=r"no column of numbers is named height; there"):
        figure_table(result, figure(y="height"))
    with pytest.raises(ValueError, match="normalise_to: no label fl; labels: sl, psl, epsl φ=1"):
        figure_table(result, figure(normalise_to="fl"))


def test_ticks_of_a_log_axis_are_plain_and_of_one_size(result: SweepResult) -> None:
    """On a logarithmic axis of less than a decade the ticks are plain numbers of one size."""
    wanted = figure(y_log=True, panels="client_lr")
    drawn = sweep_figure(figure_table(result, wanted), wanted)
    drawn.draw_without_rendering()
    low, high = drawn.axes[0].get_ylim()
    ticks = drawn.axes[0].yaxis.get_major_ticks()
    seen = [tick.label1 for tick in ticks if low <= tick.get_loc() <= high]

    assert ["10", "20", "30"] == [label.get_text() for label in seen]
    assert 1 == len({label.get_fontsize() for label in seen})
    assert not any(tick.label1.get_text() for tick in drawn.axes[0].yaxis.get_minor_ticks())
