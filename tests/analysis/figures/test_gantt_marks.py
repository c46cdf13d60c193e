"""Tests of the marks in Gantt charts: each event of the shown rounds has its mark, and no other has one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from numpy.typing import NDArray

from cutlayer.analysis.figures.gantt import gantt_figure
from cutlayer.analysis.figures.style import save_figure
from tests.analysis.figures.test_gantt import boxes, intervals, legend, parallel, row

COLUMNS = ["label", "seed", "round", "time_s", "end_s", "node", "kind", "value", "detail"]
NO_END = np.nan
TWO_DEVICES = (
    (1, "device-0", "compute", "client_forward", 0.0, 4.0, 0.0),
    (1, "device-1", "compute", "client_forward", 0.0, 3.0, 0.0),
    (1, "device-1", "uplink", "uplink", 3.0, 4.0, 0.0),
    (2, "device-0", "compute", "client_forward", 4.0, 8.0, 0.0),
    (2, "device-1", "compute", "client_forward", 4.0, 6.0, 0.0),
)


def events(*rows: tuple[int, float, float, str, str, str], label: str = "psl") -> pd.DataFrame:
    """Return a table from rows of (round, time_s, end_s, node, kind, detail)."""
    full = [(label, 0, *each[:5], np.nan, each[5]) for each in rows]
    return pd.DataFrame(full, columns=COLUMNS)


def bands(axes: Axes) -> list[tuple[float, float]]:
    """Return start and end of each band, in the unit of the axis."""
    of_bands = [c for c in axes.collections if isinstance(c, PolyCollection) and c.get_zorder() == 1.5]
    extents = [path.get_extents() for collection in of_bands for path in collection.get_paths()]
    return sorted((e.x0, e.x1) for e in extents)


def lines(axes: Axes, zorder: float, style: str | None = None) -> list[NDArray[np.float64]]:
    """Return the ends of each line of this level: cut-off work (4), ends of rounds or deadlines (3)."""
    found = [c for c in axes.collections if isinstance(c, LineCollection) and c.get_zorder() == zorder]
    styles: list[Any] = [c.get_linestyle()[0] for c in found]
    chosen = [c for c, (_, dashes) in zip(found, styles, strict=True) if (dashes is None) == (style is None)]
    return [np.asarray(path.vertices) for c in chosen for path in c.get_paths()]


def test_states_are_bands_of_their_nodes() -> None:
    """A state is a band over the full row of its node, from its start to its end."""
    table = intervals(*TWO_DEVICES)
    found = events((1, 1.0, 4.0, "device-1", "slow", ""), (2, 4.0, 5.0, "device-1", "slow", ""))
    axes = gantt_figure(table, events=found, rounds=(1, 2)).axes[0]

    assert [(1.0, 5.0)] == bands(axes)  # one band, although the state is cut at the end of the round
    (band,) = [c for c in axes.collections if c.get_zorder() == 1.5]
    extent = band.get_paths()[0].get_extents()
    bar = row(axes, "device 1")["client_forward"][0]
    assert extent.y0 < bar[2] < bar[3] < extent.y1


def test_states_of_other_rounds_and_schemes_are_not_drawn() -> None:
    """A chart of round 2 counts from its start, and shows its states alone."""
    table = pd.concat([intervals(*TWO_DEVICES), intervals(*TWO_DEVICES, label="sfl")])
    found = pd.concat(
        [
            events((1, 1.0, 2.0, "device-0", "slow", ""), (2, 5.0, 6.0, "device-0", "offline", "")),
            events((2, 6.0, 7.0, "device-1", "outage", ""), label="sfl"),
        ]
    )
    figure = gantt_figure(table, events=found, rounds=(2, 2))

    assert [[(1.0, 2.0)], [(2.0, 3.0)]] == [bands(axes) for axes in figure.axes]
    assert {"Client forward", "Waiting", "Offline", "Link outage"} == legend(figure)


def test_deadlines_are_dotted_lines() -> None:
    """Each instant at which a round stops waiting is one dotted line."""
    found = events(
        (1, 3.5, NO_END, "server", "deadline", ""),
        (1, 3.5, NO_END, "server", "deadline", ""),
        (2, 7.0, NO_END, "server", "deadline", ""),
    )
    figure = gantt_figure(intervals(*TWO_DEVICES), events=found, rounds=(1, 2))

    assert [3.5, 7.0] == [float(line[0, 0]) for line in lines(figure.axes[0], 3, "dotted")]
    assert "Deadline" in legend(figure)


def test_work_that_was_cut_off_has_an_end_mark() -> None:
    """The activity that ends when its client is left out is marked at its end; a lost message is not."""
    found = events(
        (1, 4.0, NO_END, "device-1", "left out", "late"),
        (1, 4.0, NO_END, "device-0", "left out", "lost"),
        (2, 6.0, NO_END, "device-1", "left out", "offline"),
        (2, 5.0, NO_END, "device-0", "left out", "late"),  # no activity ended then
    )
    axes = gantt_figure(intervals(*TWO_DEVICES), events=found, rounds=(1, 2)).axes[0]
    expected = [(4.0, row(axes, "device 1")["uplink"][0]), (6.0, row(axes, "device 1")["client_forward"][1])]
    marks = lines(axes, 4)

    assert [end_s for end_s, _ in expected] == [float(mark[0, 0]) for mark in marks]
    for mark, (_, bar) in zip(marks, expected, strict=True):
        assert mark[:, 1].min() <= bar[2] < bar[3] <= mark[:, 1].max()


def test_lost_messages_and_retries_are_markers() -> None:
    """Each has a marker in the middle of its device's row."""
    found = events(
        (1, 1.0, NO_END, "device-0", "lost", "uplink"),
        (1, 2.0, NO_END, "device-1", "retry", "uplink"),
        (1, 2.5, NO_END, "device-1", "resent", "uplink"),
    )
    figure = gantt_figure(intervals(*TWO_DEVICES), events=found, rounds=(1, 1))
    axes = figure.axes[0]
    points = {(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in axes.lines}  # type: ignore[index,arg-type]

    names = dict(zip([text.get_text() for text in axes.get_yticklabels()], axes.get_yticks(), strict=True))
    assert {(1.0, names["device 0"]), (2.0, names["device 1"])} == points
    assert {"Lost message", "Sent again"} <= legend(figure)


def test_the_critical_path_is_outlined() -> None:
    """The bars of the given rows of the table have an outline, and a line leads from each to the next."""
    table = intervals(*TWO_DEVICES).set_index(pd.Index([10, 20, 30, 40, 50]))
    figure = gantt_figure(table, rounds=(1, 2), path_rows=[20, 30, 40])
    axes = figure.axes[0]
    (outline,) = [c for c in axes.collections if isinstance(c, PolyCollection) and c.get_zorder() == 4]
    extents = [path.get_extents() for path in outline.get_paths()]

    assert [(0.0, 3.0), (3.0, 4.0), (4.0, 8.0)] == [(e.x0, e.x1) for e in extents]
    assert [3.0, 4.0] == [float(line[0, 0]) for line in lines(axes, 3.5)]
    assert "Critical path" in legend(figure)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".html"])
def test_without_events_the_figure_is_the_same(suffix: str, tmp_path: Path) -> None:
    """An empty table of events changes no byte of the file; one with events changes it."""
    slow = events((1, 0.5, 1.0, "device-1", "slow", ""))
    written = []
    for number, found in enumerate((None, events(), slow)):
        path = tmp_path / f"{number}{suffix}"
        save_figure(gantt_figure(parallel(), events=found), path)
        written.append(path.read_bytes())
    assert written[0] == written[1] != written[2]


def test_bars_stay_in_place_beside_bands() -> None:
    """Bands make bars less high, and change neither their starts nor their ends."""
    found = events((1, 0.5, 1.0, "device-1", "slow", ""))
    plain, banded = (boxes(gantt_figure(parallel(), events=each).axes[0]) for each in (None, found))
    for phase, bars in plain.items():
        np.testing.assert_array_equal(bars[:, :2], banded[phase][:, :2])
    assert (np.diff(banded["uplink"][:, 2:]) < np.diff(plain["uplink"][:, 2:])).all()
    np.testing.assert_array_equal(plain["server_forward"], banded["server_forward"])


def test_thousands_of_short_states_are_few_bands() -> None:
    """States whose gaps no eye could see are drawn as one band."""
    starts_s = np.linspace(0.0, 3.9, 20_000)
    found = events(*((1, start_s, start_s + 1e-4, "device-0", "slow", "") for start_s in starts_s.tolist()))
    axes = gantt_figure(intervals(*TWO_DEVICES), events=found, rounds=(1, 1)).axes[0]

    assert 1 == len(bands(axes))
