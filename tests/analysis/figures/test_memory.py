"""Tests of the memory figure: a line is the memory of a node, no peak is lost, and limits are visible."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from cutlayer.analysis.figures.memory import memory_figure
from cutlayer.analysis.figures.run import draw_figures
from cutlayer.analysis.results.recorded_tables import RecordedTable
from cutlayer.analysis.results.run import Run
from cutlayer.analysis.results.run_folder import save_run
from cutlayer.analysis.results.table_formats import INTERVALS
from cutlayer.scenarios.random_streams import stream

GIB = 8 * 1024.0**3


def changes(
    label: str = "mpsl", nodes: tuple[str, ...] = ("vm-1", "vm-2"), count: int = 20, seed: int = 0
) -> pd.DataFrame:
    """Return a table of nodes that hold 1 to 2 GiB, with changes in the first 100 s."""
    rng = stream(seed, "memory test", count)
    tables = [
        pd.DataFrame(
            {
                "label": label,
                "seed": seed,
                "node": node,
                "time_s": np.sort(rng.uniform(0.0, 100.0, count)),
                "held_bits": GIB * rng.uniform(1.0, 2.0, count),
            }
        )
        for node in nodes
    ]
    return pd.concat(tables, ignore_index=True)


def rounds(memory: pd.DataFrame, count: int = 1, end_s: float = 100.0) -> pd.DataFrame:
    """Return the table of the rounds of every scheme; all rounds have the same length."""
    table = memory[["label", "seed"]].drop_duplicates()
    ends = pd.DataFrame({"round": range(1, count + 1), "end_s": np.linspace(0, end_s, count + 1)[1:]})
    return table.merge(ends, how="cross")


def chart(memory: pd.DataFrame, nodes: pd.DataFrame | None = None, count: int = 1) -> Figure:
    """Return the figure of a run with ``count`` rounds in 100 s."""
    return memory_figure(memory, limited(memory) if nodes is None else nodes, rounds(memory, count))


def limited(memory: pd.DataFrame, **limits_gib: float) -> pd.DataFrame:
    """Return the table of the nodes of every scheme; ``vm_1=3`` limits vm-1 to 3 GiB."""
    table = memory[["label", "seed", "node"]].drop_duplicates()
    limit = table["node"].str.replace("-", "_").map(limits_gib).astype(float)
    return table.assign(memory_limit_bits=limit * GIB)


def lines(axes: Axes) -> dict[str, Line2D]:
    """Return the line of each node."""
    return {str(line.get_label()): line for line in axes.lines if not str(line.get_label()).startswith("_")}


def points(line: Line2D) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the steps of a line: [s], [GiB]."""
    x, y = line.get_data()
    return np.asarray(x, float), np.asarray(y, float)


def limits(axes: Axes) -> set[float]:
    """Return the heights of the dashed lines, [GiB]."""
    dashed = [line for line in axes.lines if str(line.get_label()).startswith("_")]
    return {round(float(np.asarray(line.get_ydata())[0]), 9) for line in dashed}


def test_a_line_steps_where_the_memory_changes() -> None:
    """With few changes, the steps of a line are the rows of the table, up to the end of the last round."""
    table = changes()
    drawn = lines(chart(table).axes[0])

    assert ["vm-1", "vm-2"] == list(drawn)
    for node, part in table.groupby("node"):
        time_s, held_gib = points(drawn[str(node)])
        np.testing.assert_allclose([*part["time_s"], 100.0], time_s)
        np.testing.assert_allclose([*part["held_bits"] / GIB, part["held_bits"].iloc[-1] / GIB], held_gib)
        assert "steps-post" == drawn[str(node)].get_drawstyle()


def test_no_peak_of_many_changes_is_lost() -> None:
    """With 10⁵ changes, a line has 1000 steps, each at the maximum held during the step."""
    table = changes(nodes=("vm-1",), count=100_000)
    time_s, held_gib = points(lines(chart(table).axes[0])["vm-1"])
    of_step = np.searchsorted(time_s[:-1], table["time_s"], side="right") - 1
    most = (table["held_bits"] / GIB).groupby(of_step).max()

    assert 1000 == len(time_s) - 1
    assert np.all(held_gib[:-1] >= most - 1e-12)
    # The amount held at the start of a step was reached in an earlier step.
    initial = (table["held_bits"] / GIB).groupby(of_step).last().shift(1, fill_value=0.0)
    np.testing.assert_allclose(np.maximum(most, initial), held_gib[:-1])


def test_memory_without_changes_stays_constant() -> None:
    """Steps without a change have the amount held before them."""
    table = changes(nodes=("vm-1",), count=5000)
    table = table[(table["time_s"] < 30) | (table["time_s"] > 60)]
    before = float(table.loc[table["time_s"] < 30, "held_bits"].iloc[-1]) / GIB
    time_s, held_gib = points(lines(chart(table).axes[0])["vm-1"])

    assert {before} == set(held_gib[(time_s > 30.1) & (time_s < 59.8)])


def shade(axes: Axes) -> NDArray[np.float64]:
    """Return the corners of the shade below a line, ``[num_corners, 2]``: [s], [GiB]."""
    return np.asarray(axes.collections[0].get_paths()[0].vertices, float)


def test_the_shade_reaches_down_to_the_minimum() -> None:
    """If a line stands for many changes, the shade below it reaches down to the minimum held."""
    table = changes(nodes=("vm-1",), count=100_000)
    corners = shade(chart(table).axes[0])
    loaded = corners[corners[:, 0] > 0.2]  # nothing is held before the first change

    assert pytest.approx(table["held_bits"].min() / GIB) == loaded[:, 1].min()
    assert [] == list(chart(changes()).axes[0].collections)


def test_equal_rounds_look_equal() -> None:
    """With many rounds each is one interval of time, so that equal rounds give a flat line."""
    times_s = [(number + share) / 2 for number in range(200) for share in (0.3, 0.4)]
    table = changes(nodes=("vm-1",), count=400).assign(time_s=times_s, held_bits=[2 * GIB, GIB] * 200)
    axes = chart(table, count=200).axes[0]
    time_s, held_gib = points(lines(axes)["vm-1"])

    np.testing.assert_allclose(np.append(np.arange(200) / 2, 100.0), time_s)
    assert {2.0} == set(held_gib)
    assert {1.0, 2.0} == set(shade(axes)[:, 1][shade(axes)[:, 0] > 0.6])


def test_an_amount_that_lasts_no_time_is_not_the_minimum() -> None:
    """Of several changes at one instant only the last counts for the minimum, and each for the maximum."""
    table = changes(nodes=("vm-1",), count=4).assign(
        time_s=[0.0, 0.0, 50.0, 50.0], held_bits=[GIB, 3 * GIB, 5 * GIB, 2 * GIB]
    )
    axes = chart(table, count=101).axes[0]

    assert pytest.approx(2.0) == shade(axes)[:, 1].min()
    assert pytest.approx(5.0) == points(lines(axes)["vm-1"])[1].max()


def test_lines_that_coincide_are_all_visible() -> None:
    """Of lines that coincide, each is wider than those on top of it; all other lines have one width."""
    table = changes()
    alike = pd.concat([table[table["node"] == "vm-1"].assign(node=node) for node in ("vm-1", "vm-2", "vm-3")])
    widths_pt = [line.get_linewidth() for line in lines(chart(alike).axes[0]).values()]

    assert widths_pt == sorted(set(widths_pt), reverse=True)
    assert 1 == len({line.get_linewidth() for line in lines(chart(table).axes[0]).values()})


def test_a_limit_is_a_dashed_line() -> None:
    """A limit is one dashed line, in the colour of its node unless several nodes have it."""
    table = changes(nodes=("vm-1", "vm-2", "vm-3"))
    axes = chart(table, limited(table, vm_1=3.0)).axes[0]

    assert {3.0} == limits(axes)
    dashed = next(line for line in axes.lines if line.get_label() not in lines(axes))
    assert lines(axes)["vm-1"].get_color() == dashed.get_color()
    assert {3.0} == limits(chart(table, limited(table, vm_1=3.0, vm_2=3.0)).axes[0])
    assert set() == limits(chart(table).axes[0])


def test_a_high_limit_stands_in_the_title() -> None:
    """A limit far above the lines is not drawn; it stands in the title, in the unit of the axis."""
    table = changes()
    axes = chart(table, limited(table, vm_1=3.0, vm_2=20.0)).axes[0]

    assert {3.0} == limits(axes)
    assert "limit, not shown: 20 GiB" == axes.get_title(loc="right")
    assert axes.get_ylim()[1] < 4.0


def test_panels_share_their_axes_and_colours() -> None:
    """Panels stand in the order of the table and have the same axes; a node has one colour in all of them."""
    table = pd.concat([changes("mpsl"), changes("one_hop", ("vm-2", "vm-3"), seed=0)])
    figure = chart(table)
    one, other = figure.axes

    assert ["mpsl", "one_hop"] == [axes.get_title(loc="left") for axes in figure.axes]
    assert (one.get_xlim(), one.get_ylim()) == (other.get_xlim(), other.get_ylim())
    assert lines(one)["vm-2"].get_color() == lines(other)["vm-2"].get_color()
    assert 3 == len({line.get_color() for axes in figure.axes for line in lines(axes).values()})
    assert ["vm 1", "vm 2", "vm 3"] == [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize(("gib", "unit"), [(1.0, "GiB"), (2.0**-10, "MiB"), (2.0**-21, "KiB")])
def test_the_unit_keeps_numbers_short(gib: float, unit: str) -> None:
    """The axis has the largest of KiB, MiB and GiB in which the maximum held is 1 or more, or else KiB."""
    table = changes().assign(held_bits=gib * GIB)

    assert f"Memory [{unit}]" == chart(table).axes[0].get_ylabel()


def test_the_lowest_seed_is_drawn() -> None:
    """The figure of a table with several seeds shows only the lowest seed."""
    both, alone = pd.concat([changes(seed=7), changes(seed=2)]), changes(seed=2)
    expected, actual = (lines(chart(t).axes[0])["vm-1"] for t in (alone, both))

    np.testing.assert_array_equal(points(expected), points(actual))


def test_a_figure_without_nodes_is_an_error() -> None:
    """A table without changes is an error that says that no scheme uses compute nodes."""
    with pytest.raises(ValueError, match="use no compute nodes"):
        chart(changes().iloc[:0], limited(changes()))


@pytest.mark.parametrize("count", [0, 20])
def test_a_run_folder_has_the_figure_if_nodes_held_memory(tmp_path: Path, count: int) -> None:
    """A run folder has memory.png and memory.parquet if a compute node ever held something."""
    memory = changes(count=count)
    nothing = pd.DataFrame()
    run = Run(
        "",
        {"schemes": {}},
        rounds(memory).assign(test_accuracy=np.nan),
        nothing,
        limited(memory),
        nothing,
        memory,
        RecordedTable(INTERVALS),
    )
    save_run(run, tmp_path / "run")
    assert [] == draw_figures(run, tmp_path / "run")

    assert {True: 2, False: 0}[count > 0] == len(list((tmp_path / "run").glob("memory.*")))
